"""Solves DeepCut's program to a proven optimum with HiGHS, or as far as time allows.

First the program shrinks, without losing its optimum: states that no company makes worth keeping go, and candidates
that no worthwhile pair connects are apart. Then, for each part, local search gives an answer, and the linear relaxation
with violated rows added a bound. Where they do not meet, HiGHS branches; rows that its answer violates are added, and
it starts again. Every bound is one of the full program, since no row cuts a solution off that could be better.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse.csgraph import connected_components

from data.types import FloatArray
from methods.ilp_costs import BoolArray, IntArray, Problem
from methods.ilp_greedy import Answer, Clusters, greedy, joined_pairs, local_search
from methods.ilp_relaxation import Relaxation

PROVEN = 1e-6  # an answer this near to its bound is optimal
LEAST_SHARE = 0.2  # of the time that is left, for the smallest part
IMPROVING = 0.1  # share of the time that is kept for improving an answer without proof
RISE = 1e-6  # of the bound, for slack rows to be dropped


@dataclass(frozen=True)
class Outcome:
    """The best answer to a problem: (N,) states, (N, N) joined pairs, its value and a bound on every answer's."""

    chosen: IntArray
    joined: BoolArray
    value: float
    bound: float
    rounds: int


def optimise(problem: Problem, *, transitivity: bool, until: float) -> Outcome:
    """Solve a problem until a moment of ``time.perf_counter``.

    Raises:
        SolverError: if HiGHS fails.
    """
    count = len(problem.required)
    states = useful(problem)
    chosen, joined = np.full(count, -1), np.zeros((count, count), np.bool_)
    value, bound, rounds = 0.0, 0.0, 0
    small = problem.only(states)
    parts = sorted(_parts(small), key=len)
    for number, candidates in enumerate(parts):
        inside = np.flatnonzero(np.isin(small.candidate, candidates))
        part = _renumbered(small.only(inside), candidates)
        now = time.perf_counter()
        part_of_time = max(LEAST_SHARE, len(candidates) ** 2 / sum(len(p) ** 2 for p in parts[number:]))
        limit = until if np.isinf(until) else now + max(until - now, 0) * part_of_time
        found = _Search(part, transitivity=transitivity, until=limit).run()
        chosen[candidates] = np.where(found.chosen >= 0, states[inside[found.chosen]], -1)
        joined[np.ix_(candidates, candidates)] = found.joined
        value, bound, rounds = value + found.value, bound + found.bound, max(rounds, found.rounds)
    return Outcome(chosen, joined, value, bound, rounds)


