"""The local runner, with processes that are not there: how many at a time, whose GPU, what is tried again."""

import json
from collections import Counter
from types import SimpleNamespace

import pytest
from filelock import FileLock

from bench import jobs as jobs_module
from bench.board import table
from bench.errors import UserError
from bench.jobs import job_of
from bench.plan import Planned
from bench.sweep import document, failure
from bench.workers import devices, run_here


class Acted:
    """Processes that end after some polls, and write their record or not."""

    def __init__(self, out, record, *, codes=None, polls=3):
        self.out, self.record, self.codes, self.polls = out, record, dict(codes or {}), polls
        self.started, self.running, self.most, self.clashes = [], {}, 0, 0

    def __call__(self, command, log, environment):
        name = log.parent.name
        device, attempt = environment["CUDA_VISIBLE_DEVICES"], sum(n == name for n, _, _ in self.started)
        self.started.append((name, device, environment.get("OMP_NUM_THREADS")))
        self.clashes += bool(device) and device in self.running.values()
        self.running[name] = device
        self.most = max(self.most, len(self.running))
        codes = self.codes.get(name, [0])
        code, left = codes[min(attempt, len(codes) - 1)], [self.polls]

        def poll():
            left[0] -= 1
            if left[0] > 0:
                return None
            self.running.pop(name, None)
            if code == 0:
                self.record.model_copy(update={"id": name}).write(self.out / "runs")
            else:
                log.write_text("Traceback\nerror: the disk is full\n")
            return code

        return SimpleNamespace(pid=2**22 + 1, poll=poll)  # above the largest pid: nobody is ever killed


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("bench.workers.POLL_SECONDS", 0.001)
    monkeypatch.setattr(jobs_module, "AGAIN_SECONDS", 0.05)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def cells(count, **needs):
    return [Planned(f"cell{i}", ("run",), **needs) for i in range(count)]


def go(planned, acted, *, workers=2, gpus=(), retries=1):
    todo = [job_of(cell, acted.out) for cell in planned]
    run_here(todo, acted.out, workers=workers, gpus=gpus, retries=retries, watch=lambda _: None, begin=acted)
    return todo


def test_gpus_are_handed_out_one_by_one_and_come_back(tmp_path, record):
    acted = Acted(tmp_path, record)
    done = go(cells(7), acted, workers=3, gpus=["4", "6"])
    assert all(job.state == "done" for job in done)
    assert acted.clashes == 0 and acted.most == 2, "a third worker has no device to work on"
    assert {device for _, device, _ in acted.started} == {"4", "6"}


def test_cells_without_a_gpu_use_the_other_workers(tmp_path, record):
    acted = Acted(tmp_path, record)
    mixed = [Planned("a", ("run",), gpus=1), Planned("b", ("run",), gpus=1), Planned("c", ("run",), gpus=0)]
    go(mixed, acted, workers=2, gpus=["0"])
    assert {name: device for name, device, _ in acted.started} == {"a": "0", "b": "0", "c": ""}
    assert [name for name, _, _ in acted.started][:2] == ["a", "c"] and acted.clashes == 0


def test_a_cell_that_needs_a_gpu_is_refused_where_there_is_none(tmp_path, record):
    with pytest.raises(UserError, match="no GPU here"):
        go(cells(1, gpus=1), Acted(tmp_path, record))


def test_visible_devices_are_the_ones_to_hand_out(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-abc,")
    assert devices() == ["3", "GPU-abc"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert devices() == []


def test_never_more_processes_than_workers_and_cores_are_shared(tmp_path, record, monkeypatch):
    monkeypatch.setattr("bench.workers.os.cpu_count", lambda: 8)
    acted = Acted(tmp_path, record)
    go([*cells(5), Planned("own", ("run",), cpus=3)], acted, workers=4)
    assert acted.most == 4
    assert Counter(threads for _, _, threads in acted.started) == {"2": 5, "3": 1}


def test_a_failure_is_tried_again_and_a_mistake_is_not(tmp_path, record):
    acted = Acted(tmp_path, record, codes={"cell0": [1, 0], "cell1": [-9, 1, 1], "cell2": [2]})
    one, two, three = go(cells(3), acted, retries=1)
    assert (one.state, one.attempts) == ("done", 2)
    assert (two.state, two.attempts, two.reason) == ("failed", 2, "the disk is full")
    assert (three.state, three.attempts) == ("failed", 1)
    text = str(failure([one, two, three]))
    assert text.startswith("2 of 3 cells failed: cell1 (the disk is full; ") and "\n" not in text
    assert failure([one]) is None


def test_a_killed_cell_says_by_what(tmp_path, record):
    (job,) = go(cells(1), Acted(tmp_path, record, codes={"cell0": [-9]}), retries=0)
    assert job.reason == "killed by SIGKILL"


def test_a_process_that_ends_well_without_a_record_has_failed(tmp_path, record):
    acted = Acted(tmp_path, record)
    acted.record = SimpleNamespace(model_copy=lambda update: SimpleNamespace(write=lambda folder: None))
    (job,) = go(cells(1), acted, retries=0)
    assert job.state == "failed" and "without a record" in job.reason


def test_a_cell_that_another_process_holds_is_waited_for(tmp_path, record):
    """Its record appears when the other is done; nothing is started here."""
    folder = tmp_path / "runs" / "cell0"
    folder.mkdir(parents=True)
    acted, looks = Acted(tmp_path, record), []
    lock = FileLock(folder / ".lock")
    lock.acquire()

    def watch(todo):
        looks.append(todo[0].state)
        if len(looks) == 5:
            record.model_copy(update={"id": "cell0"}).write(tmp_path / "runs")
            lock.release()

    todo = [job_of(cell, tmp_path) for cell in cells(1)]
    run_here(todo, tmp_path, workers=1, gpus=(), retries=0, watch=watch, begin=acted)
    assert "elsewhere" in looks and todo[0].state == "done" and not acted.started


def test_the_live_table_shows_what_runs_and_why_something_failed(tmp_path, record):
    todo = go(cells(2), Acted(tmp_path, record, codes={"cell1": [2]}))
    made = table(todo, have_records=5)
    assert "1 done" in made.title and "1 failed" in made.title and "5 had a record" in made.title
    assert list(made.columns[0].cells) == ["cell1"]


def test_the_document_lists_every_cell(tmp_path, record):
    todo = go(cells(2), Acted(tmp_path, record, codes={"cell1": [2]}))
    planned = SimpleNamespace(out=tmp_path, done=(Planned("old", ("run",)),), sweep=SimpleNamespace(name="s"))
    made = json.loads(json.dumps(document(planned, todo)))
    assert [(cell["id"], cell["state"]) for cell in made["cells"]] == [
        *(("old", "had a record"), ("cell0", "done"), ("cell1", "failed"))
    ]
