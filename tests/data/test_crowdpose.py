"""The CrowdPose reader on a small file, and on the official one where POSE_DATA names it."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from data import ReadOptions, crowdpose
from data.skeletons import CROWDPOSE14
from data.types import DataError

REAL = Path(os.environ.get("POSE_DATA") or "absent")
real = pytest.mark.skipif(not (REAL / "crowdpose").is_dir(), reason="POSE_DATA names no folder with crowdpose/")


def record(number, image, *, labelled=14, count=None, iscrowd=0):
    keypoints = [n for k in range(14) for n in ((k, 2 * k, 2) if k < labelled else (0, 0, 0))]
    count = labelled if count is None else count
    counts = {"id": number, "image_id": image, "num_keypoints": count, "iscrowd": iscrowd}
    return {**counts, "category_id": 1, "keypoints": keypoints, "bbox": [10.5, 20, 30, 40]}


def content():
    images = [{"id": i, "file_name": f"{i}.jpg", "height": 30, "width": 40, "crowdIndex": i / 10} for i in (7, 5, 6)]
    people = [record(1, 5, labelled=3), record(2, 5, labelled=2, count=0), record(3, 7), record(4, 5, iscrowd=1)]
    return {"images": images, "annotations": people}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "crowdpose" / "json").mkdir(parents=True)
    (tmp_path / "crowdpose" / "json" / "crowdpose_val.json").write_text(json.dumps(content()))
    return tmp_path / "crowdpose"


def test_each_image_with_people_is_one_sample_in_the_order_of_the_file(folder):
    samples = crowdpose.read("val", folder.parent, ReadOptions())
    assert [(s.image_id, s.size, len(s.people)) for s in samples] == [(7, (30, 40), 1), (5, (30, 40), 3)]
    person = samples[1].people[0]
    np.testing.assert_array_equal(person.joints[:4], [[0, 0], [1, 2], [2, 4], [0, 0]])
    assert person.visible.tolist() == [2, 2, 2] + [0] * 11
    np.testing.assert_array_equal(person.box, [10.5, 20, 40.5, 60])
    assert np.isnan(person.area)


def test_crowds_and_people_with_a_count_of_0_are_ignored(folder):
    people = crowdpose.read("val", folder.parent, ReadOptions())[1].people
    assert [person.ignore for person in people] == [False, True, True]


def test_every_image_has_a_crowd_index(folder):
    assert crowdpose.crowd_index(crowdpose.annotation_file("val", folder.parent)) == {7: 0.7, 5: 0.5, 6: 0.6}


def test_missing_and_foreign_files_are_told(folder):
    with pytest.raises(DataError, match=r"holds json; expected crowdpose_test\.json in it"):
        crowdpose.read("test", folder.parent, ReadOptions())
    with pytest.raises(DataError, match="no split 'minival'; expected train, val, test"):
        crowdpose.read("minival", folder.parent, ReadOptions())
    with pytest.raises(DataError, match="no convention 'oc'; expected pc"):
        crowdpose.read("val", folder.parent, ReadOptions(convention="oc"))
    path = folder / "json" / "crowdpose_val.json"
    path.write_text(json.dumps({**content(), "annotations": [record(1, 99)]}))
    with pytest.raises(DataError, match="image 99, which is not listed"):
        crowdpose.read("val", folder.parent, ReadOptions())
    path.write_text(json.dumps({"images": [{"id": 1}], "annotations": []}))
    with pytest.raises(DataError, match=r"crowdpose_val\.json: KeyError\('crowdIndex'\)"):
        crowdpose.crowd_index(path)


def test_images_are_required_where_there_is_a_folder_of_them(folder):
    (folder / "images").mkdir()
    with pytest.raises(DataError, match=r"holds 0 of 2 files, first missing 7\.jpg"):
        crowdpose.read("val", folder.parent, ReadOptions())


def test_joints_and_sigmas_are_those_of_the_evaluation_code():
    expected = [0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089, 0.079, 0.079]
    np.testing.assert_allclose(CROWDPOSE14.sigmas, expected)


@real
def test_official_val_has_2000_images_and_8527_people():
    path = crowdpose.annotation_file("val", REAL)
    samples = crowdpose.read_annotations(path, REAL / "crowdpose" / "images")
    assert len(crowdpose.crowd_index(path)) == 2000
    assert sum(len(sample.people) for sample in samples) == 8527
    named = json.loads(path.read_text())["categories"][0]["keypoints"]
    assert tuple(name if name != "head" else "head_top" for name in named) == CROWDPOSE14.joints
