"""The FLIC reader on a drawn folder of 5,003 people, and on the real annotation where POSE_DATA names it."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from data import ReadOptions, flic
from data.skeletons import FLIC11
from data.types import DataError

REAL = Path(os.environ.get("POSE_DATA") or "absent")
real = pytest.mark.skipif(not (REAL / "flic").is_dir(), reason="POSE_DATA names no folder that holds flic/")
FIELDS = ("coords", "filepath", "istrain", "istest")
TRAIN, TEST = 3987, 1016


def _official(path: Path, people: int = TRAIN + TEST, parts: int = 29) -> None:
    """Part k of person n lies at (k + 1, n + 1), MATLAB pixels; the first 1,016 are the test."""
    rows = np.zeros((1, people), [(name, object) for name in FIELDS])
    for n in range(people):
        coords = np.stack([np.arange(parts) + 1.0, np.full(parts, n + 1.0)])
        coords[:, [i for i in range(parts) if i not in flic.LABELLED_PARTS]] = np.nan
        rows[0, n] = (coords, f"{n}.jpg", int(n >= TEST), int(n < TEST))
    savemat(path, {"flic_anno": rows})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    (root / "flic").mkdir()
    _official(root / "flic" / "flic-joints-oc.mat")
    return root


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    (tmp_path / "flic").mkdir()
    return tmp_path / "flic"


def _hourglass(folder: Path, people: int = TEST) -> None:
    with h5py.File(folder / "valid.h5", "w") as file:
        file["part"] = np.full((people, 11, 2), 5.0) + np.arange(people)[:, None, None]
        file["imgname"], file["index"] = np.array([b"a.jpg"] * people), np.arange(people) + 100


def test_the_eleven_labelled_parts_become_joints_from_0(root: Path) -> None:
    sample = flic.read("test", root, ReadOptions())[6]
    person = sample.people[0]
    np.testing.assert_array_equal(person.joints, [[part, 6.0] for part in flic.LABELLED_PARTS])
    np.testing.assert_array_equal(person.box, [0, 6, 16, 6])
    assert (sample.image_id, sample.size, person.visible.tolist()) == (6, (480, 720), [2] * 11)


def test_splits_follow_the_flags_of_the_file(root: Path) -> None:
    train, test = (flic.read(split, root, ReadOptions()) for split in ("train", "test"))
    assert [s.image_id for s in test] == list(range(TEST))
    assert [s.image_id for s in train] == list(range(TEST, TEST + TRAIN))


def test_a_picture_that_is_not_there_cannot_be_looked_at(root: Path) -> None:
    with pytest.raises(DataError, match=r"images/0\.jpg: cannot be read"):
        flic.read("test", root, ReadOptions())[0].pixels.load()


def test_the_hourglass_file_serves_the_test_alone(bare: Path) -> None:
    _hourglass(bare)
    sample = flic.read("test", bare.parent, ReadOptions())[3]
    assert sample.image_id == 103 and (sample.people[0].joints == 7).all()
    with pytest.raises(DataError, match=r"holds valid\.h5; expected flic-joints-oc\.mat in it"):
        flic.read("train", bare.parent, ReadOptions())


def test_damage_is_told(bare: Path) -> None:
    with pytest.raises(DataError, match=r"holds nothing; expected flic-joints-oc\.mat or valid\.h5"):
        flic.read("test", bare.parent, ReadOptions())
    _hourglass(bare, people=10)
    with pytest.raises(DataError, match=r"valid\.h5: 10 people of test, expected 1,016"):
        flic.read("test", bare.parent, ReadOptions())
    _official(bare / "flic-joints-oc.mat", people=20)
    with pytest.raises(DataError, match=r"oc\.mat: 20 people of test, expected 1,016"):
        flic.read("test", bare.parent, ReadOptions())
    _official(bare / "flic-joints-oc.mat", people=3, parts=17)
    with pytest.raises(DataError, match=r"coords of shape \(2, 17\), FLIC has \(2, 29\) on reading"):
        flic.read("test", bare.parent, ReadOptions())
    with pytest.raises(DataError, match="no split 'val'; expected train or test"):
        flic.read("val", bare.parent, ReadOptions())


@real
def test_real_splits_have_3987_and_1016_people() -> None:
    train, test = (flic.read(split, REAL, ReadOptions()) for split in ("train", "test"))
    assert (len(train), len(test)) == (TRAIN, TEST)
    assert not {s.image_id for s in train} & {s.image_id for s in test}


@real
def test_real_left_shoulders_are_to_the_right_in_the_image() -> None:
    left, right = FLIC11.joints.index("left_shoulder"), FLIC11.joints.index("right_shoulder")
    joints = np.stack([s.people[0].joints for split in flic.SPLITS for s in flic.read(split, REAL, ReadOptions())])
    assert (joints[:, left, 0] > joints[:, right, 0]).all()


@real
def test_real_files_hold_the_same_people_but_for_48_pairs_of_eyes(tmp_path: Path) -> None:
    (tmp_path / "flic").mkdir()
    (tmp_path / "flic" / "valid.h5").symlink_to((REAL / "flic" / "valid.h5").resolve())
    official, hourglass = (flic.read("test", folder, ReadOptions()) for folder in (REAL, tmp_path))
    assert [(s.image_id, s.pixels.path.name) for s in official] == [(s.image_id, s.pixels.path.name) for s in hourglass]
    one, other = (np.stack([s.people[0].joints for s in samples]) for samples in (official, hourglass))
    same = np.isclose(one, other, atol=1e-3).all(-1)
    assert same[:, [0, 1, 2, 3, 4, 5, 6, 7, 10]].all() and (~same).any(1).sum() == 48
    np.testing.assert_allclose(one[~same.all(1)][:, [9, 8]], other[~same.all(1)][:, [8, 9]], atol=1e-3)
