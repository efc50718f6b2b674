"""The order of a file is questioned where another order fits, and only there."""

import numpy as np
import pytest

from bench.row_order import doubt
from data.skeletons import LSP14
from data.types import Person

PEOPLE, K = 200, 14


def poses(seed=0, people=PEOPLE):
    """People of about 150 px near the middle of a picture: neighbours in the file overlap, as in LSP."""
    rng = np.random.default_rng(seed)
    upright = np.stack([np.tile([-15.0, 15.0], 7), np.linspace(75, -75, K)], -1)
    return 100 + upright + rng.normal(0, 8, (people, 1, 2)) + rng.normal(0, 40, (people, K, 2))


def crowd(joints, labelled=2):
    return [Person(j, np.full(K, labelled), np.zeros(4)) for j in joints]


def found(joints, noise=3.0):
    return joints + np.random.default_rng(9).normal(0, noise, joints.shape)


def test_predictions_in_order_are_not_questioned():
    assert doubt(found(poses()), crowd(poses()), LSP14) is None


@pytest.mark.parametrize("rows", [1, -1, 2, -37])
def test_a_shift_of_rows_is_found_with_its_size(rows):
    question = doubt(np.roll(found(poses()), -rows, axis=0), crowd(poses()), LSP14)
    assert question.certain and f"row i fits person i{rows:+d}" in question.reason


def test_swapped_x_and_y_are_found():
    wide = poses() * [3, 1]
    question = doubt(found(wide)[..., ::-1], crowd(wide), LSP14)
    assert question.certain and question.reason == "x and y are swapped"


def test_predictions_of_another_split_are_found():
    question = doubt(found(poses(1)), crowd(poses()), LSP14, lambda: {"train": crowd(poses(1))})
    assert question.certain and question.reason == "they fit the people of the split train"


def test_one_mean_pose_for_everybody_is_not_questioned():
    mean = np.broadcast_to(poses().mean(0), poses().shape)
    question = doubt(mean, crowd(poses()), LSP14, lambda: {"train": crowd(poses(1))})
    assert question is None or not question.certain


def test_any_other_order_is_a_warning():
    mixed = np.random.default_rng(5).permutation(PEOPLE)
    question = doubt(found(poses())[mixed], crowd(poses()), LSP14)
    assert not question.certain and "100.0% of the joints of some other person" in question.reason


def test_joints_far_off_in_every_order_are_a_warning():
    question = doubt(found(poses()) + 500, crowd(poses()), LSP14)
    assert not question.certain and "only 0.0% of the joints lie within 0.5 of the torso" in question.reason


def test_nothing_found_is_a_warning_and_nothing_to_compare_with_is_not():
    nothing = np.full((PEOPLE, K, 2), np.nan)
    assert not doubt(nothing, crowd(poses()), LSP14).certain
    assert doubt(nothing, crowd(poses(), labelled=0), LSP14) is None


def test_one_person_alone_has_no_order():
    assert doubt(poses(people=1), crowd(poses(people=1)), LSP14) is None
    assert not doubt(poses(people=1) + 500, crowd(poses(people=1)), LSP14).certain
