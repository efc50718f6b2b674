"""The commands over many records: sweep, report. Nothing heavy is imported before one of them needs it."""

from __future__ import annotations

import argparse

from bench.terminal import emit, say


def sweep(arguments: argparse.Namespace) -> None:
    """Run every cell of a grid that has no record yet, or print the commands that would."""
    from bench.errors import UserError
    from bench.sweep import document, failure, make_plan, run_sweep

    a = arguments
    if a.workers is not None and a.workers < 1:
        raise UserError(f"--workers {a.workers}: expected at least 1")
    planned = make_plan(a.file, a.out, wandb=a.wandb)
    if a.dry_run:
        say(planned.summary)
        if a.json:
            return emit({"name": planned.sweep.name, "commands": planned.lines()})
        return print(*planned.lines(), sep="\n", end="\n" if planned.missing else "")
    jobs = run_sweep(planned, workers=a.workers, ray=a.ray, say=say)
    if a.json:
        emit(document(planned, jobs))
    if failed := failure(jobs):
        raise failed
    if not a.json:
        print(f"records: {a.out / 'runs'}")


def report(arguments: argparse.Namespace) -> None:
    """Write the tables and the page over all records of a folder."""
    from bench.report.build import gather, warnings, write

    made = gather(arguments.results)
    for line in warnings(made):
        say(f"warning: {line}")
    paths = [str(path) for path in write(made, arguments.out or arguments.results)]
    if arguments.json:
        return emit({"records": len(made.entries), "files": paths, "warnings": list(warnings(made))})
    print(f"{len(made.entries)} records", *paths, sep="\n")
