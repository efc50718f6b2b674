"""What every annotation reader does: find the folder, open the file, measure the images, bound the joints."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.types import DataError, FloatArray

NAMES_SHOWN = 6  # entries of a folder that a message quotes


def names_in(folder: Path) -> set[str]:
    """List a folder once.

    Raises:
        DataError: if there is no such folder, or it cannot be read.
    """
    try:
        return {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}; a folder that can be read was expected") from error


def quote(names: Iterable[str]) -> str:
    """Name the first few entries of a folder for a message."""
    known = sorted(names)
    more = f" and {len(known) - NAMES_SHOWN} more" if len(known) > NAMES_SHOWN else ""
    return ", ".join(known[:NAMES_SHOWN]) + more if known else "nothing"


def first_folder(root: Path, folders: Sequence[str]) -> Path | None:
    """Return the first of these folders that exists under ``root``."""
    return next((root / name for name in folders if (root / name).is_dir()), None)


def find_folder(root: Path, folders: Sequence[str]) -> Path:
    """Return the folder of a data set under ``root``, by any of its accepted names.

    Raises:
        DataError: if there is none; the message says what is there.
    """
    found = names_in(root)
    folder = first_folder(root, folders)
    if folder is None:
        advice = "set POSE_DATA to the folder above it" if root.name in folders else "bring it, or set POSE_DATA"
        raise DataError(f"{root}: holds {quote(found)}; expected a folder named {' or '.join(folders)}; {advice}")
    return folder


def require_file(path: Path) -> Path:
    """Return ``path`` if it is a file.

    Raises:
        DataError: if not; the message says what lies there instead.
    """
    if not path.is_file():
        raise DataError(f"{path.parent}: holds {quote(names_in(path.parent))}; expected {path.name} in it")
    return path


def require_images(folder: Path, names: Sequence[str]) -> None:
    """Check with one listing of each folder that the images are there; a name may lead through folders.

    Raises:
        DataError: if any is missing; the message says how many are there and the first that is not.
    """
    listed = {parent: names_in(folder / parent) for parent in {Path(name).parent for name in names}}
    missing = [name for name in names if Path(name).name not in listed[Path(name).parent]]
    if missing:
        share = f"{len(names) - len(missing):,} of {len(names):,} files"
        raise DataError(f"{folder}: holds {share}, first missing {missing[0]}; bring the images again")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file; the reader checks what it takes from it.

    Raises:
        DataError: if the file is missing or damaged.
    """
    try:
        return json.loads(require_file(path).read_bytes())
    except ValueError as error:
        raise DataError(f"{path}: not readable as JSON ({error}); bring the file again") from error


def image_size(path: Path) -> tuple[int, int]:
    """Return (H, W) from the header of an image file, as stored; nothing is decoded.

    Raises:
        DataError: if it is not an image.
    """
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's answers to files that are no images
        raise DataError(f"{path}: no image header; bring the file again") from error


def labelled_extent(joints: FloatArray, labelled: NDArray[np.bool_]) -> FloatArray:
    """Return x0, y0, x1, y1 around the labelled joints: the box where a data set draws none.

    Raises:
        ValueError: if no joint is labelled.
    """
    known = joints[labelled]
    return np.concatenate([known.min(axis=0), known.max(axis=0)])
