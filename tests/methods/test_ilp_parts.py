"""Around the exact program: costs, the program written out, the validator, greedy and local search, stages."""

from itertools import pairwise as neighbours

import numpy as np
import pytest

from data.types import DataError
from methods.ilp import solve, solve_greedy, solve_local
from methods.ilp_check import faults, objective
from methods.ilp_costs import build
from methods.ilp_full import write
from methods.ilp_stages import DEEPERCUT_STAGES, solve_stages
from tests.methods.ilp_instances import (
    WORKED,
    by_trying_everything,
    instance_a,
    instance_b,
    instance_c,
    random_instance,
)


def test_cost_is_the_log_odds_and_small_probabilities_are_impossible():
    problem = build(np.array([[0.9, 1 / 255], [0.5, 0.004]]), np.full((2, 2, 2, 2), 0.5), single=False)
    assert problem.candidate.tolist() == [0, 1, 1]
    assert problem.label.tolist() == [0, 0, 1]
    assert problem.cost[:2] == pytest.approx([-2.1972245773, 0], abs=1e-9)


@pytest.mark.parametrize(
    ("instance", "size"), [(instance_a(), (8, 6, 24)), (instance_b(), (9, 3, 27)), (instance_c(), (18, 15, 65))]
)
def test_model_has_the_variables_of_the_specification(instance, size):
    program = write(build(*instance, single=False))
    assert (len(program.x[0]), len(program.y[0]), len(program.z[0])) == size


def test_model_has_three_transitivity_rows_a_triple():
    problem = build(*instance_c(), single=False)
    rows = len(write(problem).upper) - len(write(problem, transitivity=False).upper)
    assert rows == 3 * 20


@pytest.fixture
def answer():
    """A's optimum: labels 0 1 0 1, persons {0, 1}, {2, 3}."""
    joined = np.zeros((4, 4), bool)
    joined[[0, 1, 2, 3], [1, 0, 3, 2]] = True
    return np.array([0, 1, 0, 1]), joined


def test_validator_accepts_the_optimum(answer):
    assert faults(*instance_a(), *answer, single=False, value=-10.097243487) == []
    assert objective(*instance_a(), *answer) == pytest.approx(-10.097243487, abs=1e-9)


def _pair(joined, d, e, value=True):
    joined[d, e] = joined[e, d] = value


def _broken(kind, unary, pairwise, labels, joined):
    """Break one constraint; return what the validator must say."""
    if kind == "coupling":
        labels[1] = -1
    elif kind == "transitivity":
        _pair(joined, 1, 2)
    elif kind == "hard zero":
        unary[2, 0] = 1 / 255
    elif kind == "forbidden pair":
        pairwise[0, 1, 0, 1] = 1 / 255
    elif kind == "symmetric":
        joined[0, 1] = False
    elif kind == "labels":
        labels[0] = 2
    return kind


@pytest.mark.parametrize("kind", ["coupling", "transitivity", "hard zero", "forbidden pair", "symmetric", "labels"])
def test_validator_catches(kind, answer):
    unary, pairwise = instance_a()
    expected = _broken(kind, unary, pairwise, *answer)
    assert any(expected in fault for fault in faults(unary, pairwise, *answer, single=False))


def test_validator_catches_two_people_in_single_mode(answer):
    assert any("single person" in fault for fault in faults(*instance_a(), *answer, single=True))


def test_validator_catches_a_wrong_objective(answer):
    assert any("objective" in fault for fault in faults(*instance_a(), *answer, single=False, value=-10.0972))


def test_validator_catches_arrays_of_another_size(answer):
    assert faults(*instance_a(), answer[0][:3], answer[1], single=False)


@pytest.mark.parametrize("heuristic", [solve_greedy, solve_local])
@pytest.mark.parametrize("mode", ["multi", "single"])
def test_a_heuristic_is_feasible_and_never_below_the_optimum(heuristic, mode):
    for seed in range(500, 530):
        unary, pairwise = random_instance(seed)
        best = by_trying_everything(unary, pairwise, mode)
        found = heuristic(unary, pairwise, mode=mode, bound=best)
        assert found.gap == pytest.approx(found.objective - best, abs=1e-9)
        assert found.gap >= -1e-9
        assert heuristic(unary, pairwise, mode=mode).bound <= best + 1e-9
        options = {"single": mode == "single", "value": found.objective}
        assert faults(unary, pairwise, found.labels, found.joined, **options) == []


