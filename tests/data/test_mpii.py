"""The MPII reader on a drawn folder of 2,958 people, and on the real annotation where POSE_DATA names it."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from data import ReadOptions, mpii
from data.types import DataError

REAL = Path(os.environ.get("POSE_DATA") or "absent")
real = pytest.mark.skipif(not (REAL / "mpii").is_dir(), reason="POSE_DATA names no folder that holds mpii/")
PEOPLE = 2958


def _truth() -> dict[str, np.ndarray]:
    """Joint k of person n lies at (k + 1, n + 1), MATLAB pixels; the right ankle is missing, at (0, 0)."""
    joints = np.zeros((16, 2, PEOPLE))
    joints[:, 0], joints[:, 1] = np.arange(16)[:, None] + 1, np.arange(PEOPLE)[None] + 1
    joints[0] = 0
    missing = np.zeros((16, PEOPLE), np.uint8)
    missing[0] = 1
    heads = np.zeros((2, 2, PEOPLE))
    heads[0], heads[1] = np.array([[100], [200]]), np.array([[130], [240]])  # sides 30 and 40, diagonal 50
    names = np.array([*mpii.JOINT_ORDER.split()], object)
    return {"pos_gt_src": joints, "jnt_missing": missing, "headboxes_src": heads, "dataset_joints": names}


def _record(name: str, y: int = 5) -> dict[str, object]:
    joints = [[k + 1, y] for k in range(16)]
    return {"image": name, "joints": joints, "joints_vis": [0] + [1] * 15, "center": [301.0, 401.0], "scale": 2.0}


def _records(first: str, other: str) -> str:
    """HRNet's records of the people of `_truth`."""
    return json.dumps([_record(other if n else first, n + 1) for n in range(PEOPLE)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mpii" / "annot").mkdir(parents=True)
    (tmp_path / "mpii" / "images").mkdir()
    savemat(tmp_path / "mpii" / "annot" / "gt_valid.mat", _truth())
    cv2.imwrite(str(tmp_path / "mpii" / "images" / "a.jpg"), np.full((30, 40, 3), 128, np.uint8))
    return tmp_path / "mpii"


def test_pixels_are_counted_from_0_and_missing_joints_are_unlabelled(folder: Path) -> None:
    sample = mpii.read("val", folder.parent, ReadOptions())[9]
    person = sample.people[0]
    assert sample.image_id == 9
    assert person.visible.tolist() == [0] + [2] * 15
    np.testing.assert_array_equal(person.joints[1:], [[k, 9.0] for k in range(1, 16)])
    np.testing.assert_array_equal(person.box, [1, 9, 15, 9])


def test_head_size_is_six_tenths_of_the_diagonal(folder: Path) -> None:
    assert mpii.read("val", folder.parent, ReadOptions())[0].people[0].head_size == pytest.approx(30.0)


def test_truth_without_images_can_be_read_but_not_looked_at(folder: Path) -> None:
    sample = mpii.read("val", folder.parent, ReadOptions())[3]
    with pytest.raises(DataError, match=r"annot: gt_valid.mat names no image for row 3; bring valid.h5 or valid.json"):
        sample.pixels.load()


def test_valid_json_names_the_images_row_by_row(folder: Path) -> None:
    (folder / "annot" / "valid.json").write_text(_records("a.jpg", "b.jpg"))
    first, second = mpii.read("val", folder.parent, ReadOptions())[:2]
    assert first.size == first.pixels.load().shape[:2] == (30, 40)
    with pytest.raises(DataError, match=r"b\.jpg: cannot be read"):
        second.pixels.load()


def test_a_valid_json_of_other_length_is_told(folder: Path) -> None:
    (folder / "annot" / "valid.json").write_text(json.dumps([_record("a.jpg")]))
    with pytest.raises(DataError, match=r"valid\.json: 1 people, MPII val has 2,958"):
        mpii.read("val", folder.parent, ReadOptions())


def test_train_reads_the_json(folder: Path) -> None:
    (folder / "annot" / "train.json").write_text(json.dumps([_record("a.jpg")]))
    (sample,) = mpii.read("train", folder.parent, ReadOptions())
    person = sample.people[0]
    np.testing.assert_array_equal(person.joints[1:], [[k, 4.0] for k in range(1, 16)])
    assert (sample.size, person.visible[0], person.head_size) == ((30, 40), 0, 50.0)  # 25 px times the scale


def test_damage_is_told(folder: Path) -> None:
    with pytest.raises(DataError, match=r"annot: holds gt_valid\.mat; expected train\.json"):
        mpii.read("train", folder.parent, ReadOptions())
    (folder / "annot" / "train.json").write_text(json.dumps([_record("c.jpg")]))
    with pytest.raises(DataError, match=r"images: holds 0 of 1 files, first missing c\.jpg"):
        mpii.read("train", folder.parent, ReadOptions())
    (folder / "annot" / "train.json").write_text(json.dumps([{**_record("a.jpg"), "joints": [[1, 2]]}]))
    with pytest.raises(DataError, match=r"train\.json: .*joints \(1, 2\).*MPII has \(16, 2\)"):
        mpii.read("train", folder.parent, ReadOptions())
    savemat(folder / "annot" / "gt_valid.mat", {**_truth(), "jnt_missing": np.zeros((16, 3))})
    with pytest.raises(DataError, match=r"jnt_missing of shape \(16, 3\), expected \(16, 2958\)"):
        mpii.read("val", folder.parent, ReadOptions())


def test_unknown_split_and_convention_are_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="no split 'test'; expected train or val"):
        mpii.read("test", folder.parent, ReadOptions())
    with pytest.raises(DataError, match="no convention 'oc'; expected pc"):
        mpii.read("val", folder.parent, ReadOptions("oc"))


@real
def test_real_val_has_2958_people_with_a_head() -> None:
    samples = mpii.read("val", REAL, ReadOptions())
    assert len(samples) == PEOPLE
    assert all(s.people[0].head_size > 0 for s in samples)
    np.testing.assert_allclose(samples[0].people[0].joints[:2], [[803, 710], [815, 509]], atol=1e-3)  # HRNet's record
