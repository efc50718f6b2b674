"""The bootstrap against the normal interval, plain resampling, and a simulation of its coverage."""

import numpy as np
import pytest

from bench.stats import bootstrap_ci


def people(n, seed=0, p=0.7, joints=10):
    return np.random.default_rng(seed).random((n, joints)) < p


def test_interval_is_the_normal_one_for_many_people():
    hits = people(4000)
    low, high = bootstrap_ci(hits, np.ones_like(hits))
    shares = 100 * hits.mean(1)
    half = 1.959964 * shares.std() / np.sqrt(len(shares))
    assert low == pytest.approx(shares.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(shares.mean() + half, abs=0.15 * half)


def test_interval_agrees_with_drawing_people_one_by_one():
    rng = np.random.default_rng(5)
    hits, counted = people(300, seed=1), rng.random((300, 10)) < 0.6
    counted[:, 0] = True
    drawn = []
    for _ in range(4000):
        who = rng.integers(0, 300, 300)
        drawn.append(100 * (hits & counted)[who].sum() / counted[who].sum())
    expected = np.quantile(drawn, [0.025, 0.975])
    assert bootstrap_ci(hits, counted, resamples=4000) == pytest.approx(expected, abs=0.15)


def test_interval_covers_the_truth_about_95_times_in_100():
    covered = 0
    for seed in range(200):
        low, high = bootstrap_ci(people(150, seed=seed), np.ones((150, 10), bool), resamples=300)
        covered += low <= 70 <= high
    assert 178 <= covered <= 199  # four standard errors of a binomial around 190, cut at 199


def test_order_and_repetition_do_not_change_the_interval():
    hits = people(200) * np.random.default_rng(2).integers(0, 41, (200, 10)) / 40
    counted = people(200, seed=9, p=0.9)
    once = bootstrap_ci(hits, counted)
    turned = np.random.default_rng(4).permutation(200)
    assert bootstrap_ci(hits, counted) == once
    assert bootstrap_ci(hits[turned], counted[turned]) == once


def test_people_without_a_counted_item_are_not_drawn():
    hits = people(50)
    counted = np.ones_like(hits)
    more = np.concatenate([hits, hits]), np.concatenate([counted, np.zeros_like(counted)])
    assert bootstrap_ci(*more) == bootstrap_ci(hits, counted)


def test_one_person_has_an_interval_of_one_point():
    assert bootstrap_ci(np.array([[1, 0]]), np.ones((1, 2), bool)) == (50.0, 50.0)


def test_a_wider_level_gives_a_wider_interval():
    hits = people(100)
    narrow, wide = (bootstrap_ci(hits, np.ones_like(hits), level=level) for level in (0.8, 0.99))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_nobody_counted_is_refused():
    with pytest.raises(ValueError, match="0 of 2 people"):
        bootstrap_ci(np.ones((2, 3)), np.zeros((2, 3), bool))
