"""MPII multi-person AP over batches: the golden example as data, and what does not count."""

import numpy as np
import pytest
import torch

from bench.metrics.people import PeopleMetric
from data.skeletons import COCO17, MPII16
from data.types import Person, PosePrediction

GOLDEN = 100 * (2 / 3 + 5 / 6) / 2


def person(joints, head=10.0, ignore=False):
    joints = np.asarray(joints, np.float64)
    return Person(joints, np.isfinite(joints).all(-1).astype(np.int64), np.zeros(4), head_size=head, ignore=ignore)


def body(first, second):
    """Right and left ankle; nothing else."""
    joints = np.full((16, 2), np.nan)
    joints[0], joints[5] = first, second
    return joints


def prediction(*people, scores):
    joint_scores = torch.zeros(len(people), 16)
    joint_scores[:, [0, 5]] = torch.tensor(scores, dtype=torch.float32).reshape(-1, 2)
    return PosePrediction(torch.tensor(np.array(people)).reshape(-1, 16, 2), joint_scores, torch.ones(len(people)))


def golden_groups():
    """The golden example with its people in two groups."""
    first = prediction(body([1, 0], [0, 120]), body([0, 2], [0, 101]), scores=[[0.9, 0.8], [0.7, 0.6]])
    second = prediction(body([203, 0], [200, 98]), scores=[[0.5, 0.95]])
    return [first, second], [(person(body([0, 0], [0, 100])),), (person(body([200, 0], [200, 100])),)]


def score(predictions, people, cuts=()):
    tally = PeopleMetric("mpii-ap", MPII16)
    for start, end in zip((0, *cuts), (*cuts, len(people)), strict=True):
        tally.update(predictions[start:end], people[start:end])
    return tally.compute()


def test_the_golden_example_in_any_order_and_split():
    found, people = golden_groups()
    result = score(found, people)
    assert result.value == pytest.approx(GOLDEN)
    assert result.per_joint == {"ankle": pytest.approx(GOLDEN)}
    assert (result.n, result.left_out, result.unit) == (2, 0, "%")
    assert score(found, people, (1,)) == score(found[::-1], people[::-1], (0, 1)) == result


def test_the_interval_is_over_groups():
    found, people = golden_groups()
    alone = [score(found[i : i + 1], people[i : i + 1]).value for i in (0, 1)]
    assert score(found, people).ci95 == pytest.approx((min(*alone, GOLDEN), max(*alone, GOLDEN)))


def test_pelvis_and_thorax_are_neither_matched_nor_counted():
    found, people = golden_groups()
    everywhere = person(np.where(np.arange(16)[:, None] == 6, [7.0, 7.0], people[0][0].joints))
    assert score(found, [(everywhere,), people[1]]).value == pytest.approx(GOLDEN)


def test_ignored_people_and_those_without_a_head_are_not_to_be_found():
    found, people = golden_groups()
    more = person(body([500, 0], [500, 100]), ignore=True), person(body([9, 9], [900, 9]), head=float("nan"))
    taken = prediction(body([500, 0], [500, 100]), scores=[[0.99, 0.99]])
    result = score([*found, taken, prediction(scores=[])], [*people, more[:1], more[1:]])
    assert (result.value, result.n, result.left_out) == (pytest.approx(GOLDEN), 2, 1)
    stray = prediction(body([700, 0], [700, 100]), scores=[[0.99, 0.99]])
    assert score([*found, stray], [*people, more[:1]]).value < GOLDEN


def test_other_ids_skeletons_and_nobody_are_refused():
    with pytest.raises(ValueError, match="use mpii-ap"):
        PeopleMetric("ap", MPII16)
    with pytest.raises(ValueError, match="coco17"):
        PeopleMetric("mpii-ap", COCO17)
    with pytest.raises(ValueError, match="0 of 0 people"):
        score([], [])
