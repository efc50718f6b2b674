import numpy as np
import pytest
import torch

from bench import draw
from bench.predictions import best_person, coco_results
from data.skeletons import LSP14
from data.types import PosePrediction
from tests.conftest import make_sample

K = len(LSP14.joints)


def test_a_pose_is_drawn_where_its_joints_are():
    picture = np.zeros((100, 100, 3), np.uint8)
    joints = np.full((K, 2), np.nan)
    joints[LSP14.joints.index("left_wrist")] = [30.0, 60.0]
    draw.draw_pose(picture, joints, np.ones(K, bool), LSP14)
    ys, xs = np.nonzero(picture.any(-1))
    assert (xs.mean(), ys.mean()) == pytest.approx((30, 60), abs=0.3)
    assert tuple(picture[60, 30]) == draw.LEFT


def test_joints_that_are_unlabelled_nan_or_far_away_are_not_drawn():
    picture = np.zeros((50, 50, 3), np.uint8)
    joints = np.full((K, 2), 25.0)
    draw.draw_pose(picture, joints, np.zeros(K, bool), LSP14)
    draw.draw_pose(picture, np.full((K, 2), np.nan), np.ones(K, bool), LSP14)
    draw.draw_pose(picture, np.full((K, 2), 1e9), np.ones(K, bool), LSP14)
    assert not picture.any()


def test_left_and_right_have_their_own_colours():
    assert draw.side_colour("left_knee") != draw.side_colour("right_knee") != draw.side_colour("neck")


def test_sheets_have_a_tile_a_sample():
    samples = [make_sample(i) for i in range(5)]
    assert draw.truth_sheet(samples, LSP14, size=64).shape == (2 * 66, 3 * 66, 3)
    shown = [(sample, sample.people[0]) for sample in samples]
    found = [person.joints for _, person in shown]
    assert draw.result_sheet(shown, found, LSP14, size=64).shape == (2 * 66, 3 * 66, 3)


def test_the_best_scoring_person_is_kept_and_nobody_is_nan():
    two = PosePrediction(torch.stack([torch.zeros(K, 2), torch.ones(K, 2)]), torch.ones(2, K), torch.tensor([0.1, 0.9]))
    none = PosePrediction(torch.zeros(0, K, 2), torch.zeros(0, K), torch.zeros(0))
    joints, scores = best_person([two, none], K)
    assert (joints[0] == 1).all() and np.isnan(joints[1]).all() and np.isnan(scores[1]).all()


def test_coco_results_interleave_x_y_and_score():
    joints = torch.arange(2.0 * K).reshape(1, K, 2)
    one = PosePrediction(joints, torch.full((1, K), 0.5), torch.tensor([0.7]))
    (entry,) = coco_results([one], [42])
    assert entry["image_id"] == 42 and entry["category_id"] == 1 and entry["score"] == pytest.approx(0.7)
    assert entry["keypoints"][:6] == [0.0, 1.0, 0.5, 2.0, 3.0, 0.5] and len(entry["keypoints"]) == 3 * K
