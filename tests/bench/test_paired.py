"""Differences of two methods: analytic intervals and p values, and AP of two sets of found people."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats as reference

from bench.metrics.coco_ap import evaluate
from bench.metrics.coco_truth import results_from_coco, truth_from_coco
from bench.metrics.protocols import lookup
from bench.paired import ap_differences, difference, resample_ap
from data.skeletons import COCO17, LSP14, MPII16
from data.types import Person
from tests.bench import coco_scenes as scenes

FAR = np.array([1000.0, 0.0])


def person(seed, skeleton=MPII16, unlabelled=()):
    rng = np.random.default_rng(seed)
    visible = np.full(len(skeleton.joints), 2)
    visible[list(unlabelled)] = 0
    return Person(rng.uniform(0, 200, (len(skeleton.joints), 2)), visible, np.zeros(4), head_size=20.0)


def moved(people, where):
    """The truth, but the listed (person, joint) pairs far away."""
    found = np.stack([p.joints for p in people])
    for row, joint in where:
        found[row, joint] += FAR
    return found


def test_interval_is_the_t_interval_of_many_people():
    rng = np.random.default_rng(0)
    everyone = [person(seed, LSP14) for seed in range(400)]
    one, other = (moved(everyone, np.argwhere(rng.random((400, 14)) < chance)) for chance in (0.3, 0.25))
    found = difference(lookup("pck@0.2"), one, other, everyone, LSP14)
    gains = 100 * ((other[..., 0] < 500).mean(1) - (one[..., 0] < 500).mean(1))
    expected = reference.t.interval(0.95, 399, gains.mean(), reference.sem(gains))
    assert found.difference == pytest.approx(gains.mean())
    assert found.ci95 == pytest.approx(expected, abs=0.15)
    assert found.p == pytest.approx(reference.ttest_1samp(gains, 0).pvalue, abs=0.01)


def test_plain_mean_weighs_a_rarely_labelled_joint_like_any_other():
    rng = np.random.default_rng(1)
    everyone = [person(seed, LSP14, unlabelled=() if seed < 40 else (0,)) for seed in range(200)]
    one, other = (moved(everyone, np.argwhere(rng.random((200, 14)) < chance)) for chance in (0.4, 0.2))
    found = difference(lookup("pck@0.2/plain-mean"), one, other, everyone, LSP14)
    right = [np.stack([(x[:, j, 0] < 500)[: 40 if j == 0 else None].mean() for j in range(14)]) for x in (one, other)]
    assert (found.a, found.b) == pytest.approx(tuple(100 * r.mean() for r in right))
    assert found.ci95[0] < found.difference < found.ci95[1]
    assert found.p < 0.001


def test_people_to_ignore_are_not_compared():
    everyone = [person(seed) for seed in range(6)]
    ignored = [*everyone[:5], replace(everyone[5], ignore=True)]
    found = difference(lookup("pckh@0.5"), moved(everyone, [(5, 0)]), moved(everyone, []), ignored, MPII16)
    assert (found.n, found.difference, found.p) == (5, 0, 1)


IMAGES = 20
TRUTH = truth_from_coco(scenes.scene(*(scenes.person(i, i, 100.0) for i in range(1, 21)), images=range(1, 21)))


def results(misplaced):
    """Everybody found, in the listed images 80 px beside the person: at no OKS threshold a hit."""
    return results_from_coco([scenes.found(i, 180.0 if i in misplaced else 100.0, 0.9) for i in range(1, 21)], TRUTH)


def compared(metrics, *found):
    return ap_differences(metrics, *(resample_ap(TRUTH, one, COCO17.sigmas) for one in found))


def test_ap_of_two_methods_differs_by_the_images_that_differ():
    one, other = results(range(1, 11)), results(range(1, 3))
    (ap, ar) = compared(["ap", "ar"], one, other)
    values = [evaluate(TRUTH, found).values["ap"] for found in (one, other)]
    assert (ap.a, ap.b, ap.n) == (*values, IMAGES)
    assert ap.difference == pytest.approx(values[1] - values[0])
    assert ar.difference == pytest.approx(40)  # 8 of 20 people
    gains = np.r_[np.zeros(2), np.full(8, 100), np.zeros(10)]
    half = reference.t.ppf(0.975, IMAGES - 1) * reference.sem(gains)
    assert ar.ci95 == pytest.approx((40 - half, 40 + half), abs=5)
    assert ar.p < 0.02


def test_ap_of_a_method_does_not_differ_from_itself():
    (ap,) = compared(["ap", "mpii-ap"], results([3]), results([3]))
    assert (ap.metric, ap.difference, ap.ci95, ap.p) == ("ap", 0, (0, 0), 1)


def test_one_image_that_differs_is_no_evidence():
    (ar,) = compared(["ar"], results([]), results([3]))
    assert ar.difference == pytest.approx(-5)
    assert ar.p > 0.2
