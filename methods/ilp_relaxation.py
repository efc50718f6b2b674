"""The linear relaxation of DeepCut's program in HiGHS, its rows added as they are violated.

Columns: x of every state, and z of every allowed pair of states of a pair of candidates that is present. A pair is
present from the start where one of its z is worth joining, else from the first row that names it: until then its cost
is not negative and no row holds it, so 0 is its best value and the bound is that of the full program. Since a joined
pair has exactly one class each, y is the sum of the pair's z and no column of its own.

Rows; each holds for every solution of the program, and together they imply the program's own on whole numbers. T are
states of candidate j, x(T) their sum, and z(i, T) the sum of z between them and all states of i (or one of them):

    link        z(s, j) <= x_s                                coupling, linearisation
    triangle    z(i, T) + z(T, k) - z(i, k) <= x(T)           transitivity: all of T are 0, or j is in T
    together    x(i) + x(j) - z(i, j) <= 1                    one person only
"""

from __future__ import annotations

from collections.abc import Sequence

import highspy
import numpy as np

from data.types import FloatArray
from methods.ilp_costs import BoolArray, IntArray, Problem
from methods.ilp_triangles import Triangles, chosen_states, groups, packed, violated

VIOLATED = 1e-6  # more than this, and the row is added
TOLERANCE = 1e-9  # of HiGHS, in rows and in the objective
MOST_ROWS = 3000  # of a kind, added at a time: the most violated
MANY_SLACK = 0.2  # share of the rows


class SolverError(RuntimeError):
    """HiGHS could not solve a program."""


