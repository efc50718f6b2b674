"""Checks an answer to DeepCut's program against every constraint of the paper; knows nothing of solvers."""

from __future__ import annotations

import numpy as np

from data.types import FloatArray
from methods.ilp_costs import EPSILON, BoolArray, IntArray, log_odds

TOLERANCE = 1e-6  # of the objective


def objective(unary: FloatArray, pairwise: FloatArray, labels: IntArray, joined: BoolArray) -> float:
    """Return the objective of labels (D,), -1 where suppressed, and joined pairs (D, D), of which d < d' count."""
    kept = np.flatnonzero(labels >= 0)
    total = float(log_odds(unary[kept, labels[kept]]).sum())
    d, e = np.nonzero(np.triu(joined, 1))
    return total + float(log_odds(pairwise[d, e, labels[d], labels[e]]).sum())


def faults(
    unary: FloatArray,
    pairwise: FloatArray,
    labels: IntArray,
    joined: BoolArray,
    *,
    single: bool,
    transitivity: bool = True,
    value: float | None = None,
) -> list[str]:
    """Return what is wrong with an answer, one line a kind; empty where nothing is.

    One label a candidate makes x unique, and z is x x' y by definition; what is left to check is listed here in the
    order of the specification.

    Args:
        unary: (D, C).
        pairwise: (D, D, C, C), d < d'.
        labels: (D,) class, -1 where suppressed: x.
        joined: (D, D) symmetric: y.
        single: whether all that is kept must be one person.
        transitivity: whether ``joined`` must be an equivalence.
        value: the objective that is claimed.
    """
    count, classes = unary.shape
    if labels.shape != (count,) or joined.shape != (count, count):
        return [f"labels {labels.shape} and joined {joined.shape} of {count} candidates"]
    if ((labels < -1) | (labels >= classes)).any():
        return [f"labels from {labels.min()} to {labels.max()} of {classes} classes"]
    found: list[str] = []
    kept = labels >= 0
    if (joined != joined.T).any() or joined.diagonal().any():
        found.append("joined is not symmetric, or joins a candidate with itself")
    if (joined & ~(kept[:, None] & kept)).any():
        found.append("coupling: a suppressed candidate is joined")
    paths = (joined.astype(np.int64) @ joined.astype(np.int64)) > 0
    np.fill_diagonal(paths, False)
    if transitivity and (paths & ~joined).any():
        found.append("transitivity: two candidates joined with a third are not joined")
    apart = kept[:, None] & kept & ~joined
    np.fill_diagonal(apart, False)
    if single and apart.any():
        found.append("single person: two kept candidates are not joined")
    where = np.flatnonzero(kept)
    if (unary[where, labels[where]] <= EPSILON).any():
        found.append("hard zero: a candidate has a class of probability 1/255 or less")
    d, e = np.nonzero(np.triu(joined & kept[:, None] & kept, 1))
    if (pairwise[d, e, labels[d], labels[e]] <= EPSILON).any():
        found.append("forbidden pair: joined with probability 1/255 or less")
    if value is not None and not found:
        true = objective(unary, pairwise, labels, joined)
        if not abs(true - value) <= TOLERANCE * max(1.0, abs(true)):
            found.append(f"objective: {value} claimed, {true} computed")
    return found