def _floor(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """Return what each state costs at least, (S,), with all company that is worth having; and that company alone."""
    present, start = np.unique(problem.candidate, return_index=True)
    if not len(present):
        return np.zeros(0), np.zeros(0)
    company = np.minimum(np.minimum.reduceat(problem.joint, start, axis=1), 0).sum(1)
    return problem.cost + company, company


def useful(problem: Problem) -> IntArray:
    """Return the states that some optimal solution may need.

    A state goes if even with all company worth having it costs more than being suppressed; or, where people are not
    limited to one, more than the candidate's cheapest class alone. Changing either never breaks a constraint.
    """
    while True:
        floor, _ = _floor(problem)
        cheapest = np.full(len(problem.required), np.inf)
        np.minimum.at(cheapest, problem.candidate, problem.cost)
        alone = cheapest[problem.candidate]
        useless = (floor >= 0) & ~problem.required[problem.candidate]
        if not problem.single:
            first = np.zeros(len(floor), np.bool_)
            order = np.lexsort((problem.cost, problem.candidate))
            first[order[np.diff(problem.candidate[order], prepend=-1) > 0]] = True
            useless |= (floor >= alone) & ~first
        if not useless.any():
            return np.arange(len(floor))
        kept = np.flatnonzero(~useless)
        return kept[useful(problem.only(kept))]


def _parts(problem: Problem) -> list[IntArray]:
    """Return the candidates with states in groups that no pair worth joining connects: (each) ascending."""
    present = np.unique(problem.candidate)
    if problem.single or not len(present):
        return [present] if len(present) else []
    graph = np.zeros((len(problem.required),) * 2, np.bool_)
    s, t = np.nonzero(problem.joint < 0)
    graph[problem.candidate[s], problem.candidate[t]] = True
    _, part = connected_components(graph[np.ix_(present, present)], directed=False)
    return [present[part == k] for k in range(part.max() + 1)]


def _renumbered(problem: Problem, candidates: IntArray) -> Problem:
    new = np.searchsorted(candidates, problem.candidate).astype(np.int64)
    return replace(problem, candidate=new, required=problem.required[candidates])


def quick_bound(problem: Problem) -> float:
    """Return a bound that needs no solver: each candidate pays half of every pair worth joining, and no other."""
    floor, company = _floor(problem)
    least = np.where(problem.required, np.inf, 0.0)
    np.minimum.at(least, problem.candidate, floor - company / 2)
    return float(least.sum())


class _Search:
    """The search for the best answer to one part."""

    def __init__(self, problem: Problem, *, transitivity: bool, until: float) -> None:
        self.problem, self.transitivity, self.until = problem, transitivity, until
        self.bound, self.rounds = quick_bound(problem), 0
        answer = local_search(problem, greedy(problem, until), until, kicks=0)
        self.chosen, self.joined, self.value = answer.chosen, joined_pairs(answer), answer.value

    def run(self) -> Outcome:
        """Return the best answer, proven where its value is the bound.

        Part of the time is kept for improving the answer in case there is no proof.
        """
        end, left = self.until, self._left()
        if not self._proven() and left > 0:
            relaxation = Relaxation(self.problem, transitivity=self.transitivity)
            self.until = end if np.isinf(end) else end - IMPROVING * left
            converged = self._cut(relaxation)
            self.until = end
            if not self._proven():
                self._improve()
            if converged and not self._proven():
                self._branch(relaxation)
        bound = self.value if self._proven() else self.bound
        return Outcome(self.chosen, self.joined, self.value, bound, self.rounds)

    def _improve(self) -> None:
        """Search around the best answer, where it is one that transitivity allows."""
        if not self.transitivity and not self.problem.single:
            return
        person = np.where(self.chosen >= 0, connected_components(self.joined, directed=False)[1], -1)
        self._keep(local_search(self.problem, Answer(self.chosen, person, self.value), self.until))

    def _keep(self, answer: Answer) -> None:
        if answer.value < self.value:
            self.chosen, self.joined, self.value = answer.chosen, joined_pairs(answer), answer.value

    def _proven(self) -> bool:
        return self.value - self.bound <= PROVEN

    def _left(self) -> float:
        return self.until - time.perf_counter()

    def _cut(self, relaxation: Relaxation) -> bool:
        """Add violated rows to the linear program until there are none; False if the time was up or all is proven."""
        while self._left() > 0:
            self.rounds += 1
            if relaxation.solve(self._left()) != "optimal":
                return False
            bound = relaxation.bound()
            if bound > self.bound + RISE:
                relaxation.drop_slack()
            self.bound = max(self.bound, bound)
            if self._proven():
                return False
            if not relaxation.separate():
                self._take(relaxation)
                return True
        return False

    def _branch(self, relaxation: Relaxation) -> None:
        """Let HiGHS branch, with violated rows added to its answers, until one violates none."""
        relaxation.whole_numbers(self.value)
        while self._left() > 0:
            self.rounds += 1
            relaxation.begin_at(self.chosen, self.joined)
            status = relaxation.solve(self._left())
            self.bound = max(self.bound, min(relaxation.branch_bound(), self.value))
            if not len(relaxation.values):
                return
            self._take(relaxation)
            if status != "optimal" or self._proven():
                return
            if not relaxation.separate():
                return

    def _take(self, relaxation: Relaxation) -> None:
        """Keep the answer nearest to the relaxation's, improved, if it is the best so far."""
        x, z = relaxation.values[: relaxation.states], relaxation.pairs()
        if not self.transitivity and not self.problem.single:
            self._take_as_is(x, z)
            return
        self._keep(rounded(self.problem, x, z, self.until))

    def _take_as_is(self, x: FloatArray, z: FloatArray) -> None:
        """Without transitivity an answer of whole numbers is one as it is."""
        if (np.abs(x - x.round()) > PROVEN).any() or (np.abs(z - z.round()) > PROVEN).any():
            return
        chosen = np.full(len(self.problem.required), -1)
        kept = np.flatnonzero(x > 0.5)
        chosen[self.problem.candidate[kept]] = kept
        joined = np.zeros_like(self.joined)
        s, t = np.nonzero(z > 0.5)
        joined[self.problem.candidate[s], self.problem.candidate[t]] = True
        if (value := self.problem.value(chosen, joined)) < self.value:
            self.chosen, self.joined, self.value = chosen, joined, value


def rounded(problem: Problem, x: FloatArray, z: FloatArray, until: float) -> Answer:
    """Return a feasible answer near x (S,) and z (S, S): what is more than half kept or joined, then single changes."""
    y = np.zeros((len(problem.required),) * 2)
    s, t = np.nonzero(z)
    np.add.at(y, (problem.candidate[s], problem.candidate[t]), z[s, t])
    _, part = connected_components(y > 0.5, directed=False)
    state = Clusters(problem)
    person_of: dict[int, int] = {}
    for candidate, (start, end) in enumerate(zip(problem.first, problem.first[1:], strict=False)):
        if end == start or (x[start:end].sum() <= 0.5 and not problem.required[candidate]):
            continue
        chosen = int(start + x[start:end].argmax())
        person = 0 if problem.single else person_of.setdefault(part[candidate], len(state.size) - 1)
        if state.clash[chosen, person] > 0.5:
            if problem.single and not problem.required[candidate]:
                continue
            person = len(state.size) - 1
        state.place(candidate, chosen, person)
    state.descend(until)
    return state.answer()
