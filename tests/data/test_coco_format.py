"""Files that are almost in COCO's format: each is read, or answered with one line."""

import json

import numpy as np
import pytest

from data.coco_format import read_samples
from data.types import DataError
from tests.drawn_coco import annotation, content

LABELS = [50, 40, 2, 80, 90, 1, *[0] * 9]  # two joints, 30 x 50 pixels apart


def read(tmp_path, listed):
    (tmp_path / "val.json").write_text(json.dumps(listed))
    return read_samples(tmp_path / "val.json", tmp_path, 5, category=7, empty=True)


def one(tmp_path, **changes):
    """Read one person with some entries changed; None takes an entry out."""
    person = {k: v for k, v in {**annotation(1, 1, (5, 5), 50), **changes}.items() if v is not None}
    return read(tmp_path, {**content(1), "annotations": [person]})[0].people[0]


def test_boxes_that_reach_beyond_the_image_are_used_as_they_are(tmp_path):
    person = one(tmp_path, bbox=[-10, -20, 500, 600])
    assert person.box.tolist() == [-10, -20, 490, 580] and not person.ignore


@pytest.mark.parametrize(
    "bbox",
    [None, [], [5, 5, 0, 0], [5, 5, 0, 40], [5, 5, -9, 9], [500, 5, 9, 9], [5, -50, 9, 9], [5, 5, float("nan"), 9]],
)
def test_a_box_without_a_size_in_the_image_gives_way_to_the_joints(tmp_path, bbox):
    person = one(tmp_path, bbox=bbox, keypoints=LABELS, num_keypoints=2)
    assert person.box.tolist() == [50, 40, 80, 90] and not person.ignore


def test_who_has_neither_a_box_nor_two_joints_is_ignored(tmp_path):
    person = one(tmp_path, bbox=[5, 5, 0, 0], keypoints=[50, 40, 2, *[0] * 12], num_keypoints=1)
    assert person.ignore and not person.crowd


@pytest.mark.parametrize("area", [None, 0, -3, float("nan"), "large"])
def test_an_area_that_is_missing_or_not_positive_is_unknown(tmp_path, area):
    assert np.isnan(one(tmp_path, area=area).area)


def test_what_a_tool_left_out_is_counted_or_taken_for_a_single_person(tmp_path):
    person = one(tmp_path, iscrowd=None, num_keypoints=None)
    assert not person.ignore and not person.crowd
    assert one(tmp_path, num_keypoints=None, keypoints=[0] * 15).ignore
    assert one(tmp_path, num_keypoints=0).ignore, "the file's own count decides"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"keypoints": [1, 2, 2]}, "annotation 1 of image 1: keypoints of size 3; 15 numbers expected"),
        ({"keypoints": [0] * 51}, "keypoints of size 51; 15 numbers"),
        ({"keypoints": None}, "annotation 1 of image 1: no keypoints"),
        ({"keypoints": [[1, 2, 2]] * 5}, "15 numbers expected"),
        ({"keypoints": ["x"] * 15}, "annotation 1 of image 1: could not convert"),
        ({"keypoints": [1, float("nan"), 2] * 5}, "a coordinate is no number"),
        ({"keypoints": [1, 2, 3] * 5}, "a visibility is none of 0, 1 and 2"),
        ({"bbox": [1, 2, 3]}, "a box of 3 numbers"),
        ({"bbox": ["a", 2, 3, 4]}, "could not convert"),
        ({"segmentation": 5, "iscrowd": 1}, "neither polygons nor run lengths"),
        ({"image_id": 99}, "annotations of image 99, which is not listed"),
        ({"image_id": None}, "'image_id'"),
    ],
)
def test_annotations_that_cannot_be_read_are_told(tmp_path, changes, told):
    with pytest.raises(DataError, match=rf"val\.json: .*{told}") as caught:
        one(tmp_path, **changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("image", "told"),
    [
        ({"id": 1, "file_name": "b.png", "height": 5, "width": 5}, r"two images have the id 1, the second is b\.png"),
        ({"id": "b", "file_name": "b.png", "height": 5, "width": 5}, "image 'b' .*an integer id"),
        ({"id": 2, "file_name": None, "height": 5, "width": 5}, "a file name expected"),
        ({"id": 2, "file_name": "b.png", "height": 0, "width": 5}, r"image 2 is \(0, 5\) pixels"),
        ({"id": 2, "file_name": "b.png", "height": 5}, "'width'"),
        ("b.png", "on reading"),
    ],
)
def test_images_that_cannot_be_read_are_told(tmp_path, image, told):
    listed = content(1)
    listed["images"].append(image)
    with pytest.raises(DataError, match=rf"val\.json: .*{told}") as caught:
        read(tmp_path, listed)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "listed", [[], {}, {"images": []}, {"images": [], "annotations": None}, {"images": [], "annotations": [3]}]
)
def test_a_file_of_another_kind_is_told(tmp_path, listed):
    with pytest.raises(DataError, match=r"val\.json: .*is this a person_keypoints file"):
        read(tmp_path, listed)


def test_sixty_people_are_sixty(tmp_path):
    listed = content(1)
    listed["annotations"] = [annotation(i, 1, (i, i % 40), 50) for i in range(60)]
    assert len(read(tmp_path, listed)[0].people) == 60
