"""A sweep on Ray, with a Ray that is not there: what it is given, and what a lost node costs."""

import sys
from types import SimpleNamespace

import pytest

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
        self.asked, self.names, self.closed = [], {}, False

    def init(self, address, **_):
        if address == "nowhere":
            raise ConnectionError("no\nanswer")

    def cluster_resources(self):
        return {"CPU": 1, "GPU": self.gpus}

    def remote(self, function):
        def options(**resources):
            def submit(command, log, folder, cpus):
                name = log.split("/")[-2]
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


def test_no_ray_and_no_cluster_are_answered_in_one_line(monkeypatch, tmp_path, record):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install -e '.\[ray\]'"):
        run_on_ray([], tmp_path, address="auto", retries=0, watch=print)
    monkeypatch.setitem(sys.modules, "ray", Cluster(tmp_path, record))
    with pytest.raises(UserError, match="--ray nowhere: no cluster") as error:
        run_on_ray([], tmp_path, address="nowhere", retries=0, watch=print)
    assert "\n" not in str(error.value)
