"""Boxes that somebody found: a detections file or a keypoint results list, in COCO's results format.

An entry's box is its ``bbox`` (x, y, width, height), in keypoint results of this suite its ``box``, or else the extent
of its joints (one at 0, 0, 0 was not found).
Of each box the part inside the image counts; one without a size there, or with a number that is not finite, is left
out. Nobody else is: no score is too low, no image has too many. Boxes of images that are not tested on play no part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from data.annotations import labelled_extent
from data.types import DataError, FloatArray, PoseSample


@dataclass(frozen=True, eq=False)
class Detections:
    """What a file holds of one category."""

    label: str  # the file's name and the beginning of its digest
    by_image: dict[int, FloatArray]  # (N, 5) x0, y0, x1, y1, score of each, in the order of the file

    def __len__(self) -> int:
        return sum(map(len, self.by_image.values()))

    def inside(self, sample: PoseSample) -> FloatArray:
        """Return (N, 5) the boxes of an image, cut to it; those of no size or with odd numbers are left out."""
        found = self.by_image.get(sample.image_id, np.zeros((0, 5)))
        found = found[np.isfinite(found).all(axis=1)]
        height, width = sample.size
        corners = np.clip(found[:, :4], 0, [width, height, width, height])
        kept = (corners[:, 2:] > corners[:, :2]).all(axis=1)
        return np.concatenate([corners, found[:, 4:]], axis=1)[kept]


def detections(records: Any, label: str, category: int) -> Detections:
    """Read a results list.

    Args:
        records: the content of the file.
        label: says which file it is.
        category: whose boxes to take; others are left out.

    Raises:
        DataError: if it is no such list, or nobody in it is of the category.
    """
    if not isinstance(records, list):
        raise DataError(f"{label}: a list of detections expected (image_id, category_id, bbox or keypoints, score)")
    rows: dict[int, list[list[float]]] = {}
    for position, record in enumerate(records):
        try:
            if record["category_id"] == category:
                rows.setdefault(record["image_id"], []).append([*_corners(record), float(record["score"])])
        except KeyError as error:
            raise DataError(f"{label}: detection {position} has no {error.args[0]}") from error
        except (AttributeError, TypeError, ValueError) as error:
            raise DataError(f"{label}: detection {position}: {error}; are these results in COCO's format?") from error
    if not rows:
        raise DataError(f"{label}: {len(records)} detections, none of category {category}")
    return Detections(label, {image_id: np.array(boxes, np.float64) for image_id, boxes in rows.items()})


def _corners(record: Any) -> FloatArray:
    """Return x0, y0, x1, y1; NaN for a person of whom no joint was found."""
    given = record.get("box") or record.get("bbox")
    if given:
        box = np.array(given, np.float64)
        if box.shape != (4,):
            raise ValueError(f"a box of {box.size} numbers; x, y, width, height expected")
        return np.concatenate([box[:2], box[:2] + box[2:]])
    if "keypoints" not in record:
        raise KeyError("bbox and no keypoints")
    joints = np.array(record["keypoints"], np.float64)
    if joints.ndim != 1 or joints.size % 3:
        raise ValueError(f"{joints.size} numbers of keypoints; three a joint expected")
    joints = joints.reshape(-1, 3)
    found = np.isfinite(joints).all(axis=1) & (joints != 0).any(axis=1)
    return labelled_extent(joints[:, :2], found) if found.any() else np.full(4, np.nan)
