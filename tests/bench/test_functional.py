"""Hand-worked cases and a plain loop in float64 for the metric functions."""

import itertools
import math

import numpy as np
import pytest
import torch

from bench.metrics import functional as F
from data.skeletons import LSP14

FOREARM = (("forearm", ((0,), (1,))),)
PEOPLE, JOINTS = 1429, 14  # 20,006 joints


def random_people():
    rng = np.random.default_rng(3)
    truth = rng.uniform(0, 200, (PEOPLE, JOINTS, 2))
    found = truth + rng.normal(0, 12, truth.shape)
    found[rng.random((PEOPLE, JOINTS)) < 0.05] = np.nan
    visible = rng.integers(0, 3, (PEOPLE, JOINTS))
    return found, truth, visible, rng.uniform(30, 120, PEOPLE)


def distance(a, b):
    return math.sqrt((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2)


def loop_pck(found, truth, visible, norm, threshold):
    hits = np.zeros(visible.shape, bool)
    for n in range(len(found)):
        for k in range(visible.shape[1]):
            hits[n, k] = visible[n, k] > 0 and distance(found[n, k], truth[n, k]) <= threshold * norm[n]
    return hits


def middle(joints, ids):
    return [sum(float(joints[i][axis]) for i in ids) / len(ids) for axis in (0, 1)]


def loop_pcp(found, truth, visible, *, strict):
    hits = np.zeros((len(found), len(LSP14.sticks)), bool)
    for n in range(len(found)):
        for s, (_, (a, b)) in enumerate(LSP14.sticks):
            length = distance(middle(truth[n], a), middle(truth[n], b))
            off = [distance(middle(found[n], ids), middle(truth[n], ids)) for ids in (a, b)]
            right = all(e <= 0.5 * length for e in off) if strict else sum(off) / 2 <= 0.5 * length
            hits[n, s] = right and all(visible[n, k] > 0 for k in a + b)
    return hits


@pytest.mark.parametrize("threshold", [0.1, 0.2, 0.5])
def test_pck_agrees_with_a_plain_loop(threshold):
    case = random_people()
    expected = loop_pck(*case, threshold)
    assert 1000 < expected.sum() < 19000
    assert np.array_equal(F.pck(*case, threshold), expected)
    assert np.array_equal(F.pckh(*case, threshold), expected)


@pytest.mark.parametrize("strict", [True, False])
def test_pcp_agrees_with_a_plain_loop(strict):
    found, truth, visible, _ = random_people()
    found, truth, visible = found[:300], truth[:300], visible[:300]
    expected = loop_pcp(found, truth, visible, strict=strict)
    assert expected.sum() > 100
    assert np.array_equal(F.pcp(found, truth, visible, LSP14.sticks, strict=strict), expected)


def test_area_is_the_trapezoid_under_the_mean_curve():
    case = tuple(part[:300] for part in random_people())
    curve = [loop_pck(*case, 0.01 * step).sum() / (case[2] > 0).sum() for step in range(21)]
    area = sum((a + b) / 2 for a, b in itertools.pairwise(curve)) / 20
    assert F.share(F.pck_auc(*case), case[2] > 0) == pytest.approx(area, abs=1e-12)


def test_tensors_give_tensors_of_the_same_hits():
    case = random_people()
    hits = F.pck(*(torch.from_numpy(part) for part in case))
    assert isinstance(hits, torch.Tensor)
    assert hits.dtype == torch.bool
    assert np.array_equal(hits.numpy(), F.pck(*case))


@pytest.mark.parametrize(("norm", "threshold"), [(25, 0.2), (50, 0.1), (500 / 11, 0.11), (10, 0.5), (5 / 0.3, 0.3)])
def test_a_joint_exactly_at_the_threshold_counts(norm, threshold):
    found = np.array([[[103.0, 54.0]]])
    assert F.pck(found, np.array([[[100.0, 50.0]]]), np.ones((1, 1)), np.array([norm]), threshold).all()
    assert not F.pck(found + 1e-6, np.array([[[100.0, 50.0]]]), np.ones((1, 1)), np.array([norm]), threshold).any()


def test_a_head_box_of_30_by_40_gives_a_limit_of_15_px():
    head = np.array([0.6 * math.hypot(30, 40)])  # 30 px
    found = np.array([[[9.0, 12.0], [9.0, 12.01]]])
    assert F.pckh(found, np.zeros((1, 2, 2)), np.ones((1, 2)), head, 0.5).tolist() == [[True, False]]


def test_strict_refuses_and_loose_accepts_ends_off_by_2_and_6_tenths():
    truth = np.array([[[0.0, 0.0], [10.0, 0.0]]])
    found = truth + np.array([[0.0, 2.0], [0.0, 6.0]])
    assert not F.pcp(found, truth, np.ones((1, 2)), FOREARM, strict=True).any()
    assert F.pcp(found, truth, np.ones((1, 2)), FOREARM, strict=False).all()


@pytest.mark.parametrize("strict", [True, False])
def test_a_stick_exactly_at_half_its_length_counts(strict):
    truth = np.array([[[0.0, 0.0], [6.0, 8.0]]])
    assert F.pcp(truth + np.array([3.0, 4.0]), truth, np.ones((1, 2)), FOREARM, strict=strict).all()


def test_what_was_not_found_misses():
    found, truth, seen = np.full((1, 2, 2), np.nan), np.zeros((1, 2, 2)), np.ones((1, 2))
    assert not F.pck(found, truth, seen, np.array([1e9])).any()
    assert not F.pck_auc(found, truth, seen, np.array([1e9])).any()
    half = np.array([[[0.0, 0.0], [np.nan, 0.0]]])
    assert not F.pcp(half, np.array([[[0.0, 0.0], [9.0, 0.0]]]), seen, FOREARM, strict=False).any()


def test_an_unlabelled_joint_is_no_hit_and_its_stick_is_not_counted():
    truth = np.array([[[0.0, 0.0], [np.nan, np.nan]]])
    visible = np.array([[1, 0]])
    assert F.pck(truth, truth, visible, np.array([9.0])).tolist() == [[True, False]]
    assert F.labelled_sticks(visible, FOREARM).tolist() == [[False]]


@pytest.mark.parametrize("norm", [0.0, -1.0, np.nan, np.inf])
def test_a_person_without_a_length_is_named(norm):
    joints = np.zeros((3, 1, 2))
    with pytest.raises(ValueError, match="person 2"):
        F.pck(joints, joints, np.ones((3, 1)), np.array([1.0, 1.0, norm]))


def test_a_labelled_joint_without_a_place_is_named():
    truth = np.array([[[0.0, 0.0]], [[np.nan, 0.0]]])
    with pytest.raises(ValueError, match="person 1: joint 0"):
        F.pck(np.zeros((2, 1, 2)), truth, np.ones((2, 1)), np.ones(2))


def test_shapes_that_differ_and_nothing_to_count_are_refused():
    with pytest.raises(ValueError, match="expected"):
        F.pck(np.zeros((1, 2, 2)), np.zeros((1, 3, 2)), np.ones((1, 3)), np.ones(1))
    with pytest.raises(ValueError, match="one length"):
        F.pck(np.zeros((2, 1, 2)), np.zeros((2, 1, 2)), np.ones((2, 1)), np.ones(1))
    with pytest.raises(ValueError, match="0 sticks"):
        F.labelled_sticks(np.ones((1, 2)), ())
    with pytest.raises(ValueError, match="0 of 2"):
        F.share(np.ones(2), np.zeros(2))