class Relaxation:
    """The program with the rows found so far; rows that have become slack may be dropped.

    Attributes:
        values: of x, then of z, at the last solution.
        one, other: the states of each z column.
        column: (S, S) the column of a pair of states, -1 where it has none.
    """

    def __init__(self, problem: Problem, *, transitivity: bool) -> None:
        self.problem = problem
        self.transitivity = transitivity or problem.single
        self.first = problem.first
        self.count, self.states = len(problem.required), len(problem.cost)
        self.one = self.other = np.zeros(0, np.int64)
        self.column = np.full((self.states, self.states), -1)
        self.groups = groups(problem)
        self.whole = (problem.candidate[:, None] == np.arange(self.count)).astype(np.float64)  # (S, N)
        self.is_present = np.zeros((self.count, self.count), np.bool_)
        self.values = self.reduced = np.zeros(0)
        self.last, self.whole_columns = -np.inf, -1
        self.highs = highspy.Highs()
        self._options()
        self._add_states()
        worth = np.zeros((self.count, self.count), np.bool_)
        s, t = np.nonzero(problem.joint < 0)
        worth[problem.candidate[s], problem.candidate[t]] = True
        self.present(np.argwhere(np.triu(worth, 1)))
        if self.transitivity and not problem.single:
            self._add_triangles(packed(problem, self.groups))

    def _options(self) -> None:
        for name in ("primal_feasibility", "dual_feasibility", "mip_feasibility"):
            self.option(f"{name}_tolerance", TOLERANCE)
        self.option("mip_abs_gap", TOLERANCE)
        self.option("mip_rel_gap", 0.0)
        self.option("threads", 1)
        self.option("output_flag", False)

    def option(self, name: str, value: float | bool | str) -> None:
        """Set an option of HiGHS."""
        self._accept(self.highs.setOptionValue(name, value), f"the option {name}")

    def _accept(self, status: highspy.HighsStatus, what: str) -> None:
        if status == highspy.HighsStatus.kError:
            raise SolverError(f"HiGHS answers {what} with an error; expected none: report the instance")

    def _add_states(self) -> None:
        """Add x; a candidate that costs nothing alone is kept for sure where people are not limited to one."""
        problem = self.problem
        counts = np.diff(self.first)
        cheapest = np.full(self.count, np.inf)
        np.minimum.at(cheapest, problem.candidate, problem.cost)
        sure = (counts > 0) & (problem.required | ((cheapest <= 0) & (not problem.single)))
        low = (sure & (counts == 1))[problem.candidate].astype(np.float64)
        self._columns(problem.cost, low)
        many = np.flatnonzero(counts > 1)
        rows = [(np.arange(self.first[n], self.first[n + 1]), np.zeros(0, np.int64), 1.0, float(sure[n])) for n in many]
        self._rows(rows)

    def _columns(self, cost: FloatArray, low: FloatArray) -> None:
        none = np.zeros(0, np.int32)
        status = self.highs.addCols(len(cost), cost, low, np.ones(len(cost)), 0, none, none, np.zeros(0))
        self._accept(status, "new columns")

    def present(self, pairs: IntArray) -> None:
        """Add the z columns of pairs (M, 2) of candidates that have none; forbidden combinations get none."""
        pairs = np.unique(np.sort(pairs.reshape(-1, 2), 1), axis=0)
        i, j = pairs[~self.is_present[pairs[:, 0], pairs[:, 1]]].T
        if not len(i):
            return
        self.is_present[i, j] = self.is_present[j, i] = True
        wide = np.diff(self.first)
        size = wide[i] * wide[j]
        pair = np.repeat(np.arange(len(i)), size)
        within = np.arange(len(pair)) - np.repeat(np.cumsum(size) - size, size)
        one = self.first[i][pair] + within // wide[j][pair]
        other = self.first[j][pair] + within % wide[j][pair]
        allowed = ~self.problem.forbidden[one, other]
        one, other = one[allowed], other[allowed]
        new = self.states + len(self.one) + np.arange(len(one))
        self.column[one, other] = self.column[other, one] = new
        self.one, self.other = np.concatenate([self.one, one]), np.concatenate([self.other, other])
        self._columns(self.problem.joint[one, other], np.zeros(len(one)))

    def _rows(self, rows: Sequence[tuple[IntArray, IntArray, float, float]]) -> None:
        """Add rows: columns of coefficient 1, columns of coefficient -1, upper side, lower side."""
        if not rows:
            return
        width = np.array([len(plus) + len(minus) for plus, minus, _, _ in rows])
        columns = np.concatenate([part for plus, minus, _, _ in rows for part in (plus, minus)])
        signs = np.tile([1.0, -1.0], len(rows))
        values = np.repeat(signs, [len(part) for plus, minus, _, _ in rows for part in (plus, minus)])
        begin = np.cumsum(width) - width
        upper, lower = np.array([u for _, _, u, _ in rows]), np.array([low for _, _, _, low in rows])
        self._send(begin, columns, values, upper, lower)

    def _send(
        self, begin: IntArray, columns: IntArray, values: FloatArray, upper: FloatArray, lower: FloatArray
    ) -> None:
        starts, index = begin.astype(np.int32), columns.astype(np.int32)
        self._accept(self.highs.addRows(len(upper), lower, upper, len(index), starts, index, values), "new rows")

    def solve(self, seconds: float) -> str:
        """Solve what stands; return optimal or time limit.

        Raises:
            SolverError: if HiGHS ends otherwise.
        """
        self.option("time_limit", self.highs.getRunTime() + max(seconds, 0.01))
        self._accept(self.highs.run(), "the program")
        status = self.highs.getModelStatus()
        if status == highspy.HighsModelStatus.kOptimal:
            self.values = np.array(self.highs.getSolution().col_value)
            return "optimal"
        if status in (highspy.HighsModelStatus.kTimeLimit, highspy.HighsModelStatus.kInterrupt):
            if self.whole_columns >= 0 and self.highs.getSolution().value_valid:
                self.values = np.array(self.highs.getSolution().col_value)
            return "time limit"
        raise SolverError(f"HiGHS ended with {self.highs.modelStatusToString(status)}; expected an optimum: report it")

    def bound(self) -> float:
        """Return the bound that the duals of the last linear program prove, whatever their tolerances.

        Rows count at their sides, columns at the better of their bounds; a dual of the wrong sign counts as 0.
        """
        solution, lp = self.highs.getSolution(), self.highs.getLp()
        dual, reduced = np.array(solution.row_dual), np.array(solution.col_dual)
        upper, lower = np.array(lp.row_upper_), np.array(lp.row_lower_)
        side = np.where(dual < 0, upper, np.where(np.isfinite(lower), lower, 0.0))
        stray = np.where((dual > 0) & ~np.isfinite(lower), dual, 0.0)
        ends = np.where(reduced > 0, np.array(lp.col_lower_), np.array(lp.col_upper_))
        self.reduced = reduced
        self.last = float(dual @ side + reduced @ ends - stray.sum() * (1 + len(reduced)))
        return self.last

    def pairs(self) -> FloatArray:
        """Return z of the last solution as (S, S), symmetric."""
        z = np.zeros((self.states, self.states))
        z[self.one, self.other] = self.values[self.states :]
        return z + z.T

    def separate(self) -> int:
        """Add violated rows; return how many."""
        x, z = self.values[: self.states], self.pairs()
        found = self._add_links(x, z) + (self._add_together(x, z) if self.problem.single else 0)
        if self.transitivity:
            triangles = violated(self.groups, self.first, x, z)
            self._add_triangles(triangles, x, z)
            found += len(triangles)
        return found

    def _add_links(self, x: FloatArray, z: FloatArray) -> int:
        """Add z(s, j) <= x_s of states s and candidates j."""
        over = z @ self.whole - x[:, None]  # (S, N)
        state, j = np.nonzero(over > VIOLATED)
        most = np.argsort(-over[state, j], kind="stable")[:MOST_ROWS]
        rows = []
        for s, k in zip(state[most].tolist(), j[most].tolist(), strict=True):
            columns = self.column[s, self.first[k] : self.first[k + 1]]
            rows.append((columns[columns >= 0], np.array([s]), 0.0, -highspy.kHighsInf))
        self._rows(rows)
        return len(rows)

    def _add_together(self, x: FloatArray, z: FloatArray) -> int:
        """Add x(i) + x(j) - z(i, j) <= 1 of all pairs of candidates."""
        kept = x @ self.whole
        over = kept[:, None] + kept - self.whole.T @ z @ self.whole - 1
        i, j = np.nonzero(np.triu(over > VIOLATED, 1))
        most = np.argsort(-over[i, j], kind="stable")[:MOST_ROWS]
        i, j = i[most], j[most]
        self.present(np.stack([i, j], 1))
        rows = []
        for a, b in zip(i.tolist(), j.tolist(), strict=True):
            one, other = np.arange(self.first[a], self.first[a + 1]), np.arange(self.first[b], self.first[b + 1])
            joined = self.column[np.ix_(one, other)].ravel()
            rows.append((np.concatenate([one, other]), joined[joined >= 0], 1.0, -highspy.kHighsInf))
        self._rows(rows)
        return len(rows)

    def _add_triangles(self, new: Triangles, x: FloatArray | None = None, z: FloatArray | None = None) -> None:
        """Add the rows; T is all states of the middle candidate where no values are given."""
        group, first = self.groups, self.first
        self.present(np.stack([group.candidate[new.a], group.candidate[new.b]], 1))
        self.present(np.stack([group.candidate[new.a], new.j], 1))
        self.present(np.stack([new.j, group.candidate[new.b]], 1))
        lone = (new.a < self.states) & (new.b < self.states) & (first[new.j + 1] - first[new.j] == 1)
        self._add_lone(new.a[lone], first[new.j[lone]], new.b[lone])
        rows = []
        for a, j, b in zip(new.a[~lone].tolist(), new.j[~lone].tolist(), new.b[~lone].tolist(), strict=True):
            one, other, middle = group.states(a), group.states(b), np.arange(first[j], first[j + 1])
            if x is not None and z is not None:
                to_a, to_b = z[np.ix_(middle, one)].sum(1), z[np.ix_(middle, other)].sum(1)
                middle = middle[chosen_states(x[middle], to_a, to_b)]
            plus = np.concatenate(
                [self.column[np.ix_(one, middle)].ravel(), self.column[np.ix_(middle, other)].ravel()]
            )
            minus = self.column[np.ix_(one, other)].ravel()
            rows.append((plus[plus >= 0], np.concatenate([minus[minus >= 0], middle]), 0.0, -highspy.kHighsInf))
        self._rows(rows)

    def _add_lone(self, a: IntArray, s: IntArray, b: IntArray) -> None:
        """Add rows of three single states: four columns each, or three where a and b are forbidden."""
        columns = np.stack([self.column[a, s], self.column[s, b], self.column[a, b], s], 1)
        held = columns >= 0
        width = held.sum(1)
        values = np.broadcast_to([1.0, 1.0, -1.0, -1.0], columns.shape)[held]
        side = np.zeros(len(a))
        if len(a):
            self._send(np.cumsum(width) - width, columns[held], values, side, side - highspy.kHighsInf)

    def drop_slack(self) -> None:
        """Delete rows that are slack, where they are many; they come back if they are violated again."""
        status = self.highs.getBasis().row_status
        slack = np.flatnonzero([s == highspy.HighsBasisStatus.kBasic for s in status]).astype(np.int32)
        if len(slack) > MANY_SLACK * len(status):
            self._accept(self.highs.deleteRows(len(slack), slack), "fewer rows")

    def whole_numbers(self, value: float) -> None:
        """Ask for whole numbers from now on, and fix columns whose change alone would cost ``value`` and more."""
        low, gap = np.array(self.highs.getLp().col_lower_)[: len(self.reduced)], value - self.last + VIOLATED
        for which, side in (((self.reduced > gap) & (low == 0), 0.0), (self.reduced < -gap, 1.0)):
            index = np.flatnonzero(which).astype(np.int32)
            sides = np.full(len(index), side)
            self._accept(self.highs.changeColsBounds(len(index), index, sides, sides), "fixed columns")
        self.whole_columns = 0

    def begin_at(self, chosen: IntArray, joined: BoolArray) -> None:
        """Give HiGHS an answer: (N,) states and (N, N) pairs, all of whose columns it has from then on."""
        self.present(np.argwhere(np.triu(joined, 1)))
        kept = np.zeros(self.states, np.bool_)
        kept[chosen[chosen >= 0]] = True
        candidate = self.problem.candidate
        z = kept[self.one] & kept[self.other] & joined[candidate[self.one], candidate[self.other]]
        size = self.states + len(self.one)
        new = np.arange(self.whole_columns, size, dtype=np.int32)
        kinds = np.full(len(new), highspy.HighsVarType.kInteger)
        self._accept(self.highs.changeColsIntegrality(len(new), new, kinds), "whole numbers")
        self.whole_columns = size
        solution = highspy.HighsSolution()
        solution.col_value = np.concatenate([kept, z]).astype(np.float64).tolist()
        solution.value_valid = True
        self._accept(self.highs.setSolution(solution), "a first answer")

    def branch_bound(self) -> float:
        """Return the bound of the last program of whole numbers."""
        return float(self.highs.getInfo().mip_dual_bound)
