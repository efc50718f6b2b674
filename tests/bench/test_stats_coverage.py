"""Intervals and p values over 2,000 drawn data sets whose truth is known."""

import numpy as np
import pytest

from bench.stats import bootstrap, bootstrap_ci, interval, interval_p, ratio_interval, sign_flip_p

DATA_SETS = 2000
LABELLED, JOINTS = 0.9, 14
MEAN, SPREAD = 1.8, 1.5  # of a person's log odds: most people are easy, some are lost whole


def shares(log_odds):
    return 1 / (1 + np.exp(-log_odds))


def drawn_people(rng, *shape, mean=MEAN):
    """How many joints of a person are labelled, and the chance to hit each of them: alike within the person."""
    return rng.binomial(JOINTS, LABELLED, shape), shares(rng.normal(mean, SPREAD, shape))


def true_share(mean=MEAN):
    """The expectation over people, by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    return weights @ shares(mean + SPREAD * nodes) / weights.sum()


def covered(ends, truth):
    return np.mean((ends[0] <= truth) & (truth <= ends[1]))


@pytest.mark.parametrize("n", [40, 200, 1000])
@pytest.mark.parametrize("mean", [MEAN, 4.0])  # shares of 79 and 96 %
def test_intervals_hold_the_truth_in_93_to_97_of_100_data_sets(n, mean):
    rng = np.random.default_rng(n)
    labelled, chance = drawn_people(rng, n, DATA_SETS, mean=mean)
    hits = rng.binomial(labelled, chance).astype(float)
    ends = ratio_interval(hits, labelled.astype(float), np.ones(n, int), resamples=500)
    assert 0.93 <= covered(ends, true_share(mean)) <= 0.97


def test_percentile_intervals_of_other_statistics_do_too():
    rng = np.random.default_rng(7)
    labelled, chance = drawn_people(rng, 200, DATA_SETS)
    hits, labelled = rng.binomial(labelled, chance).astype(float), labelled.astype(float)
    values = bootstrap(lambda drawn: (drawn @ hits) / (drawn @ labelled), np.ones(200, int), resamples=500)
    assert 0.93 <= covered(interval(values, 200), true_share()) <= 0.97


def test_the_interval_of_a_record_does_too():
    rng = np.random.default_rng(1)
    inside = []
    for _ in range(150):
        labelled, chance = drawn_people(rng, 200)
        counted = np.arange(JOINTS) < labelled[:, None]
        ends = bootstrap_ci(rng.random((200, JOINTS)) < chance[:, None], counted, resamples=400)
        inside.append(covered(ends, 100 * true_share()))
    assert 0.95 - 0.054 <= np.mean(inside) <= 1  # three standard errors of 150 data sets


def test_intervals_of_a_paired_difference_do_too():
    rng = np.random.default_rng(2)
    labelled, chance = drawn_people(rng, 200, DATA_SETS)
    better = shares(np.log(chance / (1 - chance)) + 0.3)
    gain = rng.binomial(labelled, better).astype(float) - rng.binomial(labelled, chance)
    ends = ratio_interval(gain, labelled.astype(float), np.ones(200, int), resamples=500)
    assert 0.93 <= covered(ends, true_share(MEAN + 0.3) - true_share()) <= 0.97


def rejections(differences):
    return np.mean([sign_flip_p(one, flips=999) <= 0.05 for one in differences])


@pytest.mark.parametrize("n", [30, 100])
def test_equally_good_methods_differ_at_5_percent_in_3_to_7_of_100_data_sets(n):
    rng = np.random.default_rng(n)
    labelled, chance = drawn_people(rng, DATA_SETS, n)
    assert 0.03 <= rejections(rng.binomial(labelled, chance) - rng.binomial(labelled, chance)) <= 0.07


def test_so_do_methods_of_equal_mean_that_fail_differently():
    rng = np.random.default_rng(3)
    worse_on_many = rng.choice([-1, 4], (DATA_SETS, 200), p=[0.8, 0.2])
    assert 0.03 <= rejections(worse_on_many) <= 0.07


def test_so_do_numbers_whose_p_comes_from_resampling():
    rng = np.random.default_rng(5)
    labelled, chance = drawn_people(rng, 150, DATA_SETS)
    gains = (rng.binomial(labelled, chance) - rng.binomial(labelled, chance)).astype(float)
    values = bootstrap(lambda drawn: drawn @ gains, np.ones(150, int), resamples=500)
    assert 0.03 <= np.mean([interval_p(one, 150) <= 0.05 for one in values.T]) <= 0.07


def test_p_values_of_equally_good_methods_are_uniform():
    rng = np.random.default_rng(4)
    labelled, chance = drawn_people(rng, 600, 200)
    differences = rng.binomial(labelled, chance) - rng.binomial(labelled, chance)
    p = np.array([sign_flip_p(one, flips=999) for one in differences])
    for level in (0.1, 0.3, 0.5, 0.7, 0.9):
        assert np.mean(p <= level) == pytest.approx(level, abs=0.08)  # four standard errors
