"""Regions of ignored people in COCO's format: polygons, or run lengths (Lin et al., ECCV 2014, as pycocotools)."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from pycocotools import mask

from data.types import FloatArray

LEAST = 3  # corners of a polygon


def polygons(segmentation: Any) -> tuple[FloatArray, ...]:
    """Turn the ``segmentation`` of an annotation into polygons (N, 2) of x, y.

    Polygons are taken as they are. Run lengths, compressed or not, become the outlines of their connected parts,
    through the centres of the pixels at the edge; holes are filled.

    Returns:
        Nothing where there is no segmentation, or it covers no pixel.

    Raises:
        ValueError: if it is neither.
    """
    if not segmentation:
        return ()
    try:
        if isinstance(segmentation, dict):
            return _outlines(segmentation)
        found = [np.array(corners, np.float64).reshape(-1, 2) for corners in segmentation]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("a segmentation that is neither polygons nor run lengths") from error
    return tuple(corners for corners in found if len(corners) >= LEAST)


def _outlines(runs: dict[str, Any]) -> tuple[FloatArray, ...]:
    """Draw run lengths and follow the outer edges."""
    height, width = runs["size"]
    coded = mask.frPyObjects(runs, height, width) if isinstance(runs["counts"], list) else runs
    found, _ = cv2.findContours(mask.decode(coded), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return tuple(edge.reshape(-1, 2).astype(np.float64) for edge in found)
