"""Greedy and local-search answers to DeepCut's program: feasible, fast, without a proof.

Greedy: the best class of each candidate that is worth keeping, then the two clusters that gain most are joined until
nothing gains. Local search: candidates move between people, classes and suppression, and people are joined, one best
change at a time; then part of the answer is torn up and repaired, several times (iterated local search).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from data.types import FloatArray
from methods.ilp_costs import BoolArray, IntArray, Problem

GAIN = 1e-9  # a change must gain more than this
KICKS = 30  # times that part of the answer is torn up
TORN = 0.15  # share of the candidates


@dataclass(frozen=True)
class Answer:
    """A feasible answer: (N,) state and person of each candidate, -1 where suppressed."""

    chosen: IntArray
    person: IntArray
    value: float


class Clusters:
    """An answer in the making, with the cost of every state in every person kept up to date.

    Persons are columns 0 .. K - 1; the last column is always empty, a new person.
    """

    def __init__(self, problem: Problem, answer: Answer | None = None) -> None:
        self.problem = problem
        self.repelled = problem.forbidden.astype(np.float64)
        count = len(problem.required)
        self.chosen = np.full(count, -1) if answer is None else answer.chosen.copy()
        self.person = np.full(count, -1) if answer is None else answer.person.copy()
        self._gather()

    def _gather(self) -> None:
        """Number the persons anew, in the order of their first candidates, and sum up from nothing."""
        kept = np.flatnonzero(self.chosen >= 0)
        if len(kept):
            _, self.person[kept] = np.unique(self.person[kept], return_inverse=True)
        people = int(self.person.max(initial=-1)) + 1
        member = np.zeros((len(self.problem.cost), people + 1))
        member[self.chosen[kept], self.person[kept]] = 1
        self.cost = self.problem.joint @ member
        self.clash = self.repelled @ member
        self.size = np.bincount(self.person[kept], minlength=people + 1)

    def place(self, candidate: int, state: int, person: int) -> None:
        """Move a candidate to a person as a state, or suppress it where ``state`` is -1."""
        if (old := self.chosen[candidate]) >= 0:
            self.cost[:, self.person[candidate]] -= self.problem.joint[old]
            self.clash[:, self.person[candidate]] -= self.repelled[old]
            self.size[self.person[candidate]] -= 1
        self.chosen[candidate], self.person[candidate] = state, person if state >= 0 else -1
        if state < 0:
            return
        self.cost[:, person] += self.problem.joint[state]
        self.clash[:, person] += self.repelled[state]
        self.size[person] += 1
        if person == len(self.size) - 1:
            self.cost = np.pad(self.cost, ((0, 0), (0, 1)))
            self.clash = np.pad(self.clash, ((0, 0), (0, 1)))
            self.size = np.pad(self.size, (0, 1))

    def now(self) -> FloatArray:
        """Return what each candidate costs where it is: (N,)."""
        cost = np.zeros(len(self.chosen))
        kept = np.flatnonzero(self.chosen >= 0)
        states = self.chosen[kept]
        cost[kept] = self.problem.cost[states] + self.cost[states, self.person[kept]]
        return cost

    def move(self) -> bool:
        """Make the one best change of a candidate; False where none gains."""
        problem, now = self.problem, self.now()
        target = np.where(self.clash > 0.5, np.inf, problem.cost[:, None] + self.cost)
        if problem.single and self.size.sum():
            target[:, self.size == 0] = np.inf
        gain = target - now[problem.candidate, None]
        best = int(gain.argmin())
        leave = np.where(problem.required | (self.chosen < 0), np.inf, -now)
        out = int(leave.argmin())
        if leave[out] < gain.flat[best] and leave[out] < -GAIN:
            self.place(out, -1, -1)
            return True
        if gain.flat[best] >= -GAIN:
            return False
        state, person = divmod(best, gain.shape[1])
        self.place(int(problem.candidate[state]), state, person)
        return True

    def join(self) -> bool:
        """Make one person of the two that gain most; False where none gains."""
        kept = np.flatnonzero(self.chosen >= 0)
        if self.problem.single or not len(kept):
            return False
        member = np.zeros((len(self.size), len(self.problem.cost)))
        member[self.person[kept], self.chosen[kept]] = 1
        gain = np.where(member @ self.clash > 0.5, np.inf, member @ self.cost)
        np.fill_diagonal(gain, np.inf)
        one, other = divmod(int(gain.argmin()), len(gain))
        if gain[one, other] >= -GAIN:
            return False
        self.person[self.person == other] = one
        self._gather()
        return True

    def descend(self, until: float) -> None:
        """Change until nothing gains, or the time is up."""
        while time.perf_counter() < until and (self.move() or self.join()):
            pass

    def answer(self) -> Answer:
        """Return it with its value computed afresh."""
        self._gather()
        answer = Answer(self.chosen.copy(), self.person.copy(), 0.0)
        return replace(answer, value=self.problem.value(answer.chosen, joined_pairs(answer)))


def joined_pairs(answer: Answer) -> BoolArray:
    """Return (N, N): which candidates are of one person, none with itself."""
    joined: BoolArray = (answer.person[:, None] == answer.person) & (answer.person >= 0)
    np.fill_diagonal(joined, False)
    return joined


def greedy(problem: Problem, until: float = np.inf) -> Answer:
    """Keep what is worth keeping alone, each as its best class, and join; what is left out may then enter."""
    count = len(problem.required)
    cheapest = np.lexsort((problem.cost, problem.candidate))
    cheapest = cheapest[np.diff(problem.candidate[cheapest], prepend=-1) > 0]
    worth = (problem.cost[cheapest] < 0) & (not problem.single)
    states = cheapest[worth | problem.required[problem.candidate[cheapest]]]
    chosen, person = np.full(count, -1), np.full(count, -1)
    chosen[problem.candidate[states]] = states
    person[problem.candidate[states]] = 0 if problem.single else _joined(problem, states, until)
    state = Clusters(problem, Answer(chosen, person, 0.0))
    while time.perf_counter() < until and _enter(state):
        pass
    return state.answer()


def _joined(problem: Problem, states: IntArray, until: float) -> IntArray:
    """Return the person of each state: the two people that gain most are joined, until none gain."""
    pair = np.ix_(states, states)
    gain = np.where(problem.forbidden[pair], np.inf, problem.joint[pair])
    np.fill_diagonal(gain, np.inf)
    person = np.arange(len(states))
    while len(states) and time.perf_counter() < until:
        one, other = divmod(int(gain.argmin()), len(gain))
        if gain[one, other] >= -GAIN:
            break
        gain[one] += gain[other]
        gain[:, one] = gain[one]
        gain[other] = gain[:, other] = np.inf
        person[person == other] = one
    return person


def _enter(state: Clusters) -> bool:
    """Let the suppressed candidate that gains most enter; False where none gains."""
    problem = state.problem
    cost = np.where(state.clash > 0.5, np.inf, problem.cost[:, None] + state.cost)
    cost[state.chosen[problem.candidate] >= 0] = np.inf
    if problem.single and state.size.sum():
        cost[:, state.size == 0] = np.inf
    if not cost.size or cost.min() >= -GAIN:
        return False
    chosen, person = divmod(int(cost.argmin()), cost.shape[1])
    state.place(int(problem.candidate[chosen]), chosen, person)
    return True


def local_search(problem: Problem, start: Answer, until: float = np.inf, kicks: int = KICKS) -> Answer:
    """Improve an answer by single changes, then tear up a part of the best and repair it, ``kicks`` times.

    The same problem gives the same answer, unless the time is up first.
    """
    rng = np.random.default_rng(0)
    state = Clusters(problem, start)
    state.descend(until)
    best = state.answer()
    free = np.flatnonzero(~problem.required)
    for _ in range(kicks if len(free) else 0):
        if time.perf_counter() >= until:
            break
        state = Clusters(problem, best)
        for candidate in rng.permutation(free)[: max(1, int(TORN * len(free)))]:
            state.place(int(candidate), -1, -1)
        state.descend(until)
        found = state.answer()
        best = found if found.value < best.value - GAIN else best
    return best
