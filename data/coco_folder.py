"""Any folder in COCO's layout is a data set: ``annotations/*.json`` and the images, with joints of its own.

A file is of the split whose word is in its name: train, val (valid, validation) or test; where several are, the one
that speaks of keypoints. Images lie in ``images/``, in a folder of the split inside or beside it, or beside
``annotations/``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.annotations import names_in, quote, read_json, require_images
from data.coco_category import Category, choose
from data.coco_format import read_samples
from data.types import DataError, ImageFile, PoseSample

if TYPE_CHECKING:
    from data import ReadOptions

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # of a folder; it becomes part of the names of files
SPLITS = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing")}
PICTURES = ("images/{}", "images/{}2017", "images", "{}", "{}2017", "")  # folders that file names may start from
HEAD = 2**20  # bytes; the list of categories of a file is shorter


@dataclass(frozen=True)
class CocoFolder:
    """A folder in COCO's layout, of which only the categories have been read."""

    path: Path
    files: tuple[tuple[str, Path], ...]  # split, annotations
    category: Category

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits it has, train first."""
        return tuple(split for split, _ in self.files)


def is_coco_folder(path: Path) -> bool:
    """Say whether a folder has annotations of a split, by name; no file is opened."""
    return bool(NAME.fullmatch(path.name)) and any(_listed(path).values())


def look(path: Path) -> CocoFolder:
    """Say what a folder in COCO's layout holds; the answer is remembered until a file changes.

    Raises:
        DataError: if two files could be of one split, or the categories do not name one set of joints.
    """
    files = tuple((split, _one(split, found)) for split, found in _listed(path).items() if found)
    return _look(path, files, tuple(file.stat().st_mtime_ns for _, file in files))


@lru_cache
def _look(path: Path, files: tuple[tuple[str, Path], ...], changed: tuple[int, ...]) -> CocoFolder:
    chosen = [_category(file, path.name) for _, file in files]
    for (_, file), category in zip(files, chosen, strict=True):
        if (category.id, category.skeleton.joints) != (chosen[0].id, chosen[0].skeleton.joints):
            raise DataError(f"{file}: another category or other joints than {files[0][1].name} has; both must agree")
    return CocoFolder(path, files, chosen[0])


def read(split: str, root: Path, options: ReadOptions, *, name: str) -> list[PoseSample]:
    """Read the images of one split, in the order of the file; train only those with annotated people.

    Raises:
        DataError: if there is no such split, or the folder or a file is not in COCO's format.
    """
    if options.convention != "pc":
        raise DataError(f"{name}: no convention {options.convention!r}; expected pc")
    samples = annotated(annotation_file(split, root, name=name), root, name=name, empty=split != "train")
    names = [s.pixels.path.as_posix() for s in samples if isinstance(s.pixels, ImageFile)]
    pictures = _pictures(root / name, split, names)
    require_images(pictures, names)
    return [
        PoseSample(s.image_id, ImageFile(pictures / n), s.size, s.people) for s, n in zip(samples, names, strict=True)
    ]


def annotated(path: Path, root: Path, *, name: str, empty: bool = True) -> list[PoseSample]:
    """Read the people of a file with the joints of the data set; the images need not be there.

    Raises:
        DataError: if it is not in COCO's format, or has other joints.
    """
    category = look(root / name).category
    return read_samples(path, Path(), len(category.skeleton.joints), category=category.id, empty=empty)


def annotation_file(split: str, root: Path, *, name: str) -> Path:
    """Find the annotations of a split.

    Raises:
        DataError: if there are none.
    """
    found = dict(look(root / name).files).get(split)
    if found is None:
        folder = root / name / "annotations"
        words = " or ".join(SPLITS.get(split, (split,)))
        raise DataError(f"{folder}: holds {quote(names_in(folder))}; expected a file with {words} in its name")
    return found


def _listed(path: Path) -> dict[str, list[Path]]:
    """List the annotation files by split."""
    folder = path / "annotations"
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix == ".json" and file.is_file())
    except OSError:
        files = []
    words = {file: set(re.findall(r"[a-z]+", file.stem.lower())) for file in files}
    return {split: [file for file in files if words[file] & set(known)] for split, known in SPLITS.items()}


def _one(split: str, files: list[Path]) -> Path:
    """Choose the file of a split; that of keypoints among several."""
    named = [file for file in files if "keypoint" in file.stem.lower()]
    chosen = files if len(files) == 1 else named
    if len(chosen) != 1:
        listing = ", ".join(file.name for file in files)
        raise DataError(f"{files[0].parent}: {listing} could all be {split}; leave one, or name one of them keypoints")
    return chosen[0]


def _category(path: Path, name: str) -> Category:
    try:
        return choose(_categories(path), name)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _categories(path: Path) -> Any:
    """Read the categories alone where they can be found without reading the rest: COCO's own file takes ten seconds."""
    for listed in _lists(path.read_bytes()):
        if listed and all(isinstance(entry, dict) and "id" in entry and "name" in entry for entry in listed):
            return listed
    content = read_json(path)
    return content.get("categories") if isinstance(content, dict) else None


def _lists(raw: bytes) -> Iterator[list[Any]]:
    """Yield what stands after the word categories, where it is a list."""
    for match in re.finditer(rb'"categories"\s*:\s*(?=\[)', raw):
        text = raw[match.end() : match.end() + HEAD].decode(errors="ignore")
        try:
            yield json.JSONDecoder().raw_decode(text)[0]
        except ValueError:
            continue


def _pictures(folder: Path, split: str, names: list[str]) -> Path:
    """Find the folder that the file names start from: the first that holds one of the first few."""
    if not names:
        return folder
    words = SPLITS.get(split, (split,))
    places = list(dict.fromkeys(folder / place.format(word) for place in PICTURES for word in words))
    found = next((place for place in places if any((place / name).is_file() for name in names[:10])), None)
    if found is None:
        raise DataError(
            f"{folder}: holds {quote(names_in(folder))}; {names[0]} is not in images, images/{split} or {split}"
        )
    return found
