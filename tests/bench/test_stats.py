"""The bootstrap over people: the normal and the t interval, drawing people one by one, the order of people."""

import doctest

import numpy as np
import pytest
from scipy import stats as reference

import bench.stats
from bench.stats import bootstrap, bootstrap_ci, interval, interval_p, over_seeds, sign_flip_p


def people(n, seed=0, p=0.7, joints=10):
    return np.random.default_rng(seed).random((n, joints)) < p


def test_worked_examples():
    assert doctest.testmod(bench.stats).failed == 0


def test_interval_is_the_normal_one_for_many_people():
    hits = people(4000)
    low, high = bootstrap_ci(hits, np.ones_like(hits))
    shares = 100 * hits.mean(1)
    half = 1.959964 * shares.std() / np.sqrt(len(shares))
    assert low == pytest.approx(shares.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(shares.mean() + half, abs=0.15 * half)


def test_interval_of_few_people_is_as_wide_as_the_t_interval():
    values = np.random.default_rng(3).normal(size=12)
    means = bootstrap(lambda drawn: drawn @ values / 12, np.ones(12, int), resamples=20_000)
    expected = reference.t.interval(0.95, 11, values.mean(), reference.sem(values))
    low, high = interval(means, 12)
    assert high - low == pytest.approx(expected[1] - expected[0], rel=0.06)


def test_interval_agrees_with_drawing_people_one_by_one():
    rng = np.random.default_rng(5)
    hits, counted = people(60, seed=1, p=0.9), rng.random((60, 10)) < 0.6
    counted[:, 0] = True
    top, count = (hits & counted).sum(1), counted.sum(1)

    def share_and_error(who):
        share = top[who].sum() / count[who].sum()
        return share, np.sqrt(np.sum((top[who] - share * count[who]) ** 2)) / count[who].sum()

    share, error = share_and_error(np.arange(60))
    drawn = np.array([share_and_error(rng.integers(0, 60, 60)) for _ in range(8000)])
    low, high = np.quantile((drawn[:, 0] - share) / drawn[:, 1], [0.025, 0.975])
    expected = 100 * (share - high * error), 100 * (share - low * error)
    assert bootstrap_ci(hits, counted, resamples=8000) == pytest.approx(expected, abs=0.15)


def test_interval_stays_between_the_worst_and_the_best_person():
    hits = np.ones((8, 10), bool)
    hits[0, :6] = False
    low, high = bootstrap_ci(hits, np.ones_like(hits))
    assert 40 <= low < 92.5 < high <= 100
    assert bootstrap_ci(hits[1:], np.ones((7, 10), bool)) == (100.0, 100.0)


def test_drawing_kinds_is_drawing_people():
    values, copies = np.array([0.0, 1.0, 5.0]), np.array([50, 30, 20])
    each = np.repeat(values, copies)
    by_kind = bootstrap(lambda drawn: drawn @ values / 100, copies, resamples=5000)
    one_by_one = bootstrap(lambda drawn: drawn @ each / 100, np.ones(100, int), resamples=5000)
    assert by_kind.mean() == pytest.approx(1.3, abs=0.02)
    assert by_kind.std() == pytest.approx(each.std() / 10, rel=0.05)
    assert one_by_one.std() == pytest.approx(each.std() / 10, rel=0.05)


def test_a_statistic_may_have_several_values_and_every_resample_has_all_units():
    drawn = bootstrap(lambda counts: counts, np.ones(7, int), resamples=50)
    assert drawn.shape == (50, 7)
    assert (drawn.sum(1) == 7).all()


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
    with pytest.raises(ValueError, match="0 units"):
        bootstrap(lambda drawn: drawn, np.ones(0, int))


def test_sign_flips_agree_with_an_independent_permutation_test():
    few, many = (np.random.default_rng(n).normal(0.4, 1, n) for n in (9, 60))
    options = {"permutation_type": "samples", "vectorized": True, "n_resamples": 9999, "rng": 1}
    for values in (few, many):
        expected = reference.permutation_test((values, -values), lambda x, y, axis: x.sum(axis), **options).pvalue
        assert sign_flip_p(values) == pytest.approx(expected, abs=0.015)
    signs = np.array(np.meshgrid(*[[-1, 1]] * 9)).reshape(9, -1)
    assert sign_flip_p(few) == pytest.approx(np.mean(np.abs(few @ signs) >= abs(few.sum()) - 1e-12))


def test_p_is_that_of_the_sign_test_where_all_differences_are_equal():
    differences = np.r_[np.ones(70), -np.ones(45), np.zeros(300)]
    expected = reference.binomtest(70, 115).pvalue
    assert sign_flip_p(differences) == pytest.approx(expected, abs=0.005)
    assert sign_flip_p(-differences / 4200) == sign_flip_p(differences)


def test_no_difference_has_p_one_and_p_is_never_zero():
    assert sign_flip_p(np.zeros(5)) == 1.0
    assert sign_flip_p(np.array([])) == 1.0
    assert sign_flip_p(np.ones(100)) == 1 / 10_000


def test_p_of_resampled_values_is_where_their_interval_reaches_zero():
    values = np.random.default_rng(6).normal(1.9, 1, 4999)
    p = interval_p(values, 25)
    assert interval(values, 25, level=1 - p)[0] == pytest.approx(0, abs=0.02)
    assert interval_p(-values, 25) == pytest.approx(p)
    assert interval_p(np.zeros(9), 25) == 1.0
    assert interval_p(values, 1) == 1.0


def test_mean_over_seeds_has_the_t_interval_and_one_seed_has_none():
    values = [70.1, 71.4, 69.8, 70.9]
    found = over_seeds(values)
    expected = reference.t.interval(0.95, 3, np.mean(values), reference.sem(values))
    assert (found.mean, found.seeds) == (pytest.approx(70.55), 4)
    assert found.ci95 == pytest.approx(expected)
    assert over_seeds([70.1]).ci95 is None
    with pytest.raises(ValueError, match="0 seeds"):
        over_seeds([])
