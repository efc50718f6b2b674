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

import highspy
import numpy as np

from data.types import FloatArray
from methods.highs import new_highs
from methods.ilp_costs import BoolArray, IntArray, Problem
from methods.ilp_triangles import Triangles, groups, packed, padded, violated

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
        column: (S + 1, S + 1) the z column of a pair of states, -1 where it has none; S stands for no state.
        of_candidate: (N, most states of one) the states of each candidate, padded with S.
    """

    def __init__(self, problem: Problem, *, transitivity: bool) -> None:
        self.problem = problem
        self.transitivity = transitivity or problem.single
        self.first = problem.first
        self.count, self.states = len(problem.required), len(problem.cost)
        self.one = self.other = np.zeros(0, np.int64)
        self.column = np.full((self.states + 1, self.states + 1), -1)  # a state too many, for padding
        self.groups = groups(problem)
        self.of_candidate = padded(problem.candidate, self.count)
        self.whole = (problem.candidate[:, None] == np.arange(self.count)).astype(np.float64)  # (S, N)
        self.is_present = np.zeros((self.count, self.count), np.bool_)
        self.values = self.reduced = np.zeros(0)
        self.last, self.whole_columns = -np.inf, -1
        self.highs = new_highs()
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
        self.lasting = len(many)
        if len(many):
            states = self._of_states(self.of_candidate[many])
            self._rows(states, np.ones(states.shape[1]), 1.0, sure[many].astype(np.float64))

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

    def _rows(self, columns: IntArray, values: FloatArray, upper: float, lower: FloatArray | None = None) -> None:
        """Add rows (M, W) of columns, of which -1 stands for none, with coefficients (W,) and a common upper side."""
        held = columns >= 0
        width = held.sum(1)
        begin, index = (np.cumsum(width) - width).astype(np.int32), columns[held].astype(np.int32)
        low = np.full(len(columns), -highspy.kHighsInf) if lower is None else lower
        weights = np.broadcast_to(values, columns.shape)[held]
        high = np.full(len(columns), upper)
        self._accept(self.highs.addRows(len(columns), low, high, len(index), begin, index, weights), "new rows")

    def _between(self, one: IntArray, other: IntArray) -> IntArray:
        """Return the z columns of all pairs of states (M, A) and (M, B): (M, A B), -1 where there is none."""
        return self.column[one[:, :, None], other[:, None]].reshape(len(one), -1)

    def _of_states(self, states: IntArray) -> IntArray:
        """Return the x columns of states (M, A), -1 where there is none."""
        return np.where(states < self.states, states, -1)

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
        s, j = _largest(over)
        if len(s):
            joined = self._between(s[:, None], self.of_candidate[j])
            self._rows(np.concatenate([joined, s[:, None]], 1), np.append(np.ones(joined.shape[1]), -1.0), 0.0)
        return len(s)

    def _add_together(self, x: FloatArray, z: FloatArray) -> int:
        """Add x(i) + x(j) - z(i, j) <= 1 of candidates i and j."""
        kept = x @ self.whole
        over = np.triu(kept[:, None] + kept - self.whole.T @ z @ self.whole - 1, 1)
        i, j = _largest(over)
        if len(i):
            self.present(np.stack([i, j], 1))
            one, other = self.of_candidate[i], self.of_candidate[j]
            joined = self._between(one, other)
            values = np.repeat([1.0, -1.0], [2 * one.shape[1], joined.shape[1]])
            self._rows(np.concatenate([self._of_states(one), self._of_states(other), joined], 1), values, 1.0)
        return len(i)

    def _add_triangles(self, new: Triangles, x: FloatArray | None = None, z: FloatArray | None = None) -> None:
        """Add the rows, T being the states that make them most violated; all where no values are given."""
        if not len(new):
            return
        group = self.groups
        one, other = group.candidate[new.a], group.candidate[new.b]
        self.present(np.concatenate([np.stack(pair, 1) for pair in ((one, other), (one, new.j), (new.j, other))]))
        a, middle, b = group.states[new.a], self.of_candidate[new.j], group.states[new.b]
        if x is not None and z is not None:
            z, x = np.pad(z, (0, 1)), np.pad(x, (0, 1))
            total = z[a[:, :, None], middle[:, None]].sum(1) + z[middle[:, :, None], b[:, None]].sum(2)
            middle = np.where(total > x[middle], middle, self.states)
        parts = self._between(a, middle), self._between(middle, b), self._between(a, b), self._of_states(middle)
        values = np.repeat([1.0, 1.0, -1.0, -1.0], [part.shape[1] for part in parts])
        self._rows(np.concatenate(parts, 1), values, 0.0)

    def drop_slack(self) -> None:
        """Delete rows that are slack, where they are many; they come back if they are violated again.

        Those of uniqueness stay: nothing looks whether they are violated.
        """
        status = self.highs.getBasis().row_status
        slack = np.flatnonzero([s == highspy.HighsBasisStatus.kBasic for s in status]).astype(np.int32)
        slack = slack[slack >= self.lasting]
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


def _largest(over: FloatArray) -> tuple[IntArray, IntArray]:
    """Return row and column of the most violated entries, at most ``MOST_ROWS``."""
    row, column = np.nonzero(over > VIOLATED)
    most = np.argsort(-over[row, column], kind="stable")[:MOST_ROWS]
    return row[most], column[most]
