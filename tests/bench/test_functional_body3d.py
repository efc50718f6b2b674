"""Errors in space by hand, and what an alignment may and may not do."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from bench.metrics import functional as F

SEEN = np.ones((1, 4))


def pose(*joints):
    return np.array([[[0.0, 0.0, 0.0], *joints]])


def bodies(n, seed=0, k=17):
    return np.random.default_rng(seed).normal(0, 400, (n, k, 3))


def test_exactly_150_mm_is_wrong_wherever_the_root_is():
    truth = pose([1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0])
    found = truth + pose([90.0, 120.0, 0.0], [149.999, 0.0, 0.0], [0.0, 0.0, 150.001])
    for shift in (0.0, 1e4 / 3):
        assert F.pck3d(found + shift, truth, SEEN, root=0).tolist() == [[True, False, True, False]]


def test_area_of_a_constant_error_of_75_mm_is_15_of_31():
    truth = pose(*np.zeros((3, 3)))
    found = truth + pose([75.0, 0.0, 0.0], [0.0, 45.0, 60.0], [50.0, 50.0, 25.0])
    areas = F.auc3d(found, truth, SEEN, root=0)
    assert (100 * areas[0, 1:]).round(2).tolist() == [48.39] * 3
    assert areas[0, 0] == pytest.approx(30 / 31)


def test_the_root_may_be_the_middle_of_two_joints():
    truth = pose([2.0, 0.0, 0.0], [9.0, 9.0, 9.0], [1.0, 1.0, 1.0])
    moved = truth + np.array([500.0, 0.0, -3.0])
    moved[0, 3, 2] += 7
    assert F.mpjpe(moved, truth, SEEN, root=(0, 1)).tolist() == [[0.0, 0.0, 0.0, 7.0]]
    assert F.mpjpe(moved, truth, SEEN, root=[0]).tolist() == [[0.0, 0.0, 0.0, 7.0]]


def test_what_was_not_found_misses_and_has_no_distance():
    truth = bodies(2, k=4)
    found = truth.copy()
    found[0, 2], found[1, 0] = np.nan, np.nan  # of the second person, the root
    seen = np.ones((2, 4))
    seen[0, 3] = 0
    assert F.pck3d(found, truth, seen, root=0).tolist() == [[True, True, False, False], [False] * 4]
    assert F.auc3d(found, truth, seen, root=0)[1].tolist() == [0.0] * 4
    assert np.array_equal(F.mpjpe(found, truth, seen, root=0)[0], [0, 0, np.inf, np.nan], equal_nan=True)
    assert F.pa_mpjpe(found, truth, seen).round(6).tolist()[1] == [np.inf, 0, 0, 0]


def test_alignment_undoes_turns_sizes_and_places_of_each_person():
    truth = bodies(30)
    turns, sizes = Rotation.random(30, random_state=1).as_matrix(), np.linspace(0.2, 5, 30)
    found = sizes[:, None, None] * truth @ turns + bodies(30, seed=2, k=1)
    assert F.mpjpe(found, truth, np.ones((30, 17)), root=0).mean() > 100
    assert F.pa_mpjpe(found, truth, np.ones((30, 17))).max() < 1e-9


def test_alignment_never_mirrors():
    truth = pose([100.0, 0.0, 0.0], [0.0, 150.0, 0.0], [0.0, 0.0, 200.0])
    assert F.pa_mpjpe(truth * [1, 1, -1], truth, SEEN).mean() > 30


def test_no_other_alignment_is_better():
    rng = np.random.default_rng(4)
    truth = bodies(1)
    found = truth + rng.normal(0, 80, truth.shape)
    best = np.square(F.pa_mpjpe(found, truth, np.ones((1, 17)))).sum()
    centred, target = found - found.mean(1), truth - truth.mean(1)
    for degrees, size, shift in zip(
        rng.normal(0, 5, (50, 3)), rng.normal(1, 0.05, 50), rng.normal(0, 5, (50, 3)), strict=True
    ):
        other = size * centred @ Rotation.from_rotvec(degrees, degrees=True).as_matrix() + shift
        assert np.square(other - target).sum() > best


def test_a_person_found_in_one_point_can_be_aligned():
    truth = pose([3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0])
    expected = np.linalg.norm(truth - truth.mean(1), axis=-1)
    assert F.pa_mpjpe(truth * 0, truth, SEEN) == pytest.approx(expected)


def test_tensors_give_tensors():
    truth = bodies(3)
    found, seen = torch.from_numpy(truth + 1), torch.ones(3, 17)
    for result in (F.pck3d(found, truth, seen, 0), F.auc3d(found, truth, seen, 0), F.pa_mpjpe(found, truth, seen)):
        assert isinstance(result, torch.Tensor)


def test_a_person_without_a_root_and_flat_joints_are_refused():
    truth = bodies(2)
    truth[1, 0] = np.nan
    seen = np.isfinite(truth).all(-1)
    with pytest.raises(ValueError, match="person 1: no finite root"):
        F.mpjpe(truth, truth, seen, root=0)
    with pytest.raises(ValueError, match=r"\(N, K, 3\)"):
        F.pck3d(truth[..., :2], truth[..., :2], seen, root=1)
