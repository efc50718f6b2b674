"""What is called by one name and is not the same: each convention by hand, and its id."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.metrics import functional as F
from bench.metrics.conventions import SUFFIXES, Convention, joint_rows
from bench.metrics.protocols import PROTOCOLS, VARIANTS, evaluate, lookup
from data.skeletons import COCO17, LSP14, MPII16
from data.types import Person

R_HIP, L_HIP, R_SHOULDER, L_SHOULDER = 2, 3, 8, 9  # of LSP14


def person(joints, visible=None, head=30.0, space=None):
    joints = np.asarray(joints, np.float64)
    seen = np.full(len(joints), 2) if visible is None else np.asarray(visible)
    return Person(joints, seen.astype(np.int64), np.zeros(4), head_size=head, joints3d=space)


def value(metric, found, people, skeleton=MPII16):
    return evaluate([metric], np.asarray(found), people, skeleton)[metric].value


def off(joint, by, skeleton=MPII16):
    truth = np.arange(2.0 * len(skeleton.joints)).reshape(-1, 2) * 10
    found = truth.copy()
    found[joint] += by
    return found[None], [person(truth)]


def test_an_error_of_half_a_head_is_a_hit_and_strictly_less_is_not():
    found, people = off(0, [9.0, 12.0])  # 15 px of 30
    assert value("pckh@0.5", found, people) == 100.0
    assert value("pckh@0.5/strictly-less", found, people) == pytest.approx(1300 / 14)


def test_an_error_between_010_and_011_of_the_head_tells_the_two_apart():
    found, people = off(0, [3.15, 0.0])
    assert value("pckh@0.11", found, people) == 100.0
    assert value("pckh@0.1", found, people) == pytest.approx(1300 / 14)


def test_all_joints_takes_pelvis_and_thorax_in():
    found, people = off([6, 7], np.nan)
    assert value("pckh@0.5", found, people) == 100.0
    assert value("pckh@0.5/all-joints", found, people) == 100 * 14 / 16


def test_the_plain_mean_weighs_joints_the_same_and_the_weighted_labels():
    found, people = off(0, np.nan)
    once, seen = person(people[0].joints), np.full(16, 2)
    seen[0] = 0
    twice = [once, person(once.joints, seen)]  # joint 0 labelled once, and missed
    both = np.concatenate([found, found])
    assert value("pckh@0.5", both, twice) == pytest.approx(100 * 26 / 27)
    assert value("pckh@0.5/plain-mean", both, twice) == pytest.approx(100 * 13 / 14)
    interval = evaluate(["pckh@0.5/plain-mean"], both, twice, MPII16)["pckh@0.5/plain-mean"].ci95
    assert interval == pytest.approx((100 * 13 / 14, 100.0))  # a resample has the missed joint, or has not


def test_the_official_head_row_takes_the_neck_in_and_the_total_stays():
    found, people = off(8, np.nan)  # upper neck
    plain, official = (evaluate([m], found, people, MPII16)[m] for m in ("pckh@0.5", "pckh@0.5/official-head"))
    assert (plain.per_joint["head"], official.per_joint["head"]) == (100.0, 50.0)
    assert plain.value == official.value
    assert list(official.per_joint)[-1] == "upper body"
    with pytest.raises(ValueError, match="coco17 has no neck"):
        joint_rows(COCO17, Convention(head="official"))


@pytest.mark.parametrize("name", ["pck@0.2", "pdj@0.2", "pck-auc@0.2"])
def test_the_torso_runs_from_left_shoulder_to_right_hip_and_hgt_the_other_way(name):
    truth = np.zeros((14, 2))
    truth[L_SHOULDER], truth[R_SHOULDER] = [0.0, 50.0], [0.0, 25.0]  # diagonals of 50 and 25 px
    found = truth.copy()
    found[0] = [6.0, 0.0]  # 0.12 of one, 0.24 of the other
    hit, miss = (value(metric, found[None], [person(truth)], LSP14) for metric in (name, f"{name}/hgt"))
    assert hit > miss == pytest.approx(1300 / 14)


def test_the_box_of_older_papers_is_the_longer_side_around_the_labelled_joints():
    truth = np.zeros((14, 2))
    truth[5], truth[6], truth[L_SHOULDER] = [100.0, 20.0], [900.0, 0.0], [1.0, 0.0]
    seen = np.full(14, 2)
    seen[6] = 0
    found = truth + np.array([20.0, 0.0])
    assert value("pck@0.2/box", found[None], [person(truth, seen)], LSP14) == 100.0
    assert value("pck@0.2/box", found[None] + 0.01, [person(truth, seen)], LSP14) == 0.0


def test_flic_curves_rise_to_the_shares_of_pdj():
    found, people = off(0, [3.0, 4.0], LSP14)
    truth = people[0].joints[None]
    torso = F.diagonal(truth, np.ones((1, 14)), LSP14.torso)
    curve = F.pdj_curve(found, truth, np.ones((1, 14)), torso)
    assert curve.shape == (51, 14)
    for metric, at in (("pdj@0.05", 5), ("pdj@0.1", 10), ("pdj@0.2", 20)):
        assert value(metric, found, people, LSP14) == pytest.approx(100 * curve[at].mean())


def test_flic_sizes_of_the_hourglass_repository_are_the_other_diagonal_of_968_of_1016_people():
    path = Path(os.environ.get("POSE_DATA", "")) / "flic" / "valid.h5"
    h5py = pytest.importorskip("h5py")
    if not path.is_file():
        pytest.skip("POSE_DATA does not hold flic/valid.h5")
    with h5py.File(path) as file:
        joints, sizes = np.array(file["part"], np.float64), np.array(file["normalize"], np.float64)
    seen = np.ones(joints.shape[:2])
    other, usual = (np.isclose(F.diagonal(joints, seen, ends), sizes.ravel(), rtol=1e-5) for ends in ((3, 6), (0, 7)))
    assert (other.sum(), (other | usual).sum()) == (968, 1016)  # 48 people have the usual diagonal there


def test_in_space_the_middle_of_the_hips_is_the_root_where_there_is_no_pelvis():
    truth = np.random.default_rng(0).normal(0, 300, (17, 3))
    found = truth + np.array([1000.0, 0, 0])
    found[0] += [0, 0, 34.0]
    people = [person(np.zeros((17, 2)), space=truth), person(np.zeros((17, 2)))]  # the second has no place in space
    result = evaluate(["mpjpe", "pck3d@150mm"], np.stack([found, found]), people, COCO17)
    assert result["mpjpe"].value == pytest.approx(2.0)
    assert [(r.unit, r.n, r.left_out) for r in result.values()] == [("mm", 1, 1), ("%", 1, 1)]
    found[3] = np.nan
    assert value("pck3d@150mm", np.stack([found, found]), people, COCO17) == pytest.approx(1600 / 17)
    with pytest.raises(ValueError, match="1 joints were not found"):
        value("mpjpe", np.stack([found, found]), people, COCO17)
    with pytest.raises(ValueError, match="neither a pelvis nor two hips"):
        value("mpjpe", found[None], people[:1], replace(COCO17, joints=tuple("abcdefghijklmnopq")))


CONTRACT = (
    *("pck@0.2", "pck@0.1", "pck-auc@0.2", "pckh@0.5", "pckh@0.1", "pckh@0.11", "pckh@0.5/official-head"),
    *("pcp@0.5/strict", "pcp@0.5/loose", "pdj@0.2", "pdj@0.1", "pdj@0.05", "pck3d@150mm", "auc3d", "mpjpe", "mpii-ap"),
    *("ap", "ap50", "ap75", "apm", "apl", "ar", "ar50", "ar75", "arm", "arl", "ap-easy", "ap-medium", "ap-hard"),
)


def test_every_promised_id_is_listed_with_unit_direction_source_and_version():
    assert set(CONTRACT) <= set(PROTOCOLS)
    for name, protocol in PROTOCOLS.items():
        assert protocol.id == name and protocol.title and protocol.source and protocol.version >= 1
        assert (protocol.unit, protocol.higher_is_better) in (("%", True), ("mm", False))
    assert PROTOCOLS["mpjpe"].unit == "mm"
    assert [PROTOCOLS[metric].kind for metric in ("ap", "auc3d", "pdj@0.1")] == ["people", "body3d", "person"]


def test_a_variant_is_named_by_its_departures_in_one_order():
    order = list(SUFFIXES)
    for name, protocol in VARIANTS.items():
        suffixes = [s for s in name.split("/") if s in order]
        assert suffixes == sorted(set(suffixes), key=order.index)
        assert lookup(name) is protocol
    with pytest.raises(ValueError, match=r"pckh@0\.5/plain-mean"):
        lookup("pckh@0.5/plainmean")
