"""The exact program: worked instances, brute force, what it refuses, and what it does when time is short."""

import highspy
import numpy as np
import pytest

from data.types import DataError
from methods import ilp
from methods.ilp import SolverError, solve
from methods.ilp_check import faults
from methods.ilp_costs import build
from methods.ilp_exact import Outcome
from methods.ilp_full import solve_full
from methods.ilp_relaxation import Relaxation
from tests.methods.ilp_instances import WORKED, by_trying_everything, instance_b, instance_c, random_instance

MODES = "multi", "single"


@pytest.mark.parametrize("name", WORKED)
def test_worked_instance_has_its_optimum(name):
    (unary, pairwise), mode, optimum, labels, persons = WORKED[name]
    found = solve(unary, pairwise, mode=mode)
    assert found.objective == pytest.approx(optimum, abs=1e-9)
    assert found.status == "optimal" and found.gap == 0
    assert found.labels.tolist() == labels
    assert found.persons.tolist() == persons


@pytest.mark.parametrize(("instance", "optimum"), [(instance_b(), -9.997160), (instance_c(), -25.362264)], ids="BC")
def test_without_transitivity_the_optimum_is_lower_and_no_equivalence(instance, optimum):
    found = solve(*instance, transitivity=False)
    assert found.objective == pytest.approx(optimum, abs=1e-6)
    assert found.status == "optimal"
    assert faults(*instance, found.labels, found.joined, single=False, transitivity=False) == []
    assert any("transitivity" in fault for fault in faults(*instance, found.labels, found.joined, single=False))


@pytest.mark.parametrize("block", range(10))
def test_every_optimum_of_300_random_instances_is_that_of_brute_force(block):
    for seed in range(30 * block, 30 * block + 30):
        unary, pairwise = random_instance(seed)
        for mode in MODES:
            found = solve(unary, pairwise, mode=mode)
            assert found.status == "optimal"
            assert found.objective == pytest.approx(by_trying_everything(unary, pairwise, mode), abs=1e-9), (seed, mode)
            assert faults(unary, pairwise, found.labels, found.joined, single=mode == "single") == []


@pytest.mark.parametrize("mode", MODES)
def test_the_small_program_has_the_optimum_of_the_one_written_out(mode):
    rng = np.random.default_rng(5)
    unary, pairwise = rng.random((8, 4)), rng.random((8, 8, 4, 4))
    unary[unary < 0.5] = 0
    assert solve(unary, pairwise, mode=mode).objective == pytest.approx(
        solve_full(unary, pairwise, mode=mode).objective, abs=1e-9
    )


@pytest.mark.parametrize("mode", MODES)
def test_the_bound_that_the_solver_reports_is_one_of_the_full_program(mode):
    for seed in range(400, 412):
        unary, pairwise = random_instance(seed)
        best = by_trying_everything(unary, pairwise, mode)
        for limit in (0.0, 1e-4, 0.02):
            found = solve(unary, pairwise, mode=mode, time_limit=limit)
            assert found.bound <= best + 1e-6 <= found.objective + 2e-6


@pytest.mark.parametrize("limit", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("mode", MODES)
def test_an_answer_cut_short_is_feasible_and_says_its_gap(limit, mode):
    rng = np.random.default_rng(3)
    unary, pairwise = rng.random((40, 3)), rng.random((40, 40, 3, 3))
    found = solve(unary, pairwise, mode=mode, time_limit=limit)
    assert faults(unary, pairwise, found.labels, found.joined, single=mode == "single", value=found.objective) == []
    assert found.status == "time limit"
    assert found.gap == found.objective - found.bound > 0


@pytest.mark.parametrize("mode", MODES)
def test_no_candidates_have_an_empty_answer(mode):
    found = solve(np.zeros((0, 14)), np.zeros((0, 0, 14, 14)), mode=mode)
    assert found.labels.shape == found.persons.shape == (0,)
    assert found.objective == found.bound == 0 and found.status == "optimal"


@pytest.mark.parametrize(("probability", "label", "value"), [(0.9, 0, -np.log(9)), (0.4, -1, 0.0), (1 / 255, -1, 0.0)])
def test_one_candidate_is_kept_where_it_is_more_likely_than_not(probability, label, value):
    found = solve(np.array([[probability]]), np.zeros((1, 1, 1, 1)))
    assert found.labels.tolist() == [label]
    assert found.objective == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("wrong", [np.nan, -0.1, 1.01, np.inf])
def test_probabilities_that_are_none_are_refused(wrong):
    for position in (0, 1):
        arrays = [array.copy() for array in instance_b()]
        arrays[position][(0, 1) if position == 0 else (0, 1, 0, 1)] = wrong
        with pytest.raises(DataError, match="expected 0 to 1"):
            solve(*arrays)


def test_pairs_that_do_not_count_may_hold_anything():
    unary, pairwise = instance_b()
    pairwise[np.tril_indices(3)] = np.nan
    assert solve(unary, pairwise).objective == pytest.approx(-8.262558973, abs=1e-9)


def test_shapes_that_do_not_fit_are_refused():
    unary, pairwise = instance_b()
    with pytest.raises(DataError, match="expected \\(3, 3, 3, 3\\)"):
        solve(unary, pairwise[:2])
    with pytest.raises(DataError, match="expected multi or single"):
        solve(unary, pairwise, mode="both")


def test_a_solver_that_fails_is_a_clear_error(monkeypatch):
    monkeypatch.setattr(highspy.Highs, "run", lambda self: highspy.HighsStatus.kError)
    with pytest.raises(SolverError, match="HiGHS"):
        solve(*instance_c())


def test_an_answer_that_breaks_a_constraint_is_never_returned(monkeypatch):
    def joins_all(problem, **_):
        chosen = problem.first[:-1]
        return Outcome(chosen, ~np.eye(len(chosen), dtype=bool), 0.0, 0.0, 1)

    monkeypatch.setattr(ilp, "optimise", joins_all)
    with pytest.raises(SolverError, match="forbidden pair"):
        solve(*instance_c())


@pytest.mark.parametrize("mode", MODES)
def test_a_candidate_has_one_class_however_many_rows_have_been_dropped(mode):
    """Rows of uniqueness are slack at first; were they dropped with the others, nothing would bring them back."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        problem = build(rng.random((9, 3)), rng.random((9, 9, 3, 3)), single=mode == "single")
        relaxation = Relaxation(problem, transitivity=True)
        for _ in range(5):
            relaxation.solve(60)
            relaxation.drop_slack()
            kept = np.bincount(problem.candidate, relaxation.values[: relaxation.states])
            assert kept.max() <= 1 + 1e-6
            relaxation.separate()
