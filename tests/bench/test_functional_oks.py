"""OKS: the worked examples of the evaluation page's definition, and a plain loop."""

import math

import numpy as np
import pytest
import torch

from bench.metrics import functional as F
from data.skeletons import COCO17

SIGMAS = np.array(COCO17.sigmas)
NOSE, ANKLE = 0, 15


def off_by_10_px(joint, visible):
    truth = np.arange(34.0).reshape(1, 17, 2)
    found = truth.copy()
    found[0, joint] += [6.0, 8.0]
    return F.oks(found, truth, visible, np.array([1e4]), SIGMAS)[0, 0]


@pytest.mark.parametrize(("joint", "expected"), [(NOSE, 0.157377), (ANKLE, 0.854013)])
def test_ten_pixels_on_a_person_of_10000_square_pixels(joint, expected):
    alone = (np.arange(17) == joint).astype(int)[None]
    assert off_by_10_px(joint, alone) == pytest.approx(expected, abs=5e-7)
    assert off_by_10_px(joint, np.full((1, 17), 2)) == pytest.approx((16 + expected) / 17, abs=5e-7)


def test_an_exact_copy_has_1_for_any_labelled_joints():
    rng = np.random.default_rng(0)
    truth, visible = rng.uniform(0, 99, (20, 17, 2)), rng.integers(0, 3, (20, 17))
    visible[:, 3] = 1
    assert np.diag(F.oks(truth, truth, visible, np.full(20, 50.0), SIGMAS)) == pytest.approx(np.ones(20))


def test_everybody_is_compared_with_everybody_as_in_a_plain_loop():
    rng = np.random.default_rng(1)
    found, truth = rng.uniform(0, 60, (5, 17, 2)), rng.uniform(0, 60, (4, 17, 2))
    found[rng.random((5, 17)) < 0.2] = np.nan
    visible, area = rng.integers(0, 3, (4, 17)), rng.uniform(1000, 5000, 4)
    expected = np.zeros((5, 4))
    for n in range(5):
        for p in range(4):
            seen = [k for k in range(17) if visible[p, k] > 0]
            far = [math.dist(found[n, k], truth[p, k]) for k in seen]
            near = [math.exp(-(d**2) / (2 * area[p] * (2 * SIGMAS[k]) ** 2)) for d, k in zip(far, seen, strict=True)]
            expected[n, p] = sum(e for e in near if e == e) / len(seen)
    assert F.oks(found, truth, visible, area, SIGMAS) == pytest.approx(expected, abs=1e-12)
    tensors = (torch.from_numpy(part) for part in (found, truth, visible, area, SIGMAS))
    assert F.oks(*tensors).numpy() == pytest.approx(expected, abs=1e-12)


def test_a_person_without_a_labelled_joint_has_0_and_needs_no_area():
    truth = np.full((1, 17, 2), np.nan)
    assert F.oks(np.zeros((2, 17, 2)), truth, np.zeros((1, 17)), np.array([np.nan]), SIGMAS).tolist() == [[0.0], [0.0]]


def test_nobody_found_or_nobody_true_gives_an_empty_table():
    joints = np.zeros((3, 17, 2))
    assert F.oks(joints[:0], joints, np.ones((3, 17)), np.ones(3), SIGMAS).shape == (0, 3)
    assert F.oks(joints, joints[:0], np.ones((0, 17)), np.ones(0), SIGMAS).shape == (3, 0)


@pytest.mark.parametrize("area", [0.0, -1.0, np.nan, np.inf])
def test_an_area_that_would_make_every_similarity_0_is_refused(area):
    joints = np.zeros((2, 17, 2))
    with pytest.raises(ValueError, match="person 1: area"):
        F.oks(joints, joints, np.ones((2, 17)), np.array([9.0, area]), SIGMAS)


def test_joints_that_do_not_fit_are_refused():
    joints = np.zeros((1, 17, 2))
    with pytest.raises(ValueError, match="expected"):
        F.oks(joints[:, :14], joints, np.ones((1, 17)), np.ones(1), SIGMAS)
    with pytest.raises(ValueError, match="expected"):
        F.oks(joints, joints, np.ones((1, 17)), np.ones(1), SIGMAS[:14])
    with pytest.raises(ValueError, match="joint 0 is labelled"):
        F.oks(joints, joints * np.nan, np.ones((1, 17)), np.ones(1), SIGMAS)
    with pytest.raises(ValueError, match="sigmas"):
        F.oks(joints, joints, np.ones((1, 17)), np.ones(1), SIGMAS * 0)
