"""How a sweep stands: a live table on a terminal, a line a change in a log."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table

from bench.jobs import Job, last_line

Watch = Callable[[Sequence[Job]], None]
MOST_ROWS = 20  # of the live table
REFRESH_SECONDS = 0.5  # between two drawings


@contextlib.contextmanager
def board(have_records: int) -> Iterator[Watch]:
    """Show jobs on stderr as long as the context lasts.

    Args:
        have_records: cells of the sweep that need no run.

    Yields:
        What is to be called with the jobs, again and again.
    """
    if not sys.stderr.isatty():
        yield _Lines()
        return
    with Live(console=Console(stderr=True, highlight=False), auto_refresh=False) as live:
        drawn = 0.0

        def show(jobs: Sequence[Job]) -> None:
            nonlocal drawn
            if time.monotonic() - drawn >= REFRESH_SECONDS or all(job.over for job in jobs):
                live.update(table(jobs, have_records), refresh=True)
                drawn = time.monotonic()

        yield show


def table(jobs: Sequence[Job], have_records: int = 0) -> Table:
    """Lay out what runs, what failed, and the counts."""
    counts = Counter(job.state for job in jobs)
    told = ", ".join(f"{counts[state]} {state}" for state in ("running", "waiting", "elsewhere", "done", "failed"))
    made = Table(title=f"{told}, {have_records} had a record", title_justify="left")
    for column in ("cell", "state", "attempt", "seconds", "last line or reason"):
        made.add_column(column, justify="right" if column in {"attempt", "seconds"} else "left", overflow="ellipsis")
    shown = [job for job in jobs if job.state in ("running", "elsewhere", "failed") or (job.reason and not job.over)]
    for job in shown[:MOST_ROWS]:
        passed = f"{time.monotonic() - job.since:.0f}" if job.state == "running" else ""
        text = last_line(job.log) if job.state == "running" else job.reason
        made.add_row(job.cell.id, job.state, str(job.attempts), passed, text)
    if len(shown) > MOST_ROWS:
        made.add_row(f"and {len(shown) - MOST_ROWS} more")
    return made


class _Lines:
    """Write a line when a job's state changes."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[str, int]] = {}

    def __call__(self, jobs: Sequence[Job]) -> None:
        over = sum(job.over for job in jobs)
        for job in jobs:
            now = (job.state, job.attempts)
            if self.seen.get(job.cell.id, ("waiting", 0)) != now:
                self.seen[job.cell.id] = now
                reason = f": {job.reason}" if job.reason and job.state != "running" else ""
                print(f"[{over}/{len(jobs)}] {job.cell.id} {job.state}{reason}", file=sys.stderr, flush=True)
