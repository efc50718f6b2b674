"""PCP: which sticks between joints were hit, as pure functions."""

from __future__ import annotations

import numpy as np

from bench.metrics.arrays import Array, Compare, Values, as_floats, like, paired, within
from data.types import FloatArray

Sticks = tuple[tuple[str, tuple[tuple[int, ...], tuple[int, ...]]], ...]  # as in Skeleton.sticks


def pcp(
    found: Array,
    truth: Values,
    visible: Values,
    sticks: Sticks,
    threshold: float = 0.5,
    compare: Compare = "<=",
    *,
    strict: bool,
) -> Array:
    """Say which sticks lie within ``threshold`` times their own true length.

    Strict: both ends do. Loose: the mean of the two ends' errors does. A stick of length 0 is hit only exactly.

    Example:
        A stick of 10 px whose ends are off by 0 and 8 px; the mean error is 4 px.

        >>> truth = np.array([[[0.0, 0.0], [6.0, 8.0]]])
        >>> found = np.array([[[0.0, 0.0], [6.0, 0.0]]])
        >>> stick = (("forearm", ((0,), (1,))),)
        >>> pcp(found, truth, np.ones((1, 2)), stick, strict=True)
        array([[False]])
        >>> pcp(found, truth, np.ones((1, 2)), stick, strict=False)
        array([[ True]])

    Args:
        found: (N, K, 2).
        truth: (N, K, 2).
        visible: (N, K).
        sticks: S sticks as in `Skeleton.sticks`: (row, (joints whose mean is one end, joints of the other)).
        threshold: share of the true length.
        compare: whether an error exactly on the limit is a hit.
        strict: both ends, instead of their mean.

    Returns:
        (N, S) bool.

    Raises:
        ValueError: if shapes differ, a labelled joint of the truth is not finite, or there is no stick.

    Source: Ferrari et al., CVPR 2008; strict as in the LSP evaluation code, loose as in the Buffy stickmen code.
    """
    joints, true_joints, _ = paired(found, truth, visible)
    true_ends = _ends(true_joints, sticks)
    errors = np.linalg.norm(_ends(joints, sticks) - true_ends, axis=-1)  # (N, S, 2)
    limits = threshold * np.linalg.norm(true_ends[:, :, 0] - true_ends[:, :, 1], axis=-1)
    measured = errors.max(-1) if strict else errors.mean(-1)
    labelled = labelled_sticks(as_floats(visible), sticks)
    return like(labelled & within(measured, limits, compare), found)


def labelled_sticks(visible: Array, sticks: Sticks) -> Array:
    """Say which sticks have all their joints labelled, and so count.

    Example:
        >>> labelled_sticks(np.array([[1, 2, 0]]), (("forearm", ((0,), (1,))), ("upper arm", ((1,), (2,)))))
        array([[ True, False]])

    Args:
        visible: (N, K); 0 is unlabelled.
        sticks: S sticks as in `Skeleton.sticks`.

    Returns:
        (N, S) bool.

    Raises:
        ValueError: if there is no stick.
    """
    labelled = as_floats(visible) > 0
    complete = [labelled[:, [joint for end in ends for joint in end]].all(1) for _, ends in _required(sticks)]
    return like(np.stack(complete, 1), visible)


def _required(sticks: Sticks) -> Sticks:
    if not sticks:
        raise ValueError("0 sticks; PCP needs a skeleton that names its sticks")
    return sticks


def _ends(joints: FloatArray, sticks: Sticks) -> FloatArray:
    """Return both ends of every stick, (N, S, 2 ends, 2)."""
    return np.stack([np.stack([joints[:, e].mean(1) for e in ends], 1) for _, ends in _required(sticks)], 1)
