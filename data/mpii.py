"""MPII Human Pose, single person (Andriluka et al., CVPR 2014), in the layouts of the HRNet and hourglass code.

val: 2,958 people (Tompson's split), one sample each, always in the same order, because published prediction files are
matched by row. ``annot/gt_valid.mat`` is the truth of evaluations. It names no images: names come row by row from
``annot/valid.h5`` (hourglass) or ``annot/valid.json`` (HRNet), where present. Without it these two are the truth, with
a warning: in valid.h5 a joint of each of 1,169 people is elsewhere, by up to 571 px. It alone tells what is occluded.
train: ``annot/train.json``, one sample per person. A person without image keeps its truth and can be scored; loading
the pixels is an error. MPII has no person boxes: the box is the square of 200 px times the scale about the centre, that
moved down by 15 px times the scale, as in the hourglass and HRNet code; where no file tells them, the joints' extent.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from data.annotations import (
    find_folder,
    image_size,
    labelled_extent,
    names_in,
    read_json,
    require_file,
    require_images,
)
from data.array_files import read_hdf5, read_mat
from data.types import OCCLUDED, UNLABELLED, VISIBLE, DataError, FloatArray, ImageFile, Person, PoseSample, UInt8Array

if TYPE_CHECKING:
    from data import ReadOptions

FOLDERS = ("mpii",)
SPLITS = ("train", "val")
VAL_PEOPLE = 2958  # Tompson et al. 2014; rows of gt_valid.mat
HEAD_FACTOR = 0.6  # of the head-box diagonal; MPII evaluation code, "SC_BIAS"
HEAD_OF_SCALE = 25.0  # pixels: 0.6 of the diagonal at scale 1, a person of 200 px; checked on all people of valid.h5
PERSON_PIXELS = 200.0  # the height of a person of scale 1, as the MPII annotation defines it
DOWN = 15.0  # pixels at scale 1 by which the centre moves towards the feet; hourglass and HRNet code
ENLARGED = 1.25  # valid.h5 holds the centre moved and the scale times this
MATLAB_ORIGIN = 1  # MATLAB counts pixels from 1
UNKNOWN_SIZE = (0, 0)  # of an image that is not there
SAME = 1.0  # pixel; two files with one joint within it agree on that joint
AGREEING = 0.9  # default: share of the joints in which two files must agree to be of the same people
JOINT_ORDER = "rank rkne rhip lhip lkne lank pelv thor neck head rwri relb rsho lsho lelb lwri"


@dataclass(frozen=True)
class UnnamedImage:
    """The image of a row of ``gt_valid.mat``, when nothing tells its name."""

    annot: Path
    row: int

    def load(self) -> UInt8Array:
        """Raise DataError: there is truth but no picture."""
        wanted = "bring valid.h5 or valid.json, and images/"
        raise DataError(f"{self.annot}: gt_valid.mat names no image for row {self.row}; {wanted}")


@dataclass(frozen=True, eq=False)
class _Row:
    """One person of any of the files."""

    image: str  # empty where the file tells no name
    person: Person


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
    rows = _val(folder / "annot") if split == "val" else _hrnet(folder / "annot" / "train.json")
    if split == "train":
        require_images(folder / "images", sorted({row.image for row in rows}))
    present = names_in(folder / "images") if (folder / "images").is_dir() else set()
    return [_sample(folder, number, row, present) for number, row in enumerate(rows)]


def _val(annot: Path) -> list[_Row]:
    """Return the truth of the best file, with the names of the next."""
    readers = {"gt_valid.mat": _evaluation, "valid.h5": _hourglass, "valid.json": _hrnet}
    paths = [annot / name for name in readers if (annot / name).is_file()] or [require_file(annot / "gt_valid.mat")]
    files = [readers[path.name](path) for path in paths[:2]]
    for path, rows in zip(paths, files, strict=False):
        if len(rows) != VAL_PEOPLE:
            raise DataError(f"{path}: {len(rows):,} people, MPII val has {VAL_PEOPLE:,}; bring the file again")
    if paths[0].name != "gt_valid.mat":
        warnings.warn(f"{annot}: no gt_valid.mat; the truth is that of {paths[0].name}, which may differ", stacklevel=3)
        return files[0]
    if len(files) == 1:
        return files[0]
    _require_same(paths[1], files[1], files[0])
    pairs = zip(files[0], files[1], strict=True)
    return [_Row(named.image, replace(row.person, box=named.person.box)) for row, named in pairs]


def _require_same(path: Path, rows: list[_Row], truth: list[_Row]) -> None:
    """Refuse names that belong to other people, or to the same in another order."""
    pairs = [(row.person, true.person) for row, true in zip(rows, truth, strict=True)]
    near = [np.linalg.norm(a.joints - b.joints, axis=1)[(a.visible > 0) & (b.visible > 0)] <= SAME for a, b in pairs]
    share = np.concatenate(near).mean()
    if share < AGREEING:
        raise DataError(
            f"{path}: {share:.0%} of its joints are those of gt_valid.mat; the same people in order expected"
        )


def _evaluation(path: Path) -> list[_Row]:
    """Read gt_valid.mat."""
    if (order := " ".join(str(cell.item()) for cell in read_mat(path, "dataset_joints").ravel())) != JOINT_ORDER:
        raise DataError(f"{path}: joints {order}; expected {JOINT_ORDER}; bring the file again")
    joints = _numbers(path, "pos_gt_src", (16, 2, VAL_PEOPLE))
    missing = _numbers(path, "jnt_missing", (16, VAL_PEOPLE))
    corners = _numbers(path, "headboxes_src", (2, 2, VAL_PEOPLE))  # (corner, x y, person)
    heads = HEAD_FACTOR * np.linalg.norm(corners[1] - corners[0], axis=0)
    visible = np.where(missing > 0, UNLABELLED, VISIBLE)
    return [_Row("", _person(joints[..., i], visible[:, i], float(heads[i]))) for i in range(VAL_PEOPLE)]


def _numbers(path: Path, variable: str, shape: tuple[int, ...]) -> FloatArray:
    found = read_mat(path, variable)
    if found.shape != shape:
        raise DataError(f"{path}: {variable} of shape {found.shape}, expected {shape}; bring the file again")
    return found.astype(np.float64)


def _hourglass(path: Path) -> list[_Row]:
    """Read valid.h5: an unlabelled joint is at 0 0, an occluded one is not visible; `normalize` is the head size."""
    columns = ("imgname", "part", "visible", "normalize", "center", "scale")
    names, joints, seen, heads, centres, scales = (read_hdf5(path, name) for name in columns)
    try:
        labelled = (joints != 0).any(-1)
        visible = np.where(labelled, np.where(seen.astype(np.float64) > 0, VISIBLE, OCCLUDED), UNLABELLED)
        boxes = _square(centres.astype(np.float64), scales.astype(np.float64) / ENLARGED)
        people = zip(names.tolist(), joints.astype(np.float64), visible, heads.tolist(), boxes, strict=True)
        return [_Row(name.decode(), _person(part, flags, head, box)) for name, part, flags, head, box in people]
    except (AttributeError, ValueError) as error:
        wanted = "expected imgname, part (N, 16, 2), visible, normalize, center, scale"
        raise DataError(f"{path}: {error} on reading; {wanted}") from error


def _hrnet(path: Path) -> list[_Row]:
    """Read HRNet's JSON."""
    try:
        return [
            _Row(
                str(record["image"]),
                _person(
                    np.array(record["joints"]),
                    np.where(np.array(record["joints_vis"]) > 0, VISIBLE, UNLABELLED),
                    HEAD_OF_SCALE * float(record["scale"]),
                    _square(
                        np.add(record["center"], (0.0, DOWN * record["scale"])), np.array(record["scale"], np.float64)
                    ),
                ),
            )
            for record in read_json(path)
        ]
    except (IndexError, KeyError, TypeError, ValueError) as error:
        wanted = "expected HRNet's list of image, joints, joints_vis, center, scale"
        raise DataError(f"{path}: {error!r} on reading; {wanted}") from error


