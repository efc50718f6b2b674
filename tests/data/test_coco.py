"""The COCO reader on a drawn folder of three images, and on real data where POSE_DATA names it."""

import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data import ReadOptions, coco
from data.types import DataError

REAL = Path(os.environ.get("POSE_DATA") or "absent")
real = pytest.mark.skipif(not (REAL / "coco_subset").is_dir(), reason="POSE_DATA names no folder with coco_subset/")


def _person(number: int, image: int, labelled: int, iscrowd: int = 0) -> dict[str, Any]:
    """Joint k at (k, 2k): the first is occluded, further labelled ones are visible."""
    keypoints = [n for k in range(17) for n in ((k, 2 * k, 1 if k == 0 else 2) if k < labelled else (0, 0, 0))]
    return {
        "id": number,
        "image_id": image,
        "keypoints": keypoints,
        "num_keypoints": labelled,
        "bbox": [10.5, 20, 30, 40],
        "area": 636.5,
        "iscrowd": iscrowd,
    }


def _content() -> dict[str, Any]:
    images = [{"id": i, "file_name": f"{i:012d}.jpg", "height": 30, "width": 40} for i in (7, 5, 6)]
    return {
        "images": images,
        "annotations": [_person(1, 5, 3), _person(2, 5, 0), _person(3, 7, 17), _person(4, 5, 0, 1)],
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Image 7 has one person, 5 has three records, 6 has none."""
    (tmp_path / "coco" / "annotations").mkdir(parents=True)
    (tmp_path / "coco" / "val2017").mkdir()
    for i in (5, 6, 7):
        cv2.imwrite(str(tmp_path / "coco" / "val2017" / f"{i:012d}.jpg"), np.full((30, 40, 3), 128, np.uint8))
    _write(tmp_path / "coco", _content())
    return tmp_path / "coco"


def _write(folder: Path, content: object, name: str = "person_keypoints_val2017.json") -> None:
    (folder / "annotations" / name).write_text(json.dumps(content))


def test_each_image_is_one_sample(folder: Path) -> None:
    samples = coco.read("val", folder.parent, ReadOptions())
    assert [(s.image_id, len(s.people)) for s in samples] == [(7, 1), (5, 3), (6, 0)]
    assert samples[0].size == samples[0].pixels.load().shape[:2] == (30, 40)


def test_images_without_people_are_not_trained_on_nor_asked_for(folder: Path) -> None:
    _write(folder, _content(), "person_keypoints_train2017.json")
    (folder / "val2017").rename(folder / "train2017")
    (folder / "train2017" / "000000000006.jpg").unlink()
    assert [s.image_id for s in coco.read("train", folder.parent, ReadOptions())] == [7, 5]


def test_coordinates_are_used_as_they_are(folder: Path) -> None:
    person = coco.read("val", folder.parent, ReadOptions())[1].people[0]
    np.testing.assert_array_equal(person.joints[:4], [[0, 0], [1, 2], [2, 4], [0, 0]])
    assert person.visible.tolist() == [1, 2, 2] + [0] * 14
    assert person.area == 636.5


def test_box_ends_at_start_plus_side(folder: Path) -> None:
    person = coco.read("val", folder.parent, ReadOptions())[0].people[0]
    np.testing.assert_array_equal(person.box, [10.5, 20, 40.5, 60])


def test_crowds_and_people_without_joints_are_ignored(folder: Path) -> None:
    people = coco.read("val", folder.parent, ReadOptions())[1].people
    assert [person.ignore for person in people] == [False, True, True]


def test_the_official_file_goes_before_a_subset(folder: Path) -> None:
    half = _content()
    half["annotations"] = half["annotations"][2:3]
    _write(folder, half, "person_keypoints_val2017_subset.json")
    assert sum(len(s.people) for s in coco.read("val", folder.parent, ReadOptions())) == 4
    (folder / "annotations" / "person_keypoints_val2017.json").unlink()
    assert sum(len(s.people) for s in coco.read("val", folder.parent, ReadOptions())) == 1


def test_missing_files_are_told(folder: Path) -> None:
    with pytest.raises(
        DataError, match=r"annotations: holds person_keypoints_val2017\.json; expected person_keypoints_tr"
    ):
        coco.read("train", folder.parent, ReadOptions())
    (folder / "val2017" / "000000000005.jpg").unlink()
    with pytest.raises(DataError, match=r"val2017: holds 2 of 3 files, first missing 000000000005\.jpg"):
        coco.read("val", folder.parent, ReadOptions())
    (folder / "val2017").rename(folder / "pictures")
    with pytest.raises(DataError, match="holds annotations, pictures; expected a folder images/val2017 or val2017"):
        coco.read("val", folder.parent, ReadOptions())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"annotations": [{"id": 1, "image_id": 5, "bbox": [0, 0, 1, 1]}]}, "keypoints"),
        ({"annotations": [{**_person(1, 5, 3), "keypoints": [1, 2, 2]}]}, "size 3"),
        ({"annotations": [_person(1, 99, 3)]}, "image 99, which is not listed"),
        ({"annotations": None}, "person_keypoints file"),
    ],
)
def test_a_file_of_another_kind_is_told(folder: Path, change: dict[str, Any], told: str) -> None:
    _write(folder, {**_content(), **change})
    with pytest.raises(DataError, match=rf"person_keypoints_val2017\.json: .*{told}"):
        coco.read("val", folder.parent, ReadOptions())


def test_a_cut_json_is_told(folder: Path) -> None:
    (folder / "annotations" / "person_keypoints_val2017.json").write_text('{"images": [')
    with pytest.raises(DataError, match=r"val2017\.json: not readable as JSON"):
        coco.read("val", folder.parent, ReadOptions())


def test_unknown_split_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="no split 'test'; expected train or val"):
        coco.read("test", folder.parent, ReadOptions())


@real
def test_real_subset_has_103_and_177_images() -> None:
    people = {}
    for split, images in (("train", 103), ("val", 177)):
        samples = coco.read(split, REAL, ReadOptions())
        assert len(samples) == images
        people[split] = sum(not p.ignore for s in samples for p in s.people)
    assert people == {"train": 282, "val": 549}  # README of the data
