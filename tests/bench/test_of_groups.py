"""MPII's average precision of a test: images are groups, however many inputs an image was cut into."""

import numpy as np
import pytest
import torch

from bench.evaluate import Evaluate
from bench.score_ap import of_groups
from data.module import PoseDataModule
from data.skeletons import MPII16
from data.types import Person, PosePrediction, PoseSample, join_people
from data.views import PersonCrop
from methods.mean_pose import MeanPose


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


class Settles(MeanPose):
    """Keeps the surer of two people in an image."""

    def together(self, people):
        best = people.scores.argmax()[None]
        return PosePrediction(people.joints[best], people.joint_scores[best], people.scores[best])


@pytest.mark.parametrize(("dataset", "kept"), [("synthetic-multi-mpii", [[0.9], [0.8]]), ("synthetic", None)])
def test_a_method_decides_once_an_image_among_all_that_its_inputs_gave(dataset, kept):
    evaluate = Evaluate(["ap"] if kept else ["pck@0.2"], MPII16)
    ones = [found(person(0), score=score) for score in (0.9, 0.5, 0.3, 0.8)]
    evaluate.predictions, evaluate.image_ids = ones, [7, 7, 9, 9]
    evaluate._decide(PoseDataModule(PersonCrop((64, 64)), dataset), Settles(MPII16))
    assert evaluate.predictions == ones, "the answer to each input is kept too"
    if kept is None:
        return assert_unchanged(evaluate, ones)
    assert evaluate.people_ids == [7, 9]
    assert [one.scores.tolist() for one in evaluate.people] == [pytest.approx(row) for row in kept]


def assert_unchanged(evaluate, ones):
    assert evaluate.people == ones and evaluate.people_ids == [7, 7, 9, 9]


def test_people_of_an_image_are_put_together_with_their_boxes_where_all_have_some():
    one, other = found(person(0)), found(person(1), person(2))
    boxes = [PosePrediction(p.joints, p.joint_scores, p.scores, torch.ones(len(p.scores), 4)) for p in (one, other)]
    assert join_people([one, other]).joints.shape == (3, 16, 2) and join_people([one, boxes[1]]).boxes is None
    assert join_people(boxes).boxes.shape == (3, 4)
