"""OpenPose's targets and line integrals: the fidelity checklist, items 4, 5, 6, 9 and 10."""

import math

import numpy as np
import pytest
import torch

from methods.paf import OPENPOSE_LIMBS, Limbs, draw_fields, draw_parts, score_pairs

ONE_LIMB = Limbs(pairs=((0, 1),), channels=(0,))
SIZE = (46, 46)


def at(*cells):
    """Input pixels (1, P, K, 2) of people's joints given in cells."""
    return 3.5 + 8 * torch.tensor([cells], dtype=torch.float64)


def labelled(joints):
    return torch.ones(joints.shape[:-1])


def test_a_joint_on_a_cell_is_one_there_and_falls_as_the_label_codes_gaussian():  # item 4
    maps = draw_parts(at([(20, 10)]), torch.ones(1, 1, 1), SIZE)
    assert maps.shape == (1, 2, 46, 46)
    assert maps[0, 0, 10, 20] == 1
    assert maps[0, 0, 10, 21].item() == pytest.approx(math.exp(-(8**2) / (2 * 7**2)))
    off = draw_parts(at([(20, 10)]) + torch.tensor([7.0, 0.0]), torch.ones(1, 1, 1), SIZE)
    assert off[0, 0, 10, 20].item() == pytest.approx(0.6065, abs=5e-5)
    paper = draw_parts(at([(20, 10)]) + torch.tensor([7 * 2**0.5, 0.0]), torch.ones(1, 1, 1), SIZE)
    assert paper[0, 0, 10, 20].item() == pytest.approx(math.exp(-1))  # one of the paper's sigmas away


def test_a_joint_draws_nothing_beyond_21_24_pixels():  # item 4
    joints = at([(20, 10)])
    y, x = np.mgrid[:46, :46]
    away = np.hypot(8 * (x - 20), 8 * (y - 10))
    lit = draw_parts(joints, torch.ones(1, 1, 1), SIZE)[0, 0].numpy() > 0
    np.testing.assert_array_equal(lit, away <= 21.24)


def test_people_are_joined_by_the_greater_or_by_a_sum_cut_at_one():
    joints = at([(20, 10)], [(21, 10)])
    alone = math.exp(-(8**2) / (2 * 7**2))
    assert draw_parts(joints, labelled(joints), SIZE)[0, 0, 10, 22].item() == pytest.approx(alone)
    both = draw_parts(joints, labelled(joints), SIZE, "sum")[0, 0]
    assert both[10, 22].item() == pytest.approx(alone + math.exp(-(16**2) / (2 * 7**2)))
    assert both.max() == 1


def test_the_background_is_what_no_part_claims_and_never_negative():  # item 5
    joints = at([(20, 10), (20, 11)], [(20, 10), (5, 5)])
    for overlap in ("max", "sum"):
        maps = draw_parts(joints, labelled(joints), SIZE, overlap)[0]
        torch.testing.assert_close(maps[-1], 1 - maps[:-1].max(0).values)
        assert maps.min() >= 0


def test_an_unlabelled_joint_draws_nothing_and_an_occluded_one_does():
    joints = at([(20, 10), (30, 10)])
    maps = draw_parts(joints, torch.tensor([[[0, 1]]]), SIZE)[0]
    assert maps[0].max() == 0 and maps[1].max() == 1
    assert draw_fields(joints, torch.tensor([[[0, 1]]]), SIZE, ONE_LIMB).abs().max() == 0
    assert draw_fields(joints, torch.tensor([[[1, 2]]]), SIZE, ONE_LIMB).abs().max() == 1


def test_a_horizontal_limb_points_along_x_within_one_cell_of_it():  # item 6
    joints = at([(10, 20), (15, 20)])
    field = draw_fields(joints, labelled(joints), SIZE, ONE_LIMB)[0]
    expected = np.zeros((2, 46, 46))
    expected[0, 19:22, 10:16] = 1
    np.testing.assert_array_equal(field, expected)


def test_opposite_limbs_average_to_nothing_and_the_label_code_keeps_the_last():  # item 6
    joints = at([(10, 20), (15, 20)], [(15, 20), (10, 20)])
    assert draw_fields(joints, labelled(joints), SIZE, ONE_LIMB).abs().max() == 0
    last = draw_fields(joints, labelled(joints), SIZE, ONE_LIMB, "last")[0]
    assert last[0].min() == -1 and last[0].max() == 0


