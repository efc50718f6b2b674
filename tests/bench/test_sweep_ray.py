"""A sweep on Ray, with a Ray that is not there: what it is given, and what a lost node costs."""

import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from bench.cell_process import run_cell
from bench.errors import UserError
from bench.jobs import job_of
from bench.plan import Planned
from bench.ray_workers import run_on_ray


class Cluster:
    """As much of Ray as the runner asks for; a task ends when it is waited for."""

    class exceptions:
        class RayError(Exception):
            """Any."""

    def __init__(self, out, record, *, gpus=0, lost=()):
        self.out, self.record, self.gpus, self.lost = out, record, gpus, list(lost)
        self.asked, self.names, self.environments, self.closed = [], {}, {}, False

    def init(self, address, **_):
        if address == "nowhere":
            raise ConnectionError("no\nanswer")

    def cluster_resources(self):
        return {"CPU": 1, "GPU": self.gpus}

    def remote(self, function):
        def options(**resources):
            def submit(command, log, folder, environment):
                name = log.split("/")[-2]
                self.environments[name] = environment
                self.asked.append((name, resources["num_cpus"], resources["num_gpus"], resources["max_retries"]))
                future = object()
                self.names[future] = name
                return future

            return SimpleNamespace(remote=submit)

        return SimpleNamespace(options=options)

    def wait(self, futures, **_):
        return futures[:1], futures[1:]

    def get(self, future):
        name = self.names[future]
        if name in self.lost:
            self.lost.remove(name)
            raise self.exceptions.RayError("the node is gone")
        self.record.model_copy(update={"id": name}).write(self.out / "runs")
        return 0

    def cancel(self, future, force):
        raise AssertionError("nothing is left to cancel")

    def shutdown(self):
        self.closed = True


def go(monkeypatch, cluster, cells, retries=1):
    monkeypatch.setitem(sys.modules, "ray", cluster)
    monkeypatch.setattr("bench.ray_workers.POLL_SECONDS", 0.001)
    jobs = [job_of(cell, cluster.out) for cell in cells]
    run_on_ray(jobs, cluster.out, address="auto", retries=retries, watch=lambda _: None)
    return jobs


def test_each_cell_asks_for_what_it_needs_and_ray_never_retries_by_itself(monkeypatch, tmp_path, record):
    cluster = Cluster(tmp_path, record, gpus=2)
    cells = [Planned("a", ("run",)), Planned("b", ("run",), cpus=4, gpus=0), Planned("c", ("run",), gpus=1)]
    jobs = go(monkeypatch, cluster, cells)
    assert all(job.state == "done" for job in jobs) and cluster.closed
    assert cluster.asked == [("a", 1, 1, 0), ("b", 4, 0, 0), ("c", 1, 1, 0)]


def test_cells_of_a_lost_node_are_run_again(monkeypatch, tmp_path, record):
    cluster = Cluster(tmp_path, record, lost=["b"])
    jobs = go(monkeypatch, cluster, [Planned(name, ("run",)) for name in "abc"])
    assert [job.state for job in jobs] == ["done"] * 3
    assert sorted(name for name, *_ in cluster.asked) == ["a", "b", "b", "c"]
    gone = Cluster(tmp_path / "two", record, lost=["b", "b"])
    (job,) = go(monkeypatch, gone, [Planned("b", ("run",))])
    assert (job.state, job.attempts) == ("failed", 2)


def test_a_lost_node_is_named_as_the_reason(monkeypatch, tmp_path, record):
    (job,) = go(monkeypatch, Cluster(tmp_path, record, lost=["b"]), [Planned("b", ("run",))], retries=0)
    assert (job.state, job.reason) == ("failed", "RayError: the node is gone")


def test_a_cell_has_its_share_of_the_node_and_the_settings_of_the_sweep(monkeypatch, tmp_path, record):
    """Ray's workers have the environment of their node, and leave all its GPUs visible where none was asked for."""
    monkeypatch.setenv("POSE_DATA", "/data")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("SECRET", "kept here")
    cluster = Cluster(tmp_path, record, gpus=1)
    go(monkeypatch, cluster, [Planned("a", ("run",), cpus=3), Planned("b", ("run",), gpus=0)])
    shared = {"POSE_DATA": "/data", "WANDB_MODE": "offline"}
    assert cluster.environments["a"] == shared | {"OMP_NUM_THREADS": "3"}
    assert cluster.environments["b"] == shared | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def test_cells_keep_to_gpus_when_the_node_that_had_them_is_gone(monkeypatch, tmp_path, record):
    """None of them is trained on a processor instead, without a word."""
    cluster = Cluster(tmp_path, record, gpus=1)
    found = [{"CPU": 1, "GPU": 1}]
    monkeypatch.setattr(cluster, "cluster_resources", lambda: found.pop() if found else {"CPU": 1})
    go(monkeypatch, cluster, [Planned("a", ("run",)), Planned("b", ("run",))])
    assert [gpus for _, _, gpus, _ in cluster.asked] == [1, 1]


def test_a_worker_starts_a_cell_in_the_checkout_and_returns_its_code(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path.parent)
    script = "import os; print(os.getcwd(), os.environ['GIVEN'], os.environ['HOME']); raise SystemExit(3)"
    monkeypatch.setenv("HOME", "the node's")
    code = run_cell([sys.executable, "-c", script], "log.txt", str(tmp_path), {"GIVEN": "along"})
    assert code == 3 and (tmp_path / "log.txt").read_text() == f"{tmp_path} along the node's\n"


def test_a_worker_needs_nothing_heavy_to_start_a_cell():
    script = "import sys, bench.cell_process; print(sorted({'torch', 'ray', 'numpy', 'methods'} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_an_address_where_nobody_listens_is_answered_before_ray_waits(monkeypatch, tmp_path, record):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    cluster = Cluster(tmp_path, record)
    monkeypatch.setattr(cluster, "init", lambda **_: pytest.fail("Ray was asked"))
    monkeypatch.setitem(sys.modules, "ray", cluster)
    with pytest.raises(UserError, match=f"--ray 127.0.0.1:{port}: no cluster .*refused"):
        run_on_ray([], tmp_path, address=f"127.0.0.1:{port}", retries=0, watch=print)


def test_no_ray_and_no_cluster_are_answered_in_one_line(monkeypatch, tmp_path, record):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install -e '.\[ray\]'"):
        run_on_ray([], tmp_path, address="auto", retries=0, watch=print)
    monkeypatch.setitem(sys.modules, "ray", Cluster(tmp_path, record))
    with pytest.raises(UserError, match="--ray nowhere: no cluster") as error:
        run_on_ray([], tmp_path, address="nowhere", retries=0, watch=print)
    assert "\n" not in str(error.value)
