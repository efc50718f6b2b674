"""RoIAlign by matrix products, beside torchvision's."""

import pytest
import torch
from torchvision.ops import MultiScaleRoIAlign

from methods.roi_align import ProductRoIAlign

NAMES, SIZE = ("0", "1", "2", "3"), (128, 160)


def pyramid(dtype=torch.double):
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(3, 5, 128 >> i, 160 >> i, generator=generator, dtype=dtype, requires_grad=True)
        for i, name in enumerate(NAMES, 2)
    }


def regions(*counts):
    generator = torch.Generator().manual_seed(1)
    found = []
    for count in counts:
        low = torch.rand(count, 2, generator=generator, dtype=torch.double) * 170 - 20
        sides = torch.rand(count, 2, generator=generator, dtype=torch.double).square() * 500
        found.append(torch.cat([low, low + sides], 1))
    return found


@pytest.mark.parametrize("cells", [7, 14])
def test_values_and_gradients_are_torchvisions(cells):
    boxes = [*regions(9, 0, 12)]
    boxes[0][0] = torch.tensor([-300.0, -300, -200, 500])  # outside
    boxes[0][1] = torch.tensor([20.0, 30, 20.1, 30.2])  # less than a place
    boxes[0][2] = torch.tensor([0.0, 0, 112, 112])  # exactly between two levels
    boxes[0][3] = torch.tensor([-100.0, -150, 500, 400])  # of the last level
    here, there = pyramid(), pyramid()
    found = ProductRoIAlign(NAMES, cells, 2)(here, boxes, [SIZE] * 3)
    expected = MultiScaleRoIAlign(NAMES, cells, 2)(there, boxes, [SIZE] * 3)
    torch.testing.assert_close(found, expected)
    weights = torch.randn_like(expected)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    for name in NAMES:
        torch.testing.assert_close(here[name].grad, there[name].grad)


def test_no_regions_are_cut_into_nothing():
    assert ProductRoIAlign(NAMES, 7, 2)(pyramid(), regions(0, 0, 0), [SIZE] * 3).shape == (0, 5, 7, 7)
