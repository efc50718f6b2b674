"""`bench track`: the stand-in for a detector, the counting, and what the command says."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from bench import track as command
from bench.__main__ import main
from bench.metrics.mota import FAULTS
from bench.options import build_parser
from bench.track import Settings, detect, track
from data import DATASETS
from data.skeletons import MPII16
from data.synthetic.sequence import draw_sequence
from methods import METHODS
from methods.tracking import iou

NARROW = {"depth": 18, "width": 8, "deconv_filters": 8, "input_size": [32, 32], "pretrained": False}
WORDS = ["--sequences", "2", "--frames", "5"]
SHORT = ["--sequences", "1", "--frames", "3", "--joint-score", "0"]


def settings(*words):
    """What the command line makes of its options."""
    given = vars(build_parser().parse_args(["track", "run", *WORDS, *words]))
    return Settings(**{name: given[name] for name in Settings.__dataclass_fields__})


def write_checkpoint(path, dataset="synthetic"):
    """A network that knows nothing."""
    torch.manual_seed(0)
    method = METHODS["simplebaseline"](DATASETS[dataset].skeleton, **NARROW)
    about = {"method": "simplebaseline", "dataset": dataset, "method_options": NARROW}
    torch.save({"vitruvian": about, "state_dict": method.state_dict()}, path)
    return path


@pytest.fixture
def checkpoint(tmp_path):
    (tmp_path / "runs" / "cell").mkdir(parents=True)
    return write_checkpoint(tmp_path / "runs" / "cell" / "last.ckpt")


@pytest.fixture
def sequences():
    return [draw_sequence(number, MPII16, frames=5) for number in range(2)]


@pytest.fixture
def knowing(monkeypatch, sequences):
    """In the place of the network: whoever is most in the box, to the pixel, and nobody in a box of its own."""
    people = {
        id_: frame.people for sequence in sequences for frame in sequence for id_ in [digest(frame.pixels.load())]
    }

    def estimate(picture, boxes):
        here = people[digest(picture)]
        shared = iou(boxes, np.stack([person.box for person in here]))
        chosen = [here[i] for i in shared.argmax(1)]
        sure = np.stack([person.visible > 0 for person in chosen]) * (shared.max(1) > 0.3)[:, None]
        return np.stack([person.joints for person in chosen]), sure.astype(float)

    monkeypatch.setattr(command, "estimator", lambda method: estimate)


def digest(picture):
    return hash(picture.tobytes())


def test_true_boxes_and_true_poses_are_100(checkpoint, knowing):
    report = track(checkpoint, settings("--boxes", "truth", "--miss", "0", "--no-propagate"))
    rows = report.rows()
    assert set(rows["mota"].values()) == {100.0}
    assert all(set(rows[fault].values()) == {0.0} for fault in FAULTS)


def test_without_propagation_whom_the_detector_misses_is_missed(checkpoint, knowing, sequences):
    chosen = settings("--boxes", "truth", "--miss", "0.4", "--no-propagate")
    hips = [person.visible[2] > 0 for sequence in sequences for frame in sequence for person in frame.people]
    seen = 0
    for sequence in sequences:
        for frame in sequence:
            boxes = detect(frame, chosen)[0].tolist()
            seen += sum(person.visible[2] > 0 for person in frame.people if person.box.tolist() in boxes)
    counts = track(checkpoint, chosen).counts
    assert 0 < seen < sum(hips)
    assert (counts.truths[2], counts.misses[2]) == (sum(hips), sum(hips) - seen)
    assert counts.false_positives.sum() == counts.switches.sum() == 0  # multi-flow knows who was away


def test_propagation_finds_whom_the_detector_misses(checkpoint, knowing):
    without, carried = (
        track(checkpoint, settings("--miss", "0.4", word)) for word in ("--no-propagate", "--propagate")
    )
    assert carried.counts.misses.sum() < 0.5 * without.counts.misses.sum()
    assert carried.rows()["mota"]["total"] > without.rows()["mota"]["total"] + 10


def test_the_stand_in_misses_its_share_and_scores_by_overlap():
    (frame,) = draw_sequence(0, MPII16, frames=1, size=64)
    frames = [replace(frame, image_id=number) for number in range(200)]
    chosen = settings("--miss", "0.3", "--boxes", "jitter:0.1")
    found = [detect(frame, chosen) for frame in frames]
    share = sum(len(boxes) for boxes, _ in found) / sum(len(frame.people) for frame in frames)
    assert share == pytest.approx(0.7, abs=0.1)  # three standard deviations of 200 people
    scores = np.concatenate([scores for _, scores in found])
    assert 0.6 < np.median(scores) < 0.9 and scores.max() < 1
    assert all((detect(frame, chosen)[0] == boxes).all() for frame, (boxes, _) in zip(frames, found, strict=True))
    exact = [detect(frame, settings("--miss", "0", "--boxes", "truth")) for frame in frames]
    for frame, (boxes, scores) in zip(frames, exact, strict=True):
        np.testing.assert_array_equal(boxes, [person.box for person in frame.people])
        np.testing.assert_allclose(scores, 1)


def test_who_is_missed_depends_on_the_seed(sequences):
    frames = [frame for sequence in sequences for frame in sequence]
    found = [[len(detect(f, settings("--miss", "0.5", "--seed", seed))[0]) for f in frames] for seed in ("0", "1")]
    assert found[0] != found[1]


def test_the_command_prints_a_table_and_one_document(checkpoint, capsys, tmp_path):
    words = ["track", str(checkpoint.parent.with_suffix(".json")), *SHORT]
    assert main([*words, "--out", str(tmp_path / "drawn")]) == 0
    shown = capsys.readouterr().out
    assert "MOTA" in shown and "wrist" in shown and "multi-flow" in shown
    sheets = sorted((tmp_path / "drawn").iterdir())
    assert [sheet.name for sheet in sheets] == ["000.jpg"]
    assert cv2.imread(str(sheets[0])).shape == (2 * 386, 2 * 386, 3)
    assert main([*words, "--similarity", "flow", "--no-propagate", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["settings"]["similarity"] == "flow" and document["settings"]["propagate"] is False
    assert list(document["mota"]) == [*dict(MPII16.rows), "total"]
    for row, value in document["mota"].items():
        assert value == pytest.approx(100 - sum(document[fault][row] for fault in FAULTS))


def test_the_pictures_and_the_numbers_are_the_same_each_time(checkpoint):
    first, second = (track(checkpoint, settings(*SHORT)).to_dict() for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--miss", "1"], "--miss 1.0: expected"),
        (["--sequences", "0"], "--sequences 0"),
        (["--frames", "0"], "--frames 0"),
        (["--similarity", "colour"], "--similarity"),
        (["--boxes", "mine.json"], "--boxes mine.json: expected truth"),
        (["--queue", "0"], "queue 0"),
        (["--joint-score", "2"], "joint_score 2.0"),
    ],
)
def test_mistakes_are_answered_in_one_line(words, message, checkpoint, capsys):
    assert main(["track", str(checkpoint), *words]) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_a_run_without_checkpoint_or_with_other_joints_is_refused(tmp_path, capsys):
    assert main(["track", str(tmp_path / "nothing")]) == 2
    assert "not a checkpoint" in capsys.readouterr().err
    assert main(["track", str(write_checkpoint(tmp_path / "flic.ckpt", "flic"))]) == 2
    assert "trained on flic11" in capsys.readouterr().err
