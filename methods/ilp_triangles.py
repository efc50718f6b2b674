"""Transitivity rows of DeepCut's program: which are violated, and which to begin with.

A row speaks of groups a and b of states of two candidates (one state, or all of a candidate) and of states T of a
third: z(a, T) + z(T, b) - z(a, b) <= x(T). Of all T the most violated holds the states s with z(a, s) + z(s, b) > x_s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.types import FloatArray
from methods.ilp_costs import IntArray, Problem

VIOLATED = 1e-6  # more than this, and the row is added
MOST = 3000  # rows added at a time: the most violated
OPEN = 3  # rows added at a time that share their a and b
MOST_AROUND = 1000  # of them around one candidate
MOST_PACKED = 100_000  # triangles looked at for the beginning: those that prove most
WORTH = 1e-3  # a packed triangle raises the bound by more than this
FORBIDDEN = 1e3  # stands for the cost of a pair that may not be joined, in packing


@dataclass(frozen=True)
class Groups:
    """Every state alone, then every candidate of several states as a whole."""

    member: FloatArray  # (G, S) which states
    states: IntArray  # (G, most states of one) the same, padded with S
    candidate: IntArray  # (G,)
    of_candidate: IntArray  # (N,) the group that is the whole candidate; -1 without states


@dataclass(frozen=True)
class Triangles:
    """M rows: groups a and b, and the candidate j between them."""

    a: IntArray
    j: IntArray
    b: IntArray

    def __len__(self) -> int:
        return len(self.a)


def groups(problem: Problem) -> Groups:
    """List the groups of a problem."""
    counts = np.bincount(problem.candidate, minlength=len(problem.required))
    many = np.flatnonzero(counts > 1)
    member = np.concatenate([np.eye(len(problem.cost)), (problem.candidate == many[:, None]).astype(np.float64)])
    whole = np.where(counts == 1, np.minimum(problem.first[:-1], len(problem.cost) - 1), -1)
    whole[many] = len(problem.cost) + np.arange(len(many))
    of_many = padded(problem.candidate, len(counts))[many]
    alone = np.full((len(problem.cost), of_many.shape[1]), len(problem.cost))
    alone[:, 0] = np.arange(len(alone))
    return Groups(member, np.concatenate([alone, of_many]), np.concatenate([problem.candidate, many]), whole)


def padded(candidate: IntArray, count: int) -> IntArray:
    """Return the states of each of ``count`` candidates, padded with the number of states: (count, most of one)."""
    counts = np.bincount(candidate, minlength=count)
    first = np.cumsum(counts) - counts
    states = np.full((count, max(1, counts.max(initial=0))), len(candidate))
    states[candidate, np.arange(len(candidate)) - first[candidate]] = np.arange(len(candidate))
    return states


def violated(group: Groups, first: IntArray, x: FloatArray, z: FloatArray) -> Triangles:
    """Return the most violated rows at x (S,) and z (S, S) symmetric, at most ``MOST``."""
    to_group = z @ group.member.T  # (S, G)
    between = group.member @ to_group  # (G, G)
    found: list[tuple[IntArray, IntArray, IntArray, FloatArray]] = []
    for j in range(len(first) - 1):
        rows = slice(first[j], first[j + 1])
        near = np.flatnonzero(to_group[rows].max(0, initial=0.0) > VIOLATED)
        if len(near) < 2:
            continue
        half = to_group[rows, near]
        over = half[:, :, None] + half[:, None] - x[rows, None, None]
        excess = over[0] if len(over) == 1 else np.maximum(over, 0).sum(0)
        excess = excess - between[np.ix_(near, near)]
        excess[group.candidate[near][:, None] == group.candidate[near]] = 0
        a, b = np.nonzero(np.triu(excess, 1) > VIOLATED)
        if len(a):
            found.append((near[a], np.full(len(a), j), near[b], excess[a, b]))
    if not found:
        none = np.zeros(0, np.int64)
        return Triangles(none, none, none)
    a, j_of, b, size = (np.concatenate(part) for part in zip(*found, strict=True))
    chosen = _spread(a * len(group.candidate) + b, size)
    return Triangles(a[chosen], j_of[chosen], b[chosen])


def _spread(key: IntArray, size: FloatArray) -> IntArray:
    """Return the largest, at most ``OPEN`` of one key and ``MOST`` in all."""
    order = np.argsort(-size, kind="stable")
    by = np.argsort(key[order], kind="stable")
    start = np.flatnonzero(np.diff(key[order][by], prepend=-1))
    rank = np.empty(len(key), np.int64)
    rank[by] = np.arange(len(key)) - np.repeat(start, np.diff(np.append(start, len(key))))
    return order[rank < OPEN][:MOST]


def packed(problem: Problem, group: Groups) -> Triangles:
    """Return triangles that conflict, two pairs worth joining and one not, taken greedily by what they prove.

    Each uses up the costs of its three pairs by the least of them: the sum is a lower bound on what joining costs, so
    these rows are a good beginning.
    """
    count = len(problem.required)
    best = np.full((count, count), np.inf)
    s, t = np.nonzero((problem.candidate[:, None] != problem.candidate) & ~problem.forbidden)
    np.minimum.at(best, (problem.candidate[s], problem.candidate[t]), problem.joint[s, t])
    cost = np.where(np.isinf(best), FORBIDDEN, best)
    np.fill_diagonal(cost, 0)
    a, j, b, gain = _conflicts(cost)
    order = np.argsort(-gain, kind="stable")[:MOST_PACKED]
    left, taken = np.abs(cost).tolist(), []
    for q, i, m, k in zip(order.tolist(), a[order].tolist(), j[order].tolist(), b[order].tolist(), strict=True):
        one, two = (i, m) if i < m else (m, i), (k, m) if k < m else (m, k)
        least = min(left[one[0]][one[1]], left[two[0]][two[1]], left[i][k])
        if least > WORTH:
            left[one[0]][one[1]] -= least
            left[two[0]][two[1]] -= least
            left[i][k] -= least
            taken.append(q)
    chosen = np.array(taken, np.int64)
    return Triangles(group.of_candidate[a[chosen]], j[chosen], group.of_candidate[b[chosen]])


def _conflicts(cost: FloatArray) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
    """Return a < b and j with both pairs of j worth joining and a b not, and the least of the three."""
    worth, not_worth = np.maximum(-cost, 0), np.maximum(cost, 0)
    none = np.zeros(0, np.int64)
    found: list[tuple[IntArray, IntArray, IntArray, FloatArray]] = [(none, none, none, np.zeros(0))]
    for j in range(len(cost)):
        near = np.flatnonzero(worth[j])
        least = np.minimum(worth[j, near][:, None], worth[j, near])
        least = np.triu(np.minimum(least, not_worth[np.ix_(near, near)]), 1)
        a, b = np.nonzero(least > WORTH)
        if len(a) > MOST_AROUND:
            most = np.argpartition(-least[a, b], MOST_AROUND)[:MOST_AROUND]
            a, b = a[most], b[most]
        found.append((near[a], np.full(len(a), j), near[b], least[a, b]))
    a, j_of, b, gain = (np.concatenate(part) for part in zip(*found, strict=True))
    return a, j_of, b, gain
