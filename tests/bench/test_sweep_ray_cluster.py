"""A sweep on a real Ray cluster of two nodes on this machine: one node is lost in the middle."""

import contextlib
import socket
import tempfile
import time
from importlib.util import find_spec
from multiprocessing import Pipe
from pathlib import Path

import pytest

from bench.sweep import make_plan
from tests.bench.forked import Forked
from tests.bench.test_sweep_killed import runner, same, sweep_file

pytestmark = pytest.mark.slow
LOOPBACK = "127.0.0.2"  # Ray takes 127.0.0.1 to mean the machine's address on its network
EPOCHS, SEEDS = 40, [0, 1]  # the loss itself takes as long as several epochs
PATIENCE = 600  # seconds until a test gives up waiting


def ports():
    """Choose free ports for what a node starts beside itself; else it waits for them to report theirs."""
    names = ("metrics_agent_port", "runtime_env_agent_port", "dashboard_agent_listen_port", "metrics_export_port")
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in names]
        for one in sockets:
            one.bind((LOOPBACK, 0))
        return {name: one.getsockname()[1] for name, one in zip(names, sockets, strict=True)}


class Nodes:
    """Ray's own test cluster, in a process that is told by a pipe what to do; two nodes of one core each."""

    def __init__(self, folder):
        self.here, there = Pipe()
        self.log = folder / "nodes.txt"
        self.process = Forked(lambda: self._serve(there), self.log)
        there.close()
        self.address, self.raylet = self._answer()

    @staticmethod
    def _serve(orders):
        from ray.cluster_utils import Cluster

        cluster = Cluster()
        try:
            one = {"num_cpus": 1, "node_ip_address": LOOPBACK, "include_dashboard": False}
            cluster.add_node(**one, **ports())
            second = cluster.add_node(**one, **ports())
            raylet = next(iter(second.all_processes["raylet"])).process.pid
            orders.send((cluster.address, raylet))
            while (order := orders.recv()) != "end":
                assert order == "lose"
                cluster.remove_node(second, allow_graceful=False)
                orders.send("lost")
        finally:
            cluster.shutdown()

    def lose(self):
        """Lose the second node."""
        self.here.send("lose")
        assert self._answer() == "lost"

    def _answer(self):
        try:
            assert self.here.poll(PATIENCE), self.log.read_text()
            return self.here.recv()
        except EOFError as error:
            raise AssertionError(self.log.read_text()) from error

    def end(self):
        self.here.send("end")
        self.process.wait()


@pytest.fixture
def nodes(tmp_path, monkeypatch):
    if find_spec("ray") is None:  # not imported: a fork of this process does that
        pytest.skip("Ray is not installed: pip install -e '.[ray]'")
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as short:  # paths of sockets are short
        Path(short, "ray").mkdir()
        for name, value in {"TMPDIR": short, "USAGE_STATS_ENABLED": "0", "worker_niceness": "0"}.items():
            monkeypatch.setenv(f"RAY_{name}", value)
        made = Nodes(tmp_path)
        yield made
        made.end()


def descendants(pid):
    """List the processes under one."""
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [*children, *(below for child in children for below in descendants(child))]


def words(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return []


def in_the_middle(raylet, out, process):
    """Wait until a node is training and has a checkpoint; return the folder of its cell."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        for given in map(words, descendants(raylet)):
            if "simplebaseline" in given:
                seed = given[given.index("--seed") + 1]
                (folder,) = (out / "runs").glob(f"simplebaseline-*--s{seed}--*/")
                if (folder / "last.ckpt").is_file():
                    return folder
        time.sleep(0.02)
    raise AssertionError((out / "runner.txt").read_text())


@pytest.fixture
def calm(tmp_path):
    """The records of an undisturbed sweep on this machine, without Ray."""
    path = sweep_file(tmp_path, SEEDS, EPOCHS)
    process = runner(path, tmp_path / "calm")
    assert process.wait() == 0, (tmp_path / "calm" / "runner.txt").read_text()
    return path, tmp_path / "calm"


def test_a_sweep_that_loses_a_node_gives_the_records_of_an_undisturbed_one(tmp_path, nodes, calm):
    path, out = calm[0], tmp_path / "ray"
    process = runner(path, out, ray=nodes.address)
    folder = in_the_middle(nodes.raylet, out, process)
    nodes.lose()
    assert process.wait() == 0, (out / "runner.txt").read_text()
    assert "going on from" in (folder / "log.txt").read_text()
    same(calm[1], out, cells=1 + len(SEEDS), epochs=EPOCHS)
    assert not make_plan(path, out, wandb="disabled").missing
