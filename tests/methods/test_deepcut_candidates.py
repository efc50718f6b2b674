"""From score maps to candidates, and from clusters to people, by hand."""

import numpy as np
import pytest

from methods.deepcut_candidates import Candidates, find_candidates, people_of, suppress


def maps(j, h, w, **peaks):
    """Score maps 0 but for ``p0=(class, y, x, score)``."""
    scores = np.zeros((j, h, w))
    for c, y, x, score in peaks.values():
        scores[c, y, x] = score
    return scores


def on_the_grid(j, h, w, stride=8):
    y, x = np.mgrid[:h, :w] * stride + stride / 2
    return np.repeat(np.stack([x, y], -1).reshape(1, -1, 2).astype(np.float64), j, 0)


def found_in(scores, places=None, **options):
    j, h, w = scores.shape
    return find_candidates(scores, on_the_grid(j, h, w) if places is None else places, 8, **options)


def test_the_best_point_suppresses_those_at_3_cells_and_not_beyond():
    points = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 0.1], [2.0, 2.0]])
    assert suppress(points, np.array([0.9, 0.8, 0.7, 0.6]), 3.0).tolist() == [0, 2]


def test_candidates_are_peaks_at_exact_cells_and_offsets():
    scores = maps(2, 8, 8, a=(0, 2, 3, 0.9), b=(0, 2, 5, 0.8), c=(1, 6, 6, 0.7))
    places = on_the_grid(2, 8, 8)
    places[0, 2 * 8 + 3] += [2.5, -1.0]
    found = found_in(scores, places)
    assert found.cell.tolist() == [2 * 8 + 3, 6 * 8 + 6]  # (2, 5) is 2 cells from a better one
    assert found.places[0, 0].tolist() == [3 * 8 + 4 + 2.5, 2 * 8 + 4 - 1.0]
    assert found.unary.tolist() == [[0.9, 0.0], [0.0, 0.7]]


def test_two_cells_that_see_the_joint_in_one_place_are_one_candidate():
    scores = maps(1, 8, 16, a=(0, 4, 2, 0.9), b=(0, 4, 7, 0.8))
    places = on_the_grid(1, 8, 16)
    places[0, 4 * 16 + 2], places[0, 4 * 16 + 7] = (30.0, 36.0), (40.0, 36.0)
    assert found_in(scores, places).cell.tolist() == [4 * 16 + 2]


def test_probabilities_below_0_2_are_0():
    scores = maps(2, 8, 8, a=(0, 2, 2, 0.9), b=(1, 2, 2, 0.19), c=(1, 7, 7, 0.15))
    assert found_in(scores).unary.tolist() == [[0.9, 0.0]]


def test_a_candidate_of_two_likely_classes_becomes_two():
    scores = maps(3, 8, 8, a=(0, 2, 2, 0.9), b=(1, 2, 2, 0.4), c=(2, 2, 2, 0.3))
    found = found_in(scores)
    assert found.cell.tolist() == [18, 18]
    assert found.unary.tolist() == [[0.9, 0.0, 0.3], [0.0, 0.4, 0.3]]


def test_the_best_20_of_a_class_and_the_best_of_an_image_stay():
    scores = np.zeros((2, 40, 40))
    scores[:, ::4, ::4] = np.linspace(0.3, 0.39, 100).reshape(10, 10)
    scores[1] = np.roll(scores[1], 2, (0, 1))
    found = found_in(scores)
    assert len(found) == 40 and found.unary[found.unary > 0].min() == pytest.approx(np.linspace(0.3, 0.39, 100)[80])
    assert len(found_in(scores, most=7)) == 7


def test_no_candidates():
    found = found_in(np.zeros((3, 4, 4)))
    assert len(found) == 0 and found.unary.shape == (0, 3) and found.places.shape == (0, 3, 2)
    joints, scores = people_of(found, np.empty(0, np.intp), np.empty(0, np.intp))
    assert joints.shape == (0, 3, 2) and scores.shape == (0, 3)


def test_decoding_two_candidates_of_95_and_80_at_100_and_104_gives_101_83():
    places = np.array([[[100.0, 50.0]], [[104.0, 50.0]]])
    candidates = Candidates(np.array([0, 1]), np.array([[0.95], [0.80]]), places)
    joints, scores = people_of(candidates, np.array([0, 0]), np.array([0, 0]))
    assert joints[0, 0] == pytest.approx([(0.95 * 100 + 0.8 * 104) / 1.75, 50.0], abs=1e-9)
    assert round(joints[0, 0, 0], 2) == 101.83
    assert scores.tolist() == [[0.95]]


def test_a_person_lacks_the_joints_without_a_candidate_and_the_suppressed_are_nobody():
    places = np.arange(12.0).reshape(3, 2, 2)
    candidates = Candidates(np.arange(3), np.array([[0.9, 0.0], [0.0, 0.8], [0.7, 0.0]]), places)
    joints, scores = people_of(candidates, np.array([0, 1, -1]), np.array([4, 1, -1]))
    assert joints[1, 0] == pytest.approx([0.0, 1.0]) and joints[0, 1] == pytest.approx([6.0, 7.0])
    assert np.isnan(joints[0, 0]).all() and np.isnan(joints[1, 1]).all()
    assert scores.tolist() == [[0.0, 0.8], [0.9, 0.0]]
