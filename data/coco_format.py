"""COCO's annotation format (Lin et al., ECCV 2014; cocodataset.org/#format-data): the content of a file -> samples.

Coordinates are used as they are, boxes too, even where they reach beyond the image. A crowd region, or a person without
a labelled joint, is ``ignore``: it is neither trained on nor counted as missed.

What a file may lack or have wrong: a box that is missing, without size or wholly outside the image gives way to the
extent of the labelled joints, and who has none with a size either is ``ignore``; an area that is missing or not
positive is NaN (the metrics take 0.53 of the box); a missing ``num_keypoints`` is counted, a missing ``iscrowd`` is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.annotations import labelled_extent, read_json
from data.regions import polygons
from data.types import UNLABELLED, VISIBLE, DataError, FloatArray, ImageFile, Person, PoseSample

PERSON = 1  # category id of people in COCO's own files


@dataclass(frozen=True)
class _Image:
    """A record of ``images``."""

    id: int
    file_name: str
    size: tuple[int, int]  # H, W


def read_samples(path: Path, pictures: Path, k: int, *, category: int = PERSON, empty: bool) -> list[PoseSample]:
    """Read a file, one sample of each image, in its order; no image is opened.

    Args:
        path: the annotations.
        pictures: folder that the file names start from.
        k: joints.
        category: id of whom to take; others are left out.
        empty: keep images without annotated people too: whoever is found there is a mistake that a test counts.

    Raises:
        DataError: if the file is missing or damaged, or is not in COCO's format.
    """
    content = read_json(path)
    try:
        images = _images(content)
        people = _people(content, {image.id: image.size for image in images}, k, category)
    except ValueError as error:
        raise DataError(f"{path}: {error}; is this a person_keypoints file?") from error
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(f"{path}: {error!r} on reading; is this a person_keypoints file?") from error
    kept = [image for image in images if empty or image.id in people]
    return [PoseSample(i.id, ImageFile(pictures / i.file_name), i.size, tuple(people.get(i.id, ()))) for i in kept]


def _images(content: Any) -> list[_Image]:
    """List the images of a file in its order; each id must be there once."""
    images = [_Image(i["id"], i["file_name"], (i["height"], i["width"])) for i in content["images"]]
    seen: set[int] = set()
    for image in images:
        if type(image.id) is not int or not isinstance(image.file_name, str):
            raise ValueError(f"image {image.id!r} ({image.file_name!r}): an integer id and a file name expected")
        if image.id in seen:
            raise ValueError(f"two images have the id {image.id}, the second is {image.file_name}")
        if not all(isinstance(side, int) and side > 0 for side in image.size):
            raise ValueError(f"image {image.id} is {image.size} pixels (H, W); positive integers expected")
        seen.add(image.id)
    return images


def _people(content: Any, sizes: dict[int, tuple[int, int]], k: int, category: int) -> dict[int, list[Person]]:
    """Take the people of a file, by the image id."""
    people: dict[int, list[Person]] = {}
    for position, annotation in enumerate(content["annotations"]):
        if annotation.get("category_id", category) != category:
            continue
        owner = annotation["image_id"]
        if owner not in sizes:
            raise ValueError(f"annotations of image {owner}, which is not listed")
        try:
            person = _person(annotation, k, sizes[owner])
        except (TypeError, ValueError) as error:
            raise ValueError(f"annotation {annotation.get('id', position)} of image {owner}: {error}") from error
        people.setdefault(owner, []).append(person)
    return people


def _person(annotation: Any, k: int, size: tuple[int, int]) -> Person:
    """Turn one record (a person, or a crowd region) into a person."""
    if "keypoints" not in annotation:
        raise ValueError("no keypoints")
    numbers = np.array(annotation["keypoints"], np.float64)
    if numbers.shape != (3 * k,):
        raise ValueError(f"keypoints of size {numbers.size}; {3 * k} numbers expected: x, y, v of {k} joints")
    joints = numbers.reshape(k, 3)
    if not np.isfinite(joints).all() or not np.isin(joints[:, 2], range(UNLABELLED, VISIBLE + 1)).all():
        raise ValueError("keypoints: a coordinate is no number, or a visibility is none of 0, 1 and 2")
    labelled = joints[:, 2] > UNLABELLED
    crowd = bool(annotation.get("iscrowd", 0))
    box = _box(annotation.get("bbox"), joints[:, :2], labelled, size)
    area = annotation.get("area")
    ignore = crowd or box is None or not annotation.get("num_keypoints", labelled.sum())
    return Person(
        joints=joints[:, :2],
        visible=joints[:, 2].astype(np.int64),
        box=np.zeros(4) if box is None else box,
        area=float(area) if isinstance(area, int | float) and 0 < area < np.inf else float("nan"),
        ignore=ignore,
        crowd=crowd,
        region=polygons(annotation.get("segmentation")) if ignore else (),
    )


def _box(bbox: Any, joints: FloatArray, labelled: np.ndarray[Any, np.dtype[np.bool_]], size: Any) -> FloatArray | None:
    """Return x0, y0, x1, y1 as annotated, or around the labelled joints; None where neither has a size."""
    given = np.array([] if bbox is None else bbox, np.float64)
    if given.shape == (4,) and np.isfinite(given).all():
        box = np.array([given[0], given[1], given[0] + given[2], given[1] + given[3]])
        shown = np.minimum(box[2:], [size[1], size[0]]) - np.maximum(box[:2], 0)
        if (given[2:] > 0).all() and (shown > 0).all():
            return box
    elif given.size not in (0, 4):
        raise ValueError(f"a box of {given.size} numbers; x, y, width, height expected")
    extent = labelled_extent(joints, labelled) if labelled.any() else np.zeros(4)
    return extent if (extent[2:] > extent[:2]).all() else None
