"""The three files of MPII's validation people: who names the images, who is the truth, and that they agree."""

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from data import ReadOptions, mpii
from data.types import DataError

REAL = Path(os.environ.get("POSE_DATA") or "absent")
real = pytest.mark.skipif(not (REAL / "mpii").is_dir(), reason="POSE_DATA names no folder that holds mpii/")
BOX = [100, 230, 500, 630]  # scale 2 about (300, 400) and 30 px down, which valid.h5 has as 2.5 about (301, 431)
PEOPLE, HEAD = 2958, 30.0  # 0.6 of a diagonal of 50


def _joints() -> np.ndarray:
    """Joint k of person n lies at (k + 1, n + 1), MATLAB pixels; the right ankle is missing, at (0, 0)."""
    joints = np.stack(np.broadcast_arrays(np.arange(16)[None] + 1.0, np.arange(PEOPLE)[:, None] + 1.0), -1)
    joints[:, 0] = 0
    return joints


def _write_mat(annot: Path) -> None:
    missing, heads = np.zeros((16, PEOPLE)), np.zeros((2, 2, PEOPLE))
    missing[0], heads[1, 0], heads[1, 1] = 1, 30, 40
    names = np.array([*mpii.JOINT_ORDER.split()], object)
    truth = {"pos_gt_src": _joints().transpose(1, 2, 0), "jnt_missing": missing, "headboxes_src": heads}
    savemat(annot / "gt_valid.mat", {**truth, "dataset_joints": names})


def _write_h5(annot: Path, joints: np.ndarray) -> None:
    """The right knee is occluded, the head of everybody 7 px."""
    seen = np.ones((len(joints), 16))
    seen[:, :2] = 0
    with h5py.File(annot / "valid.h5", "w") as file:
        file["part"], file["visible"], file["normalize"] = joints, seen, np.full(len(joints), 7.0)
        file["center"], file["scale"] = np.full((len(joints), 2), [301.0, 431.0]), np.full(len(joints), 2.5)
        file["imgname"] = np.array([f"{n:05d}.jpg" for n in range(len(joints))], "S13")


@pytest.fixture
def annot(tmp_path: Path) -> Path:
    (tmp_path / "mpii" / "annot").mkdir(parents=True)
    return tmp_path / "mpii" / "annot"


def _val(annot: Path) -> list[mpii.PoseSample]:
    return mpii.read("val", annot.parent.parent, ReadOptions())


def test_valid_h5_names_the_images_and_gt_valid_mat_stays_the_truth(annot: Path) -> None:
    _write_mat(annot)
    moved = _joints()
    moved[:, 15] += 500  # isolated joints differ, as in the published files
    _write_h5(annot, moved)
    sample = _val(annot)[9]
    person = sample.people[0]
    assert sample.pixels.path == annot.parent / "images" / "00009.jpg"
    np.testing.assert_array_equal(person.joints[1:], [[k, 9.0] for k in range(1, 16)])
    assert person.head_size == pytest.approx(HEAD) and person.visible.tolist() == [0] + [2] * 15
    np.testing.assert_array_equal(person.box, BOX)


def test_valid_h5_of_another_order_is_refused(annot: Path) -> None:
    _write_mat(annot)
    _write_h5(annot, _joints()[::-1])
    with pytest.raises(DataError, match=r"valid\.h5: 0% of its joints are those of gt_valid\.mat"):
        _val(annot)


def test_without_gt_valid_mat_valid_h5_is_the_truth_and_that_is_said(annot: Path) -> None:
    _write_h5(annot, _joints())
    with pytest.warns(UserWarning, match=r"no gt_valid\.mat; the truth is that of valid\.h5"):
        person = _val(annot)[9].people[0]
    np.testing.assert_array_equal(person.joints[1:], [[k, 9.0] for k in range(1, 16)])
    assert person.head_size == 7 and person.visible.tolist() == [0, 1] + [2] * 14


def test_without_both_hrnets_json_is_the_truth(annot: Path) -> None:
    flags = [0] + [1] * 15
    same = {"image": "a.jpg", "joints_vis": flags, "center": [301.0, 401.0], "scale": 2.0}
    rows = [{**same, "joints": joints.tolist()} for joints in _joints()]
    (annot / "valid.json").write_text(json.dumps(rows))
    with pytest.warns(UserWarning, match=r"no gt_valid\.mat; the truth is that of valid\.json"):
        person = _val(annot)[9].people[0]
    assert person.head_size == 50 and person.joints[3].tolist() == [3, 9]
    np.testing.assert_array_equal(person.box, BOX)


def test_without_any_the_wanted_file_is_named(annot: Path) -> None:
    with pytest.raises(DataError, match=r"annot: holds nothing; expected gt_valid\.mat in it"):
        _val(annot)


def test_valid_h5_of_another_data_set_is_told(annot: Path) -> None:
    _write_mat(annot)
    _write_h5(annot, _joints()[:, :11])
    with pytest.raises(DataError, match=r"valid\.h5: .* expected imgname, part \(N, 16, 2\)"):
        _val(annot)
    (annot / "valid.h5").write_bytes(b"no hdf5")
    with pytest.raises(DataError, match=r"valid\.h5: 7 bytes that are not a readable HDF5 file"):
        _val(annot)


@real
def test_real_files_agree_on_heads_and_nearly_all_joints() -> None:
    truth = [row.person for row in mpii._evaluation(REAL / "mpii" / "annot" / "gt_valid.mat")]
    other = [row.person for row in mpii._hourglass(REAL / "mpii" / "annot" / "valid.h5")]
    np.testing.assert_allclose([p.head_size for p in other], [p.head_size for p in truth], rtol=1e-5)
    errors = np.stack([np.linalg.norm(a.joints - b.joints, axis=1) for a, b in zip(truth, other, strict=True)])
    assert ((errors > 1).sum(), (errors > 1).any(1).sum(), round(errors.max())) == (1174, 1169, 571)
    assert all(((a.visible > 0) == (b.visible > 0)).all() for a, b in zip(truth, other, strict=True))


@real
def test_real_sample_of_hrnets_json_equals_the_first_rows() -> None:
    rows = mpii._hrnet(REAL / "mpii" / "annot" / "hrnet_format_sample.json")
    truth = mpii.read("val", REAL, ReadOptions())
    assert [row.image for row in rows] == [sample.pixels.path.name for sample in truth[:5]]
    for row, sample in zip(rows, truth, strict=False):
        np.testing.assert_allclose(row.person.joints, sample.people[0].joints, atol=1e-4)
        assert row.person.head_size == pytest.approx(sample.people[0].head_size, rel=1e-5)
        np.testing.assert_allclose(row.person.box, sample.people[0].box, atol=1e-3)  # by another way, from valid.h5
