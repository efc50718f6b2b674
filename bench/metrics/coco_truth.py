"""True people and results in the form COCO's evaluators take, with everything refused that would make AP 0 or -1.

Truth is best read from the official annotation file: it alone has the crowd regions and the images without people.
Samples of any other data set serve too; what had to be assumed for them is said in ``assumptions``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from data.annotations import read_json
from data.types import DataError, FloatArray, PoseSample

PERSON = 1  # category id of people; COCO, CrowdPose
BOX_TO_AREA = 0.53  # segment area over box area; CrowdPose evaluation code, `tmparea`
ANNOTATION, RESULT = "annotation", "result"  # what a message speaks of
NO_AREA = "the annotations hold no areas: 0.53 of the box area stands for each"
Areas = Literal["annotated", "box"]


@dataclass(frozen=True, eq=False)
class Truth:
    """I images with P true people of K joints. A truth on which every AP would be 0 or -1 is a ValueError."""

    image_ids: NDArray[np.int64]  # (I,) ascending, each once
    owners: NDArray[np.int64]  # (P,) image id of each person
    keypoints: FloatArray  # (P, K, 3) x, y, v; v > 0 is labelled
    labelled: NDArray[np.int64]  # (P,) labelled joints as the file counts them; with 0 a person is ignored
    areas: FloatArray  # (P,) square pixels
    boxes: FloatArray  # (P, 4) x, y, width, height
    crowds: NDArray[np.bool_]  # (P,) a region of many people: ignored, and may be found any number of times
    crowd_index: FloatArray  # (I,) CrowdPose's; NaN where the data set has none
    assumptions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = np.setdiff1d(self.owners, self.image_ids)
        if len(unknown):
            raise ValueError(f"annotations name image {unknown[0]}, which is not listed; bring the file again")
        if not self.counted.any():
            raise ValueError(f"nobody to find: {len(self.owners)} people, none with a labelled joint outside a crowd")
        areas = self.areas[self.counted]
        bad = int((~(np.isfinite(areas) & (areas > 0))).sum())
        if bad:
            raise ValueError(
                f"{bad:,} of {len(areas):,} people have no positive area, so nothing could match them; "
                "correct the areas, or take them from the boxes (areas='box')"
            )

    @property
    def counted(self) -> NDArray[np.bool_]:
        """(P,) who has to be found."""
        return (self.labelled > 0) & ~self.crowds

    @property
    def joints(self) -> int:
        """K."""
        return int(self.keypoints.shape[1])


@dataclass(frozen=True, eq=False)
class Results:
    """N found people, for all images of a truth."""

    owners: NDArray[np.int64]  # (N,) image id of each
    keypoints: FloatArray  # (N, K, 3); the third number plays no part
    scores: FloatArray  # (N,)
    areas: FloatArray  # (N,) square pixels; decides which unmatched ones a range of areas leaves out
    assumptions: tuple[str, ...] = ()


def read_truth(path: Path, *, areas: Areas = "annotated", category: int = PERSON) -> Truth:
    """Read an annotation file; see `truth_from_coco`.

    Raises:
        DataError: if the file is damaged, or no AP could come of it.
    """
    try:
        return truth_from_coco(read_json(path), areas=areas, category=category)
    except (KeyError, TypeError, ValueError) as error:
        told = str(error) if isinstance(error, ValueError) else f"{error!r} on reading; is this a COCO keypoints file?"
        raise DataError(f"{path}: {told}") from error


def truth_from_coco(content: Any, *, areas: Areas = "annotated", category: int = PERSON) -> Truth:
    """Take the people of one category from the content of a COCO keypoints annotation file.

    Args:
        content: ``images`` and ``annotations``.
        areas: annotated, or box for 0.53 x width x height (CrowdPose).
        category: whom to take.

    Raises:
        ValueError: if nobody is of that category, or no AP could come of it.
    """
    categories = _column(content["annotations"], "category_id", ANNOTATION)
    records = [record for record, c in zip(content["annotations"], categories, strict=True) if c == category]
    if not records:
        known = sorted(set(categories))
        raise ValueError(f"no annotation of category {category}; the file holds categories {known or 'of nobody'}")
    keypoints = _keypoints(records, ANNOTATION)
    boxes = np.array(_column(records, "bbox", ANNOTATION), np.float64)
    indices = {image["id"]: image.get("crowdIndex", float("nan")) for image in content["images"]}
    image_ids = np.array(sorted(indices), np.int64)
    return Truth(
        image_ids=image_ids,
        owners=np.array(_column(records, "image_id", ANNOTATION), np.int64),
        keypoints=keypoints,
        labelled=np.array(_column(records, "num_keypoints", ANNOTATION), np.int64),
        areas=_annotated(records) if areas == "annotated" else box_areas(boxes),
        boxes=boxes,
        crowds=np.array([record.get("iscrowd", 0) for record in records], np.bool_),
        crowd_index=np.array([indices[i] for i in image_ids.tolist()], np.float64),
        assumptions=() if areas == "annotated" else ("areas are 0.53 of the box areas",),
    )


def truth_from_samples(samples: Sequence[PoseSample]) -> Truth:
    """Take everybody in the samples of any data set; ``assumptions`` says what stands in for missing areas and crowds.

    Raises:
        ValueError: if no AP could come of it.
    """
    if not any(sample.people for sample in samples):
        raise ValueError(f"nobody to find: {len(samples)} images, none with an annotated person")
    pairs = [(sample.image_id, person) for sample in samples for person in sample.people]
    people = [person for _, person in pairs]
    keypoints = np.stack([np.column_stack([person.joints, person.visible]) for person in people])
    corners = np.array([person.box for person in people], np.float64)
    boxes = np.column_stack([corners[:, :2], corners[:, 2:] - corners[:, :2]])
    areas, ignored = np.array([person.area for person in people]), np.array([person.ignore for person in people])
    labelled, crowds = (keypoints[..., 2] > 0).sum(1), np.array([person.crowd for person in people])
    taken = ignored & ~crowds & (labelled > 0)  # with no labelled joint they are ignored by that
    absent = np.isnan(areas)
    told = [NO_AREA if absent.all() else f"{absent.sum():,} people have no area: 0.53 of their box areas stands for it"]
    image_ids = np.unique([sample.image_id for sample in samples]).astype(np.int64)
    if taken.any():
        told.append(f"{taken.sum():,} people to ignore are taken for crowds: each may be found any number of times")
    return Truth(
        image_ids=image_ids,
        owners=np.array([image_id for image_id, _ in pairs], np.int64),
        keypoints=np.where(keypoints[..., 2:] > 0, keypoints, 0.0),
        labelled=labelled,
        areas=np.where(absent, box_areas(boxes), areas),
        boxes=boxes,
        crowds=crowds | taken,
        crowd_index=np.full(len(image_ids), np.nan),
        assumptions=tuple(told if absent.any() else told[1:]),
    )


def read_results(path: Path, truth: Truth, *, category: int = PERSON) -> Results:
    """Read a results file; see `results_from_coco`.

    Raises:
        DataError: if the file is damaged, or does not belong to the truth.
    """
    try:
        return results_from_coco(read_json(path), truth, category=category)
    except (KeyError, TypeError, ValueError) as error:
        told = str(error) if isinstance(error, ValueError) else f"{error!r} on reading; is this a list of COCO results?"
        raise DataError(f"{path}: {told}") from error


def results_from_coco(records: Any, truth: Truth, *, category: int = PERSON) -> Results:
    """Take a list of COCO results: image_id, category_id, keypoints (x, y, any third number), score.

    The area of each is that of its box where the list gives boxes, else of the rectangle around all its joints; so does
    pycocotools.

    Raises:
        ValueError: if the list is empty, or does not belong to the truth.
    """
    if not isinstance(records, list) or not records:
        raise ValueError("no results: a list of at least one found person was expected")
    categories = set(_column(records, "category_id", RESULT)) - {category}
    if categories:
        raise ValueError(f"results of category {min(categories)}; the people are category {category}")
    keypoints = _keypoints(records, RESULT)
    scores = np.array(_column(records, "score", RESULT), np.float64)
    owners = np.array(_column(records, "image_id", RESULT), np.int64)
    _require_same(truth, owners, keypoints, scores)
    silent = len(np.setdiff1d(truth.owners[truth.counted], owners))
    told = [f"{silent:,} of {len(truth.image_ids):,} images have people but no results: these count as missed"]
    told = told if silent else []
    if records[0].get("bbox"):
        boxes = np.array(_column(records, "bbox", RESULT), np.float64)
        told.append("the results bring boxes: the area of an unmatched one is that of its box, as in pycocotools")
        return Results(owners, keypoints, scores, boxes[:, 2] * boxes[:, 3], tuple(told))
    extent = np.ptp(keypoints[..., :2], axis=1)
    return Results(owners, keypoints, scores, extent[:, 0] * extent[:, 1], tuple(told))


def nobody_found(truth: Truth) -> Results:
    """Return results without anybody in them, which a list of a file is not allowed to be."""
    return Results(np.zeros(0, np.int64), np.zeros((0, truth.joints, 3)), np.zeros(0), np.zeros(0))


def box_areas(boxes: FloatArray) -> FloatArray:
    """Stand-in for the segment areas (P,) of boxes (P, 4) x, y, width, height."""
    return boxes[:, 2] * boxes[:, 3] * BOX_TO_AREA


def _require_same(truth: Truth, owners: NDArray[np.int64], keypoints: FloatArray, scores: FloatArray) -> None:
    """Refuse results that are not of this truth, or hold no numbers."""
    if keypoints.shape[1] != truth.joints:
        raise ValueError(f"results of {keypoints.shape[1]} joints; the annotations have {truth.joints}")
    unknown = np.setdiff1d(owners, truth.image_ids)
    if len(unknown):
        many = f"{len(unknown):,} of {len(np.unique(owners)):,} images"
        raise ValueError(f"results name image {unknown[0]} ({many}), unknown to the annotations; is this their split?")
    broken = ~(np.isfinite(keypoints[..., :2]).all((1, 2)) & np.isfinite(scores))
    if broken.any():
        first = int(broken.argmax())
        raise ValueError(f"result {first} (image {owners[first]}) holds NaN or infinity; leave out what was not found")


def _column(records: list[dict[str, Any]], name: str, what: str) -> list[Any]:
    """Take one entry of every record.

    Raises:
        ValueError: if a record has none of that name.
    """
    try:
        return [record[name] for record in records]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{what}s without {name}; is this a file of COCO keypoints?") from error


def _keypoints(records: list[dict[str, Any]], what: str) -> FloatArray:
    """Stack lists x, y, v, x, y, v, ... as (N, K, 3)."""
    rows: list[list[float]] = _column(records, "keypoints", what)
    lengths = sorted({len(row) for row in rows})
    if len(lengths) > 1 or lengths[0] % 3 or not lengths[0]:
        raise ValueError(f"{what}s with {lengths} numbers of keypoints; each needs the same, three for a joint")
    return np.array(rows, np.float64).reshape(len(rows), -1, 3)


def _annotated(records: list[dict[str, Any]]) -> FloatArray:
    missing = sum("area" not in record for record in records)
    if missing:
        raise ValueError(
            f"{missing:,} of {len(records):,} annotations have no area, which OKS divides by; "
            "bring a file with areas, or take them from the boxes (areas='box')"
        )
    return np.array([record["area"] for record in records], np.float64)
