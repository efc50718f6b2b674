"""DeeperCut's incremental optimisation: the program solved for some classes first, then for more, decisions kept.

A candidate enters in the first stage that has its most probable class. After each stage but the last, every person
keeps its most probable candidate of a class; what else was in the stage is out (arXiv:1605.03170, and its code).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from data.types import DataError, FloatArray
from methods.ilp import Mode, Solution, Status, checked
from methods.ilp_check import objective
from methods.ilp_costs import IntArray, Problem, build, check
from methods.ilp_exact import PROVEN, optimise, quick_bound

# Classes in DeepCut's order: shoulders, neck and head top; elbows and wrists too; all 14.
DEEPERCUT_STAGES = (8, 9, 12, 13), (6, 7, 8, 9, 10, 11, 12, 13), tuple(range(14))


def solve_stages(
    unary: FloatArray,
    pairwise: FloatArray,
    *,
    stages: Sequence[Sequence[int]] = DEEPERCUT_STAGES,
    mode: Mode = "multi",
    time_limit: float | None = None,
    bound: float | None = None,
) -> Solution:
    """Solve the program class by class; each stage to its optimum, the whole without proof.

    Args:
        unary: (D, C), as in ``methods.ilp.solve``.
        pairwise: (D, D, C, C), likewise.
        stages: the classes of each stage, each with all those before; the last has all C.
        mode: multi or single.
        time_limit: seconds for all stages together.
        bound: that of the exact program, for the gap; a quick and weak one otherwise.

    Raises:
        DataError: as ``solve``, and if the stages do not grow to all classes.
        SolverError: as ``solve``.
    """
    start = time.perf_counter()
    unary, pairwise = check(unary, pairwise, mode)
    first_stage = _first_stages(stages, unary.shape[1])
    labels, person = np.full(len(unary), -1), np.full(len(unary), -1)
    enters = first_stage[unary.argmax(1)] if len(unary) else np.zeros(0, np.int64)
    in_time = True
    for number, classes in enumerate(stages):
        left = np.inf if time_limit is None else start + time_limit - time.perf_counter()
        until = time.perf_counter() + max(left, 0.0) / (len(stages) - number)
        new = np.flatnonzero(enters == number)
        possible = np.zeros_like(unary)
        possible[new[:, None], list(classes)] = unary[new[:, None], list(classes)]
        in_time &= _extend(labels, person, possible, unary, pairwise, mode, until)
        if number + 1 < len(stages):
            _keep_most_probable(labels, person, unary)
    joined = (person[:, None] == person) & (person >= 0)
    np.fill_diagonal(joined, False)
    single = mode == "single"
    least = quick_bound(build(unary, pairwise, single=single)) if bound is None else bound
    value = objective(unary, pairwise, labels, joined)
    status: Status = "heuristic" if in_time else "time limit"
    return checked(unary, pairwise, labels, joined, value, least, status, start, single=single, rounds=len(stages))


def _first_stages(stages: Sequence[Sequence[int]], classes: int) -> IntArray:
    first = np.full(classes, -1)
    before: set[int] = set()
    for number, stage in enumerate(stages):
        if not before <= set(stage) <= set(range(classes)):
            expected = f"all of {sorted(before)} and none beyond {classes - 1}"
            raise DataError(f"stage {number + 1} has classes {list(stage)}; expected {expected}")
        first[list(set(stage) - before)] = number
        before = set(stage)
    if len(before) != classes:
        raise DataError(f"the last stage has {len(before)} classes; expected all {classes}")
    return first


def _extend(
    labels: IntArray,
    person: IntArray,
    possible: FloatArray,
    unary: FloatArray,
    pairwise: FloatArray,
    mode: Mode,
    until: float,
) -> bool:
    """Decide the candidates with something in ``possible`` (D, C), in place; False if the time was up."""
    decided = np.flatnonzero(labels >= 0)
    possible = possible.copy()
    possible[decided, labels[decided]] = unary[decided, labels[decided]]
    people = int(person.max(initial=-1)) + 1
    whole = build(possible, pairwise, single=mode == "single")
    problem, candidates = _contracted(whole, person, people)
    found = optimise(problem, transitivity=True, until=until)
    groups: dict[int, int] = {}
    for node in np.flatnonzero(found.chosen >= 0).tolist():
        company = np.flatnonzero(found.joined[node])
        leader = min(node, int(company.min(initial=node)))
        number = groups.setdefault(leader, leader if leader < people else people + len(groups))
        if node >= people:
            labels[candidates[node]] = problem.label[found.chosen[node]]
            person[candidates[node]] = number
    return found.value - found.bound <= PROVEN


def _contracted(whole: Problem, person: IntArray, people: int) -> tuple[Problem, IntArray]:
    """Return the problem in which each person decided before is one candidate, 0 to ``people`` - 1, of one state.

    Its cost is 0: what was decided is paid. Two of them may not be joined. Also returned are the candidates of (N,)
    the new problem, -1 for people.
    """
    free = np.flatnonzero(person[whole.candidate] < 0)
    rest, number = np.unique(whole.candidate[free], return_inverse=True)
    member = np.zeros((people + len(free), len(whole.cost)))
    decided = np.flatnonzero(person[whole.candidate] >= 0)
    member[person[whole.candidate[decided]], decided] = 1
    member[people + np.arange(len(free)), free] = 1
    joint = member @ whole.joint @ member.T
    forbidden = member @ whole.forbidden @ member.T > 0
    joint[:people, :people] = 0
    forbidden[:people, :people] = ~np.eye(people, dtype=np.bool_)
    joint[forbidden] = 0
    old = np.arange(people)
    problem = Problem(
        candidate=np.concatenate([old, people + number]).astype(np.int64),
        label=np.concatenate([np.full(people, -1), whole.label[free]]),
        cost=np.concatenate([np.zeros(people), whole.cost[free]]),
        joint=joint,
        forbidden=forbidden,
        required=np.arange(people + len(rest)) < people,
        single=whole.single,
    )
    return problem, np.concatenate([np.full(people, -1), rest])


def _keep_most_probable(labels: IntArray, person: IntArray, unary: FloatArray) -> None:
    """Suppress, in place, all but the most probable candidate of each person and class; number people from 0."""
    best: dict[tuple[int, int], int] = {}
    for d in np.flatnonzero(labels >= 0).tolist():
        key = int(person[d]), int(labels[d])
        if key not in best or unary[d, key[1]] > unary[best[key], key[1]]:
            best[key] = d
    out = np.setdiff1d(np.arange(len(labels)), list(best.values()))
    labels[out] = person[out] = -1
    kept = np.flatnonzero(labels >= 0)
    if len(kept):
        person[kept] = np.unique(person[kept], return_inverse=True)[1]
