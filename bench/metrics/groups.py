"""MPII multi-person AP: found people are given to true people by PCKh, then each joint is ranked over all groups.

The steps of the evaluation code of DeepCut and PoseTrack (Pishchulin et al., CVPR 2016; Andriluka et al., CVPR 2018):
a found person goes to the true person on whom it has the largest share of joints within 0.5 head sizes, a true person
keeps the best of those that came, and a joint of a found person without a true one is false. Joints of equal
score enter the ranking together, so that the order of the groups says nothing; that code takes them as they come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.metrics.arrays import Values, as_floats, refuse_unplaced, within
from data.types import FloatArray

MATCH = 0.5  # of the head size; DeepCut evaluation code
UNSCORED = -np.inf  # the rank of a found joint without a score: after all others
BLOCK = 2**20  # default: weighted detections held at a time, 8 MB


@dataclass(frozen=True, eq=False)
class Matched:
    """One group of people after matching: N found people, K joints."""

    scores: FloatArray  # (N, K)
    hits: FloatArray  # (N, K) 1 right, 0 wrong, NaN not found or not to be counted
    labelled: FloatArray  # (K,) true joints to find


def mpii_ap(
    found: Sequence[Values],
    scores: Sequence[Values],
    truth: Sequence[Values],
    visible: Sequence[Values],
    head_sizes: Sequence[Values],
    threshold: float = MATCH,
) -> FloatArray:
    """Average precision of each joint over groups of people.

    Example:
        A head of 10 px, one joint: the first found person is 5 px off, the second is nobody's and ranks higher. One
        true joint is found at a precision of 1/2.

        >>> found = [np.array([[[3.0, 4.0]], [[500.0, 0.0]]])]
        >>> mpii_ap(found, [np.array([[0.8], [0.9]])], [np.zeros((1, 1, 2))], [np.ones((1, 1))], [np.array([10.0])])
        array([0.5])

    Args:
        found: for each group (N, K, 2) pixels; NaN where a joint was not found.
        scores: for each group (N, K); NaN ranks last.
        truth: for each group (P, K, 2) pixels.
        visible: for each group (P, K); 0 is unlabelled, and not to be found.
        head_sizes: for each group (P,) pixels.
        threshold: share of the head size.

    Returns:
        (K,) in [0, 1]; NaN for a joint that no person has.

    Raises:
        ValueError: if there is no group, shapes do not belong together, a labelled joint of the truth is not finite, or
            a person with a labelled joint has no positive head size.
    """
    parts = zip(found, scores, truth, visible, head_sizes, strict=True)
    groups = [match(f, s, t, v, h, threshold=threshold) for f, s, t, v, h in parts]
    if not groups:
        raise ValueError("0 groups; average precision needs at least one")
    return np.asarray(average_precision(groups, np.ones((1, len(groups))))[0])


def match(
    found: Values,
    scores: Values,
    truth: Values,
    visible: Values,
    head_sizes: Values,
    ignore: NDArray[Any] | None = None,
    *,
    threshold: float = MATCH,
) -> Matched:
    """Give the found people of one group to its true people.

    Args:
        found: (N, K, 2) pixels.
        scores: (N, K).
        truth: (P, K, 2) pixels.
        visible: (P, K).
        head_sizes: (P,) pixels.
        ignore: (P,) bool; these people take their match, and neither counts.
        threshold: share of the head size.

    Raises:
        ValueError: as `mpii_ap`.
    """
    joints, ranks, true = as_floats(found), as_floats(scores), as_floats(truth)
    labelled, heads = as_floats(visible) > 0, as_floats(head_sizes)
    _check(joints, ranks, true, labelled, heads)
    near = _near(joints, true, labelled, heads, threshold)  # (N, P, K)
    owner = _owners(near.sum(-1) / np.maximum(labelled.sum(1), 1))
    absent = np.zeros(len(true), bool) if ignore is None else np.asarray(ignore, bool)
    hits = np.zeros(ranks.shape)
    for n in np.flatnonzero(owner >= 0):
        hits[n] = np.nan if absent[owner[n]] else near[n, owner[n]]
    hits[~np.isfinite(joints).all(-1)] = np.nan
    return Matched(np.where(np.isnan(ranks), UNSCORED, ranks), hits, labelled[~absent].sum(0).astype(np.float64))


def _check(
    joints: FloatArray, ranks: FloatArray, true: FloatArray, labelled: NDArray[np.bool_], heads: FloatArray
) -> None:
    k = joints.shape[1:2]
    expected = ((*joints.shape[:1], *k, 2), (*joints.shape[:1], *k), (*heads.shape, *k, 2), (*heads.shape, *k))
    if (joints.shape, ranks.shape, true.shape, labelled.shape) != expected:
        shapes = f"found {joints.shape}, scores {ranks.shape}, truth {true.shape}, visible {labelled.shape}"
        raise ValueError(f"{shapes}, heads {heads.shape}; expected (N, K, 2), (N, K), (P, K, 2), (P, K) and (P,)")
    refuse_unplaced(true, labelled)
    broken = np.flatnonzero(labelled.any(1) & ~(np.isfinite(heads) & (heads > 0)))
    if len(broken):
        raise ValueError(f"person {broken[0]}: head size {heads[broken[0]]}; expected > 0; leave that person out")


def _near(
    joints: FloatArray, true: FloatArray, labelled: NDArray[np.bool_], heads: FloatArray, threshold: float
) -> NDArray[np.bool_]:
    """Say which joints of which found people lie on which true people, (N, P, K)."""
    errors = np.linalg.norm(joints[:, None] - true, axis=-1)
    return labelled & within(errors, threshold * heads[:, None])


def _owners(overlap: FloatArray) -> NDArray[np.int64]:
    """Return the true person of each found person (N,), -1 for none, from the shares of joints (N, P)."""
    owner = np.full(len(overlap), -1)
    if not overlap.size:
        return owner
    favourite = overlap.argmax(1)  # the first of equals
    wanted = np.where(np.arange(overlap.shape[1]) == favourite[:, None], overlap, 0.0)
    best = wanted.argmax(0)
    for person in np.flatnonzero(wanted.max(0) > 0):
        owner[best[person]] = person
    return owner


def average_precision(groups: Sequence[Matched], weights: FloatArray) -> FloatArray:
    """Area under the interpolated precision of each joint, over groups that count several times or not at all.

    Args:
        groups: G groups.
        weights: (R, G) how often each group counts.

    Returns:
        (R, K) in [0, 1]; NaN for a joint that no person has.
    """
    sizes = [len(group.scores) for group in groups]
    owner = np.repeat(np.arange(len(groups)), sizes)
    scores, hits = (np.concatenate(part) for part in ([g.scores for g in groups], [g.hits for g in groups]))
    wanted = weights @ np.stack([group.labelled for group in groups])  # (R, K)
    rows = max(1, BLOCK // max(1, len(owner)))
    areas = []
    for k in range(scores.shape[1]):
        kept = ~np.isnan(hits[:, k])
        ranking = scores[kept, k], hits[kept, k], owner[kept]
        areas.append(
            np.concatenate([_area(*ranking, part) for part in np.split(weights, range(rows, len(weights), rows))])
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(wanted > 0, np.stack(areas, 1) / wanted, np.nan)


def _area(scores: FloatArray, hits: FloatArray, owner: NDArray[np.int64], weights: FloatArray) -> FloatArray:
    """Sum the interpolated precision over the true joints found, (R,); divided by those there are, it is AP."""
    order = np.argsort(-scores, kind="stable")
    ranked, weight = scores[order], weights[:, owner[order]]  # (R, D)
    last = np.append(ranked[1:] != ranked[:-1], True)[: len(ranked)]  # of each run of equal scores
    right, all_found = (np.cumsum(part, axis=1)[:, last] for part in (weight * hits[order], weight))
    precision = right / np.maximum(all_found, 1)
    highest = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]  # from this rank on
    return np.asarray((np.diff(right, axis=1, prepend=0) * highest).sum(1))
