"""PCK, PCKh, PCP and the area under PCK: who was hit, as pure functions on arrays or tensors.

Every function answers per person and per item (joint or stick), in the kind of its first argument; the caller counts.
The same everywhere: ``found`` (N, K, 2) pixels, NaN where nothing was found, which misses; ``truth`` (N, K, 2) pixels;
``visible`` (N, K), where 0 is unlabelled: never a hit, and not to be counted. Arithmetic is float64. An error counts up
to and including its limit, as in the evaluation code of LSP and MPII; to keep a joint that lies exactly on the limit
from depending on the last bit, limits are widened by `TIE`.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, from_numpy

from data.types import FloatArray

Values = NDArray[Any] | Tensor
Array = TypeVar("Array", NDArray[Any], Tensor)
Sticks = tuple[tuple[str, tuple[tuple[int, ...], tuple[int, ...]]], ...]  # as in Skeleton.sticks

TIE = 1e-9  # relative; a millionth of a pixel at 1000 px, far above the rounding of float64
AUC_LIMIT = 0.2  # LSP evaluation code: PCK is drawn over 0:0.01:0.2
AUC_STEPS = 20  # intervals in that range


def pck(found: Array, truth: Values, visible: Values, norm: Values, threshold: float = 0.2) -> Array:
    """Say which joints lie within ``threshold`` times each person's own length.

    Example:
        A 3-4-5 triangle: the error is 5 px, and 0.2 of a torso of 25 px is 5 px.

        >>> found, truth = np.array([[[3.0, 4.0], [3.0, 4.1]]]), np.zeros((1, 2, 2))
        >>> pck(found, truth, np.ones((1, 2)), np.array([25.0]), 0.2)
        array([[ True, False]])

    Args:
        found: (N, K, 2).
        truth: (N, K, 2).
        visible: (N, K).
        norm: (N,) pixels, the length of the torso.
        threshold: share of ``norm``.

    Returns:
        (N, K) bool.

    Raises:
        ValueError: if shapes differ, a labelled joint of the truth is not finite, or a norm is not finite and positive.

    Source: Yang & Ramanan, TPAMI 2013.
    """
    errors, labelled = _errors(found, truth, visible)
    limits = threshold * _lengths(norm, len(errors)) * (1 + TIE)
    return _like(labelled & (errors <= limits[:, None]), found)


def pckh(found: Array, truth: Values, visible: Values, head_size: Values, threshold: float = 0.5) -> Array:
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

    Returns:
        (N, K) bool.

    Raises:
        ValueError: as `pck`.

    Source: Andriluka et al., CVPR 2014.
    """
    return pck(found, truth, visible, head_size, threshold)


def pck_auc(found: Array, truth: Values, visible: Values, norm: Values) -> Array:
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

    Returns:
        (N, K) float64 in [0, 1].

    Raises:
        ValueError: as `pck`.

    Source: LSP evaluation code by Pishchulin, PCK over 0:0.01:0.2 on a range scaled to 1.
    """
    errors, labelled = _errors(found, truth, visible)
    thresholds = np.arange(AUC_STEPS + 1) * AUC_LIMIT / AUC_STEPS
    limits = _lengths(norm, len(errors))[:, None] * thresholds * (1 + TIE)  # (N, T)
    weights = np.full(AUC_STEPS + 1, 1 / AUC_STEPS)
    weights[[0, -1]] /= 2
    curve = labelled[..., None] & (errors[..., None] <= limits[:, None, :])  # (N, K, T)
    return _like(curve @ weights, found)


def pcp(found: Array, truth: Values, visible: Values, sticks: Sticks, threshold: float = 0.5, *, strict: bool) -> Array:
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
        strict: both ends, instead of their mean.

    Returns:
        (N, S) bool.

    Raises:
        ValueError: if shapes differ, a labelled joint of the truth is not finite, or there is no stick.

    Source: Ferrari et al., CVPR 2008; strict as in the LSP evaluation code, loose as in the Buffy stickmen code.
    """
    _errors(found, truth, visible)
    true_ends = _ends(_floats(truth), sticks)
    errors = np.linalg.norm(_ends(_floats(found), sticks) - true_ends, axis=-1)  # (N, S, 2)
    limits = threshold * np.linalg.norm(true_ends[:, :, 0] - true_ends[:, :, 1], axis=-1) * (1 + TIE)
    measured = errors.max(-1) if strict else errors.mean(-1)
    labelled = labelled_sticks(_floats(visible), sticks)
    return _like(labelled & (measured <= limits), found)


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
    labelled = _floats(visible) > 0
    complete = [labelled[:, [joint for end in ends for joint in end]].all(1) for _, ends in _required(sticks)]
    return _like(np.stack(complete, 1), visible)


def share(hits: Values, counted: Values) -> float:
    """Divide the hits among the counted items by their number: every counted item weighs the same.

    Example:
        Two of four, and the uncounted fifth does not matter.

        >>> share(np.array([1, 1, 0, 0, 1]), np.array([True, True, True, True, False]))
        0.5

    Args:
        hits: any shape; bool, or a part of a hit in [0, 1].
        counted: the same shape, bool.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: if nothing is counted.
    """
    kept = _floats(counted) > 0
    if not kept.any():
        raise ValueError(f"0 of {kept.size} items are counted; a share needs at least one")
    return float(_floats(hits)[kept].mean())


def _floats(values: Values) -> FloatArray:
    if isinstance(values, Tensor):
        return values.detach().cpu().double().numpy()
    return np.asarray(values, np.float64)


def _like(values: NDArray[Any], model: Array) -> Array:
    if isinstance(model, Tensor):
        return from_numpy(values).to(model.device)
    return values


def _errors(found: Values, truth: Values, visible: Values) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return the distances (N, K) in pixels and which joints are labelled (N, K)."""
    a, b, labelled = _floats(found), _floats(truth), _floats(visible) > 0
    if a.shape != b.shape or a.shape != (*labelled.shape, 2) or a.ndim != 3:
        shapes = f"found {a.shape}, truth {b.shape}, visible {labelled.shape}"
        raise ValueError(f"{shapes}; expected (N, K, 2), (N, K, 2) and (N, K)")
    broken = np.argwhere(labelled & ~np.isfinite(b).all(-1))
    if len(broken):
        raise ValueError(
            f"person {broken[0, 0]}: joint {broken[0, 1]} is labelled but not finite; set its visible to 0"
        )
    return np.linalg.norm(a - b, axis=-1), labelled


def _lengths(norm: Values, people: int) -> FloatArray:
    lengths = _floats(norm)
    if lengths.shape != (people,):
        raise ValueError(f"norm has shape {lengths.shape}; expected one length for each of {people} people")
    broken = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if len(broken):
        raise ValueError(f"person {broken[0]}: norm is {lengths[broken[0]]}, expected > 0; leave that person out")
    return lengths


def _required(sticks: Sticks) -> Sticks:
    if not sticks:
        raise ValueError("0 sticks; PCP needs a skeleton that names its sticks")
    return sticks


def _ends(joints: FloatArray, sticks: Sticks) -> FloatArray:
    """Return both ends of every stick, (N, S, 2 ends, 2)."""
    return np.stack([np.stack([joints[:, e].mean(1) for e in ends], 1) for _, ends in _required(sticks)], 1)
