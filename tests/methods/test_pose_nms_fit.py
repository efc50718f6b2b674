"""Fitting the parameters of pose NMS: it never gets worse, and finds what was planted."""

from dataclasses import replace

import numpy as np
import pytest

from data.types import Person
from methods.oks_ap import average_precision
from methods.pose_nms import ALPHAPOSE, CAFFE, MXNET, PAPER, pose_nms
from methods.pose_nms_fit import ROUNDS, fit

K = 17
SIGMAS = np.full(K, 0.08)
NEVER = replace(CAFFE, eta=60.0)  # nothing is so much alike: 17 (1 + 2.08) = 52.36
ALWAYS = replace(CAFFE, eta=4.0)  # neighbours at 2.5 refs are alike by 35.36 exp(-2.5 / 2.08) = 10.6


def drawn_image(rng):
    """Two or three people, each found three times, 5 pixels off; neighbours stand 25 pixels beside each other."""
    shape = rng.uniform(0, 100, (K, 2))
    places = np.array([(0.0, 0.0), (25.0, 0.0), (300.0, 0.0)])[: rng.integers(2, 4)]
    people = shape + places[:, None]
    joints = np.repeat(people, 3, 0)
    joints = joints + rng.normal(0, 3.5, joints.shape)
    scores = np.repeat(rng.uniform(0.5, 0.9, len(joints))[:, None], K, 1)
    truth = [Person(one, np.full(K, 2), np.concatenate([one.min(0), one.max(0)])) for one in people]
    return (joints, scores, None), truth


def drawn(seed, images):
    return zip(*[drawn_image(np.random.default_rng((seed, i))) for i in range(images)], strict=True)


def share_right(truth):
    """The share of images in which everybody is kept exactly once."""

    def objective(results):
        exact = []
        for found, people in zip(results, truth, strict=True):
            centres = np.array([one.joints.mean(0) for one in people])
            who = np.linalg.norm(found.joints.mean(1)[:, None] - centres, axis=-1).argmin(1)
            exact.append(sorted(who.tolist()) == list(range(len(people))))
        return float(np.mean(exact))

    return objective


@pytest.mark.parametrize("start", [NEVER, ALWAYS])
def test_the_planted_optimum_is_found_and_holds_for_other_images(start):
    images, truth = drawn(0, 12)
    fitted = fit(images, share_right(truth), start)
    assert fitted.history[0] == 0 and fitted.history[-1] == 1
    other, people = drawn(1, 40)
    assert share_right(people)([pose_nms(*image, fitted.parameters) for image in other]) > 0.9


@pytest.mark.parametrize("start", [CAFFE, ALPHAPOSE, MXNET, PAPER, NEVER, ALWAYS])
def test_average_precision_never_falls_and_conventions_stay(start):
    images, truth = drawn(2, 5)

    def objective(results):
        return average_precision([(one.joints, one.scores) for one in results], truth, SIGMAS)

    fitted = fit(images, objective, start, rounds=2)
    assert len(fitted.history) == 3
    assert list(fitted.history) == sorted(fitted.history)
    assert objective([pose_nms(*image, fitted.parameters) for image in images]) == fitted.history[-1]
    four = {name: getattr(start, name) for name in ("sigma1", "sigma2", "balance", "eta")}
    assert replace(fitted.parameters, **four) == start


def test_removing_duplicates_raises_average_precision():
    images, truth = drawn(3, 6)
    fitted = fit(images, lambda r: average_precision([(p.joints, p.scores) for p in r], truth, SIGMAS), NEVER, rounds=1)
    assert fitted.history[-1] > fitted.history[0] + 0.1


def test_where_nothing_is_better_the_start_stays():
    images, _ = drawn(0, 2)
    fitted = fit(images, lambda results: 0.5, CAFFE)
    assert fitted.parameters == CAFFE
    assert fitted.history == (0.5,) * (ROUNDS + 1)


def test_boxes_reach_the_suppression():
    (image,), _ = drawn(0, 1)
    boxes = np.tile([0.0, 0.0, 1e4, 1e4], (len(image[0]), 1))  # everybody is within one ref of everybody
    seen = []
    fit([image], lambda results: seen.append(len(results[0].kept)) or 0.0, CAFFE, boxes=[boxes], rounds=0)
    assert seen == [1]
