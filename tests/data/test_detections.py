"""Boxes of a file: what becomes an input of a test, and what does not."""

import numpy as np
import pytest
import torch

from data.augment import Augment
from data.boxes import BoxSource
from data.detections import detections
from data.inputs import NO_EPOCH, Inputs
from data.skeletons import LSP14
from data.types import DataError
from data.views import PersonCrop, WholeImage


def box(image_id, bbox=(10, 20, 30, 40), score=0.5, category=1, **more):
    return {"image_id": image_id, "category_id": category, "bbox": list(bbox), "score": score, **more}


def source(*records, category=1):
    return BoxSource(found=detections(list(records), "file.json", category))


def corners(found, sample):
    return [b.corners.tolist() for b in found.boxes(sample)]


def test_every_box_of_an_image_is_one_input_with_its_score(crowds):
    found = source(box(2, score=0.25), box(1, (0, 0, 9, 9)), box(2, (1, 1, 5, 5), score=0.001))
    looks = PersonCrop((64, 64)).looks(crowds, found)
    assert [(look.sample, look.person, look.score) for look in looks] == [
        (1, None, 0.5),
        (2, None, 0.25),
        (2, None, 0.001),
    ]
    assert looks[1].box.tolist() == [10, 20, 40, 60]


def test_no_box_is_left_out_for_being_one_of_many(crowds):
    assert len(source(*[box(0, (i, i, 9, 9), score=0) for i in range(60)]).boxes(crowds[0])) == 60


def test_the_part_inside_the_image_counts(crowds):
    found = source(box(0, (-10, -10, 30, 30)), box(0, (230, 190, 50, 50)), box(0, (-5, -5, 1e6, 1e6)))
    assert corners(found, crowds[0]) == [[0, 0, 20, 20], [230, 190, 240, 200], [0, 0, 240, 200]]


@pytest.mark.parametrize(
    "bbox",
    [(0, 0, 0, 9), (5, 5, -3, 9), (240, 0, 9, 9), (-20, 0, 9, 9), (0, 0, float("nan"), 9), (0, 0, float("inf"), 9)],
)
def test_boxes_without_a_size_inside_the_image_are_left_out(crowds, bbox):
    assert corners(source(box(0, bbox), box(0)), crowds[0]) == [[10, 20, 40, 60]]


def test_boxes_of_a_score_that_is_no_number_are_left_out(crowds):
    assert len(source(box(0, score=float("nan")), box(0)).boxes(crowds[0])) == 1


def test_other_categories_and_unknown_images_play_no_part(crowds):
    found = source(box(0, category=3), box(99), box(1, category=7), category=7)
    assert [len(found.boxes(sample)) for sample in crowds] == [0, 1, 0, 0] and len(found.found) == 1


def test_the_box_of_a_pose_is_the_extent_of_the_joints_that_were_found(crowds):
    pose = {"image_id": 0, "category_id": 1, "score": 0.5, "keypoints": [30, 50, 1, 0, 0, 0, 10, 90, 0.2]}
    assert corners(source(pose), crowds[0]) == [[10, 50, 30, 90]]
    assert corners(source({**pose, "bbox": [1, 2, 3, 4]}), crowds[0]) == [[1, 2, 4, 6]]
    assert corners(source({**pose, "keypoints": [0] * 9}, pose), crowds[0]) == [[10, 50, 30, 90]], "one was not found"


@pytest.mark.parametrize(
    ("records", "told"),
    [
        ({"images": []}, "a list of detections expected"),
        ([], "0 detections, none of category 1"),
        ([box(0, category=2)], "1 detections, none of category 1"),
        ([1], "detection 0: .*results in COCO's format"),
        ([{"image_id": 0}], "detection 0 has no category_id"),
        ([box(0), {"image_id": 0, "category_id": 1, "score": 1}], "detection 1 has no bbox and no keypoints"),
        ([{"image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4]}], "detection 0 has no score"),
        ([box(0, (1, 2, 3))], "a box of 3 numbers"),
        ([box(0, ("a", 2, 3, 4))], "detection 0: could not convert"),
        ([{"image_id": 0, "category_id": 1, "keypoints": [1, 2], "score": 1}], "2 numbers of keypoints"),
    ],
)
def test_files_of_another_kind_are_told(records, told):
    with pytest.raises(DataError, match=rf"file\.json: .*{told}|file\.json: {told}"):
        detections(records, "file.json", 1)


@pytest.mark.parametrize("others", [False, True])
def test_a_batch_of_found_boxes_asks_for_nobody_and_knows_their_scores(crowds, others):
    view = PersonCrop((64, 64), others=others)
    found = source(box(2, score=0.25), box(2))
    made = Inputs(crowds, LSP14, view, boxes=found, augment=Augment(), seed=0, max_bytes=0)
    batch = made.__getitems__([(NO_EPOCH, 0), (NO_EPOCH, 1)])
    assert batch.people == ((), ()) and not batch.visible.any() and batch.image_ids == (2, 2)
    assert batch.box_scores.tolist() == [0.25, 0.5] and batch.to(torch.device("cpu")).box_scores.tolist() == [0.25, 0.5]


def test_scores_are_1_where_nobody_had_to_find_the_box(crowds):
    for view in (PersonCrop((64, 64)), WholeImage((64, 64))):
        made = Inputs(crowds, LSP14, view, boxes=BoxSource(), augment=Augment(), seed=0, max_bytes=0)
        assert made.__getitems__([(NO_EPOCH, 0), (NO_EPOCH, 1)]).box_scores.tolist() == [1, 1]


def test_whole_images_are_looked_at_whatever_was_found(crowds):
    assert len(WholeImage((64, 64)).looks(crowds, source(box(2)))) == 4


def test_training_takes_the_truth(crowds):
    found = source(box(2))
    assert found.label == "file.json" and found.in_training() == BoxSource()
    assert [b.person for b in found.in_training().boxes(crowds[2])] == [0, 1]
    assert BoxSource(0.1).in_training() == BoxSource(0.1) and BoxSource(0.1).label == "jitter:0.1"
    np.testing.assert_array_equal(BoxSource().boxes(crowds[2])[1].corners, crowds[2].people[1].box)


def test_inputs_through_another_view_show_evenly_spaced_images_in_other_boxes(crowds):
    everyone = Inputs(
        crowds, LSP14, PersonCrop((64, 64)), boxes=BoxSource(), augment=Augment(), seed=0, max_bytes=1 << 20
    )
    view = PersonCrop((32, 32), padding=1.0)
    few = everyone.through(view, BoxSource(0.1, doubles=1), 2)
    asked = [(look.sample, look.person) for look in few.looks]
    last = len(crowds) - 1
    assert asked == [(last, person) for person in range(len(crowds[last].people))] * 2, "the first has nobody"
    assert few[NO_EPOCH, 0].images.shape[-2:] == (32, 32) and everyone.view.size == (64, 64)


def test_a_batch_says_which_boxes_should_have_been_looked_at(crowds):
    for boxes in (BoxSource(), BoxSource(0.3)):
        made = Inputs(crowds, LSP14, PersonCrop((64, 64)), boxes=boxes, augment=Augment(), seed=0, max_bytes=0)
        look = made.looks[2]
        aims = made.__getitems__([(NO_EPOCH, 2)]).aims
        np.testing.assert_array_equal(aims[0], crowds[look.sample].people[look.person].box)
