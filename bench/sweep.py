"""A grid of cells: plan them, leave out those with a record, run the rest. The records alone say what is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.board import board
from bench.grid import Sweep, read_sweep
from bench.jobs import Job, job_of
from bench.parts import Say
from bench.plan import Planned, plan, recorded
from bench.workers import Start, devices, run_here, start


class SweepFailed(Exception):
    """Some cells have no record; what was done stays."""

    exit_code = 1


@dataclass(frozen=True)
class Plan:
    """What a sweep's file asks for.

    Attributes:
        sweep: the file.
        out: the results folder.
        done: cells with a valid record.
        missing: cells without.
    """

    sweep: Sweep
    out: Path
    done: tuple[Planned, ...]
    missing: tuple[Planned, ...]

    @property
    def summary(self) -> str:
        """Say how much there is to do."""
        cells = len(self.done) + len(self.missing)
        return (
            f"sweep {self.sweep.name}: {cells:,} cells, {len(self.done):,} have a record, {len(self.missing):,} to run"
        )

    def lines(self) -> list[str]:
        """Return one command for each missing cell."""
        return [cell.line(self.out) for cell in self.missing]


def make_plan(path: Path, out: Path, *, wandb: str) -> Plan:
    """Plan a sweep's file; errors as `bench.grid.read_sweep` and `bench.plan.plan`."""
    sweep = read_sweep(path)
    cells = plan(sweep, wandb=wandb)
    have = {cell.id for cell in cells if recorded(cell, out)}
    return Plan(sweep, out, tuple(c for c in cells if c.id in have), tuple(c for c in cells if c.id not in have))


def run_sweep(planned: Plan, *, workers: int | None, ray: str | None, say: Say, begin: Start = start) -> list[Job]:
    """Run every missing cell; return how each ended.

    Args:
        planned: the plan.
        workers: cells at a time; None takes one for each GPU, or one.
        ray: address of a Ray cluster to run on instead of this machine.
        say: takes lines for people.
        begin: starts a process.

    Raises:
        UserError: if what a cell needs is not there.
    """
    jobs = [job_of(cell, planned.out) for cell in planned.missing]
    say(planned.summary)
    if not jobs:
        return jobs
    retries = planned.sweep.retries
    with board(len(planned.done)) as watch:
        if ray is not None:
            from bench.ray_workers import run_on_ray

            run_on_ray(jobs, planned.out, address=ray, retries=retries, watch=watch)
        else:
            found = devices()
            count = workers or max(1, len(found))
            run_here(jobs, planned.out, workers=count, gpus=found, retries=retries, watch=watch, begin=begin)
    return jobs


def document(planned: Plan, jobs: Sequence[Job]) -> dict[str, object]:
    """Return the command's document."""
    runs = planned.out / "runs"
    cells: list[dict[str, object]] = [
        {"id": cell.id, "state": "had a record", "record": str(runs / f"{cell.id}.json")} for cell in planned.done
    ]
    for job in jobs:
        record = str(runs / f"{job.cell.id}.json") if job.state == "done" else None
        cells.append(
            {
                "id": job.cell.id,
                "state": job.state,
                "attempts": job.attempts,
                "reason": job.reason,
                "log": str(job.log),
                "record": record,
            }
        )
    return {"name": planned.sweep.name, "cells": cells}


def failure(jobs: Sequence[Job]) -> SweepFailed | None:
    """Say in one line what failed, and where to look."""
    failed = [job for job in jobs if job.state == "failed"]
    if not failed:
        return None
    first = failed[0]
    others = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
    return SweepFailed(
        f"{len(failed)} of {len(jobs)} cells failed: {first.cell.id} ({first.reason}; {first.log}){others}"
    )
