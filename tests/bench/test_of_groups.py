"""MPII's average precision of a test: images are groups, however many inputs an image was cut into."""

import numpy as np
import pytest
import torch

from bench.score_ap import of_groups
from data.skeletons import MPII16
from data.types import Person, PosePrediction, PoseSample


def person(seed):
    joints = np.random.default_rng(seed).uniform(0, 300, (16, 2))
    return Person(joints, np.full(16, 2), np.zeros(4), head_size=20.0)


def found(*people, score=0.9):
    joints = torch.from_numpy(np.stack([p.joints for p in people]))
    return PosePrediction(joints, torch.full(joints.shape[:2], score), torch.full((len(people),), score))


SAMPLES = [PoseSample(i, None, (300, 300), (person(10 * i), person(10 * i + 1))) for i in range(3)]


def test_an_input_a_person_and_one_an_image_give_the_same():
    whole = [found(*sample.people) for sample in SAMPLES]
    crops = [found(one) for sample in SAMPLES for one in sample.people]
    one = of_groups(SAMPLES, whole, [0, 1, 2], MPII16)["mpii-ap"]
    other = of_groups(SAMPLES, crops, [0, 0, 1, 1, 2, 2], MPII16)["mpii-ap"]
    assert one.value == other.value == pytest.approx(100) and one.n == other.n == 6


def test_an_image_in_which_nothing_was_looked_at_counts_its_people_as_missed():
    value = of_groups(SAMPLES, [found(*SAMPLES[0].people)], [0], MPII16)["mpii-ap"].value
    assert value == pytest.approx(100 / 3)
