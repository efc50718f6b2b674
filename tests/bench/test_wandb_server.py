"""W&B the whole way: real runs, a real server that goes away, hangs and comes back; the record never suffers."""

import atexit
import os
import shlex
import signal
import time

import numpy as np
import pytest

from bench.prediction_files import read_joints
from bench.record import RunRecord
from bench.tracker import wandb_id
from tests.bench.conftest import TINY
from tests.bench.forked import Forked
from tests.bench.openwandb import KEY, PROJECT, Door, OpenWandb, wanted

pytestmark = [pytest.mark.slow, wanted]

EPOCHS = 8
WORDS = [{"3": str(EPOCHS), "16": "8"}.get(word, word) for word in TINY]  # samples
LIMIT = 240  # seconds in which a command must have ended, whatever the server does


@pytest.fixture
def server(tmp_path):
    server = OpenWandb(tmp_path / "server")
    yield server
    server.kill()


class Command:
    """One command of ours or of W&B's, as a process that ends as Python ends."""

    def __init__(self, log, url, function, key=KEY, **settings):
        self.log = log
        given = {"WANDB_BASE_URL": url, "WANDB_API_KEY": key, "WANDB_PROJECT": PROJECT, **settings}

        def work():
            os.environ.update(given)
            atexit._clear()  # what the testing process would do at its end
            code = function()
            atexit._run_exitfuncs()  # W&B's among them
            return code

        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
        self.began = time.monotonic()
        self.process = Forked(work, log)

    def said(self):
        return self.log.read_text()

    def until(self, words):
        deadline = time.monotonic() + LIMIT
        while words not in self.said():
            assert self.process.poll() is None and time.monotonic() < deadline, self.said()
            time.sleep(0.01)

    def send(self, number):
        os.kill(self.process.pid, number)

    def end(self):
        """Wait for the end within the limit; return the exit code."""
        while self.process.poll() is None:
            if time.monotonic() - self.began > LIMIT:
                self.process.kill()
                raise AssertionError(f"not over in {LIMIT} s: {self.said()}")
            time.sleep(0.05)
        print(f"{self.log.name}: {time.monotonic() - self.began:.1f} s, exit code {self.process.code}")
        return self.process.code


def cell(out, mode, url="", *, key=KEY, log="run.txt", method="simplebaseline", **settings):
    """Start one cell."""
    words = WORDS if method == "simplebaseline" else ["--data.train_limit", "8", "--data.test_limit", "4"]

    def work():
        from bench.__main__ import main

        return main(["run", "--method", method, "--wandb", mode, "--out", str(out), *words])

    return Command(out / log, url, work, key, **settings)


def sync(command, server):
    """Run the command that a run has printed as its last."""
    line = next(line for line in command.said().splitlines() if "wandb sync" in line)
    words = shlex.split(line[line.index("wandb sync") :])

    def work():
        from wandb.cli.cli import cli

        os.chdir(command.log.parent)  # where it leaves logs of its own
        return cli(words[1:], standalone_mode=False) or 0

    done = Command(command.log.with_name("sync.txt"), server.url, work)
    assert done.end() == 0, done.said()
    return done


def settle(command, server):
    """Upload what a run has left: W&B waits longer and longer between its attempts, we no longer than a limit."""
    if "wandb sync" in command.said():
        sync(command, server)


def result(out):
    """Return the record, its joints and its curve but for the seconds."""
    record = RunRecord.read(next((out / "runs").glob("*.json")))
    joints = read_joints(out / "runs" / record.predictions.path)
    curves = out / "runs" / record.id / "curves.csv"
    rows = [line.split(",") for line in curves.read_text().splitlines()] if curves.is_file() else []
    return record, joints, [[row[0], *row[2:]] for row in rows]


def same(out, calm):
    """Say that a record is the undisturbed one's, number for number; return it."""
    (one, joints, curve), (other, expected, undisturbed) = result(out), result(calm)
    assert one.id == other.id and one.metrics == other.metrics and curve == undisturbed
    np.testing.assert_array_equal(joints, expected)
    return one


def mirrored(server, record):
    """Say that the server has one run, which is finished and holds the record's numbers; return it."""
    (run,) = server.runs()
    assert (run["run_id"], run["state"]) == (wandb_id(record.id), "finished")
    assert run["summary"]["record"] == record.id
    for name, metric in record.metrics.items():
        assert run["summary"][f"test/{name}"] == pytest.approx(metric.value, abs=1e-9)
    assert run["config"]["cell"]["value"]["method"] == record.method
    assert any(name.startswith("media/images/people") for name in server.files(run["run_id"]))
    return run


def epochs(server, record, name="val/pck@0.2"):
    """Return the epochs of a curve, an epoch with two points twice."""
    return sorted(epoch for _, epoch, _ in server.curve(wandb_id(record.id), name))


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """The same cell without W&B."""
    out = tmp_path_factory.mktemp("calm")
    run = cell(out, "disabled")
    assert run.end() == 0, run.said()
    return out


