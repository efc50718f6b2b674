"""A sweep on this machine: so many cells at a time, each its own process, each on a GPU of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from bench.cell_process import end_with_parent
from bench.errors import UserError
from bench.jobs import TAKEN, Job, held, settle
from bench.plan import recorded

POLL_SECONDS = 0.1  # default: between two looks at the processes
PATIENCE = 20.0  # default: seconds that a cell has to end by itself after Ctrl-C


class Process(Protocol):
    """What is needed of `subprocess.Popen`."""

    pid: int

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""


Start = Callable[[list[str], Path, Mapping[str, str]], Process]  # (command, log, environment) -> process
Watch = Callable[[Sequence[Job]], None]


def devices() -> list[str]:
    """List the GPUs to hand out, as CUDA_VISIBLE_DEVICES names them."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip()]
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]


def start(command: list[str], log: Path, environment: Mapping[str, str]) -> Process:
    """Start a cell in a session of its own; all that it says goes into its log."""
    with log.open("ab") as file:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,
            preexec_fn=end_with_parent,
        )


def run_here(
    jobs: Sequence[Job],
    out: Path,
    *,
    workers: int,
    gpus: Sequence[str],
    retries: int,
    watch: Watch,
    begin: Start = start,
) -> None:
    """Run every job to its end.

    Args:
        jobs: what to do, in this order.
        out: the results folder.
        workers: processes at a time.
        gpus: devices to hand out, one to each cell that takes one.
        retries: attempts beyond the first, of a cell that failed.
        watch: is shown the jobs again and again.
        begin: starts a process.

    Raises:
        UserError: if a cell needs a GPU and there is none.
    """
    if not gpus and any(job.cell.gpus for job in jobs):
        raise UserError("gpus: 1, but there is no GPU here; leave gpus out to take one only where there is one")
    pool = _Pool(out, workers, list(gpus), begin)
    with _stopped_cleanly(pool):
        while not all(job.over for job in jobs):
            pool.reap(retries)
            pool.fill(jobs)
            watch(jobs)
            time.sleep(POLL_SECONDS)
    watch(jobs)


class _Pool:
    """The processes that run, and the devices that are free."""

    def __init__(self, out: Path, workers: int, gpus: list[str], begin: Start) -> None:
        self.out, self.workers, self.free, self.begin = out, workers, gpus, begin
        self.any_gpus = bool(gpus)
        self.running: list[tuple[Job, Process, str | None]] = []

    def reap(self, retries: int) -> None:
        """Judge the processes that have ended; their devices are free again."""
        still = []
        for job, process, device in self.running:
            code = process.poll()
            if code is None:
                still.append((job, process, device))
                continue
            if device is not None:
                self.free.append(device)
            settle(job, code, self.out, retries)
        self.running = still

    def fill(self, jobs: Sequence[Job]) -> None:
        """Start what there is room for."""
        for job in jobs:
            if len(self.running) >= self.workers:
                return
            if job.ready and (self.free or not self._wants_gpu(job)):
                self._start(job)

    def _wants_gpu(self, job: Job) -> bool:
        return self.any_gpus and job.cell.gpus != 0

    def _start(self, job: Job) -> None:
        if recorded(job.cell, self.out):
            return job.enter("done")
        if held(job.cell, self.out):
            return job.enter("elsewhere", TAKEN)
        device = self.free.pop(0) if self._wants_gpu(job) else None
        job.log.parent.mkdir(parents=True, exist_ok=True)
        job.attempts += 1
        job.enter("running", job.reason)
        command = job.cell.command(self.out)
        self.running.append((job, self.begin(command, job.log, self._environment(job, device)), device))

    def _environment(self, job: Job, device: str | None) -> dict[str, str]:
        threads = job.cell.cpus
        if threads is None and self.workers > 1 and "OMP_NUM_THREADS" not in os.environ:
            threads = max(1, (os.cpu_count() or 1) // self.workers)
        return {
            "CUDA_VISIBLE_DEVICES": device or "",
            **({"OMP_NUM_THREADS": str(threads)} if threads else {}),
        }

    def stop(self) -> None:
        """End every process: as Ctrl-C would, then for good."""
        for number, patience in ((signal.SIGINT, PATIENCE), (signal.SIGKILL, PATIENCE)):
            alive = [process for _, process, _ in self.running if process.poll() is None]
            for process in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
            deadline = time.monotonic() + patience
            while any(process.poll() is None for process in alive) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def _stopped_cleanly(pool: _Pool) -> Iterator[None]:
    """Leave no process behind; SIGTERM, which clusters send, counts as Ctrl-C."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        pool.stop()
        signal.signal(signal.SIGTERM, before)
