"""Files that others published come out of `score` as printed; they lie under POSE_DATA."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from bench.errors import UserError
from bench.prediction_files import read_found
from bench.predictions import score
from bench.row_order import doubt
from data import DATASETS, Dataset, ReadOptions, flic
from data.skeletons import FLIC11

REAL = Path(os.environ.get("POSE_DATA") or "absent")
YANG, TOMPSON = (
    REAL / "parity" / "lsp_yang16" / "pred_keypoints_lsp_pc.mat",
    REAL / "parity" / "mpii_tompson" / "pred.mat",
)
pytestmark = pytest.mark.skipif(not YANG.is_file(), reason="POSE_DATA names no folder that holds parity/")


def rows(value, names):
    return [round(value.per_joint[name], 2) for name in names.split()]


def test_yang_2016_on_lsp():
    said = []
    values = score("lsp", YANG, say=said.append)
    pck = values["pck@0.2"]
    assert rows(pck, "head shoulder elbow wrist hip knee ankle") == pytest.approx(
        [90.6, 78.1, 73.8, 68.8, 74.8, 69.9, 59.0], abs=0.051
    )
    assert (round(pck.value, 1), round(values["pcp@0.5/strict"].value, 1)) == (73.6, 74.8)
    assert said == [
        f"{YANG.name}: pred (2, 14, 1000) turned to (1000, 14, 2) read as pixels counted from 1, as MATLAB writes them"
    ]


def test_tompson_2015_on_mpii():
    values = score("mpii", TOMPSON, say=lambda line: None)
    pckh = values["pckh@0.5"]
    assert rows(pckh, "head shoulder elbow wrist hip knee ankle") == [95.60, 92.71, 83.36, 76.74, 81.93, 73.36, 65.45]
    assert [round(values[f"pckh@{t}"].value, 2) for t in ("0.5", "0.1", "0.11")] == [82.34, 28.97, 33.14]


@pytest.mark.parametrize("rolled", [1, -1])
def test_a_shift_by_one_row_is_refused_on_both(tmp_path, rolled):
    for dataset, path in (("lsp", YANG), ("mpii", TOMPSON)):
        k = len(DATASETS[dataset].skeleton.joints)
        np.savez(tmp_path / "a.npz", joints=np.roll(read_found(path, k).joints, rolled, axis=0))
        with pytest.raises(UserError, match=rf"row i fits person i\{-rolled:+d}: the rows are shifted"):
            score(dataset, tmp_path / "a.npz")


def test_predictions_of_the_test_are_refused_for_the_training_people():
    with pytest.raises(UserError, match="they fit the people of the split test"):
        score("lsp", YANG, split="train", say=lambda line: None)


def test_any_other_order_is_a_warning():
    found = read_found(TOMPSON, 16).joints
    people = [s.people[0] for s in DATASETS["mpii"].read("val", REAL, ReadOptions())]
    mixed = found[np.random.default_rng(0).permutation(len(found))]
    question = doubt(mixed, people, DATASETS["mpii"].skeleton)
    assert not question.certain and "of some other person" in question.reason


def test_flic_divides_by_the_diagonal_that_the_id_names(tmp_path, monkeypatch):
    """An elbow off by 0.2 of one diagonal of each person: exactly a hit there, and elsewhere a matter of the other."""
    drawn = Dataset(
        name="flic",
        title="FLIC",
        skeleton=FLIC11,
        splits=tuple(flic.SPLITS),
        read=flic.read,
        protocols=("pdj@0.2", "pdj@0.2/hgt"),
        conventions=flic.CONVENTIONS,
    )
    monkeypatch.setitem(DATASETS, "flic", drawn)
    truth = np.stack([s.people[0].joints for s in flic.read("test", REAL, ReadOptions())])
    spans = {"pdj@0.2": np.linalg.norm(truth[:, 0] - truth[:, 7], axis=-1)}  # left shoulder to right hip
    spans["pdj@0.2/hgt"] = np.linalg.norm(truth[:, 3] - truth[:, 6], axis=-1)
    found = truth.copy()
    found[:, 1, 0] += 0.2 * spans["pdj@0.2"]
    np.savez(tmp_path / "a.npz", joints=found)
    values = score("flic", tmp_path / "a.npz", convention="oc")
    longer = np.mean(spans["pdj@0.2/hgt"] >= spans["pdj@0.2"])
    assert values["pdj@0.2"].n == 1016
    assert values["pdj@0.2"].per_joint["elbow"] == 100
    assert values["pdj@0.2/hgt"].per_joint["elbow"] == pytest.approx(50 + 50 * longer, abs=0.2)


def test_coco_prints_the_ten_official_numbers():
    said, folder = [], REAL / "parity" / "coco"
    results = folder / "person_keypoints_val2014_fakekeypoints100_results.json"
    truth = folder / "person_keypoints_val2014_100_reconstructed.json"
    values = score("coco", results, truth=truth, say=said.append)
    printed = (folder / "val2014_fake_eval_res.txt").read_text().split("type=keypoints")[1]
    official = [float(line.split("=")[-1]) for line in printed.splitlines() if "IoU" in line]
    assert [round(value.value / 100, 3) for value in values.values()] == official
    assert all(value.ci95[0] < value.value < value.ci95[1] for value in values.values())
    assert [json.dumps(value.to_dict()) for value in values.values()] and len(official) == 10
