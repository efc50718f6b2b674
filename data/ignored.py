"""Where an input does not count: crowds, and people whom a data set does not ask for."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from data.types import FloatArray, Person, apply_affine

SUBPIXEL = 4  # fractional bits of OpenCV's drawing coordinates
FAR = 1 << 15  # pixels; beyond it OpenCV's fixed-point coordinates overflow


def counted(ignored: Sequence[Person], affine: FloatArray, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Mark the pixels that count: those outside of every ignored person's region, or box where there is no region.

    Args:
        ignored: The people.
        affine: (2, 3) original pixels -> input pixels.
        size: (h, w) of the input.

    Returns:
        (h, w); what lies outside of the original image counts.
    """
    mask = np.ones(size, np.uint8)
    for person in ignored:
        for polygon in person.region or (_corners(person.box),):
            points = np.clip(apply_affine(polygon, affine), -FAR, FAR) * 2**SUBPIXEL
            cv2.fillPoly(mask, [points.round().astype(np.int32)], 0, shift=SUBPIXEL)
    return np.asarray(mask, bool)


def _corners(box: FloatArray) -> FloatArray:
    x0, y0, x1, y1 = box
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
