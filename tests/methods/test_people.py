"""From maps and fields to people: the fidelity checklist of OpenPose, items 11 and 12, and the literal algorithm."""

import numpy as np
import pytest
import torch

from methods.paf import OPENPOSE_LIMBS, Limbs, draw_fields, draw_parts
from methods.people import Candidates, Connections, assemble, connect, find_peaks
from tests.methods.literal_openpose import literal_people

PAIR = Limbs(pairs=((0, 1),), channels=(0,))
CHAIN = Limbs(pairs=((0, 1), (1, 2), (0, 2)), channels=(0, 1, 2), redundant=1)


def test_the_peak_of_a_gaussian_is_found_between_the_cells():
    rng = np.random.default_rng(0)
    joints = torch.from_numpy(rng.uniform(40, 300, (1, 1, 18, 2)))
    maps = draw_parts(joints, torch.ones(1, 1, 18), (46, 46), sigma=14.0)[0, :-1].numpy()
    found = find_peaks(maps)
    np.testing.assert_array_equal(found.part, np.arange(18))
    np.testing.assert_allclose(8 * found.cells + 3.5, joints[0, 0], atol=0.01)


def test_a_peak_is_above_its_four_neighbours_and_the_threshold():
    maps = np.zeros((1, 5, 6))
    maps[0, 2, 2], maps[0, 3, 3] = 0.5, 0.4  # neighbours across a corner only
    maps[0, 0, 5] = 0.1  # not above the threshold
    maps[0, 4, 0], maps[0, 4, 1] = 0.3, 0.3  # equals are no peaks
    found = find_peaks(maps)
    assert found.score.tolist() == [0.5, 0.4]
    np.testing.assert_allclose(found.cells, [[2, 2], [3, 3]])


def test_of_near_peaks_of_a_part_the_later_is_dropped_and_one_dropped_drops_nobody():
    maps = np.zeros((2, 12, 5))
    for row in (1, 3, 5, 9):  # each 2 cells below the one before, the last 4
        maps[0, row, 2] = 0.5
    maps[1, 2, 2] = 0.5  # another part's peak is near nobody
    assert find_peaks(maps).cells[:, 1].tolist() == [1, 3, 5, 9, 2]
    assert find_peaks(maps, apart=2.0).cells[:, 1].tolist() == [1, 5, 9, 2]
    assert find_peaks(maps, apart=1.9).cells[:, 1].tolist() == [1, 3, 5, 9, 2]


def scored(scores):
    """Candidates of two parts and accepted pairs between them, by a matrix of scores (0: not accepted)."""
    scores = np.array(scores)
    a, b = scores.shape
    found = Candidates(np.repeat([0, 1], [a, b]), np.zeros((a + b, 2)), np.ones(a + b))
    parent, child = np.nonzero(scores)
    return found, Connections(np.zeros(len(parent), int), parent, a + child, scores[parent, child])


@pytest.mark.parametrize(("matching", "expected"), [("greedy", [(0, 0)]), ("optimal", [(0, 1), (1, 0)])])
def test_greedy_takes_the_best_pair_and_the_assignment_the_best_sum(matching, expected, monkeypatch):  # item 11
    found, pairs = scored([[0.9, 0.8], [0.85, 0.0]])
    gain = np.zeros((2, 2))
    gain[pairs.parent, pairs.child - 2] = pairs.score
    monkeypatch.setattr(
        "methods.people.score_pairs",
        lambda fields, starts, ends, channels, reach, least: (gain.flatten(), gain.flatten() > 0),
    )
    chosen = connect(found, np.zeros((2, 3, 3)), PAIR, 10.0, matching)
    assert sorted(zip(chosen.parent, chosen.child - 2, strict=True)) == expected


def test_two_parts_are_no_person_and_three_are():  # item 12
    found = Candidates(np.arange(3), np.zeros((3, 2)), np.ones(3))
    two = Connections(np.array([0]), np.array([0]), np.array([1]), np.ones(1))
    three = Connections(np.array([0, 1]), np.array([0, 1]), np.array([1, 2]), np.ones(2))
    assert len(assemble(found, two, CHAIN, 3).candidates) == 0
    people = assemble(found, three, CHAIN, 3)
    assert people.candidates.tolist() == [[0, 1, 2]]
    assert people.score.tolist() == [5.0] and people.count.tolist() == [3]  # three parts and two connections


def test_a_person_below_a_mean_of_0_2_is_dropped():  # item 12
    pairs = Connections(np.array([0, 1]), np.array([0, 1]), np.array([1, 2]), np.full(2, 0.01))
    for part, kept in ((0.19, 0), (0.2, 1)):
        found = Candidates(np.arange(3), np.zeros((3, 2)), np.full(3, part))
        assert len(assemble(found, pairs, CHAIN, 3).candidates) == kept


def test_a_redundant_limb_fills_a_gap_for_no_score_and_begins_nobody():  # item 12
    found = Candidates(np.array([0, 0, 1, 2]), np.zeros((4, 2)), np.ones(4))
    begun = Connections(np.array([2]), np.array([1]), np.array([3]), np.ones(1))
    assert len(assemble(found, begun, CHAIN, 3, (1, 0.0)).candidates) == 0
    both = Connections(np.array([0, 2]), np.array([0, 0]), np.array([2, 3]), np.ones(2))
    people = assemble(found, both, CHAIN, 3, (1, 0.0))
    assert people.candidates.tolist() == [[0, 2, 3]]
    assert people.score.tolist() == [3.0] and people.count.tolist() == [2]


def crowd(rng, people):
    """Maps and fields of drawn people, some joints unseen, with noise."""
    h, w = 46, 82
    centre = rng.uniform((30, 30), (8 * w - 30, 8 * h - 30), (people, 1, 2))
    joints = torch.from_numpy(centre + rng.normal(0, 45, (people, 18, 2)))[None]
    visible = torch.from_numpy((rng.random((1, people, 18)) < 0.85).astype(np.int64))
    maps = draw_parts(joints, visible, (h, w))[0, :-1].numpy() * rng.uniform(0.7, 1.0, (18, 1, 1))
    fields = draw_fields(joints, visible, (h, w), OPENPOSE_LIMBS)[0].numpy()
    return maps + rng.normal(0, 0.02, maps.shape), fields + rng.normal(0, 0.05, fields.shape)


@pytest.mark.parametrize("seed", range(12))
def test_people_are_those_of_the_literal_algorithm(seed):
    rng = np.random.default_rng(seed)
    maps, fields = crowd(rng, int(rng.integers(1, 12)))
    found = find_peaks(maps)
    pairs = connect(found, fields, OPENPOSE_LIMBS, reach=23.0)
    people = assemble(found, pairs, OPENPOSE_LIMBS, 18)
    expected = literal_people(maps, found, fields, OPENPOSE_LIMBS, reach=23.0)
    got = [tuple(row) for row in people.candidates.tolist()]
    assert got == [row for row, _, _ in expected]
    np.testing.assert_allclose(people.score, [score for _, score, _ in expected])
    assert people.count.tolist() == [count for _, _, count in expected]


def test_nobody_is_found_in_empty_maps():
    maps, fields = np.zeros((18, 46, 82)), np.zeros((38, 46, 82))
    found = find_peaks(maps)
    people = assemble(found, connect(found, fields, OPENPOSE_LIMBS, reach=23.0), OPENPOSE_LIMBS, 18)
    assert people.candidates.shape == (0, 18)
