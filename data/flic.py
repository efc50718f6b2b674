"""FLIC, Frames Labeled In Cinema (Sapp & Taskar, CVPR 2013): 5,003 people in film frames of 720 x 480, upper bodies.

``flic-joints-oc.mat`` holds all of them with the official fields: 3,987 train, 1,016 test, in the order of the file.
Sides are the observer's: the left shoulder of everybody is to the right in the image, whichever way the person faces.
Without it, test is read from the ``valid.h5`` of the hourglass code: the same people in the same order, with the same
joints but for the eyes of 48 people, who have them the other way round. (Its ``normalize`` takes the other diagonal of
the torso for these 48; it is not used.) Image ids are the rows of the official file, from 0. MATLAB pixels.
FLIC has no person boxes: the box is the extent of the labelled joints (default).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.annotations import find_folder, labelled_extent, names_in, quote
from data.array_files import read_hdf5, read_mat
from data.types import VISIBLE, DataError, FloatArray, ImageFile, Person, PoseSample

if TYPE_CHECKING:
    from data import ReadOptions

FOLDERS = ("flic", "FLIC")
SPLITS = {"train": 3987, "test": 1016}  # people; flags `istrain` and `istest` of the official file
CONVENTIONS = ("oc",)
OFFICIAL, VARIABLE = "flic-joints-oc.mat", "flic_anno"
HOURGLASS = "valid.h5"
PARTS = 29  # of the official file; most are NaN
LABELLED_PARTS = (0, 1, 2, 3, 4, 5, 6, 9, 12, 13, 16)  # of the 29, those with numbers: the joints of FLIC11
FRAME = (480, 720)  # H, W of every image; `imgdims`
MATLAB_ORIGIN = 1  # MATLAB counts pixels from 1


class _Row(NamedTuple):
    """One person of either file."""

    id: int
    image: str
    joints: FloatArray  # (11, 2) MATLAB pixels


def read(split: str, root: Path, options: ReadOptions) -> list[PoseSample]:
    """Read train or test, one sample per person, in the order of the official file.

    Args:
        split: train or test.
        root: folder of all data sets.
        options: the labels have the observer's sides; ``convention`` and ``extra`` have nothing to choose from.

    Raises:
        DataError: if there is no such split, or the folder is not as described above.
    """
    if split not in SPLITS:
        raise DataError(f"flic: no split {split!r}; expected {' or '.join(SPLITS)}")
    folder = find_folder(root, FOLDERS)
    if (folder / OFFICIAL).is_file():
        rows, path = _official(folder / OFFICIAL, split), folder / OFFICIAL
    elif split == "test" and (folder / HOURGLASS).is_file():
        rows, path = _hourglass(folder / HOURGLASS), folder / HOURGLASS
    else:
        wanted = f"{OFFICIAL} or {HOURGLASS}" if split == "test" else OFFICIAL
        raise DataError(f"{folder}: holds {quote(names_in(folder))}; expected {wanted} in it")
    if len(rows) != SPLITS[split]:
        raise DataError(f"{path}: {len(rows):,} people of {split}, expected {SPLITS[split]:,}; bring the file again")
    if not all(np.isfinite(row.joints).all() for row in rows):
        raise DataError(f"{path}: joints that are not numbers, FLIC has none; bring the file again")
    return [_sample(folder, row) for row in rows]


def _official(path: Path, split: str) -> list[_Row]:
    found: list[Any] = list(read_mat(path, VARIABLE).ravel())
    try:
        everybody = [_Row(i, str(row["filepath"].item()), _parts(row["coords"])) for i, row in enumerate(found)]
        chosen = [bool(row[f"is{split}"].item()) for row in found]
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise DataError(f"{path}: {error} on reading; expected FLIC's coords, filepath, istrain, istest") from error
    return [row for row, kept in zip(everybody, chosen, strict=True) if kept]


def _parts(coords: NDArray[np.generic]) -> FloatArray:
    if coords.shape != (2, PARTS):
        raise ValueError(f"coords of shape {coords.shape}, FLIC has (2, {PARTS})")
    return coords.astype(np.float64).T[list(LABELLED_PARTS)]


def _hourglass(path: Path) -> list[_Row]:
    joints, names, ids = (read_hdf5(path, name) for name in ("part", "imgname", "index"))
    if joints.shape[1:] != (len(LABELLED_PARTS), 2):
        raise DataError(f"{path}: part of shape {joints.shape}, FLIC has (1016, 11, 2); is this the file of MPII?")
    return [
        _Row(int(i), name.decode(), person.astype(np.float64))
        for i, name, person in zip(ids, names, joints, strict=True)
    ]


def _sample(folder: Path, row: _Row) -> PoseSample:
    joints = row.joints - MATLAB_ORIGIN
    everything = np.full(len(joints), VISIBLE, np.int64)
    person = Person(joints, everything, labelled_extent(joints, everything > 0))
    return PoseSample(row.id, ImageFile(folder / "images" / row.image), FRAME, (person,))
