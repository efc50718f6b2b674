"""COCO 2017 person keypoints (Lin et al., ECCV 2014): the official JSON, one sample per image with all its people.

Images without annotated people are left out of the training split; val keeps them, since people found there count as
mistakes. What an annotation becomes is said in ``data.coco_format``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from data.annotations import find_folder, first_folder, names_in, quote, require_images
from data.coco_format import read_samples
from data.types import DataError, ImageFile, PoseSample

if TYPE_CHECKING:
    from data import ReadOptions

FOLDERS = ("coco", "coco_subset")
SPLITS = ("train", "val")
JOINTS = 17
FILES = ("person_keypoints_{}2017.json", "person_keypoints_{}2017_subset.json")  # the official file first
IMAGE_FOLDERS = ("images/{}2017", "{}2017")  # under images/, or beside annotations/ as the archives unpack


def read(split: str, root: Path, options: ReadOptions) -> list[PoseSample]:
    """Read the images of one split, in the order of the file.

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
    path, pictures = annotation_file(split, root), _pictures(find_folder(root, FOLDERS), split)
    samples = read_samples(path, pictures, JOINTS, empty=split != "train")
    require_images(pictures, [sample.pixels.path.name for sample in samples if isinstance(sample.pixels, ImageFile)])
    return samples


def annotation_file(split: str, root: Path) -> Path:
    """Find the official file of a split, or a subset's.

    Raises:
        DataError: if there is none.
    """
    folder, names = find_folder(root, FOLDERS), [name.format(split) for name in FILES]
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
