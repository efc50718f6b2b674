"""Long trainings: every trained method against the mean pose, as `make test-slow` runs them."""

import pytest

from bench.config import resolve
from bench.record import RunRecord
from bench.run import Tracking, run
from methods import METHODS

MARGIN = 20.0  # points of PCK@0.2 on `synthetic`, within five minutes of two cores
SEVERAL = [name for name, method in METHODS.items() if method.people == "multi"]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in METHODS if name not in ("mean_pose", *SEVERAL)])
def test_a_trained_method_is_well_above_the_floor(name, tmp_path):
    values = {}
    for method in ("mean_pose", name):
        path = run(resolve(method, "small", "synthetic"), tmp_path, Tracking("disabled"), say=print)
        record = RunRecord.read(path)
        values[method] = record.metrics["pck@0.2"].value
    assert values[name] >= values["mean_pose"] + MARGIN


@pytest.mark.slow
@pytest.mark.parametrize("name", SEVERAL)
def test_a_method_of_several_people_is_above_the_floor_in_true_boxes(name, tmp_path):
    values = {}
    for method in ("mean_pose", name):
        cell = resolve(method, "small", "synthetic-multi", budget="10m" if method == name else None)
        values[method] = RunRecord.read(run(cell, tmp_path, Tracking("disabled"), say=print)).metrics["ap50"].ci95
    assert values[name][0] > values["mean_pose"][1], "their 95 % intervals do not touch"
