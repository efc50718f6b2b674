"""Belief maps: targets against hand-worked numbers and plain loops, resampling against Pillow (Keys' -0.5 as well)."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from methods.belief_maps import REACH, cubic, gaussians, resample, with_background


def one(x, y, *, visible=1, sigma=7.0, size=(46, 46), stride=8):
    """The map of one joint of one person."""
    joints, seen = torch.tensor([[[[x, y]]]], dtype=torch.float64), torch.tensor([[[visible]]])
    return gaussians(joints, seen, size, sigma, stride=stride)[0, 0, 0]


def test_a_joint_in_the_middle_of_a_cell_is_exactly_1_there():
    found = one(8 * 5 + 3.5, 8 * 9 + 3.5)
    assert found[9, 5] == 1 == found.max()
    for y, x in ((8, 5), (10, 5), (9, 4), (9, 6)):
        assert found[y, x].item() == pytest.approx(math.exp(-64 / 98), rel=1e-9)  # 0.520


def test_cells_beyond_3_03_sigmas_are_exactly_0():
    found = one(8 * 20 + 3.5, 8 * 20 + 3.5)
    y, x = torch.meshgrid(torch.arange(46), torch.arange(46), indexing="ij")
    distance = 8 * ((x - 20.0) ** 2 + (y - 20.0) ** 2).sqrt() / 7
    assert (found[distance > 3.035] == 0).all()
    assert (found[distance < 3.034] >= 0.01 - 1e-4).all()


def test_targets_are_what_plain_loops_draw():
    rng = np.random.default_rng(0)
    joints, visible = rng.uniform(-20, 90, (2, 3, 4, 2)), rng.integers(0, 3, (2, 3, 4))
    expected = np.zeros((2, 3, 4, 6, 9))
    for (b, p, k, j, i), _ in np.ndenumerate(expected):
        x, y = joints[b, p, k]
        exponent = ((8 * i + 3.5 - x) ** 2 + (8 * j + 3.5 - y) ** 2) / (2 * 10.0**2)
        if visible[b, p, k] and exponent <= 4.6052:
            expected[b, p, k, j, i] = math.exp(-exponent)
    found = gaussians(torch.from_numpy(joints), torch.from_numpy(visible), (6, 9), 10.0, stride=8)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert REACH == 4.6052


def test_an_occluded_joint_has_a_peak_and_an_unlabelled_one_a_map_of_zeros():
    assert one(99.5, 51.5, visible=1).max() == 1
    assert not one(99.5, 51.5, visible=0).any()


def test_a_joint_outside_leaves_at_most_its_flank():
    assert not one(-30.0, 51.5).any()
    assert one(-4.5, 51.5)[6].max().item() == pytest.approx(math.exp(-64 / 98), rel=1e-9)


def test_the_background_is_what_the_highest_part_leaves():
    parts = torch.tensor([[[[0.2, 1.0, 0.0]], [[0.7, 0.1, 0.0]]]])
    found = with_background(parts)
    assert torch.equal(found[:, :2], parts)
    torch.testing.assert_close(found[0, 2], torch.tensor([[0.3, 0.0, 1.0]]))
    assert with_background(torch.full((1, 2, 1, 1), 1.5))[0, 2].item() == 0


def test_weights_halfway_between_cells_are_those_of_keys():
    found = cubic(torch.tensor([2.5], dtype=torch.float64), 6)
    torch.testing.assert_close(found, torch.tensor([[0, -1, 9, 9, -1, 0]]) / 16)


def test_whole_places_take_one_cell_and_places_outside_nothing():
    found = cubic(torch.tensor([0.0, 3.0, -0.51, 3.51], dtype=torch.float64), 4)
    assert torch.equal(found, torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]))


@pytest.mark.parametrize(("cells", "out"), [(46, 368), (12, 96), (526, 368), (96, 30)])
def test_resampling_is_pillows_bicubic_up_and_down(cells, out):
    image = np.random.default_rng(0).random((cells, cells)).astype(np.float32)
    expected = np.asarray(Image.fromarray(image).resize((out, out), Image.Resampling.BICUBIC))
    places = (torch.arange(out, dtype=torch.float64) + 0.5) * cells / out - 0.5
    found = resample(torch.from_numpy(image)[None, None], cubic(places, cells, out / cells))[0, 0]
    np.testing.assert_allclose(found, expected, atol=2e-5)
