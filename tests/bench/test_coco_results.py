"""What a test found, as the results list of COCO's format has it."""

import torch

from bench.predictions import coco_results
from data.detections import detections
from data.types import PosePrediction

NAN = float("nan")


def prediction(*people, score=0.5):
    joints = torch.tensor(people, dtype=torch.float32)
    return PosePrediction(joints, torch.full(joints.shape[:2], 0.25), torch.full((len(joints),), score))


def test_a_joint_that_was_not_found_is_three_zeros():
    (found,) = coco_results([prediction([[1, 2], [NAN, NAN], [5, 6]])], [9])
    assert found["keypoints"] == [1, 2, 0.25, 0, 0, 0, 5, 6, 0.25]
    assert (found["image_id"], found["category_id"], found["score"]) == (9, 1, 0.5)


def test_a_joint_score_that_is_no_number_is_zero():
    one = prediction([[1, 2], [3, 4]])
    one.joint_scores[0, 1] = NAN
    assert coco_results([one], [9])[0]["keypoints"] == [1, 2, 0.25, 3, 4, 0]


def test_a_person_of_whom_nothing_was_found_is_left_out():
    nobody = [[NAN, NAN], [NAN, NAN]]
    assert [r["keypoints"][:2] for r in coco_results([prediction(nobody, [[1, 2], [3, 4]])], [9])] == [[1, 2]]


def test_inputs_of_one_image_are_people_of_one_image():
    found = coco_results([prediction([[1, 2]]), prediction([[3, 4]]), prediction([[5, 6]])], [7, 7, 8], category=3)
    assert [(r["image_id"], r["category_id"]) for r in found] == [(7, 3), (7, 3), (8, 3)]


def test_the_box_of_a_method_that_finds_boxes_is_kept_and_serves_as_a_source():
    box = torch.tensor([[10.0, 20.0, 40.0, 90.0]])
    found = PosePrediction(torch.ones(1, 2, 2), torch.ones(1, 2), torch.tensor([0.5]), box)
    (entry,) = coco_results([found.cpu()], [3])
    assert entry["box"] == [10.0, 20.0, 30.0, 70.0] and "bbox" not in entry
    assert detections([entry], "a file", 1).by_image[3].tolist() == [[10.0, 20.0, 40.0, 90.0, 0.5]]
