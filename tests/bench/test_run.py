"""One cell from beginning to end, cut short, resumed, repeated."""

import contextlib
import json

import numpy as np
import pytest
import torch
from filelock import FileLock
from pytorch_lightning.loggers import WandbLogger

from bench import predictions, tracker
from bench.config import resolve
from bench.environment import device_name
from bench.errors import UserError
from bench.predict import find_images, load_method, predict
from bench.record import RunRecord
from bench.run import Tracking, run
from tests.bench.conftest import TINY

QUIET = Tracking(mode="disabled")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out, lines = tmp_path_factory.mktemp("results"), []
    cell = resolve("simplebaseline", "small", "synthetic", TINY)
    return cell, out, run(cell, out, QUIET, say=lines.append), lines


def test_a_run_leaves_a_record_and_everything_it_points_to(finished):
    cell, out, path, _ = finished
    record = RunRecord.read(path)
    assert path == out / "runs" / f"{cell.id}.json" and record.id == cell.id
    assert set(record.metrics) >= {"pck@0.2", "pckh@0.5", "pcp@0.5/strict"}
    assert all(metric.n == 8 and metric.unit == "%" for name, metric in record.metrics.items() if "pckh" in name)
    assert record.cost.device == device_name(torch.device("cpu")) and record.cost.train_images_per_second > 0
    assert set(record.config["protocols"]) == set(record.metrics), "each number carries the version of its rules"
    folder = path.parent / cell.id
    assert {"last.ckpt", "people.jpg", "curves.png", "curves.csv"} <= {p.name for p in folder.iterdir()}
    assert (path.parent / record.predictions.path).is_file() and (path.parent / record.checkpoint.path).is_file()
    assert not list(path.parent.rglob("*.part"))


def test_the_stored_predictions_score_as_recorded(finished, monkeypatch):
    """An independent way to the same numbers: from the file, through `score`'s function, on the same people."""
    cell, _, path, _ = finished
    record = RunRecord.read(path)
    found = predictions.read_joints(path.parent / record.predictions.path)
    samples = cell.build_data(cell.build_method()).samples("test")
    skeleton = cell.build_method().skeleton
    scored = predictions.evaluate(list(record.metrics), found, [s.people[0] for s in samples], skeleton)
    for name, metric in record.metrics.items():
        assert scored[name].value == pytest.approx(metric.value, abs=1e-9), name
        assert list(scored[name].ci95) == pytest.approx(list(metric.ci95), abs=1e-9)


def test_the_same_cell_again_says_that_its_record_exists(finished):
    cell, out, path, _ = finished
    before, lines = path.stat().st_mtime_ns, []
    assert run(cell, out, QUIET, say=lines.append) == path
    assert path.stat().st_mtime_ns == before and "exists" in lines[-1]


def test_two_runs_of_one_cell_at_once_are_refused(finished):
    cell, out, path, _ = finished
    with FileLock(path.parent / cell.id / ".lock"), pytest.raises(UserError, match="another process"):
        run(cell, out, QUIET, say=print)


def test_curves_have_a_row_an_epoch(finished):
    _, _, path, lines = finished
    rows = (path.parent / path.stem / "curves.csv").read_text().splitlines()
    assert len(rows) == 1 + 3 and rows[0].startswith("epoch,seconds,lr,step,")
    assert [row.split(",")[3] for row in rows[1:]] == ["1", "3", "5"]  # two batches an epoch
    assert {"train/loss", "val/pck@0.2"} <= set(rows[0].split(","))
    assert len([line for line in lines if line.startswith("epoch")]) == 3


def test_a_killed_run_goes_on_and_gives_the_same_numbers(finished, tmp_path):
    """Stopped after its first epoch, then run again: the predictions equal those of the undisturbed run."""
    cell, _, path, _ = finished

    def stop_after_one(line):
        if line.startswith("epoch   2"):
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        run(cell, tmp_path, QUIET, say=stop_after_one)
    lines = []
    again = run(cell, tmp_path, QUIET, say=lines.append)
    assert any("going on from" in line for line in lines)
    assert [line[:9] for line in lines if line.startswith("epoch")] == ["epoch   2", "epoch   3"]
    one, two = (predictions.read_joints(p.with_suffix(".npz")) for p in (path, again))
    np.testing.assert_array_equal(one, two)


