"""MPII Human Pose, single person (Andriluka et al., CVPR 2014), in the layout of the HRNet code.

val: the 2,958 people of ``annot/gt_valid.mat`` (Tompson's split), one sample each, in the order of the file, because
published prediction files are matched by row. That file names no images: names come from ``annot/valid.json``, row by
row, where it is present. A person without image keeps its truth and can be scored; loading the pixels is an error.
train: ``annot/train.json``, one sample per person; it has no head boxes. MPII has no person boxes: the box is the
extent of the labelled joints (default; the papers use centre and scale).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from data.annotations import find_folder, image_size, labelled_extent, names_in, read_json, read_mat, require_images
from data.types import UNLABELLED, VISIBLE, DataError, FloatArray, ImageFile, Person, Pixels, PoseSample, UInt8Array

if TYPE_CHECKING:
    from data import ReadOptions

FOLDERS = ("mpii",)
SPLITS = ("train", "val")
VAL_PEOPLE = 2958  # Tompson et al. 2014; rows of gt_valid.mat
HEAD_FACTOR = 0.6  # of the head-box diagonal; MPII evaluation code, "SC_BIAS"
MATLAB_ORIGIN = 1  # MATLAB counts pixels from 1
UNKNOWN_SIZE = (0, 0)  # of an image that is not there
JOINT_ORDER = "rank rkne rhip lhip lkne lank pelv thor neck head rwri relb rsho lsho lelb lwri"


@dataclass(frozen=True)
class UnnamedImage:
    """The image of a row of ``gt_valid.mat``, when nothing tells its name."""

    annot: Path
    row: int

    def load(self) -> UInt8Array:
        """Raise DataError: there is truth but no picture."""
        raise DataError(f"{self.annot}: gt_valid.mat names no image for row {self.row}; bring valid.json and images/")


def read(split: str, root: Path, options: ReadOptions) -> list[PoseSample]:
    """Read train or val, one sample per person; the image id is the row, from 0. ``options.extra`` adds nothing here.

    Raises:
        DataError: if an option is unknown, or the files are not as described above.
    """
    if split not in SPLITS:
        raise DataError(f"mpii: no split {split!r}; expected {' or '.join(SPLITS)}")
    if options.convention != "pc":
        raise DataError(f"mpii: no convention {options.convention!r}; expected pc")
    folder = find_folder(root, FOLDERS)
    return _val(folder) if split == "val" else _train(folder)


def _val(folder: Path) -> list[PoseSample]:
    path = folder / "annot" / "gt_valid.mat"
    if (order := " ".join(str(cell.item()) for cell in read_mat(path, "dataset_joints").ravel())) != JOINT_ORDER:
        raise DataError(f"{path}: joints {order}; expected {JOINT_ORDER}; bring the file again")
    joints = _numbers(path, "pos_gt_src", (16, 2, VAL_PEOPLE))
    missing = _numbers(path, "jnt_missing", (16, VAL_PEOPLE)).astype(bool)
    corners = _numbers(path, "headboxes_src", (2, 2, VAL_PEOPLE))  # (corner, x y, person)
    heads = HEAD_FACTOR * np.linalg.norm(corners[1] - corners[0], axis=0)
    people = [_person(joints[..., i], ~missing[:, i], float(heads[i])) for i in range(VAL_PEOPLE)]
    names = _names(folder / "annot" / "valid.json")
    found = names_in(folder / "images") if (folder / "images").is_dir() else set()
    return [_sample(folder, row, names[row], found, person) for row, person in enumerate(people)]


def _numbers(path: Path, variable: str, shape: tuple[int, ...]) -> FloatArray:
    found = read_mat(path, variable)
    if found.shape != shape:
        raise DataError(f"{path}: {variable} of shape {found.shape}, expected {shape}; bring the file again")
    return found.astype(np.float64)


def _names(path: Path) -> list[str]:
    """Return the image of each row; empty names where no file tells them."""
    if not path.is_file():
        return [""] * VAL_PEOPLE
    names = [name for name, _ in _records(path)]
    if len(names) != VAL_PEOPLE:
        raise DataError(f"{path}: {len(names):,} people, gt_valid.mat has {VAL_PEOPLE:,}; bring HRNet's valid.json")
    return names


def _train(folder: Path) -> list[PoseSample]:
    records = _records(folder / "annot" / "train.json")
    found = {name for name, _ in records}
    require_images(folder / "images", sorted(found))
    return [_sample(folder, row, name, found, person) for row, (name, person) in enumerate(records)]


def _records(path: Path) -> list[tuple[str, Person]]:
    """Return (image name, person) of each record of HRNet's JSON."""
    try:
        rows = [(str(r["image"]), np.array(r["joints"]), np.array(r["joints_vis"]) > 0) for r in read_json(path)]
        return [(name, _person(joints, labelled)) for name, joints, labelled in rows]
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: {error!r} on reading; expected HRNet's list of image, joints, joints_vis") from error


def _person(joints: FloatArray, labelled: NDArray[np.bool_], head_size: float = float("nan")) -> Person:
    if joints.shape != (16, 2) or labelled.shape != (16,):
        raise ValueError(f"joints {joints.shape} with flags {labelled.shape}, MPII has (16, 2) with (16,)")
    known = np.where(labelled[:, None], joints - MATLAB_ORIGIN, 0.0)
    visible = np.where(labelled, VISIBLE, UNLABELLED).astype(np.int64)
    if not labelled.any():
        return Person(known, visible, np.zeros(4), ignore=True)
    return Person(known, visible, labelled_extent(known, labelled), head_size=head_size)


def _sample(folder: Path, row: int, name: str, found: set[str], person: Person) -> PoseSample:
    path = folder / "images" / name
    pixels: Pixels = ImageFile(path) if name else UnnamedImage(folder / "annot", row)
    return PoseSample(row, pixels, image_size(path) if name in found else UNKNOWN_SIZE, (person,))
