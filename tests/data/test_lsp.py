"""The LSP reader on drawn folders of the published layout, and on the real data where POSE_DATA names it."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from data import ReadOptions, lsp
from data.check import check_samples
from data.skeletons import LSP14
from data.types import DataError

REAL = Path(os.environ.get("POSE_DATA") or "absent")
real = pytest.mark.skipif(not (REAL / "lsp").is_dir(), reason="POSE_DATA names no folder that holds lsp/")
LSP_ONLY = ReadOptions(extra=False)


def _pictures(folder: Path, pattern: str, count: int) -> None:
    """One drawn picture of 40 x 30 under every published name."""
    folder.mkdir(parents=True)
    first = folder / pattern.format(1)
    cv2.imwrite(str(first), np.full((30, 40, 3), 128, np.uint8))
    for number in range(2, count + 1):
        (folder / pattern.format(number)).hardlink_to(first)


def _joints() -> np.ndarray:
    """Joint k of person n lies at (k + 1, n + 1), MATLAB pixels; the right ankle of everybody is occluded."""
    joints = np.zeros((3, 14, 2000))
    joints[0], joints[1] = np.arange(14)[:, None] + 1, np.arange(2000)[None] + 1
    joints[2, 0] = 1
    return joints


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both sets, whole. Every person of LSP-extended misses the neck, at a meaningless (-99, -99)."""
    root = tmp_path_factory.mktemp("root")
    _pictures(root / "lsp" / "images", "im{:04d}.jpg", 2000)
    savemat(root / "lsp" / "joints.mat", {"joints": _joints()})
    savemat(root / "lsp" / "lsp-joints-OC.mat", {"joints": _joints()[:, list(LSP14.flip)]})
    _pictures(root / "lspet_dataset" / "images", "im{:05d}.jpg", 10_000)
    extra = np.ones((14, 3, 10_000))
    extra[3, 0], extra[5, 1] = 11, 21
    extra[12] = np.array([-99.0, -99.0, 0.0])[:, None]
    savemat(root / "lspet_dataset" / "joints.mat", {"joints": extra})
    return root


def test_pixels_are_counted_from_0(root: Path) -> None:
    sample = lsp.read("train", root, LSP_ONLY)[6]
    person = sample.people[0]
    assert (sample.image_id, sample.size, sample.pixels.path.name) == (7, (30, 40), "im0007.jpg")
    np.testing.assert_array_equal(person.joints, [[k, 6.0] for k in range(14)])
    np.testing.assert_array_equal(person.box, [0, 6, 13, 6])


def test_test_split_is_the_second_thousand(root: Path) -> None:
    assert [s.image_id for s in lsp.read("test", root, ReadOptions())] == list(range(1001, 2001))


def test_third_number_1_is_occluded_in_lsp(root: Path) -> None:
    assert lsp.read("test", root, LSP_ONLY)[0].people[0].visible.tolist() == [1] + [2] * 13


def test_third_number_0_is_missing_in_lsp_extended(root: Path) -> None:
    samples = lsp.read("train", root, ReadOptions())
    person = samples[1000].people[0]
    assert [s.image_id for s in samples] == [*range(1, 1001), *range(10_001, 20_001)]
    assert person.visible.tolist() == [2] * 12 + [0, 2]
    assert person.joints[12].tolist() == [0, 0]
    np.testing.assert_array_equal(person.box, [0, 0, 10, 20])  # the missing neck at (-99, -99) is no part of it


def test_a_person_of_one_labelled_joint_is_ignored(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lonely = np.zeros((14, 3, 10_000))
    lonely[4] = 1
    intact = lsp.read_mat
    monkeypatch.setattr(lsp, "read_mat", lambda p, v: lonely if p.parent.name == "lspet_dataset" else intact(p, v))
    assert all(s.people[0].ignore for s in lsp.read("train", root, ReadOptions())[1000:])


def test_observer_centric_reads_the_other_file_and_leaves_lsp_extended_out(root: Path) -> None:
    with pytest.warns(UserWarning, match="lspet_dataset has person-centric joints only"):
        samples = lsp.read("train", root, ReadOptions("oc"))
    assert len(samples) == 1000
    assert samples[0].people[0].joints[:, 0].tolist() == list(LSP14.flip)


def test_unknown_split_and_convention_are_refused(root: Path) -> None:
    with pytest.raises(DataError, match="no split 'val'; expected train or test"):
        lsp.read("val", root, ReadOptions())
    with pytest.raises(DataError, match="no convention 'viewer'; expected pc or oc"):
        lsp.read("test", root, ReadOptions("viewer"))


def test_check_counts_joints_beyond_the_edge_and_names_a_cut_file(root: Path, tmp_path: Path) -> None:
    samples = lsp.read("train", root, LSP_ONLY)[28:32]  # y is 28 to 31; the picture's last row is 29
    whole = (root / "lsp" / "images" / "im0001.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    intact = check_samples("lsp train", samples)
    assert dict(intact.facts)["joints outside the image"] == "28"
    assert dict(intact.facts)["occluded joints"] == "4 (7.1%)"
    assert intact.faults == ()
    seen: list[tuple[int, int]] = []
    cut = lsp.PoseSample(1, lsp.ImageFile(tmp_path / "cut.jpg"), (30, 40), samples[0].people)
    turned = lsp.PoseSample(2, samples[0].pixels, (40, 30), samples[0].people)
    report = check_samples("damaged", [cut, turned], lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    assert "cut.jpg" in report.faults[0]
    assert "(30, 40) pixels (H, W) found, (40, 30) expected" in report.faults[1]


@real
def test_real_splits_have_1000_and_1000_images_and_10000_more() -> None:
    assert len(lsp.read("test", REAL, LSP_ONLY)) == len(lsp.read("train", REAL, LSP_ONLY)) == 1000
    present = any((REAL / name).is_dir() for name in lsp.EXTRA_FOLDERS)
    if present:
        samples = lsp.read("train", REAL, ReadOptions())
        assert len(samples) == 11_000
        assert sum((s.people[0].visible > 0).all() for s in samples[1000:]) == 3945  # README of the data


@real
def test_real_conventions_differ_only_by_swapped_sides() -> None:
    own, seen = (
        np.stack([s.people[0].joints for s in lsp.read("test", REAL, ReadOptions(c, extra=False))])
        for c in ("pc", "oc")
    )
    same, swapped = (own == seen).all(-1), (own[:, list(LSP14.flip)] == seen).all(-1)
    assert (same | swapped).all()
    assert 0 < (~same).any(1).sum() < 1000
