"""DeepCut's program: candidates to keep, their parts and persons (Pishchulin et al. 2016, arXiv:1511.06645).

x: a candidate is kept as a class; y: two are of one person; z = x x' y. Minimised are the log-odds of all x and z,
under uniqueness, coupling, transitivity, linearisation, and in single-person mode that all kept are one person; a
probability of 1/255 or less is impossible (DeeperCut, arXiv:1605.03170, and its solver). HiGHS proves the optimum.

Departures. The official solver has no upper clamp of probabilities; here they end at 1 - 1e-7, as in pose-tensorflow,
since a certain pair would be worth infinity. Rows are tighter than the paper's, and say the same of whole numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.sparse.csgraph import connected_components

from data.types import FloatArray
from methods.ilp_check import faults, objective
from methods.ilp_costs import BoolArray, IntArray, Problem, build, check
from methods.ilp_exact import PROVEN, optimise, quick_bound
from methods.ilp_greedy import Answer, greedy, joined_pairs, local_search
from methods.ilp_relaxation import SolverError

Mode = Literal["multi", "single"]
Status = Literal["optimal", "time limit", "heuristic"]

__all__ = ["Solution", "SolverError", "solve", "solve_greedy", "solve_local"]


@dataclass(frozen=True)
class Solution:
    """A feasible answer, and how good it can be said to be.

    Attributes:
        labels: (D,) class of each candidate, -1 where suppressed.
        persons: (D,) its person, numbered from 0 in the order of their first candidates; -1 where suppressed.
        objective: the sum of costs.
        bound: no answer costs less.
        status: optimal, time limit, or heuristic where nothing was to be proven.
        rounds: programs that HiGHS solved for the hardest part.
        seconds: wall time.
        joined: (D, D) pairs of one person, symmetric: y. Without transitivity, persons are what it connects.
    """

    labels: IntArray
    persons: IntArray
    objective: float
    bound: float
    status: Status
    rounds: int
    seconds: float
    joined: BoolArray

    @property
    def gap(self) -> float:
        """By how much the objective could be lower, as far as is known; 0 where it is proven."""
        return self.objective - self.bound


def solve(
    unary: FloatArray,
    pairwise: FloatArray,
    *,
    mode: Mode = "multi",
    time_limit: float | None = None,
    transitivity: bool = True,
) -> Solution:
    """Solve the program to its proven optimum, or as far as the time allows.

    Args:
        unary: (D, C) probabilities of the classes of D candidates.
        pairwise: (D, D, C, C) probabilities that d as c and d' as c' are of one person; only d < d' counts.
        mode: multi, or single where all that is kept is one person.
        time_limit: seconds after which the best feasible answer so far is returned, with its gap.
        transitivity: False leaves that constraint out, to show what it is for; pairs joined are then no equivalence.

    Raises:
        DataError: if a shape does not fit or a probability is not a number from 0 to 1.
        SolverError: if HiGHS fails, or an answer breaks a constraint.
    """
    start = time.perf_counter()
    until = np.inf if time_limit is None else start + time_limit
    unary, pairwise = check(unary, pairwise, mode)
    problem = build(unary, pairwise, single=mode == "single")
    found = optimise(problem, transitivity=transitivity, until=until)
    status: Status = "optimal" if found.value - found.bound <= PROVEN else "time limit"
    return checked(
        unary,
        pairwise,
        _labels(problem, found.chosen),
        found.joined,
        found.value,
        found.bound,
        status,
        start,
        single=problem.single,
        rounds=found.rounds,
        transitivity=transitivity,
    )


def solve_greedy(
    unary: FloatArray, pairwise: FloatArray, *, mode: Mode = "multi", bound: float | None = None
) -> Solution:
    """Answer greedily; the gap is to ``bound``, that of the exact program, or to a quick and weak one.

    Raises:
        DataError: as ``solve``.
    """
    return _heuristic(greedy, unary, pairwise, mode, bound)


def solve_local(
    unary: FloatArray, pairwise: FloatArray, *, mode: Mode = "multi", bound: float | None = None
) -> Solution:
    """Answer greedily, then by local search; the gap is as that of ``solve_greedy``.

    Raises:
        DataError: as ``solve``.
    """
    return _heuristic(lambda problem: local_search(problem, greedy(problem)), unary, pairwise, mode, bound)


def _heuristic(
    method: Callable[[Problem], Answer], unary: FloatArray, pairwise: FloatArray, mode: Mode, bound: float | None
) -> Solution:
    start = time.perf_counter()
    unary, pairwise = check(unary, pairwise, mode)
    problem = build(unary, pairwise, single=mode == "single")
    answer = method(problem)
    least = quick_bound(problem) if bound is None else bound
    labels, joined = _labels(problem, answer.chosen), joined_pairs(answer)
    single = problem.single
    return checked(unary, pairwise, labels, joined, answer.value, least, "heuristic", start, single=single, rounds=0)


def checked(
    unary: FloatArray,
    pairwise: FloatArray,
    labels: IntArray,
    joined: BoolArray,
    value: float,
    bound: float,
    status: Status,
    start: float,
    *,
    single: bool,
    rounds: int,
    transitivity: bool = True,
) -> Solution:
    """Return an answer in the terms of the contract; ``start`` is when the work began.

    Raises:
        SolverError: if it breaks a constraint, or its objective is not ``value``.
    """
    if wrong := faults(unary, pairwise, labels, joined, single=single, transitivity=transitivity, value=value):
        raise SolverError(f"an answer to {len(labels)} candidates breaks the program: {'; '.join(wrong)}: report it")
    true = objective(unary, pairwise, labels, joined)
    return Solution(
        labels=labels,
        persons=persons(labels, joined),
        objective=true,
        bound=true if status == "optimal" else min(bound, true),
        status=status,
        rounds=rounds,
        seconds=time.perf_counter() - start,
        joined=joined,
    )


def _labels(problem: Problem, chosen: IntArray) -> IntArray:
    return np.where(chosen >= 0, problem.label[chosen], -1) if len(problem.label) else chosen


def persons(labels: IntArray, joined: BoolArray) -> IntArray:
    """Return the person of each kept candidate, (D,): what ``joined`` connects; -1 where suppressed."""
    _, part = connected_components(joined, directed=False)
    kept = np.flatnonzero(labels >= 0)
    _, first = np.unique(part[kept], return_index=True)
    number = {int(part[kept[k]]): rank for rank, k in enumerate(np.sort(first))}
    found = np.full(len(labels), -1)
    found[kept] = [number[int(p)] for p in part[kept]]
    return found
