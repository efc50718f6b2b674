"""DeepCut's pairwise probabilities: features by hand, regressions on made-up data, samples of the right kind."""

import math
from itertools import pairwise as neighbours

import numpy as np
import pytest

from methods.pairwise_samples import Samples
from methods.pairwise_terms import (
    Detections,
    Logistic,
    PairTerms,
    cross_features,
    same_features,
    same_probability,
)


def at(*points):
    return np.array(points, np.float64)


@pytest.mark.parametrize(("pixels", "expected"), [(37.5, 0.5), (0.0, 0.99945), (50.0, 0.07586)])
def test_same_part_probability(pixels, expected):
    assert same_probability(np.array(pixels)) == pytest.approx(expected, abs=5e-6)


def test_same_part_probability_goes_with_the_radius():
    assert same_probability(np.array(37.5 * 6 / 17), radius=6.0) == pytest.approx(0.5, abs=1e-12)


def test_pairwise_features_of_a_perfect_prediction():
    way = at([30.0, -40.0], [1.0, 2.0])
    assert cross_features(way, way, -way, -way).tolist() == [[0, 0, 0, 0, 1, 1, 1, 1]] * 2


def test_pairwise_features_by_hand():
    """Said (3, 0) where it is (0, 4): 5 pixels and a right angle; back it is right but for 2 pixels of length."""
    found = cross_features(at([0.0, 4.0]), at([3.0, 0.0]), at([0.0, -4.0]), at([0.0, -6.0]))[0]
    distances = [5.0, math.pi / 2, 2.0, 0.0]
    np.testing.assert_allclose(found, distances + [math.exp(-one) for one in distances], atol=1e-12)


def test_angles_are_compared_the_short_way_round():
    just_above, just_below = at([-1.0, 0.01]), at([-1.0, -0.01])
    turn = cross_features(just_above, just_below, just_below, just_above)[0, 1]
    assert turn == pytest.approx(2 * math.atan(0.01), abs=1e-12)


def test_same_class_features_are_distance_and_its_square():
    assert same_features(at([0.0, 0.0]), at([3.0, 4.0])).tolist() == [[5.0, 25.0]]


def test_a_regression_recovers_separable_data():
    rng = np.random.default_rng(0)
    features = rng.uniform(0, 100, (2000, 2))
    same = features[:, 0] < 40
    logistic = Logistic(3, 2)
    logistic.fit(1, features, same, c=10.0)
    found = logistic.probability(1, features) > 0.5
    assert (found == same).mean() > 0.99
    assert logistic.probability(1, at([40.0, 50.0])[0]) == pytest.approx(0.5, abs=0.1)
    assert (logistic.probability(0, features) == 0.5).all()  # not fitted


def test_a_regression_minimises_liblinears_objective():
    """Half the squared weights, the shift's too, plus C times the logistic loss, by a general minimiser."""
    from scipy.optimize import minimize

    rng = np.random.default_rng(1)
    features, c = rng.normal(5, 3, (300, 2)), 0.05
    same = features.sum(1) + rng.normal(0, 3, 300) > 10
    scaled = (features - features.min(0)) / np.ptp(features, axis=0)

    def cost(w):
        margins = np.where(same, 1, -1) * (scaled @ w[:2] + w[2])
        return 0.5 * w @ w + c * np.log1p(np.exp(-margins)).sum()

    best = minimize(cost, np.zeros(3), tol=1e-12).x
    logistic = Logistic(1, 2)
    logistic.fit(0, features, same, c)
    expected = 1 / (1 + np.exp(-(scaled @ best[:2] + best[2])))
    np.testing.assert_allclose(logistic.probability(0, features), expected, atol=2e-3)


def test_samples_of_one_kind_teach_nothing():
    logistic = Logistic(1, 1)
    logistic.fit(0, np.zeros((5, 1)), np.ones(5, bool))
    assert logistic.probability(0, np.zeros((1, 1))).tolist() == [0.5]


def test_couples_are_numbered_in_their_order():
    terms = PairTerms(5)
    a, b = np.array(terms.couples).T
    assert terms.couple(a, b).tolist() == list(range(10))
    assert all(one < other for one, other in neighbours(terms.couples))


