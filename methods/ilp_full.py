"""DeepCut's program as the paper writes it, every variable and row at once: slow, and the measure of the fast one."""

from __future__ import annotations

import time
from dataclasses import dataclass

import highspy
import numpy as np
from scipy.sparse import coo_array, csr_array

from data.types import FloatArray
from methods.ilp import Mode, Solution, Status, checked
from methods.ilp_check import objective
from methods.ilp_costs import IntArray, Problem, build, check
from methods.ilp_relaxation import SolverError


@dataclass(frozen=True)
class FullProgram:
    """Columns: x of every allowed state, y of every pair d < d', z. Rows: ``matrix`` @ columns <= ``upper``."""

    x: tuple[IntArray, IntArray]  # candidate and class of each
    y: tuple[IntArray, IntArray]  # d and d' of each
    z: tuple[IntArray, IntArray]  # the two x columns of each
    cost: FloatArray
    matrix: csr_array
    upper: FloatArray


def write(problem: Problem, *, transitivity: bool = True) -> FullProgram:
    """Write the program down: uniqueness, coupling, transitivity, linearisation, single person (specification, 3)."""
    states, count = len(problem.cost), len(problem.required)
    d, e = (np.asarray(a, np.int64) for a in np.triu_indices(count, 1))
    y = np.zeros((count, count), np.int64)
    y[d, e] = y[e, d] = states + np.arange(len(d))
    s, t = np.nonzero(problem.candidate[:, None] < problem.candidate)
    allowed = ~problem.forbidden[s, t]
    one, other, join = s[allowed], t[allowed], y[problem.candidate[s], problem.candidate[t]]
    z = states + len(d) + np.arange(len(one))
    rows = _Rows()
    rows.add([(problem.candidate, np.arange(states), 1)], np.ones(count))
    mine = problem.candidate[:, None] == d, problem.candidate[:, None] == e
    for side in mine:
        state, pair = np.nonzero(side)
        rows.add([(np.arange(len(d)), states + np.arange(len(d)), 1), (pair, state, -1)], np.zeros(len(d)))
    if transitivity:
        rows.transitivity(y, count)
    both, all_pairs = join[allowed], np.arange(len(s))
    m = np.arange(len(one))
    rows.add([(m, one, 1), (m, other, 1), (m, both, 1), (m, z, -1)], np.full(len(m), 2.0))
    for bigger in (one, other, both):
        rows.add([(m, z, 1), (m, bigger, -1)], np.zeros(len(m)))
    f, barred = np.arange((~allowed).sum()), ~allowed
    rows.add([(f, s[barred], 1), (f, t[barred], 1), (f, join[barred], 1)], np.full(len(f), 2.0))
    if problem.single:
        rows.add([(all_pairs, s, 1), (all_pairs, t, 1), (all_pairs, join, -1)], np.ones(len(s)))
    cost = np.concatenate([problem.cost, np.zeros(len(d)), problem.joint[one, other]])
    matrix, upper = rows.matrix(len(cost))
    return FullProgram((problem.candidate, problem.label), (d, e), (one, other), cost, matrix, upper)


class _Rows:
    """Rows in the making, as places, columns and coefficients."""

    def __init__(self) -> None:
        self.row: list[IntArray] = []
        self.column: list[IntArray] = []
        self.value: list[FloatArray] = []
        self.upper: list[FloatArray] = []
        self.count = 0

    def add(self, parts: list[tuple[IntArray, IntArray, int]], upper: FloatArray) -> None:
        for row, column, value in parts:
            self.row.append(row + self.count)
            self.column.append(column)
            self.value.append(np.full(len(row), float(value)))
        self.upper.append(upper)
        self.count += len(upper)

    def transitivity(self, y: IntArray, count: int) -> None:
        """Add y_ij + y_jk - y_ik <= 1, three a triple."""
        i, j, k = (a.ravel() for a in np.meshgrid(*[np.arange(count)] * 3, indexing="ij"))
        chosen = (i < k) & (j != i) & (j != k)
        i, j, k = i[chosen], j[chosen], k[chosen]
        m = np.arange(len(i))
        self.add([(m, y[i, j], 1), (m, y[j, k], 1), (m, y[i, k], -1)], np.ones(len(m)))

    def matrix(self, columns: int) -> tuple[csr_array, FloatArray]:
        place = np.concatenate(self.row), np.concatenate(self.column)
        return coo_array((np.concatenate(self.value), place), (self.count, columns)).tocsr(), np.concatenate(self.upper)


def solve_full(
    unary: FloatArray, pairwise: FloatArray, *, mode: Mode = "multi", time_limit: float | None = None
) -> Solution:
    """Solve all rows at once; the answer is as that of ``methods.ilp.solve``, later.

    Raises:
        DataError: as ``solve``.
        SolverError: if HiGHS has no answer in time, or fails.
    """
    start = time.perf_counter()
    unary, pairwise = check(unary, pairwise, mode)
    program = write(build(unary, pairwise, single=mode == "single"))
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    for name, value in {"output_flag": False, "threads": 1, "mip_rel_gap": 0.0, "mip_abs_gap": 1e-9}.items():
        highs.setOptionValue(name, value)
    if time_limit is not None:
        highs.setOptionValue("time_limit", time_limit)
    size, none = len(program.cost), np.zeros(0, np.int32)
    highs.addCols(size, program.cost, np.zeros(size), np.ones(size), 0, none, none, np.zeros(0))
    highs.changeColsIntegrality(size, np.arange(size, dtype=np.int32), np.full(size, highspy.HighsVarType.kInteger))
    a, low = program.matrix, np.full(len(program.upper), -highspy.kHighsInf)
    starts, columns = a.indptr[:-1].astype(np.int32), a.indices.astype(np.int32)
    highs.addRows(len(low), low, program.upper, a.nnz, starts, columns, a.data)
    highs.run()
    if highs.getInfo().primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        raise SolverError(f"HiGHS ended with {highs.modelStatusToString(highs.getModelStatus())} and no answer")
    values = np.array(highs.getSolution().col_value) > 0.5
    states = len(program.x[0])
    labels, joined = np.full(len(unary), -1), np.zeros((len(unary),) * 2, np.bool_)
    labels[program.x[0][values[:states]]] = program.x[1][values[:states]]
    pair = values[states : states + len(program.y[0])]
    joined[program.y[0][pair], program.y[1][pair]] = joined[program.y[1][pair], program.y[0][pair]] = True
    done = highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    value, bound = objective(unary, pairwise, labels, joined), float(highs.getInfo().mip_dual_bound)
    status: Status = "optimal" if done else "time limit"
    return checked(unary, pairwise, labels, joined, value, bound, status, start, single=mode == "single", rounds=1)