def test_local_search_is_never_worse_than_greedy():
    for seed in range(600, 620):
        instance = random_instance(seed)
        assert solve_local(*instance).objective <= solve_greedy(*instance).objective + 1e-9


@pytest.mark.parametrize("name", WORKED)
def test_local_search_finds_the_worked_optima(name):
    instance, mode, optimum, _, _ = WORKED[name]
    assert solve_local(*instance, mode=mode).objective == pytest.approx(optimum, abs=1e-9)


@pytest.mark.parametrize("mode", ["multi", "single"])
def test_stages_are_feasible_and_never_below_the_optimum(mode):
    for seed in range(700, 720):
        unary, pairwise = random_instance(seed)
        classes = unary.shape[1]
        stages = [range(k + 1) for k in range(classes)]
        found = solve_stages(unary, pairwise, stages=stages, mode=mode)
        assert faults(unary, pairwise, found.labels, found.joined, single=mode == "single") == []
        assert found.objective >= by_trying_everything(unary, pairwise, mode) - 1e-9
        if mode == "single":
            assert found.persons.max() <= 0


def test_one_stage_of_all_classes_is_the_exact_program():
    for seed in range(800, 815):
        unary, pairwise = random_instance(seed)
        found = solve_stages(unary, pairwise, stages=[range(unary.shape[1])])
        assert found.objective == pytest.approx(solve(unary, pairwise).objective, abs=1e-9)


def test_what_a_stage_decided_is_unchanged_by_those_after_it():
    """The first k stages alone are run by leaving the later candidates out."""
    rng = np.random.default_rng(2)
    for _ in range(5):
        unary, pairwise = np.eye(3)[np.arange(12) % 3] * rng.uniform(0.3, 0.9, (12, 1)), rng.random((12, 12, 3, 3))
        stages = [(0,), (0, 1), (0, 1, 2)]
        answers = []
        for k in range(1, 4):
            shown = unary.copy()
            shown[:, k:] = 0
            known = np.flatnonzero(shown.any(1))
            found = solve_stages(shown[known], pairwise[np.ix_(known, known)], stages=stages)
            labels, joined = np.full(12, -1), np.zeros((12, 12), bool)
            labels[known], joined[np.ix_(known, known)] = found.labels, found.joined
            answers.append((labels, joined))
        for k, (before, after) in enumerate(neighbours(answers)):
            decided = np.flatnonzero((before[0] >= 0) & (after[0] >= 0))
            assert (before[0][decided] == after[0][decided]).all()
            assert (before[1][np.ix_(decided, decided)] == after[1][np.ix_(decided, decided)]).all()
            earlier = np.arange(12) % 3 <= k
            assert (after[0][earlier & (before[0] < 0)] == -1).all()


def test_stages_solve_the_third_instance():
    unary, pairwise = instance_c()
    found = solve_stages(unary, pairwise, stages=[(0,), (0, 1), (0, 1, 2)])
    assert faults(unary, pairwise, found.labels, found.joined, single=False, value=found.objective) == []
    assert found.objective >= -24.579243520 - 1e-9


def test_stages_of_deepercut_grow_from_head_and_shoulders():
    head_and_shoulders, with_arms, everything = map(set, DEEPERCUT_STAGES)
    assert head_and_shoulders == {8, 9, 12, 13}
    assert with_arms - head_and_shoulders == {6, 7, 10, 11}
    assert everything == set(range(14))


def test_stages_that_lose_a_class_are_refused():
    with pytest.raises(DataError, match="stage 2"):
        solve_stages(*instance_c(), stages=[(0, 1), (1, 2)])
    with pytest.raises(DataError, match="expected all 3"):
        solve_stages(*instance_c(), stages=[(0,), (0, 1)])
