"""What DeepCut's detector learns, against numbers worked by hand."""

import math

import pytest
import torch

from methods import deepcut_targets as targets
from methods.deepcut_targets import Cells, draw_targets, pair_index


def one_joint(x, y, size=(8, 8), stride=8, radius=17.0):
    return draw_targets(torch.tensor([[[[x, y]]]]), torch.ones(1, 1, 1), size, stride, radius)


def test_score_map_radius_17_is_positive_and_17_1_negative():
    """The middle of cell (2, 1) is (20, 12); joints lie 17 and 17.1 pixels right of it."""
    assert one_joint(37.0, 12.0).parts[0, 0, 1, 2] == 1
    assert one_joint(37.1, 12.0).parts[0, 0, 1, 2] == 0


def test_the_locref_target_there_has_norm_17_over_7_2801():
    truth = one_joint(37.0, 12.0)
    wanted = truth.offsets[0, 0, :, 1, 2] / targets.OFFSET_STD
    assert wanted.norm().item() == pytest.approx(17 / 7.2801, abs=1e-6)
    assert wanted[0] > 0 and wanted[1] == 0  # to the right


def test_pair_index_is_a_bijection_onto_0_to_181():
    found = [pair_index(a, b, 14) for a in range(14) for b in range(14) if a != b]
    assert sorted(found) == list(range(182))


def test_other_joints_are_in_the_order_of_the_pair_index():
    others = targets.other_joints(5)
    for a in range(5):
        for column, b in enumerate(others[a].tolist()):
            assert pair_index(a, b, 5) == 4 * a + column


def test_the_middle_of_a_cell_is_half_a_stride_from_its_edge():
    middles = targets.cell_middles((2, 3), 8)
    assert middles[1, 2].tolist() == [20.0, 12.0]


def test_the_nearer_joint_of_two_people_wins_a_cell():
    joints = torch.tensor([[[[8.0, 4.0]], [[13.0, 4.0]]]])  # cell (1, 0) has its middle at 12
    truth = draw_targets(joints, torch.ones(1, 2, 1), (1, 2), 8)
    assert truth.owner[0, 0, 0].tolist() == [0, 1]
    assert truth.offsets[0, 0, 0, 0].tolist() == [4.0, 1.0]


def test_unlabelled_joints_have_no_part():
    truth = draw_targets(torch.full((1, 1, 2, 2), 12.0), torch.tensor([[[0.0, 2.0]]]), (4, 4), 8)
    assert truth.parts[0, 0].sum() == 0 and truth.parts[0, 1].sum() > 0


def test_targets_of_a_mirrored_input_are_mirrored():
    joints = torch.rand(2, 3, 4, 2) * 64
    mirrored = joints * torch.tensor([-1.0, 1.0]) + torch.tensor([64.0, 0.0])
    here, there = (draw_targets(j, torch.ones(2, 3, 4), (8, 8), 8) for j in (joints, mirrored))
    assert torch.equal(here.parts, there.parts.flip(-1))
    inside = here.parts[:, :, None].bool().expand_as(here.offsets)
    expected = there.offsets.flip(-1) * torch.tensor([-1.0, 1.0])[:, None, None]
    torch.testing.assert_close(here.offsets[inside], expected[inside])


def test_the_part_loss_is_the_mean_of_counted_cells():
    """Logit 0 costs log 2 everywhere; logit 3 on a negative costs log(1 + e^3), and does not count."""
    logits = torch.tensor([[[[0.0, 3.0]]]])
    parts = torch.tensor([[[[1.0, 0.0]]]])
    all_counted = targets.part_loss(logits, parts, torch.ones(1, 1, 1, 2)).item()
    assert all_counted == pytest.approx((math.log(2) + math.log(1 + math.exp(3))) / 2, rel=1e-6)
    some = targets.part_loss(logits, parts, torch.tensor([[[[1.0, 0.0]]]])).item()
    assert some == pytest.approx(math.log(2), rel=1e-6)


def test_pixels_that_do_not_count_take_their_cells_out():
    counted = torch.ones(1, 16, 16, dtype=torch.bool)
    counted[:, :8, :8] = False
    weight = targets.counted_cells(counted, torch.zeros(1, 3, 2, 2))
    assert weight.tolist() == [[[[0.0, 1.0], [1.0, 1.0]]]]


def test_the_offset_loss_is_hubers_with_a_knee_at_1():
    """One positive cell: x is wrong by half a deviation (0.125), y by three (2.5)."""
    truth = targets.PartTargets(torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 2, 1, 1), torch.zeros(1, 1, 1, 1).long())
    found = torch.tensor([0.5, 3.0]).view(1, 1, 2, 1, 1)
    assert targets.offset_loss(found, truth).item() == pytest.approx((0.125 + 2.5) / 2)


def test_the_pair_loss_of_the_right_ways_is_0_and_counts_labelled_pairs_alone():
    joints = torch.tensor([[[[4.0, 4.0], [20.0, 4.0], [500.0, 500.0]]]])
    visible = torch.tensor([[[2.0, 2.0, 0.0]]])
    truth = draw_targets(joints, visible, (1, 3), 8, radius=3.0)  # cells 0 and 2 are hit in the middle
    mean, std = torch.full((3, 2, 2), 6.0), torch.full((3, 2, 2), 2.0)
    cells = Cells.of(truth.parts)
    assert [cells.joint.tolist(), cells.x.tolist()] == [[0, 1], [0, 2]]
    there, back = (torch.tensor([16.0, 0.0]) - 6) / 2, (torch.tensor([-16.0, 0.0]) - 6) / 2
    found = torch.stack([torch.stack([way, torch.full((2,), 77.0)]) for way in (there, back)])  # 77: nobody knows
    assert targets.pair_loss(found, cells, truth, joints, visible, 8, mean, std).item() == 0
    found[0, 0, 0] += 0.5
    loss = targets.pair_loss(found, cells, truth, joints, visible, 8, mean, std).item()
    assert loss == pytest.approx(0.125 / 4)  # two pairs of two numbers


def test_pair_statistics_are_mean_and_deviation_of_labelled_ways():
    joints = torch.tensor([[[0.0, 0.0], [10.0, 0.0]], [[5.0, 5.0], [9.0, 7.0]], [[0.0, 0.0], [900.0, 900.0]]])
    visible = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    mean, std = targets.pair_statistics(joints, visible)
    assert mean.tolist() == [[[7.0, 1.0]], [[-7.0, -1.0]]]
    assert std.tolist() == [[[3.0, 1.0]], [[3.0, 1.0]]]


def test_pairs_that_nobody_has_are_left_at_0_and_1():
    mean, std = targets.pair_statistics(torch.rand(3, 2, 2), torch.tensor([[1.0, 0.0]] * 3))
    assert (mean == 0).all() and (std == 1).all()
