"""The commands over many records: sweep, report, verify, rerun. Heavy imports wait for their command."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bench.terminal import emit, say

if TYPE_CHECKING:
    from bench.report.build import Report


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
    out = arguments.out or arguments.results
    paths = [str(path) for path in write(made, out)]
    mirrored = _mirror(made, out, arguments.wandb) if arguments.wandb else {}
    if arguments.json:
        return emit({"records": len(made.entries), "files": paths, "warnings": list(warnings(made)), **mirrored})
    print(f"{len(made.entries)} records", *paths, sep="\n")


def quote(arguments: argparse.Namespace) -> None:
    """Write the tables of documents anew from the records that their marks name."""
    from bench.report.quote import quote as write

    changed = [str(path) for path in write(arguments.documents)]
    if arguments.json:
        return emit({"changed": changed})
    print(*(f"{path}: {'written' if str(path) in changed else 'as it was'}" for path in arguments.documents), sep="\n")


def _mirror(made: Report, out: Path, mode: str) -> dict[str, object]:
    """Rebuild the W&B mirror; online write the comparison report, else say what it would hold."""
    from bench.report.mirror import mirror, outline, publish

    modes = mirror(made.entries, out / "wandb-mirror", mode=mode, say=say)
    document: dict[str, object] = {"wandb": dict(modes)}
    if modes["online"] == len(made.entries):
        document["report"] = publish(made, say=say)
        say(f"W&B report: {document['report']}")
        return document
    say("W&B: not all runs are online, so no comparison report is written; it would hold")
    for part in outline(made):
        say(f"  {part}")
    return document


class NotAgreed(Exception):
    """A record holds another number than what it rests on."""

    exit_code = 1


def verify(arguments: argparse.Namespace) -> None:
    """Check the numbers of a record, or of every record of a folder."""
    from bench.verify import verify_all

    found, faults = verify_all(arguments.record, checkpoint=not arguments.no_checkpoint, say=say)
    if arguments.json:
        emit({"records": [one.to_dict() for one in found], "faults": faults})
    for one in () if arguments.json else found:
        print(f"{one.id}: {'agrees' if one.agrees else 'DOES NOT AGREE'}")
        for check in one.checks:
            word = "=" if check.agrees else "DIFFERS FROM"
            print(f"  {check.metric:22} {check.stored:10.4f} {word} {check.again:.4f} from the {check.source}")
        for note in one.notes:
            print(f"  note: {note}")
    for fault in faults:
        say(f"fault: {fault}")
    wrong = [one.id for one in found if not one.agrees] + faults
    if wrong:
        raise NotAgreed(f"{len(wrong)} of {len(found) + len(faults)} records could not be confirmed: {wrong[0]}")


def rerun(arguments: argparse.Namespace) -> None:
    """Run a record's configuration again, and say what differs."""
    from bench.rerun import rerun as run_again

    path, told = run_again(arguments.record, arguments.out, wandb=arguments.wandb, say=say)
    for line in told:
        say(line)
    if arguments.json:
        return emit({"record": str(path), "differs": told})
    print(f"record: {path}")


def noise(arguments: argparse.Namespace) -> None:
    """Compare trained methods over the noise of their boxes."""
    from bench.noise import draw, gather, table

    series = gather(arguments.runs, arguments.metric)
    if arguments.out:
        draw(series, arguments.metric, arguments.out)
    if arguments.json:
        rows = [{"name": s.name, "points": [[*key, *value] for key, value in sorted(s.points.items())]} for s in series]
        return emit({"metric": arguments.metric, "series": rows, "figure": arguments.out and str(arguments.out)})
    print(table(series, arguments.metric), end="")
    if arguments.out:
        print(f"figure: {arguments.out}")
