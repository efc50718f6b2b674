"""COCO 2017 person keypoints (Lin et al., ECCV 2014): the official JSON, one sample per image with all its people.

Coordinates are used as they are. Images without annotated people are left out. A crowd region, or a person without
a labelled joint, is ``ignore``: it is neither trained on nor counted as missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.annotations import find_folder, first_folder, names_in, quote, read_json, require_images
from data.types import DataError, ImageFile, Person, PoseSample

if TYPE_CHECKING:
    from data import ReadOptions

FOLDERS = ("coco", "coco_subset")
SPLITS = ("train", "val")
JOINTS = 17
FILES = ("person_keypoints_{}2017.json", "person_keypoints_{}2017_subset.json")  # the official file first
IMAGE_FOLDERS = ("images/{}2017", "{}2017")  # under images/, or beside annotations/ as the archives unpack


@dataclass(frozen=True)
class _Image:
    """A record of ``images``."""

    id: int
    file_name: str
    height: int
    width: int


def read(split: str, root: Path, options: ReadOptions) -> list[PoseSample]:
    """Read the images of one split that have annotated people, in the order of the file.

    Args:
        split: train or val.
        root: folder of all data sets.
        options: ``convention`` must be pc; ``extra`` has nothing to add.

    Raises:
        DataError: if an option is unknown, or the folder is not as published.
    """
    if split not in SPLITS:
        raise DataError(f"coco: no split {split!r}; expected {' or '.join(SPLITS)}")
    if options.convention != "pc":
        raise DataError(f"coco: no convention {options.convention!r}; expected pc")
    folder = find_folder(root, FOLDERS)
    path, pictures = _file(folder, split), _pictures(folder, split)
    try:
        named, people = _content(read_json(path))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: {error!r} on reading; is this a person_keypoints file?") from error
    require_images(pictures, [image.file_name for image in named])
    return [PoseSample(i.id, ImageFile(pictures / i.file_name), (i.height, i.width), people[i.id]) for i in named]


def _file(folder: Path, split: str) -> Path:
    names = [name.format(split) for name in FILES]
    paths = [folder / "annotations" / name for name in names]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        listing = quote(names_in(folder / "annotations"))
        raise DataError(f"{folder / 'annotations'}: holds {listing}; expected {' or '.join(names)}")
    return found


def _pictures(folder: Path, split: str) -> Path:
    names = [name.format(split) for name in IMAGE_FOLDERS]
    found = first_folder(folder, names)
    if found is None:
        raise DataError(f"{folder}: holds {quote(names_in(folder))}; expected a folder {' or '.join(names)}")
    return found


def _content(content: Any) -> tuple[list[_Image], dict[int, tuple[Person, ...]]]:
    """Return the images that have annotations, and their people by image id."""
    people: dict[int, list[Person]] = {}
    for annotation in content["annotations"]:
        people.setdefault(annotation["image_id"], []).append(_person(annotation))
    images = [_Image(i["id"], i["file_name"], i["height"], i["width"]) for i in content["images"] if i["id"] in people]
    unlisted = people.keys() - {image.id for image in images}
    if unlisted:
        raise ValueError(f"annotations of image {min(unlisted)}, which is not listed")
    return images, {image_id: tuple(found) for image_id, found in people.items()}


def _person(annotation: Any) -> Person:
    """Turn one record (a person, or a crowd region) into a person."""
    joints = np.array(annotation["keypoints"], np.float64).reshape(JOINTS, 3)  # x, y, v of each joint; v is 0, 1 or 2
    x, y, width, height = annotation["bbox"]
    return Person(
        joints=joints[:, :2],
        visible=joints[:, 2].astype(np.int64),
        box=np.array([x, y, x + width, y + height], np.float64),
        area=float(annotation["area"]),
        ignore=bool(annotation["iscrowd"]) or annotation["num_keypoints"] == 0,
    )