def perfect(joints, cells=(8, 8), stride=8):
    """What a perfect detector says about one person (J, 2)."""
    h, w = cells
    y, x = np.mgrid[:h, :w] * stride + stride / 2
    middles = np.stack([x, y], -1).reshape(-1, 2).astype(np.float64)
    places = np.repeat(joints[:, None], len(middles), 1)
    ways = np.stack([[joints[b] - middles for b in range(len(joints)) if b != a] for a in range(len(joints))])
    return Detections(middles, places, ways)


def test_probabilities_take_both_directions_of_every_pair_of_classes():
    """Against a loop over pairs of candidates and classes."""
    rng = np.random.default_rng(2)
    j, n, d = 3, 64, 5
    found = Detections(rng.uniform(0, 64, (n, 2)), rng.uniform(0, 64, (j, n, 2)), rng.normal(0, 20, (j, j - 1, n, 2)))
    terms = PairTerms(j, same="learned")
    for which in range(3):
        terms.cross.fit(which, rng.uniform(0, 50, (40, 8)), np.arange(40) % 2 == 0, c=10.0)
        terms.same.fit(which, rng.uniform(0, 50, (40, 2)), np.arange(40) < 20, c=10.0)
    cell, unary = rng.integers(0, n, d), rng.uniform(0, 1, (d, j)).round()
    answer = terms.probabilities(found, cell, unary)
    for one in range(d):
        for other in range(d):
            for a in range(j):
                for b in range(j):
                    asked = one < other and unary[one, a] > 0 and unary[other, b] > 0
                    expected = _by_hand(terms, found, cell[one], cell[other], a, b) if asked else 0.0
                    assert answer[one, other, a, b] == pytest.approx(expected, abs=1e-12)


def _by_hand(terms, found, here, there, a, b):
    if a == b:
        return terms.same.probability(a, same_features(found.places[a, here], found.places[a, there]))
    if a > b:
        a, b, here, there = b, a, there, here
    way = found.places[b, there] - found.middles[here]
    back = found.places[a, here] - found.middles[there]
    said, said_back = found.ways[a, b - 1, here], found.ways[b, a, there]
    return terms.cross.probability(terms.couples.index((a, b)), cross_features(way, said, back, said_back))


def test_the_samples_of_a_perfect_detector_teach_who_belongs_together():
    people = np.array([[[12.0, 12.0], [12.0, 36.0]], [[52.0, 20.0], [52.0, 52.0]]])
    found = two_people(people)
    terms = PairTerms(2, radius=8.0, same="learned")
    samples = Samples(terms)
    for _ in range(40):
        samples.add(found, people, np.ones((2, 2)))
    rows, same = (np.concatenate(side) for side in zip(*samples.cross[0], strict=True))
    assert (rows[same][:, 0] < 1e-9).all()  # a positive is where the detector says
    assert 0.4 < same.mean() < 0.6
    samples.fit(c=1.0)
    heads, feet = [found_cell(found, people[p, 0]) for p in (0, 1)], [found_cell(found, people[p, 1]) for p in (0, 1)]
    unary = np.array([[0.9, 0], [0.9, 0], [0, 0.9], [0, 0.9]])
    answer = terms.probabilities(found, np.array(heads + feet), unary)
    assert answer[0, 2, 0, 1] > 0.5 and answer[1, 3, 0, 1] > 0.5
    assert answer[0, 3, 0, 1] < 0.5 and answer[1, 2, 0, 1] < 0.5


def two_people(people):
    """A perfect detector's answers: each cell speaks of the person who is nearest."""
    one, other = perfect(people[0]), perfect(people[1])
    nearer = np.linalg.norm(one.middles[:, None] - people[1], axis=-1).min(1) < np.linalg.norm(
        one.middles[:, None] - people[0], axis=-1
    ).min(1)
    return Detections(
        one.middles,
        np.where(nearer[:, None], other.places, one.places),
        np.where(nearer[:, None], other.ways, one.ways),
    )


def found_cell(found, joint):
    return int(np.linalg.norm(found.middles - joint, axis=1).argmin())


def test_nobody_labelled_gives_no_samples():
    terms = PairTerms(2)
    samples = Samples(terms)
    samples.add(perfect(at([8.0, 8.0], [40.0, 40.0])), np.zeros((1, 2, 2)), np.zeros((1, 2)))
    samples.fit(1.0)
    assert not any(samples.cross) and not any(samples.same)
