"""The exact program: worked instances, brute force, what it refuses, and what it does when time is short."""

import pytest

from methods.ilp import solve
from methods.ilp_check import faults
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
