"""OKS, the similarity of two poses that COCO puts in the place of the overlap of boxes."""

from __future__ import annotations

import numpy as np

from bench.metrics.arrays import Array, Values, as_floats, like, refuse_unplaced
from data.types import FloatArray

EPSILON = np.spacing(1.0)  # pycocotools adds it to the area


def oks(found: Array, truth: Values, visible: Values, area: Values, sigmas: Values) -> Array:
    """Object keypoint similarity of N found and P true people.

    The mean over the labelled joints of exp(-d^2 / (2 area (2 sigma)^2)). That is the similarity itself: a true person
    without a labelled joint has none, whereas the COCO evaluator gives such people, whom it then ignores, a similarity
    to an enlarged box.

    Example:
        One joint is 5 px off; with an area of 50 and a sigma of 0.5 the exponent is -25 / (2 * 50 * 1).

        >>> found, truth = np.array([[[3.0, 4.0], [0.0, 0.0]]]), np.zeros((1, 2, 2))
        >>> oks(found, truth, np.array([[2, 0]]), np.array([50.0]), np.array([0.5, 0.5])).round(6)
        array([[0.778801]])
        >>> round(float(np.exp(-0.25)), 6)
        0.778801

    Args:
        found: (N, K, 2) pixels; a NaN is as far away as can be.
        truth: (P, K, 2) pixels.
        visible: (P, K); only joints > 0 count.
        area: (P,) segment area in square pixels.
        sigmas: (K,) per-joint spread; variance is (2 sigma)^2 as in pycocotools.

    Returns:
        (N, P) in [0, 1]; 0 where a person has no labelled joint.

    Raises:
        ValueError: if K or P differs between the arguments, a labelled joint is not finite, the area of a person with
            a labelled joint is not finite and positive, or a sigma is not.

    Source: https://cocodataset.org/#keypoints-eval
    """
    joints, true, labelled = as_floats(found), as_floats(truth), as_floats(visible) > 0
    areas, spreads = as_floats(area), as_floats(sigmas)
    _check(joints, true, (labelled.shape, areas.shape, spreads.shape))
    refuse_unplaced(true, labelled)
    broken = np.flatnonzero(labelled.any(1) & ~(np.isfinite(areas) & (areas > 0)))
    if len(broken):
        raise ValueError(f"person {broken[0]}: area {areas[broken[0]]}; expected > 0; give it one or leave it out")
    if not (spreads > 0).all():
        raise ValueError(f"sigmas {spreads.tolist()}; expected > 0")
    squared = np.square(joints[:, None] - true).sum(-1)  # (N, P, K)
    variances = 2 * np.square(2 * spreads) * (areas[:, None] + EPSILON)  # (P, K)
    with np.errstate(invalid="ignore", divide="ignore"):  # people without a labelled joint may have no area
        near = np.nan_to_num(np.exp(-squared / variances))
    counts = labelled.sum(1)
    return like((near * labelled).sum(-1) / np.maximum(counts, 1), found)


def _check(joints: FloatArray, true: FloatArray, others: tuple[tuple[int, ...], ...]) -> None:
    """Refuse shapes that do not belong together."""
    if joints.ndim == true.ndim == 3 and joints.shape[1:] == true.shape[1:] and true.shape[2] == 2:
        p, k = true.shape[:2]
        if others == ((p, k), (p,), (k,)):
            return
    raise ValueError(
        f"found {joints.shape}, truth {true.shape}, visible {others[0]}, area {others[1]}, sigmas {others[2]}; "
        "expected (N, K, 2), (P, K, 2), (P, K), (P,) and (K,)"
    )
