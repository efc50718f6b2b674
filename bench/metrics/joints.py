"""PCK, PCKh, PDJ and the areas and curves of PCK: which joints were hit, as pure functions."""

from __future__ import annotations

import numpy as np

from bench.metrics.arrays import Array, Compare, Values, as_floats, distances, first_within, lengths, like, within

AUC_LIMIT = 0.2  # LSP evaluation code: PCK is drawn over 0:0.01:0.2
AUC_STEPS = 20  # intervals in that range
PDJ_THRESHOLDS = tuple(step / 100 for step in range(51))  # FLIC evaluation code: PDJ is drawn over 0:0.01:0.5


def pck(
    found: Array, truth: Values, visible: Values, norm: Values, threshold: float = 0.2, compare: Compare = "<="
) -> Array:
    """Say which joints lie within ``threshold`` times each person's own length.

    Example:
        A 3-4-5 triangle: the error is 5 px, and 0.2 of a torso of 25 px is 5 px.

        >>> found, truth = np.array([[[3.0, 4.0], [3.0, 4.1]]]), np.zeros((1, 2, 2))
        >>> pck(found, truth, np.ones((1, 2)), np.array([25.0]), 0.2)
        array([[ True, False]])
        >>> pck(found, truth, np.ones((1, 2)), np.array([25.0]), 0.2, compare="<")
        array([[False, False]])

    Args:
        found: (N, K, 2).
        truth: (N, K, 2).
        visible: (N, K).
        norm: (N,) pixels, the length of the torso.
        threshold: share of ``norm``.
        compare: whether an error exactly on the limit is a hit.

    Returns:
        (N, K) bool.

    Raises:
        ValueError: if shapes differ, a labelled joint of the truth is not finite, or a norm is not finite and positive.

    Source: Yang & Ramanan, TPAMI 2013.
    """
    errors, labelled = distances(found, truth, visible)
    limits = threshold * lengths(norm, len(errors))[:, None]
    return like(labelled & within(errors, limits, compare), found)


def pckh(
    found: Array, truth: Values, visible: Values, head_size: Values, threshold: float = 0.5, compare: Compare = "<="
) -> Array:
    """Say which joints lie within ``threshold`` head sizes; `pck` with another length.

    Example:
        Half of a head of 10 px is 5 px.

        >>> found, truth = np.array([[[3.0, 4.0], [np.nan, 0.0]]]), np.zeros((1, 2, 2))
        >>> pckh(found, truth, np.ones((1, 2)), np.array([10.0]))
        array([[ True, False]])

    Args:
        found: (N, K, 2).
        truth: (N, K, 2).
        visible: (N, K).
        head_size: (N,) pixels; for MPII 0.6 of the diagonal of the head box.
        threshold: share of ``head_size``.
        compare: whether an error exactly on the limit is a hit.

    Returns:
        (N, K) bool.

    Raises:
        ValueError: as `pck`.

    Source: Andriluka et al., CVPR 2014.
    """
    return pck(found, truth, visible, head_size, threshold, compare)


def pdj(
    found: Array, truth: Values, visible: Values, torso: Values, threshold: float = 0.2, compare: Compare = "<="
) -> Array:
    """Say which joints are detected: within ``threshold`` torso diameters; `pck` by the name it has on FLIC.

    Example:
        A tenth of a torso of 50 px is 5 px.

        >>> truth = np.array([[[0.0, 0.0], [30.0, 40.0]]])
        >>> found = truth + np.array([[3.0, 4.0], [4.0, 4.0]])
        >>> pdj(found, truth, np.ones((1, 2)), diagonal(truth, np.ones((1, 2)), (0, 1)), 0.1)
        array([[ True, False]])

    Args:
        found: (N, K, 2).
        truth: (N, K, 2).
        visible: (N, K).
        torso: (N,) pixels, the `diagonal` from one shoulder to the hip of the other side.
        threshold: share of ``torso``.
        compare: whether an error exactly on the limit is a hit.

    Returns:
        (N, K) bool.

    Raises:
        ValueError: as `pck`.

    Source: Sapp & Taskar, MODEC, CVPR 2013.
    """
    return pck(found, truth, visible, torso, threshold, compare)


