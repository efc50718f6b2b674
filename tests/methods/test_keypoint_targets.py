"""Keypoints as cells of a box: the fidelity checklist of Mask R-CNN, items 4 to 8."""

import math

import pytest
import torch
from torchvision.models.detection.roi_heads import heatmaps_to_keypoints

from data.skeletons import COCO17
from methods.keypoint_targets import NOWHERE, cross_entropy, decode, encode, paste

BOX = torch.tensor([[10.0, 20.0, 122.0, 132.0]])  # 112 pixels, two a cell


def at(*points):
    return torch.tensor([points])


@pytest.mark.parametrize(
    ("x", "column"),
    [(10.0, 0), (11.99, 0), (12.0, 1), (66.0, 28), (121.99, 55), (122.0, 55), (122.01, None), (9.99, None)],
)
def test_a_joint_belongs_to_the_cell_that_it_lies_in_and_to_none_outside_the_box(x, column):  # item 4
    labels = encode(at((x, 76.0)), torch.ones(1, 1), BOX)
    assert labels.item() == (NOWHERE if column is None else 28 * 56 + column)
    labels = encode(at((66.0, x + 10)), torch.ones(1, 1), BOX)
    assert labels.item() == (NOWHERE if column is None else column * 56 + 28)


def test_occluded_joints_are_learnt_and_unlabelled_ones_are_not():  # item 4
    labels = encode(at((66.0, 76.0), (66.0, 76.0), (66.0, 76.0)), torch.tensor([[0, 1, 2]]), BOX)
    assert labels.tolist() == [[NOWHERE, 28 * 56 + 28, 28 * 56 + 28]]


def test_decoding_a_peak_returns_the_middle_of_its_cell():  # item 5
    logits = torch.full((1, 1, 56, 56), -20.0)
    logits[0, 0, 28, 28] = 20
    joints, _ = decode(logits, BOX)
    assert (joints[0, 0] - torch.tensor([67.0, 77.0])).abs().max() <= 1


def test_decoding_finds_what_was_encoded_to_half_a_cell_in_boxes_of_any_size():
    generator = torch.Generator().manual_seed(0)
    low = 300 * torch.rand(20, 2, generator=generator)
    sides = 20 + 200 * torch.rand(20, 2, generator=generator)
    boxes = torch.cat([low, low + sides], 1)
    joints = low[:, None] + sides[:, None] * (0.03 + 0.94 * torch.rand(20, 17, 2, generator=generator))
    labels = encode(joints, torch.ones(20, 17), boxes)
    logits = torch.zeros(20, 17, 56 * 56).scatter(2, labels[..., None], 30.0).view(20, 17, 56, 56)
    found, _ = decode(logits, boxes)
    off = (found - joints).abs() / (sides / 56).clamp(min=1)[:, None]  # cells, or pixels where these are larger
    assert off.max() <= 1.01


def test_a_flipped_input_is_encoded_as_the_flipped_cells_of_the_other_side():
    width, flip = 200.0, list(COCO17.flip)
    boxes = torch.tensor([[13.0, 20.0, 125.0, 132.0]])
    joints = boxes[:, None, :2] + 112 * torch.rand(1, 17, 2, generator=torch.Generator().manual_seed(1))
    mirrored = torch.stack([width - joints[..., 0], joints[..., 1]], -1)[:, flip]
    there = encode(mirrored, torch.ones(1, 17), torch.tensor([[width - 125, 20.0, width - 13, 132.0]]))
    here = encode(joints, torch.ones(1, 17), boxes)[:, flip]
    assert torch.equal(there // 56, here // 56) and torch.equal(there % 56, 55 - here % 56)


def test_decoding_agrees_with_torchvision():
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(6, 17, 56, 56, generator=generator)
    low = 100 * torch.rand(6, 2, generator=generator)
    sides = torch.tensor([[0.4, 30.0], [12.3, 45.6], [56.0, 56.0], [100.2, 20.9], [80.0, 160.5], [3.0, 2.0]])
    boxes = torch.cat([low, low + sides], 1)
    joints, scores = decode(logits, boxes)
    expected, peaks = heatmaps_to_keypoints(logits, boxes)
    torch.testing.assert_close(joints, expected[..., :2])
    torch.testing.assert_close(scores, (peaks - logits.flatten(2).logsumexp(-1)).exp().clamp(max=1))


def test_uniform_logits_cost_the_logarithm_of_3136_a_joint():  # item 6
    logits = torch.zeros(3, 17, 56, 56)
    labels = torch.randint(0, 3136, (3, 17), generator=torch.Generator().manual_seed(3))
    labels[:, 5:] = NOWHERE
    assert cross_entropy(logits, labels).item() == pytest.approx(math.log(3136), abs=1e-4)
    logits = torch.randn(3, 17, 56, 56)
    moved = logits + torch.randn(3, 17, 1, 1)
    torch.testing.assert_close(cross_entropy(moved, labels), cross_entropy(logits, labels))


@pytest.mark.parametrize("regions", [0, 2])
def test_without_a_learnt_joint_the_loss_is_0_and_so_are_its_gradients(regions):  # item 7
    logits = torch.randn(regions, 17, 56, 56, requires_grad=True)
    loss = cross_entropy(logits, torch.full((regions, 17), NOWHERE))
    loss.backward()
    assert loss == 0 and torch.equal(logits.grad, torch.zeros_like(logits))


def test_the_loss_is_the_mean_over_the_learnt_joints_alone():  # item 8
    logits = torch.randn(2, 3, 56, 56, requires_grad=True)
    joints = BOX[:, None, :2] + 100 * torch.rand(2, 3, 2)
    visible = torch.tensor([[2, 0, 1], [0, 0, 2]])
    labels = encode(joints, visible, BOX.expand(2, 4))
    loss = cross_entropy(logits, labels)
    picked = [-logits[r, k].flatten().log_softmax(0)[labels[r, k]] for r, k in ((0, 0), (0, 2), (1, 2))]
    torch.testing.assert_close(loss, torch.stack(picked).mean())
    elsewhere = torch.where(visible[..., None] > 0, joints, torch.tensor(1e4))
    assert torch.equal(encode(elsewhere, visible, BOX.expand(2, 4)), labels)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert [[bool(gradient[r, k].any()) for k in range(3)] for r in range(2)] == (visible > 0).tolist()


def test_pasted_maps_lie_in_their_boxes_with_a_peak_of_1():
    maps = torch.zeros(2, 56, 56)
    maps[0, 28, 28], maps[1, 0, 0] = 0.2, 0.7
    canvas = paste(maps, torch.tensor([[10.0, 20.0, 66.0, 76.0], [70.0, 70.0, 200.0, 200.0]]), (96, 128))
    assert canvas.shape == (96, 128) and canvas.max() == 1
    assert canvas[20 + 28, 10 + 28] == 1 and canvas[70, 70] == 1 and canvas[:20].sum() == 0