def test_an_online_run_is_on_the_server_with_the_numbers_of_its_record(server, calm, tmp_path):
    run = cell(tmp_path / "out", "online", server.url)
    assert run.end() == 0, run.said()
    record = same(tmp_path / "out", calm)
    settle(run, server)
    assert record.wandb.mode == "online"
    assert mirrored(server, record)["tags"] == ["simplebaseline", "small", "synthetic"]
    assert epochs(server, record) == list(range(EPOCHS))


def test_an_offline_run_is_on_the_server_after_the_command_that_it_prints(server, calm, tmp_path):
    run = cell(tmp_path / "out", "offline", server.url)
    assert run.end() == 0, run.said()
    record = same(tmp_path / "out", calm)
    assert server.runs() == []
    sync(run, server)
    mirrored(server, record)
    assert epochs(server, record) == list(range(EPOCHS))


def test_a_server_that_goes_away_and_comes_back_costs_nothing(server, calm, tmp_path):
    run = cell(tmp_path / "out", "online", server.url)
    run.until("epoch   2")
    server.kill()
    run.until("epoch   5")
    run.send(signal.SIGSTOP)  # or the run would be over before the server is back
    server.start()
    run.send(signal.SIGCONT)
    assert run.end() == 0, run.said()
    record = same(tmp_path / "out", calm)
    settle(run, server)
    mirrored(server, record)
    assert epochs(server, record) == list(range(EPOCHS))


@pytest.mark.parametrize("leave", [OpenWandb.kill, OpenWandb.hang])
def test_a_server_that_stays_away_costs_only_the_mirror_until_it_is_synchronised(leave, server, calm, tmp_path):
    run = cell(tmp_path / "out", "online", server.url)
    run.until("epoch   2")
    leave(server)
    assert run.end() == 0, run.said()
    record = same(tmp_path / "out", calm)
    server.kill()
    server.start()
    sync(run, server)
    mirrored(server, record)
    assert epochs(server, record) == list(range(EPOCHS))


def test_a_wrong_key_leaves_the_run_offline_and_the_right_one_uploads_it(server, tmp_path):
    door, wrong = Door(server, KEY), "5ec2e7" * 7
    run = cell(tmp_path / "out", "auto", door.url, key=wrong, method="mean_pose")
    assert run.end() == 0, run.said()
    undisturbed = cell(tmp_path / "calm", "disabled", method="mean_pose")
    assert undisturbed.end() == 0, undisturbed.said()
    record = same(tmp_path / "out", tmp_path / "calm")
    assert record.wandb.mode == "offline" and door.refused and not door.asked
    assert "invalid key" in run.said() or "401" in run.said()  # W&B words it either way
    assert not any(wrong.encode() in path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    sync(run, server)
    mirrored(server, record)
    door.close()


@pytest.mark.parametrize("before", ["online", "offline"])
@pytest.mark.parametrize("after", ["online", "offline"])
def test_a_run_that_is_killed_and_goes_on_is_one_run(before, after, server, calm, tmp_path):
    first = cell(tmp_path / "out", before, server.url, log="first.txt")
    first.until("epoch   4")
    first.process.kill()
    went_on(tmp_path / "out", after, server, calm)


def test_epochs_that_a_killed_run_had_uploaded_are_there_once(server, calm, tmp_path):
    first = cell(tmp_path / "out", "online", server.url, log="first.txt", WANDB__FILE_STREAM_TRANSMIT_INTERVAL="0.1")
    first.until("epoch   6")
    first.send(signal.SIGSTOP)  # W&B's process goes on sending
    deadline = time.monotonic() + LIMIT
    while not uploaded(server):
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.1)
    first.process.kill()
    went_on(tmp_path / "out", "online", server, calm)


def uploaded(server):
    return any(server.curve(run["run_id"], "train/loss") for run in server.runs())


def went_on(out, mode, server, calm):
    """Go on with a killed run: the server has one run, each epoch once, and the record is the undisturbed one."""
    second = cell(out, mode, server.url, log="second.txt")
    assert second.end() == 0 and "going on from" in second.said(), second.said()
    record = same(out, calm)
    settle(second, server)
    mirrored(server, record)
    for name in ("val/pck@0.2", "train/loss"):
        assert epochs(server, record, name) == list(range(EPOCHS))


def test_the_mirror_is_rebuilt_from_records_alone_and_twice_is_one_run(server, calm, tmp_path):
    for name in ("first", "again"):
        done = report(calm, tmp_path / name, server.url)
        assert done.end() in (0, 2), done.said()
        told = done.said()
        assert (tmp_path / name / "table.md").is_file() and ("W&B report: " in told or "[report]" in told), told
        settle(done, server)
        record, _, curve = result(calm)
        mirrored(server, record)
        column = curve[0].index("val/pck@0.2")
        points = sorted((epoch, value) for _, epoch, value in server.curve(wandb_id(record.id), "val/pck@0.2"))
        assert points == [(int(row[0]) - 1, pytest.approx(float(row[column]))) for row in curve[1:]]


def report(results, out, url):
    """Start `bench report --wandb online`."""

    def work():
        from bench.__main__ import main

        return main(["report", "--results", str(results), "--out", str(out), "--wandb", "online"])

    return Command(out / "report.txt", url, work)