def _square(centre: FloatArray, scale: FloatArray) -> FloatArray:
    """Return boxes (..., 4) in 0-based pixels of centres (..., 2) and scales (...)."""
    half = PERSON_PIXELS * scale[..., None] / 2
    return np.concatenate([centre - half, centre + half], axis=-1) - MATLAB_ORIGIN


def _person(joints: FloatArray, visible: NDArray[np.int64], head_size: float, box: FloatArray | None = None) -> Person:
    if joints.shape != (16, 2) or visible.shape != (16,):
        raise ValueError(f"joints {joints.shape} with flags {visible.shape}, MPII has (16, 2) with (16,)")
    labelled = visible != UNLABELLED
    known = np.where(labelled[:, None], joints - MATLAB_ORIGIN, 0.0)
    if not labelled.any():
        return Person(known, visible, np.zeros(4), ignore=True)
    box = labelled_extent(known, labelled) if box is None else box
    return Person(known, visible, box, head_size=head_size)


def _sample(folder: Path, number: int, row: _Row, present: set[str]) -> PoseSample:
    if not row.image:
        return PoseSample(number, UnnamedImage(folder / "annot", number), UNKNOWN_SIZE, (row.person,))
    path = folder / "images" / row.image
    size = image_size(path) if row.image in present else UNKNOWN_SIZE
    return PoseSample(number, ImageFile(path), size, (row.person,))
