"""Cells and runner, killed at random moments: the same sweep again finishes the rest, with the same numbers."""

import os
import random
import shlex
import signal
import time

import numpy as np
import pytest

from bench.prediction_files import read_joints
from bench.record import RunRecord
from bench.sweep import make_plan, run_sweep
from tests.bench.conftest import TINY
from tests.bench.forked import Forked, begin_forked

TINIER = [{"16": "8"}.get(word, word) for word in TINY]  # samples
GRID = """
grids:
  - methods: mean_pose
    overrides: {{data.train_limit: 8, data.test_limit: 4, data.workers: 0}}
  - methods: simplebaseline
    seeds: {seeds}
    overrides: {{{options}}}
"""


def sweep_file(folder, seeds, epochs=3):
    chosen = dict(zip(TINIER[::2], TINIER[1::2], strict=True)) | {"--trainer.max_epochs": epochs}
    options = ", ".join(f"{name[2:]}: {value}" for name, value in chosen.items())
    path = folder / "tiny.yaml"
    path.write_text(GRID.format(seeds=seeds, options=options))
    return path


def runner(path, out, ray=None):
    """Start a runner in a process of its own."""
    out.mkdir(exist_ok=True)

    def work():
        planned = make_plan(path, out, wandb="disabled")
        jobs = run_sweep(planned, workers=2, ray=ray, say=print, begin=begin_forked)
        return 0 if all(job.state == "done" for job in jobs) else 1

    return Forked(work, out / "runner.txt")


def disturb(process, out, rng, longest):
    """Wait for a random moment, then kill a running cell, the runner, or first one and then the other."""
    deadline = time.monotonic() + rng.uniform(0.05, 1.0) * longest
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    whom = rng.choice(["cell", "runner", "both"])
    alive = [int(path.read_text()) for path in out.glob("runs/*/pid") if path.read_text()]
    alive = [pid for pid in alive if os.path.exists(f"/proc/{pid}")]  # noqa: PTH110
    if whom != "runner" and alive and process.poll() is None:
        os.kill(rng.choice(alive), signal.SIGKILL)
        time.sleep(rng.uniform(0, 0.5))
    if process.poll() is None:
        process.kill()
    return whom


def contents(out):
    """What a set of records says: cells, numbers, and the predictions themselves."""
    found = {}
    for path in sorted((out / "runs").glob("*.json")):
        record = RunRecord.read(path)
        assert record.id == path.stem
        joints = read_joints(path.parent / record.predictions.path)
        found[record.id] = (record.config, {k: m.model_dump() for k, m in record.metrics.items()}, joints)
    return found


def check(tmp_path, moments, seeds, seed):
    path = sweep_file(tmp_path, seeds)
    began = time.monotonic()
    calm = runner(path, tmp_path / "calm")
    assert calm.wait() == 0, (tmp_path / "calm" / "runner.txt").read_text()
    longest, out, rng = time.monotonic() - began, tmp_path / "killed", random.Random(seed)
    for _ in range(moments):
        disturb(runner(path, out), out, rng, longest)
    assert runner(path, out).wait() == 0, (out / "runner.txt").read_text()
    same(tmp_path / "calm", out, cells=1 + len(seeds), epochs=3)


def same(calm, out, *, cells, epochs):
    """Hold two results folders against each other: cells, numbers, predictions, and no epoch twice."""
    one, other = contents(calm), contents(out)
    assert one.keys() == other.keys() and len(one) == cells
    for name in one:
        assert one[name][:2] == other[name][:2], name
        np.testing.assert_array_equal(one[name][2], other[name][2])
        curves = [folder / "runs" / name / "curves.csv" for folder in (calm, out)]
        lines = [len(curve.read_text().splitlines()) if curve.is_file() else None for curve in curves]
        assert lines == [None if name.startswith("mean_pose") else 1 + epochs] * 2
    assert not list(out.rglob("*.broken"))


def test_killed_at_three_moments_a_sweep_gives_the_records_of_an_undisturbed_one(tmp_path):
    check(tmp_path, moments=3, seeds=[0], seed=0)


@pytest.mark.slow
def test_killed_at_thirty_moments_a_sweep_gives_the_records_of_an_undisturbed_one(tmp_path):
    for seed in range(10):
        folder = tmp_path / str(seed)
        folder.mkdir()
        check(folder, moments=3, seeds=[0, 1], seed=seed)


def test_what_a_dry_run_prints_runs_as_it_is(tmp_path):
    """A command of a dry run is given to the shell's own splitting, and leaves the record that the plan waits for."""
    path, out = sweep_file(tmp_path, [0]), tmp_path / "out"
    lines = make_plan(path, out, wandb="disabled").lines()
    assert len(lines) == 2
    words = shlex.split(lines[0])
    assert words[1:4] == ["-m", "bench", "run"]
    out.mkdir()
    assert begin_forked_and_wait(words, out) == 0, (out / "log.txt").read_text()
    again = make_plan(path, out, wandb="disabled")
    assert [cell.id.split("-")[0] for cell in again.done] == ["mean_pose"] and len(again.missing) == 1


def begin_forked_and_wait(words, folder):
    return begin_forked(words, folder / "log.txt", {}).wait()
