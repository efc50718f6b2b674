"""Metric ids by hand, and against published numbers where the data is there."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from bench.metrics.protocols import PROTOCOLS, evaluate, lookup
from data.skeletons import COCO17, LSP14, MPII16
from data.types import Person


def person(joints, visible=None, head=30.0, ignore=False):
    joints = np.asarray(joints, np.float64)
    seen = np.full(len(joints), 2) if visible is None else np.asarray(visible)
    return Person(joints, seen.astype(np.int64), np.zeros(4), head_size=head, ignore=ignore)


def test_record_form_and_rows_by_hand():
    truth = np.arange(28.0).reshape(14, 2) * 10
    found = truth.copy()
    found[7] = np.nan  # right elbow
    found[12] += 1000  # neck
    result = evaluate(["pck@0.2"], found[None], [person(truth)], LSP14)["pck@0.2"].to_dict()
    rows = {"head": 50.0, "shoulder": 100.0, "elbow": 50.0, "wrist": 100.0, "hip": 100.0, "knee": 100.0, "ankle": 100.0}
    assert result == {
        "value": pytest.approx(1200 / 14),
        "unit": "%",
        "n": 1,
        "ci95": [pytest.approx(1200 / 14)] * 2,
        "per_joint": rows,
    }


def test_torso_is_left_shoulder_to_right_hip_and_its_limit_counts():
    truth = np.zeros((14, 2))
    truth[9] = [30.0, 40.0]  # torso 50 px, limit 10 px
    found = truth.copy()
    found[0], found[1] = [6.0, 8.0], [6.0, 8.1]
    assert evaluate(["pck@0.2"], found[None], [person(truth)], LSP14)["pck@0.2"].value == pytest.approx(1300 / 14)


def test_person_without_a_torso_is_left_out_and_told():
    truth = np.arange(28.0).reshape(14, 2)
    hidden, flat = np.full(14, 2), truth.copy()
    hidden[2], flat[2] = 0, flat[9]
    people = [person(truth), person(truth, hidden), person(flat)]
    result = evaluate(["pck@0.2"], np.stack([truth, np.zeros((14, 2)), np.zeros((14, 2))]), people, LSP14)["pck@0.2"]
    assert (result.value, result.n, result.left_out) == (100.0, 1, 2)


def test_every_counted_joint_weighs_the_same():
    truth = np.arange(28.0).reshape(14, 2)
    torso_only = np.zeros(14)
    torso_only[[2, 9]] = 1
    found = np.stack([truth, np.full((14, 2), np.nan)])
    result = evaluate(["pck@0.2"], found, [person(truth), person(truth, torso_only)], LSP14)["pck@0.2"]
    assert result.value == pytest.approx(100 * 14 / 16)


def test_pelvis_and_thorax_of_mpii_do_not_count():
    truth = np.arange(32.0).reshape(16, 2)
    found = truth.copy()
    found[[6, 7]] = np.nan
    result = evaluate(["pckh@0.5", "pck@0.1"], found[None], [person(truth)], MPII16)
    assert [r.value for r in result.values()] == [100.0, 100.0]


def test_a_data_set_without_head_sizes_is_refused_and_one_person_is_left_out():
    truth = np.arange(32.0).reshape(16, 2)
    nobody = [person(truth, head=float("nan"))] * 2
    with pytest.raises(ValueError, match="no head sizes"):
        evaluate(["pckh@0.5"], np.stack([truth] * 2), nobody, MPII16)
    some = evaluate(["pckh@0.5"], np.stack([truth] * 2), [nobody[0], person(truth)], MPII16)["pckh@0.5"]
    assert (some.n, some.left_out) == (1, 1)


def test_stick_rows_average_left_and_right_and_skip_unlabelled_sticks():
    truth = np.stack([np.arange(14.0) * 10, np.zeros(14)], 1)
    seen = np.full(14, 2)
    seen[6] = 0  # right wrist: no right forearm
    found = truth.copy()
    found[0] = np.nan  # right ankle: right lower leg wrong
    result = evaluate(["pcp@0.5/strict"], found[None], [person(truth, seen)], LSP14)["pcp@0.5/strict"]
    assert result.value == pytest.approx(100 * 8 / 9)
    assert result.per_joint["lower leg"] == 50.0
    assert result.per_joint["forearm"] == 100.0
    assert list(result.per_joint) == ["torso", "upper leg", "lower leg", "upper arm", "forearm", "head"]


def test_a_row_is_the_mean_of_left_and_right_and_the_value_is_pooled():
    truth = np.arange(28.0).reshape(14, 2)
    found, seen = np.stack([truth] * 3), np.full((3, 14), 2)
    found[0, 7] = np.nan  # one of three right elbows missed
    seen[1:, 10] = 0  # one left elbow labelled
    people = [person(truth, visible) for visible in seen]
    result = evaluate(["pck@0.2"], found, people, LSP14)["pck@0.2"]
    assert result.per_joint["elbow"] == pytest.approx(100 * (2 / 3 + 1) / 2)
    assert result.value == pytest.approx(100 * 39 / 40)


def test_a_row_that_nobody_has_is_absent():
    joints = np.arange(34.0).reshape(17, 2)
    seen = np.r_[np.zeros(5), np.full(12, 2)]
    assert "head" not in evaluate(["pck@0.2"], joints[None], [person(joints, seen)], COCO17)["pck@0.2"].per_joint


def test_unknown_ids_are_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"pckh@0\.5"):
        lookup("pckh@.5")
    assert all(protocol.id == name for name, protocol in PROTOCOLS.items())


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="mpii16"):
        evaluate(["pck@0.2"], np.zeros((1, 14, 2)), [person(np.zeros((16, 2)))], MPII16)


def published(*names):
    root = os.environ.get("POSE_DATA")
    files = [Path(root or "") / name for name in names]
    if not root or not all(file.exists() for file in files):
        pytest.skip(f"POSE_DATA does not hold {' and '.join(names)}")
    return [loadmat(file) for file in files]


def test_public_lsp_predictions_give_their_published_rows():
    names = "parity/lsp_yang16/pred_keypoints_lsp_pc.mat", "lsp/joints.mat"
    found, truth = published(*names)
    people = [person(joints) for joints in truth["joints"][:2, :, 1000:].transpose(2, 1, 0) - 1]
    ids = ["pck@0.2", "pcp@0.5/strict"]
    result = evaluate(ids, found["pred"].transpose(2, 1, 0) - 1, people, LSP14)
    pck = result["pck@0.2"]
    rows = [90.6, 78.1, 73.8, 68.8, 74.8, 69.9, 59.0]  # of 2000 joints each: 78.05 and 69.95 lie between two decimals
    assert list(pck.per_joint.values()) == pytest.approx(rows, abs=0.05 + 1e-9)
    assert [round(result[metric].value, 1) for metric in ids] == [73.6, 74.8]
    assert pck.n == 1000


def test_public_mpii_predictions_give_their_published_rows():
    found, truth = published("parity/mpii_tompson/pred.mat", "mpii/annot/gt_valid.mat")
    joints, boxes = truth["pos_gt_src"].transpose(2, 0, 1) - 1, truth["headboxes_src"]
    heads = 0.6 * np.hypot(*(boxes[1] - boxes[0]))  # MPII evaluation code
    seen = 1 - truth["jnt_missing"].T.astype(int)
    people = [person(j, v, h) for j, v, h in zip(joints, seen, heads, strict=True)]
    ids = ["pckh@0.5", "pckh@0.1", "pckh@0.11", "pckh@0.5/plain-mean", "pckh@0.5/official-head"]
    result = evaluate(ids, found["preds"] - 1, people, MPII16)
    rows = [round(v, 2) for v in result["pckh@0.5"].per_joint.values()]
    assert rows == [95.60, 92.71, 83.36, 76.74, 81.93, 73.36, 65.45]
    assert [round(r.value, 2) for r in result.values()] == [82.34, 28.97, 33.14, 81.46, 82.34]
    official = result["pckh@0.5/official-head"].per_joint
    assert official["head"] == pytest.approx((95.60 + 97.71) / 2, abs=0.005)  # head top and upper neck
    assert [round(official[row], 2) for row in ("shoulder", "elbow", "wrist")] == rows[1:4]
