"""What the LSP reader answers to a damaged folder: the path, what was found, what was expected."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from data import ReadOptions, lsp
from data.types import DataError


def _answer(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        lsp.read("test", root, ReadOptions())
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An lsp folder with the joints and no pictures."""
    (tmp_path / "lsp" / "images").mkdir(parents=True)
    savemat(tmp_path / "lsp" / "joints.mat", {"joints": np.zeros((3, 14, 2000))})
    return tmp_path / "lsp"


def test_a_root_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert str(tmp_path / "nowhere") in _answer(tmp_path / "nowhere")


def test_an_empty_root_is_told(tmp_path: Path) -> None:
    assert f"{tmp_path}: holds nothing; expected a folder named lsp or lsp_dataset" in _answer(tmp_path)


def test_another_data_set_in_the_root_is_told(tmp_path: Path) -> None:
    (tmp_path / "flic").mkdir()
    assert "holds flic; expected a folder named lsp" in _answer(tmp_path)


def test_the_data_set_in_place_of_the_root_is_told(folder: Path) -> None:
    assert "set POSE_DATA to the folder above it" in _answer(folder)


def test_a_folder_without_joints_is_told(folder: Path) -> None:
    (folder / "joints.mat").unlink()
    assert f"{folder}: holds images; expected joints.mat" in _answer(folder.parent)


@pytest.mark.parametrize("kept", [0, 100, 400])
def test_a_cut_joints_file_is_told(folder: Path, kept: int) -> None:
    whole = (folder / "joints.mat").read_bytes()
    (folder / "joints.mat").write_bytes(whole[:kept])
    assert f"joints.mat: {kept} bytes that are not a readable .mat file" in _answer(folder.parent)


def test_another_variable_is_told(folder: Path) -> None:
    savemat(folder / "joints.mat", {"preds": np.zeros(3)})
    assert "joints.mat: holds preds; expected the variable joints" in _answer(folder.parent)


@pytest.mark.parametrize(
    ("shape", "hint"),
    [((14, 3, 10_000), "LSP-extended"), ((2000, 14, 3), "axes are in another order"), ((3, 14, 7), "published file")],
)
def test_a_wrong_shape_is_told_with_both_shapes(folder: Path, shape: tuple[int, ...], hint: str) -> None:
    savemat(folder / "joints.mat", {"joints": np.zeros(shape)})
    message = _answer(folder.parent)
    assert f"joints of shape {shape}, LSP has (3, 14, 2000)" in message
    assert hint in message


@pytest.mark.parametrize(("row", "value", "told"), [(0, np.nan, "not numbers"), (2, 2, "other than 0 and 1")])
def test_impossible_values_are_told(folder: Path, row: int, value: float, told: str) -> None:
    joints = np.zeros((3, 14, 2000))
    joints[row, 5, 77] = value
    savemat(folder / "joints.mat", {"joints": joints})
    assert told in _answer(folder.parent)


def test_missing_images_are_counted_and_the_first_named(folder: Path) -> None:
    for number in range(1, 2001):
        if number not in (107, 1500):
            (folder / "images" / f"im{number:04d}.jpg").touch()
    assert "images: holds 1,998 of 2,000 files, first missing im0107.jpg" in _answer(folder.parent)


def test_a_missing_images_folder_is_told(folder: Path) -> None:
    (folder / "images").rmdir()
    assert f"{folder}: holds joints.mat; expected images/ with 2,000 files from im0001.jpg" in _answer(folder.parent)


def test_an_image_without_a_header_is_named(folder: Path) -> None:
    for number in range(1, 2001):
        (folder / "images" / f"im{number:04d}.jpg").touch()
    assert "im1001.jpg: no image header" in _answer(folder.parent)
