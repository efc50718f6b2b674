"""Long trainings: every trained method against the mean pose, as `make test-slow` runs them."""

import pytest

from bench.config import resolve
from bench.record import RunRecord
from bench.run import Tracking, run
from methods import METHODS

MARGIN = 20.0  # points of PCK@0.2 on `synthetic`, within five minutes of two cores


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in METHODS if name != "mean_pose"])
def test_a_trained_method_is_well_above_the_floor(name, tmp_path):
    values = {}
    for method in ("mean_pose", name):
        path = run(resolve(method, "small", "synthetic"), tmp_path, Tracking("disabled"), say=print)
        record = RunRecord.read(path)
        values[method] = record.metrics["pck@0.2"].value
    assert values[name] >= values["mean_pose"] + MARGIN
