"""The costs of DeepCut's program (Pishchulin et al. 2016, arXiv:1511.06645): log-odds of parts and of pairs.

A state is one candidate taken as one class; suppressed is the absence of a state. Only states that the program allows
are listed, so a detector that sets small class probabilities to zero has a small program.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.types import DataError, FloatArray

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

EPSILON = 1 / 255  # a probability this small is impossible; the official solver
CEILING = 1 - 1e-7  # a certain pair must not be worth infinity; pose-tensorflow's clamp


@dataclass(frozen=True)
class Problem:
    """What is to be decided: S states of N candidates (or of groups decided before), in the order of the candidates.

    Attributes:
        candidate: (S,) index of the candidate of each state, ascending.
        label: (S,) its class.
        cost: (S,) of the state.
        joint: (S, S) cost of two states in one person; symmetric, 0 where forbidden or of one candidate.
        forbidden: (S, S) the two states may not be in one person; symmetric, False within one candidate.
        required: (N,) candidates that may not be suppressed.
        single: whether all that is kept must be one person.
    """

    candidate: IntArray
    label: IntArray
    cost: FloatArray
    joint: FloatArray
    forbidden: BoolArray
    required: BoolArray
    single: bool

    @property
    def first(self) -> IntArray:
        """Index of the first state of each candidate, and S at the end: (N + 1,)."""
        return np.searchsorted(self.candidate, np.arange(len(self.required) + 1)).astype(np.int64)

    def only(self, states: IntArray) -> Problem:
        """Return the problem of some states; candidates keep their numbers."""
        pair = np.ix_(states, states)
        return Problem(
            self.candidate[states],
            self.label[states],
            self.cost[states],
            self.joint[pair],
            self.forbidden[pair],
            self.required,
            self.single,
        )

    def value(self, chosen: IntArray, joined: BoolArray) -> float:
        """Return the objective: ``chosen`` (N,) states, -1 where suppressed; ``joined`` (N, N) symmetric."""
        kept = np.flatnonzero(chosen >= 0)
        states = chosen[kept]
        pairs = np.triu(self.joint[np.ix_(states, states)] * joined[np.ix_(kept, kept)], 1)
        return float(self.cost[states].sum() + pairs.sum())


def log_odds(probability: FloatArray) -> FloatArray:
    """Return log((1 - p) / p); a certain one is taken as ``CEILING``."""
    p = np.minimum(np.asarray(probability, np.float64), CEILING)
    return np.asarray(np.log((1 - p) / p), np.float64)


def check(unary: FloatArray, pairwise: FloatArray, mode: str) -> tuple[FloatArray, FloatArray]:
    """Return both as arrays; of ``pairwise`` only entries with d < d' count.

    Raises:
        DataError: if a shape does not fit or a probability is not a number from 0 to 1.
    """
    if mode not in ("multi", "single"):
        raise DataError(f"mode is {mode!r}; expected multi or single")
    unary, pairwise = np.asarray(unary), np.asarray(pairwise)
    if unary.ndim != 2 or (unary.shape[1] < 1 and len(unary)):
        raise DataError(f"unary probabilities have shape {unary.shape}; expected (candidates, classes)")
    count, classes = unary.shape
    if pairwise.shape != (count, count, classes, classes):
        shape = count, count, classes, classes
        raise DataError(f"pairwise probabilities have shape {pairwise.shape}; expected {shape} beside the unary ones")
    _check_range("unary", unary)
    for d in range(count - 1):
        _check_range(f"pairwise (candidate {d})", pairwise[d, d + 1 :])
    return unary, pairwise


def _check_range(name: str, values: FloatArray) -> None:
    if not values.size:
        return
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):
        found = "NaN" if np.isnan(low) or np.isnan(high) else f"{low:g} to {high:g}"
        raise DataError(f"{name} probabilities are {found}; expected 0 to 1: find where they were computed")


def build(unary: FloatArray, pairwise: FloatArray, *, single: bool) -> Problem:
    """Return the program's states and costs; forbidden at probabilities of ``EPSILON`` and less."""
    count = len(unary)
    candidate, label = (np.asarray(a, np.int64) for a in np.nonzero(unary > EPSILON))
    probability = np.zeros((len(candidate), len(candidate)))
    first = np.searchsorted(candidate, np.arange(count + 1))
    for d in range(count):
        rows, later = slice(first[d], first[d + 1]), slice(first[d + 1], None)
        probability[rows, later] = pairwise[d][candidate[later][None], label[rows][:, None], label[later][None]]
    ordered = candidate[:, None] < candidate
    forbidden = (probability <= EPSILON) & ordered
    joint = np.where(ordered & ~forbidden, log_odds(np.where(probability > EPSILON, probability, 0.5)), 0.0)
    return Problem(
        candidate=candidate,
        label=label,
        cost=log_odds(unary[candidate, label]),
        joint=joint + joint.T,
        forbidden=forbidden | forbidden.T,
        required=np.zeros(count, np.bool_),
        single=single,
    )
