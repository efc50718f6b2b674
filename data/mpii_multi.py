"""MPII, several people an image (Andriluka et al., CVPR 2014), in the validation list of the RMPE code (AlphaPose).

``annot/rmpe_multiperson_val.txt``: 1,454 people in 500 images. A line has five fields between tabs: image, person box,
centre and scale, 16 x, 16 y; MATLAB pixels, MPII's joint order, 0 0 for a joint that is not labelled.

The list has no head boxes, but MPII's scale is made from them: 0.6 of the diagonal is 25 px times the scale, to 1e-6
for the 146 people who are also in ``gt_valid.mat``. So AP at half a head size can be computed. The list does not divide
its people into the groups of the official test: each image is one group. Numbers on it are not those of the official
test of 1,758 groups, nor of the 288 images of DeepCut.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.annotations import find_folder, image_size, names_in, require_file
from data.mpii import FOLDERS, HEAD_OF_SCALE, MATLAB_ORIGIN, UNKNOWN_SIZE
from data.types import UNLABELLED, VISIBLE, DataError, FloatArray, ImageFile, Person, PoseSample

if TYPE_CHECKING:
    from data import ReadOptions

SPLITS = ("val",)
FILE = "rmpe_multiperson_val.txt"
PEOPLE, IMAGES = 1454, 500  # in that file
FIELDS = (1, 4, 3, 16, 16)  # numbers (or one name) of each field of a line


def read(split: str, root: Path, options: ReadOptions) -> list[PoseSample]:
    """Read the images in the order of the file; an image id is the number that names it.

    Args:
        split: val.
        root: folder of all data sets.
        options: ``convention`` must be pc; ``extra`` has nothing to add.

    Raises:
        DataError: if an option is unknown, or the file is not as described above.
    """
    if split not in SPLITS:
        raise DataError(f"mpii-multi: no split {split!r}; expected val")
    if options.convention != "pc":
        raise DataError(f"mpii-multi: no convention {options.convention!r}; expected pc")
    folder = find_folder(root, FOLDERS)
    path = require_file(folder / "annot" / FILE)
    people = _people(path)
    total = sum(map(len, people.values()))
    if (total, len(people)) != (PEOPLE, IMAGES):
        found = f"{total:,} people in {len(people):,} images"
        raise DataError(f"{path}: {found}, expected {PEOPLE:,} in {IMAGES:,}; bring the file again")
    present = names_in(folder / "images") if (folder / "images").is_dir() else set()
    return [_sample(folder / "images" / name, present, tuple(crowd)) for name, crowd in people.items()]


def _people(path: Path) -> dict[str, list[Person]]:
    """Return the people of each image."""
    people: dict[str, list[Person]] = {}
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        fields = [field.split() for field in line.split("\t")]
        if tuple(map(len, fields)) != FIELDS:
            found = ", ".join(str(len(field)) for field in fields)
            raise DataError(f"{path}: line {number} has fields of {found} numbers; expected 1, 4, 3, 16, 16")
        name = fields[0][0]
        try:
            int(Path(name).stem)
            box, place, x, y = (np.array(field, np.float64) for field in fields[1:])
        except ValueError as error:
            raise DataError(f"{path}: line {number}: {error}; a number expected") from error
        people.setdefault(name, []).append(_person(np.stack([x, y], 1), box, float(place[2])))
    return people


def _person(joints: FloatArray, box: FloatArray, scale: float) -> Person:
    labelled = (joints != 0).any(1)
    return Person(
        joints=np.where(labelled[:, None], joints - MATLAB_ORIGIN, 0.0),
        visible=np.where(labelled, VISIBLE, UNLABELLED).astype(np.int64),
        box=box - MATLAB_ORIGIN,
        head_size=HEAD_OF_SCALE * scale,
        ignore=not labelled.any(),
    )


def _sample(path: Path, present: set[str], people: tuple[Person, ...]) -> PoseSample:
    size = image_size(path) if path.name in present else UNKNOWN_SIZE
    return PoseSample(int(path.stem), ImageFile(path), size, people)
