"""A cell on its way through a sweep: what became of an attempt, and whether there is another."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from bench.plan import Planned, recorded

State = Literal["waiting", "running", "elsewhere", "done", "failed"]
MISTAKE = 2  # exit code of a user's mistake: the same again would fail the same way
TAKEN = "being run by another process"  # as `bench.run` says it
AGAIN_SECONDS = 5.0  # default: between two looks at a cell that another process runs
TAIL = 4096  # bytes of a log that are looked at


@dataclass
class Job:
    """One cell and how it stands.

    Attributes:
        cell: what to run.
        log: where all attempts write.
        state: elsewhere means that a process of somebody else holds the cell.
        attempts: that were started here.
        reason: why the last attempt left no record.
        since: when the state began, `time.monotonic`.
    """

    cell: Planned
    log: Path
    state: State = "waiting"
    attempts: int = 0
    reason: str = ""
    since: float = 0.0

    def enter(self, state: State, reason: str = "") -> None:
        """Change the state."""
        self.state, self.reason, self.since = state, reason, time.monotonic()

    @property
    def ready(self) -> bool:
        """Whether it may be started now."""
        return self.state == "waiting" or (self.state == "elsewhere" and time.monotonic() - self.since >= AGAIN_SECONDS)

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.state in ("done", "failed")


def job_of(cell: Planned, out: Path) -> Job:
    """Return the cell's job; its log lies in the folder of the cell."""
    return Job(cell, out / "runs" / cell.id / "log.txt")


def held(cell: Planned, out: Path) -> bool:
    """Say whether some process runs the cell at this moment."""
    lock = out / "runs" / cell.id / ".lock"
    if not lock.is_file():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


def settle(job: Job, code: int, out: Path, retries: int, lost: str = "") -> None:
    """Judge an attempt that has ended; the record decides, not the exit code.

    Args:
        job: running until now.
        code: exit code; negative where a signal ended it.
        out: the results folder.
        retries: attempts beyond the first.
        lost: why there is no exit code of the cell's own.
    """
    if recorded(job.cell, out):
        return job.enter("done")
    reason = lost or _reason(job.log, code)
    if held(job.cell, out) or (code == MISTAKE and TAKEN in reason):
        job.attempts -= 1
        return job.enter("elsewhere", reason)
    job.enter("failed" if code == MISTAKE or job.attempts > retries else "waiting", reason)


def last_line(log: Path) -> str:
    """Return the last line that a cell has written so far."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _reason(log: Path, code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    line = last_line(log).removeprefix("error: ")
    return line if code else f"ended without a record: {line}"
