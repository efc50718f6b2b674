"""Leeds Sports Pose (Johnson & Everingham, BMVC 2010) and its extended training set (CVPR 2011).

LSP: ``joints.mat`` (3, 14, 2000) and ``images/im0001.jpg``; 1-1000 train, 1001-2000 test; every joint has coordinates.
LSP-extended, training only: ``joints.mat`` (14, 3, 10000) and ``images/im00001.jpg``; crowd-sourced. Of its 10,000
people 3,945 have all 14 joints and none has fewer than 4.

The third number of a joint means opposite things: in LSP 1 is occluded, in LSP-extended 1 is annotated.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from data.annotations import (
    find_folder,
    first_folder,
    image_size,
    labelled_extent,
    names_in,
    quote,
    require_images,
)
from data.array_files import read_mat
from data.types import OCCLUDED, UNLABELLED, VISIBLE, DataError, FloatArray, ImageFile, Person, PoseSample

if TYPE_CHECKING:
    from data import ReadOptions

FOLDERS = ("lsp", "lsp_dataset")
EXTRA_FOLDERS = ("lspet", "lspet_dataset", "lspet_compact")
SPLITS = {"train": range(0, 1000), "test": range(1000, 2000)}  # rows of joints.mat; README of the data set
CONVENTIONS = {"pc": "joints.mat", "oc": "lsp-joints-OC.mat"}  # the second: bearpaw/eval_pose, sides as one sees them
EXTRA_ID = 10_000  # image ids of LSP-extended are 10001-20000, those of LSP 1-2000
MATLAB_ORIGIN = 1  # MATLAB counts pixels from 1; default for LSP-extended too, whose README does not say


@dataclass(frozen=True)
class _Layout:
    """What one of the two published sets looks like on disk."""

    title: str
    shape: tuple[int, int, int]
    axes: tuple[int, int, int]  # that bring the array to (people, joints, x y flag)
    pattern: str  # image file of a 1-based number
    flags: tuple[int, int]  # Person.visible for the third number 0 and 1
    first_id: int

    def names(self) -> list[str]:
        """File names of all images."""
        return [self.pattern.format(number) for number in range(1, self.shape[2] + 1)]


LSP = _Layout("LSP", (3, 14, 2000), (2, 1, 0), "im{:04d}.jpg", (VISIBLE, OCCLUDED), 0)
EXTRA = _Layout("LSP-extended", (14, 3, 10_000), (2, 0, 1), "im{:05d}.jpg", (UNLABELLED, VISIBLE), EXTRA_ID)


def read(split: str, root: Path, options: ReadOptions) -> list[PoseSample]:
    """Read the people of one split, in the order of the files; the extra people follow the 1,000 of train.

    Args:
        split: train or test.
        root: folder of all data sets.
        options: ``convention`` pc is joints.mat as published, oc the observer-centric file beside it. ``extra`` adds
            LSP-extended to train where it is present; it has no observer-centric file and is left out with a warning.

    Raises:
        DataError: if an option is unknown, or the folder is not as published.
    """
    if split not in SPLITS:
        raise DataError(f"lsp: no split {split!r}; expected {' or '.join(SPLITS)}")
    if options.convention not in CONVENTIONS:
        raise DataError(f"lsp: no convention {options.convention!r}; expected {' or '.join(CONVENTIONS)}")
    folder = find_folder(root, FOLDERS)
    samples = _read(folder, CONVENTIONS[options.convention], LSP, SPLITS[split])
    extra = first_folder(root, EXTRA_FOLDERS) if options.extra and split == "train" else None
    if extra is None:
        return samples
    if options.convention != "pc":
        warnings.warn(f"{extra.name} has person-centric joints only; left out of {options.convention}", stacklevel=2)
        return samples
    return samples + _read(extra, "joints.mat", EXTRA, range(EXTRA.shape[2]))


def _read(folder: Path, file: str, layout: _Layout, rows: range) -> list[PoseSample]:
    people = _people(folder / file, layout)
    require_images(_images(folder, layout), layout.names())
    return [_sample(folder, people[row], layout, row + 1) for row in rows]


def _images(folder: Path, layout: _Layout) -> Path:
    """Return images/; without it, say what the folder holds."""
    if not (folder / "images").is_dir():
        found, example = quote(names_in(folder)), layout.names()[0]
        raise DataError(f"{folder}: holds {found}; expected images/ with {layout.shape[2]:,} files from {example} on")
    return folder / "images"


def _people(path: Path, layout: _Layout) -> FloatArray:
    """Return (N, 14, 3): x, y as published, and the flag."""
    found = read_mat(path, "joints")
    if found.shape != layout.shape:
        hint = _hint(found.shape, layout)
        raise DataError(f"{path}: joints of shape {found.shape}, {layout.title} has {layout.shape}; {hint}")
    people = np.transpose(found, layout.axes).astype(np.float64)
    if not np.isfinite(people).all():
        raise DataError(f"{path}: coordinates that are not numbers, {layout.title} has none; bring the file again")
    if not np.isin(people[..., 2], (0, 1)).all():
        raise DataError(f"{path}: third values other than 0 and 1, {layout.title} has no others; bring the file again")
    return people


def _hint(shape: tuple[int, ...], layout: _Layout) -> str:
    other = EXTRA if layout is LSP else LSP
    if shape == other.shape:
        return f"is this the file of {other.title}?"
    if sorted(shape) == sorted(layout.shape):
        return "the axes are in another order; bring the published file"
    return "bring the published file"


def _sample(folder: Path, person: FloatArray, layout: _Layout, number: int) -> PoseSample:
    visible = np.where(person[:, 2] == 0, *layout.flags).astype(np.int64)
    path = folder / "images" / layout.pattern.format(number)
    people = (_person(person[:, :2] - MATLAB_ORIGIN, visible),)
    return PoseSample(layout.first_id + number, ImageFile(path), image_size(path), people)


def _person(joints: FloatArray, visible: NDArray[np.int64]) -> Person:
    labelled = visible != UNLABELLED
    known = np.where(labelled[:, None], joints, 0.0)
    if labelled.sum() < 2:  # nobody in the published files; no two joints span a person
        return Person(known, visible, np.zeros(4), ignore=True)
    return Person(known, visible, labelled_extent(known, labelled))