def diagonal(truth: Array, visible: Values, ends: tuple[int, int]) -> Array:
    """Measure each person between two joints.

    Example:
        >>> truth = np.array([[[0.0, 0.0], [3.0, 4.0]]] * 2)
        >>> diagonal(truth, np.array([[1, 2], [1, 0]]), (0, 1))
        array([ 5., nan])

    Args:
        truth: (N, K, 2).
        visible: (N, K); 0 is unlabelled.
        ends: the two joints.

    Returns:
        (N,) pixels; NaN where an end is unlabelled.
    """
    joints, labelled = as_floats(truth), (as_floats(visible)[:, list(ends)] > 0).all(1)
    spans = np.linalg.norm(joints[:, ends[0]] - joints[:, ends[1]], axis=-1)
    return like(np.where(labelled, spans, np.nan), truth)


def pdj_curve(
    found: Array,
    truth: Values,
    visible: Values,
    torso: Values,
    thresholds: tuple[float, ...] = PDJ_THRESHOLDS,
    compare: Compare = "<=",
) -> Array:
    """Return the share of labelled joints that are within each threshold: the curves of a PDJ plot.

    Example:
        Of two people with a torso of 10 px, one is off by 1 px, one by 5 px.

        >>> found, truth = np.array([[[1.0, 0.0]], [[3.0, 4.0]]]), np.zeros((2, 1, 2))
        >>> pdj_curve(found, truth, np.ones((2, 1)), np.full(2, 10.0), (0.0, 0.1, 0.5))
        array([[0. ],
               [0.5],
               [1. ]])

    Args:
        found: (N, K, 2).
        truth: (N, K, 2).
        visible: (N, K).
        torso: (N,) pixels.
        thresholds: T rising shares of ``torso``.
        compare: whether an error exactly on the limit is a hit.

    Returns:
        (T, K) in [0, 1]; NaN for a joint that nobody has labelled.

    Raises:
        ValueError: as `pck`.

    Source: Sapp & Taskar, MODEC, CVPR 2013, figure 5.
    """
    errors, labelled = distances(found, truth, visible)
    shares = errors / lengths(torso, len(errors))[:, None]
    first = first_within(shares, np.array(thresholds), compare)
    hits = np.array([(labelled & (first <= t)).sum(0) for t in range(len(thresholds))])  # (T, K)
    people = labelled.sum(0)
    return like(np.where(people > 0, hits / np.maximum(people, 1), np.nan), found)


def pck_auc(found: Array, truth: Values, visible: Values, norm: Values, compare: Compare = "<=") -> Array:
    """Integrate each joint's PCK over the thresholds 0, 0.01, ..., 0.2 and divide by 0.2.

    The integral is the trapezoidal rule over the 21 points (the ends count half), as LSP evaluation code integrates
    the linearly interpolated curve. It is linear, so the mean over joints is the area under their mean curve.

    Example:
        An error of 5 px of 50 px is hit from 0.1 on: ten full intervals and half of the one where the curve rises.

        >>> found, truth = np.array([[[3.0, 4.0], [0.0, 0.0]]]), np.zeros((1, 2, 2))
        >>> pck_auc(found, truth, np.ones((1, 2)), np.array([50.0])).round(6)
        array([[0.525, 1.   ]])

    Args:
        found: (N, K, 2).
        truth: (N, K, 2).
        visible: (N, K).
        norm: (N,) pixels, the length of the torso.
        compare: whether an error exactly on a limit is a hit.

    Returns:
        (N, K) float64 in [0, 1].

    Raises:
        ValueError: as `pck`.

    Source: LSP evaluation code by Pishchulin, PCK over 0:0.01:0.2 on a range scaled to 1.
    """
    errors, labelled = distances(found, truth, visible)
    shares = errors / lengths(norm, len(errors))[:, None]
    first = first_within(shares, np.arange(AUC_STEPS + 1) * AUC_LIMIT / AUC_STEPS, compare)
    weights = np.full(AUC_STEPS + 1, 1 / AUC_STEPS)
    weights[[0, -1]] /= 2
    areas = np.append(np.cumsum(weights[::-1])[::-1], 0.0)  # by the first threshold reached
    return like(labelled * areas[first], found)
