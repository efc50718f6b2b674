"""PCK3D, its area, MPJPE and PA-MPJPE: errors in space, as pure functions.

As everywhere: (N, K, 3) millimetres, NaN where nothing was found; ``visible`` (N, K), where 0 is unlabelled and not
counted. Poses are compared after moving the root (usually the pelvis) to the origin; PA-MPJPE aligns them further.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.metrics.arrays import Array, Values, first_within, like, paired, within
from data.types import FloatArray

PCK_LIMIT = 150.0  # mm; Mehta et al., 3DV 2017, about half a head
AUC_THRESHOLDS = tuple(range(0, 151, 5))  # mm, 31 of them; MPI-INF-3DHP evaluation code

Root = int | Sequence[int]  # the joint, or the joints whose mean it is


def pck3d(found: Array, truth: Values, visible: Values, root: Root, threshold: float = PCK_LIMIT) -> Array:
    """Say which joints lie less than ``threshold`` millimetres from the truth, both relative to the root.

    Example:
        Off by (100, 100, 50) mm is off by exactly 150 mm, which is wrong.

        >>> truth = np.zeros((1, 3, 3))
        >>> found = np.array([[[9.0, 9.0, 9.0], [109.0, 109.0, 59.0], [109.0, 109.0, 58.0]]])
        >>> pck3d(found, truth, np.ones((1, 3)), root=0)
        array([[ True, False,  True]])

    Args:
        found: (N, K, 3).
        truth: (N, K, 3).
        visible: (N, K).
        root: the joint, or the joints whose mean is the root.
        threshold: millimetres.

    Returns:
        (N, K) bool.

    Raises:
        ValueError: if shapes differ, or a labelled joint or a root of the truth is not finite.

    Source: Mehta et al., 3DV 2017; strictly less as in the evaluation code of MPI-INF-3DHP.
    """
    errors, labelled = _relative(found, truth, visible, root)
    return like(labelled & within(errors, threshold, "<"), found)


def auc3d(found: Array, truth: Values, visible: Values, root: Root) -> Array:
    """Average each joint's PCK3D over the 31 thresholds 0, 5, ..., 150 mm.

    Nothing is nearer than 0 mm, so a perfect pose has 30 / 31.

    Example:
        An error of 75 mm is less than 80, 85, ..., 150 mm: 15 of 31 thresholds.

        >>> truth, found = np.zeros((1, 2, 3)), np.array([[[0.0, 0.0, 0.0], [0.0, 45.0, 60.0]]])
        >>> (31 * auc3d(found, truth, np.ones((1, 2)), root=0)).round(6)
        array([[30., 15.]])

    Args:
        found: (N, K, 3).
        truth: (N, K, 3).
        visible: (N, K).
        root: the joint, or the joints whose mean is the root.

    Returns:
        (N, K) float64 in [0, 1].

    Raises:
        ValueError: as `pck3d`.

    Source: Mehta et al., 3DV 2017, evaluation code of MPI-INF-3DHP.
    """
    errors, labelled = _relative(found, truth, visible, root)
    total = len(AUC_THRESHOLDS)
    first = first_within(errors, np.array(AUC_THRESHOLDS, np.float64), "<")
    return like(labelled * (total - first) / total, found)


def mpjpe(found: Array, truth: Values, visible: Values, root: Root) -> Array:
    """Return the distance of each joint from the truth, both relative to the root; its mean is MPJPE.

    Example:
        >>> truth, found = np.zeros((1, 2, 3)), np.array([[[1.0, 1.0, 1.0], [1.0, 4.0, 5.0]]])
        >>> mpjpe(found, truth, np.ones((1, 2)), root=0)
        array([[0., 5.]])

    Args:
        found: (N, K, 3).
        truth: (N, K, 3).
        visible: (N, K).
        root: the joint, or the joints whose mean is the root.

    Returns:
        (N, K) millimetres; NaN where unlabelled, infinite where nothing was found: a miss has no length.

    Raises:
        ValueError: as `pck3d`.

    Source: Ionescu et al., Human3.6M, TPAMI 2014.
    """
    return like(_lengths_or_inf(*_relative(found, truth, visible, root)), found)


def pa_mpjpe(found: Array, truth: Values, visible: Values) -> Array:
    """Return the distance of each joint after the best similarity transform of the found onto the true pose.

    Translation, scale and a proper rotation (never a mirror image) that minimise the squared distances of the labelled
    joints that were found, for each person alone.

    Example:
        The found pose is twice as large, turned by 90 degrees and moved: nothing is left after the alignment.

        >>> truth = np.array([[[0.0, 0.0, 0.0], [3.0, 0.0, 0.0], [0.0, 4.0, 0.0]]])
        >>> found = np.array([[[1.0, 1.0, 1.0], [1.0, 7.0, 1.0], [-7.0, 1.0, 1.0]]])
        >>> pa_mpjpe(found, truth, np.ones((1, 3))).round(6)
        array([[0., 0., 0.]])

    Args:
        found: (N, K, 3).
        truth: (N, K, 3).
        visible: (N, K).

    Returns:
        (N, K) millimetres; NaN where unlabelled, infinite where nothing was found.

    Raises:
        ValueError: if shapes differ, or a labelled joint of the truth is not finite.

    Source: Procrustes alignment by Umeyama, TPAMI 1991; "protocol 2" of Human3.6M.
    """
    joints, true, labelled = paired(found, truth, visible, dims=3)
    used = labelled & np.isfinite(joints).all(-1)
    moved, target = (_centred(part, used) for part in (joints, true))
    u, spread, vt = np.linalg.svd(np.swapaxes(moved, 1, 2) @ target)  # of (N, 3, 3)
    signs = np.ones_like(spread)
    signs[:, 2] = np.where(np.linalg.det(u @ vt) < 0, -1.0, 1.0)
    size = np.square(moved).sum((1, 2))
    scale = (spread * signs).sum(1) / np.where(size > 0, size, 1.0)
    aligned = scale[:, None, None] * (moved @ (u * signs[:, None]) @ vt)
    errors = np.where(used, np.linalg.norm(aligned - target, axis=-1), np.nan)
    return like(_lengths_or_inf(errors, labelled), found)


def _centred(points: FloatArray, used: NDArray[np.bool_]) -> FloatArray:
    """Move the mean of the used points to the origin; the others become 0."""
    kept = np.where(used[..., None], points, 0.0)
    middle = kept.sum(1) / np.maximum(used.sum(1), 1)[:, None]
    return np.where(used[..., None], kept - middle[:, None], 0.0)


def _relative(found: Values, truth: Values, visible: Values, root: Root) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return the distances (N, K) relative to the root, NaN where nothing was found, and what is labelled (N, K)."""
    joints, true, labelled = paired(found, truth, visible, dims=3)
    roots = np.atleast_1d(root)
    rootless = np.flatnonzero(~np.isfinite(true[:, roots]).all((1, 2)))
    if len(rootless):
        raise ValueError(f"person {rootless[0]}: no finite root (joints {roots.tolist()}); leave that person out")
    moved, target = (part - part[:, roots].mean(1, keepdims=True) for part in (joints, true))
    return np.linalg.norm(moved - target, axis=-1), labelled


def _lengths_or_inf(errors: FloatArray, labelled: NDArray[np.bool_]) -> FloatArray:
    return np.where(labelled, np.where(np.isfinite(errors), errors, np.inf), np.nan)