@pytest.mark.slow
@pytest.mark.parametrize("every", [1, 2])  # epochs between validations
def test_a_killed_run_that_goes_on_is_mirrored_line_by_line_as_an_undisturbed_one(every, monkeypatch, tmp_path):
    cell = resolve("simplebaseline", "small", "synthetic", [*TINY[:-1], str(every)])
    logged: list[tuple[int | None, dict[str, float]]] = []
    monkeypatch.setattr(WandbLogger, "log_metrics", lambda _, line, step=None: logged.append((step, dict(line))))

    def lines(out, say):
        logged.clear()
        with contextlib.suppress(RuntimeError):
            run(cell, out, Tracking(mode="offline"), say=say)
        tracker._shut_down()  # as the end of a process does
        return [(step, line) for step, line in logged if step is not None]  # not the pictures

    def stop_in_the_third(line):
        if line.startswith("epoch   3"):
            raise RuntimeError("killed")

    undisturbed = lines(tmp_path / "calm", print)
    assert len(lines(tmp_path / "killed", stop_in_the_third)) < len(undisturbed)
    assert lines(tmp_path / "killed", print) == undisturbed


def test_a_training_that_was_over_is_only_tested_again(finished):
    cell, out, path, _ = finished
    whole = path.read_text()
    path.unlink()  # as if killed between the training and the record
    lines = []
    run(cell, out, QUIET, say=lines.append)
    assert not any(line.startswith("epoch") for line in lines)
    one, two = json.loads(whole), json.loads(path.read_text())
    assert one["metrics"] == two["metrics"] and one["cost"]["train_seconds"] == two["cost"]["train_seconds"]


def test_a_budget_ends_the_training(tmp_path):
    words = [word for pair in zip(TINY[::2], TINY[1::2], strict=True) if "max_epochs" not in pair[0] for word in pair]
    cell = resolve("simplebaseline", "small", "synthetic", words, budget="1s")
    record = RunRecord.read(run(cell, tmp_path, QUIET, say=lambda line: None))
    assert cell.trainer.max_epochs == -1 and record.cost.train_seconds >= 1
    assert record.config["budget_seconds"] == 1


def test_the_floor_needs_no_training(tmp_path):
    words = ["--data.train_limit", "16", "--data.test_limit", "8", "--data.workers", "0"]
    record = RunRecord.read(run(resolve("mean_pose", "small", "synthetic", words), tmp_path, QUIET, say=print))
    assert record.cost.parameters == 0 and record.cost.train_images_per_second is None


def test_a_disk_without_room_is_noticed_before_the_training(cell, tmp_path, monkeypatch):
    monkeypatch.setattr("bench.run.shutil.disk_usage", lambda _: type("Usage", (), {"free": 10 * 2**20}))
    with pytest.raises(UserError, match=r"10 MB free, about \d+ MB needed"):
        run(cell, tmp_path, QUIET, say=print)


def test_a_checkpoint_alone_is_enough_to_predict(finished, tmp_path):
    cell, _, path, _ = finished
    inputs = cell.build_data(cell.build_method()).inputs("val")
    picture = tmp_path / "someone.png"
    from bench import draw

    draw.write_picture(picture, inputs.samples[0].pixels.load())
    results = json.loads(predict(path.parent / cell.id / "last.ckpt", [picture], tmp_path / "out").read_text())
    assert len(results) == 1 and len(results[0]["keypoints"]) == 3 * 16 and results[0]["category_id"] == 1
    xs, ys = results[0]["keypoints"][::3], results[0]["keypoints"][1::3]
    assert min(xs) > -60 and max(xs) < 316 and min(ys) > -60 and max(ys) < 316, "pixels of the 256x256 picture"
    assert (tmp_path / "out" / "00001-someone.jpg").is_file()


def test_a_foreign_checkpoint_and_missing_pictures_are_refused(tmp_path):
    (tmp_path / "junk.ckpt").write_bytes(b"junk")
    with pytest.raises(UserError, match="not a checkpoint"):
        load_method(tmp_path / "junk.ckpt")
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    with pytest.raises(UserError, match="not of this suite"):
        load_method(tmp_path / "other.ckpt")
    with pytest.raises(UserError, match="no such file"):
        find_images([tmp_path / "nothing.jpg"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no picture"):
        find_images([tmp_path / "empty"])
