"""MPII multi-person AP: the golden example, its rules one by one, and a plain loop."""

import itertools
import math

import numpy as np
import pytest

from bench.metrics import functional as F
from bench.metrics.groups import average_precision, match

HEAD = 10.0
TRUE = np.array([[[0.0, 0], [0, 100]], [[200, 0], [200, 100]]])
FOUND = np.array([[[1.0, 0], [0, 120]], [[0, 2], [0, 101]], [[203, 0], [200, 98]]])
SCORES = np.array([[0.9, 0.8], [0.7, 0.6], [0.5, 0.95]])


def golden(found=FOUND, scores=SCORES, visible=None):
    seen = np.ones((2, 2)) if visible is None else np.asarray(visible)
    return (100 * F.mpii_ap([found], [scores], [TRUE], [seen], [np.full(2, HEAD)])).round(3).tolist()


def test_the_golden_example():
    assert golden() == [66.667, 83.333]
    assert np.mean(golden()) == pytest.approx(75.0)


def test_the_order_of_people_and_of_groups_says_nothing():
    for order in itertools.permutations(range(3)):
        assert golden(FOUND[list(order)], SCORES[list(order)]) == [66.667, 83.333]
    groups = [random_group(seed) for seed in range(20)]
    assert F.mpii_ap(*zip(*groups, strict=True)) == pytest.approx(F.mpii_ap(*zip(*groups[::-1], strict=True)))


def test_a_duplicate_with_the_best_score_lowers_the_result():
    scores = SCORES.copy()
    scores[0] = 0.99
    assert golden(scores=scores)[1] < 83.333


def test_a_joint_that_was_not_found_is_missed_and_one_without_truth_is_false():
    found = FOUND.copy()
    found[2, 0] = np.nan  # P3 has no first joint: half of the joints at a precision of 1/2
    assert golden(found) == [25.0, 83.333]
    assert golden(visible=[[1, 1], [1, 0]]) == [66.667, 33.333]  # P3's second joint, best of all, is false


def test_a_joint_without_a_score_ranks_last():
    scores = SCORES.copy()
    scores[0] = np.nan  # both wrong joints of P1, now after the right ones
    assert golden(scores=scores) == [100.0, 100.0]


def test_equal_scores_enter_together():
    found = np.array([[[500.0, 0], [500, 0]], [[0, 0], [0, 100]]])
    for order in ([0, 1], [1, 0]):
        assert golden(found[order], np.ones((2, 2)), [[1, 1], [0, 0]]) == [50.0, 50.0]


def test_nobody_found_is_0_and_a_joint_that_nobody_has_is_nan():
    nobody = np.zeros((0, 2, 2)), np.zeros((0, 2))
    assert golden(*nobody) == [0.0, 0.0]
    result = golden(visible=[[1, 0], [1, 0]])
    assert result[0] == 83.333 and math.isnan(result[1])  # P1 comes before P2 and is as good


def test_an_ignored_person_takes_a_match_and_neither_counts():
    group = match(FOUND, SCORES, TRUE, np.ones((2, 2)), np.full(2, HEAD), np.array([False, True]))
    assert group.labelled.tolist() == [1.0, 1.0]
    assert average_precision([group], np.ones((1, 1))).round(6).tolist() == [[0.5, 0.5]]  # P1 false before P2


def test_a_group_that_counts_twice_is_two_groups():
    groups = [random_group(seed) for seed in range(6)]
    matched = [match(*group) for group in groups]
    twice = average_precision(matched, np.array([[2.0, 0, 1, 1, 0, 3]]))[0]
    chosen = [groups[i] for i in (0, 0, 2, 3, 5, 5, 5)]
    assert twice == pytest.approx(F.mpii_ap(*zip(*chosen, strict=True)), abs=1e-12)


def random_group(seed, k=5):
    rng = np.random.default_rng(seed)
    p, n = rng.integers(0, 5), rng.integers(0, 7)
    truth = rng.uniform(0, 60, (p, k, 2))
    near = truth[rng.integers(0, p, n)] if p else np.zeros((n, k, 2))
    found = near + rng.normal(0, 2, (n, k, 2))
    found[rng.random((n, k)) < 0.1] = np.nan
    return found, rng.random((n, k)), truth, rng.integers(0, 2, (p, k)), rng.uniform(6, 14, p)


def loop_ap(groups, k):
    """One joint at a time, one found person at a time, as the definition reads."""
    ranking, wanted = [], 0
    for found, scores, truth, visible, heads in groups:
        wanted += int(sum(visible[:, k]))
        best, owner = {}, {}
        for n in range(len(found)):
            shares = []
            for p in range(len(truth)):
                near = sum(
                    bool(v) and math.dist(a, b) <= 0.5 * heads[p]
                    for a, b, v in zip(found[n], truth[p], visible[p], strict=True)
                )
                shares.append(near / max(1, sum(visible[p])))
            top = max(shares, default=0)
            if top > 0 and top > best.get(shares.index(top), 0):
                best[shares.index(top)] = top
                owner[shares.index(top)] = n
        for n in range(len(found)):
            if math.isnan(found[n, k, 0]):
                continue
            mine = [p for p, m in owner.items() if m == n and visible[p, k]]
            ranking.append((scores[n, k], any(math.dist(found[n, k], truth[p, k]) <= 0.5 * heads[p] for p in mine)))
    ranking.sort(reverse=True)
    right = np.cumsum([hit for _, hit in ranking])
    precision = right / np.arange(1, len(ranking) + 1)
    return sum(precision[i:].max() for i, (_, hit) in enumerate(ranking) if hit) / wanted


def test_many_random_groups_agree_with_a_plain_loop():
    groups = [random_group(seed) for seed in range(40)]
    expected = [loop_ap(groups, k) for k in range(5)]
    assert 0.1 < min(expected) < 0.9
    assert F.mpii_ap(*zip(*groups, strict=True)) == pytest.approx(expected, abs=1e-12)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="0 groups"):
        F.mpii_ap([], [], [], [], [])
    with pytest.raises(ValueError, match="expected"):
        match(FOUND, SCORES[:, :1], TRUE, np.ones((2, 2)), np.full(2, HEAD))
    with pytest.raises(ValueError, match="person 1: head size"):
        match(FOUND, SCORES, TRUE, np.ones((2, 2)), np.array([HEAD, np.nan]))