def label_code(people, size):
    """One limb as the label code draws it: joints times 0.125, the box grown by a cell, later people over earlier."""
    field = np.zeros((2, *size))
    for a, b in people:
        a, b = np.array(a) / 8, np.array(b) / 8
        unit = (b - a) / np.linalg.norm(b - a)
        low = [max(round(min(p, q) - 1), 0) for p, q in zip(a, b, strict=True)]
        high = [min(round(max(p, q) + 1), n) for p, q, n in zip(a, b, size[::-1], strict=True)]
        for y in range(low[1], high[1]):
            for x in range(low[0], high[0]):
                if abs((x - a[0]) * unit[1] - (y - a[1]) * unit[0]) <= 1:
                    field[:, y, x] = unit
    return field


def test_fields_of_many_people_are_those_of_the_label_code():
    people = np.random.default_rng(0).uniform(-40, 400, (40, 2, 2))
    joints = torch.from_numpy(people)[None]
    found = draw_fields(joints, labelled(joints), SIZE, ONE_LIMB, "last")[0]
    np.testing.assert_allclose(found, label_code(people, SIZE), atol=1e-9)


def test_people_who_overlap_are_averaged_cell_by_cell():
    people = np.random.default_rng(1).uniform(0, 368, (6, 2, 2))
    joints = torch.from_numpy(people)[None]
    each = torch.stack([draw_fields(joints[:, [p]], labelled(joints[:, [p]]), SIZE, ONE_LIMB)[0] for p in range(6)])
    there = each.square().sum(1).gt(0).sum(0).clamp(min=1)
    found = draw_fields(joints, labelled(joints), SIZE, ONE_LIMB)[0]
    torch.testing.assert_close(found, each.sum(0) / there)


def test_a_limb_of_no_length_draws_nothing():
    joints = at([(10, 20), (10, 20)])
    for overlap in ("mean", "last"):
        assert draw_fields(joints, labelled(joints), SIZE, ONE_LIMB, overlap).abs().max() == 0


def test_channels_are_those_of_training_and_pairs_those_of_decoding():
    assert OPENPOSE_LIMBS.in_channel_order == (
        (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 2), (2, 3), (3, 4), (2, 16), (1, 5), (5, 6), (6, 7),
        (5, 17), (1, 0), (0, 14), (0, 15), (14, 16), (15, 17),
    )  # fmt: skip
    assert OPENPOSE_LIMBS.pairs[0] == (1, 2) and OPENPOSE_LIMBS.pairs[-2:] == ((2, 16), (5, 17))


def along_x(share):
    """A field of 11 cells along x, of which the first share agrees."""
    field = np.zeros((2, 3, 11))
    field[0, :, : round(share * 10)] = 1
    return field


@pytest.mark.parametrize(("share", "accepted"), [(1.1, True), (0.9, True), (0.8, False), (0.7, False)])
def test_a_pair_needs_more_than_8_of_10_points_that_agree(share, accepted):  # item 9
    start, end = np.array([[0.0, 1.0]]), np.array([[9.0, 1.0]])
    score, good = score_pairs(along_x(share), start, end, np.array([0]), reach=100.0)
    assert good.item() == accepted
    assert score.item() == pytest.approx(1)  # the mean is over the points that agree


def test_a_field_against_the_pair_is_rejected():  # item 9
    _, good = score_pairs(-along_x(1.1), np.array([[0.0, 1.0]]), np.array([[9.0, 1.0]]), np.array([0]), reach=100.0)
    assert not good.item()


@pytest.mark.parametrize(("length", "penalty"), [(50.0, -0.5), (18.75, 0.0)])
def test_long_pairs_are_penalised(length, penalty):  # item 10: H = 400, limbs of 400 and 150 pixels
    field = np.zeros((2, 3, 60))
    field[0] = 1
    start, end = np.array([[0.0, 1.0]]), np.array([[length, 1.0]])
    score, _ = score_pairs(field, start, end, np.array([0]), reach=400 / 2 / 8)
    assert score.item() == pytest.approx(1 + penalty)
