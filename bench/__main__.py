"""The command line: ``python -m bench COMMAND``. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench import studies
from bench.bar import bar
from bench.errors import UserError, one_line, unknown
from bench.options import build_parser
from bench.terminal import console as _console
from bench.terminal import emit as _emit
from bench.terminal import reader_left
from bench.terminal import say as _say

if TYPE_CHECKING:
    from bench.config import Cell


def _list(arguments: argparse.Namespace) -> None:
    from bench.catalogue import catalogue, tables

    listing = catalogue()
    if arguments.json:
        return _emit(listing)
    for table in tables(listing):
        _console(to_people=True).print(table)


def _cost(arguments: argparse.Namespace) -> None:
    from bench.cost import network_cost

    cost = network_cost(_cell(arguments).build_method())
    if arguments.json:
        return _emit(cost.to_dict())
    h, w = cost.input_size
    print(f"{cost.parameters:,} parameters, {cost.gmacs:.3f} GMACs at {h}x{w} (height x width)")


def _cell(arguments: argparse.Namespace) -> Cell:
    from bench.config import resolve

    fixed = ("seed", "boxes", "convention", "budget")
    given = {name: getattr(arguments, name) for name in fixed if hasattr(arguments, name)}
    return resolve(
        arguments.method, arguments.preset, arguments.dataset, arguments.dotted, known=arguments.known, **given
    )


def _run(arguments: argparse.Namespace) -> None:
    if arguments.help:
        return _run_help(arguments)
    if not arguments.method:
        raise UserError("run: --method M is missing; `python -m bench list` shows the methods")
    cell = _cell(arguments)
    if arguments.print_config:
        return _print_config(cell, as_json=arguments.json)
    from bench.run import Tracking, run

    tracking = Tracking(arguments.wandb, arguments.group, tuple(arguments.tags))
    path = run(cell, arguments.out, tracking, say=_say, force=arguments.force)
    _show(path, as_json=arguments.json)


def _run_help(arguments: argparse.Namespace) -> None:
    arguments.print_help()
    if arguments.method:
        from bench.config import option_parser

        print(f"\noptions of {arguments.method}:\n" + option_parser(arguments.method).format_help())


def _print_config(cell: Cell, *, as_json: bool) -> None:
    import yaml

    document = {"id": cell.id, "boxes": cell.boxes, "seed": cell.seed, **cell.config}
    _emit(document) if as_json else print(yaml.safe_dump(document, sort_keys=False), end="")


def _show(path: Path, *, as_json: bool) -> None:
    from bench.catalogue import joint_table, result_table
    from bench.record import RunRecord

    record = RunRecord.read(path)
    console = _console(to_people=not as_json)
    console.print(joint_table(record))
    console.print(result_table(record, path.parent))
    if record.method != "mean_pose" and not list(path.parent.glob(f"mean_pose-*--{record.dataset}--*.json")):
        console.print(f"the floor to beat: make bench METHOD=mean_pose DATASET={record.dataset}")
    if as_json:
        return _emit(record.model_dump(mode="json"))
    print(f"record: {path}")


def _known_dataset(name: str, root: Path | None = None) -> None:
    from data import DATASETS

    datasets = DATASETS.under(root)
    if name not in datasets:
        raise unknown("data set", name, datasets)


def _score(arguments: argparse.Namespace) -> None:
    from bench.predictions import score

    _known_dataset(arguments.dataset)
    choices = {"split": arguments.split, "convention": arguments.convention, "truth": arguments.truth}
    values = score(arguments.dataset, arguments.predictions, **choices, say=_say)
    if arguments.json:
        return _emit({"metrics": {name: value.to_dict() for name, value in values.items()}})
    for name, value in values.items():
        rows = "  ".join(f"{row} {number:.2f}" for row, number in value.per_joint.items())
        low, high = value.ci95
        print(f"{name:22} {value.value:6.2f} {value.unit} ({low:.1f}-{high:.1f}, n = {value.n})  {rows}")


def _test(arguments: argparse.Namespace) -> None:
    from bench.retest import retest

    a = arguments
    path = retest(
        a.record, a.dataset, a.boxes, a.dotted, split=a.split, limit=a.limit, batch_size=a.batch_size, say=_say
    )
    _show(path, as_json=a.json)


def _compare(arguments: argparse.Namespace) -> None:
    from bench.catalogue import difference_table
    from bench.compare import compare

    comparison = compare(*arguments.records)
    for warning in comparison.warnings:
        _say(f"warning: {warning}")
    if arguments.json:
        return _emit(comparison.to_dict())
    _console(to_people=True).print(difference_table(comparison))


def _side_by_side(arguments: argparse.Namespace) -> None:
    from bench.show import show

    a = arguments
    if a.columns < 1 or a.images < 1:
        raise UserError(f"--columns {a.columns} --images {a.images}: at least 1 expected")
    path = show(a.records, a.out, images=a.images, image=a.image, columns=a.columns)
    _emit({"picture": str(path)}) if a.json else print(f"picture: {path}")


def _explain_value(arguments: argparse.Namespace) -> None:
    from bench.explain import explain

    _known_dataset(arguments.dataset)
    if arguments.most < 1:
        raise UserError(f"--most {arguments.most}: expected at least 1")
    ways = explain(arguments.value, arguments.predictions, arguments.dataset, split=arguments.split, say=_say)
    if arguments.json:
        return _emit([way.to_dict() for way in ways])
    for way in ways[: arguments.most]:
        print(f"{way.value:8.3f}  {way.protocol:28} {way.row:10} {way.words}")
    if len(ways) > arguments.most:
        print(f"and {len(ways) - arguments.most} more, farther away: --most {len(ways)} or --json lists all")


def _predict(arguments: argparse.Namespace) -> None:
    from bench.predict import predict

    path = predict(arguments.checkpoint, arguments.images, arguments.out, progress=bar("pictures"))
    _emit({"results": str(path)}) if arguments.json else print(f"results: {path}")


def _track(arguments: argparse.Namespace) -> None:
    from dataclasses import fields

    from bench.track import Settings, track

    settings = Settings(**{field.name: getattr(arguments, field.name) for field in fields(Settings)})
    report = track(arguments.run, settings, out=arguments.out, progress=bar("sequences"))
    if arguments.json:
        return _emit(report.to_dict())
    _console(to_people=True).print(report.table())


def _data(arguments: argparse.Namespace) -> None:
    from bench.datasets import bring_from, check, preview
    from bench.duplicates import list_duplicates

    if arguments.source:
        _say(f"brought to {bring_from(arguments.dataset, arguments.source, root=arguments.root)}")
    _known_dataset(arguments.dataset, arguments.root)
    if arguments.duplicates:
        return list_duplicates(arguments)
    if arguments.preview:
        preview(
            arguments.dataset,
            arguments.split,
            arguments.preview,
            root=arguments.root,
            joints=not arguments.no_joints,
        )
        return _emit({"preview": str(arguments.preview)}) if arguments.json else print(f"preview: {arguments.preview}")
    reports = check(arguments.dataset, root=arguments.root, progress=bar)
    if arguments.json:
        return _emit([{"name": r.name, "facts": dict(r.facts), "faults": list(r.faults)} for r in reports])
    for report in reports:
        print(report.name)
        for label, value in report.facts:
            print(f"  {label:20} {value}")
        for fault in report.faults:
            print(f"  fault: {fault}")
    if any(report.faults for report in reports):
        raise UserError(f"data {arguments.dataset}: faults found, see above; bring those files again")


def _speed(arguments: argparse.Namespace) -> None:
    from bench.speed import measure
    from bench.speed_network import network_table

    a = arguments
    report, path = measure(a.dataset, a.preset, a.methods, a.out, compile=a.compile, say=_say)
    if arguments.json:
        return _emit(report.to_dict())
    _console(to_people=True).print(report.table(), network_table(report.networks))
    print(*report.lines(), sep="\n")
    print(f"stored: {path}")


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "list": _list,
    "cost": _cost,
    "run": _run,
    "score": _score,
    "test": _test,
    "compare": _compare,
    "show": _side_by_side,
    "explain": _explain_value,
    "predict": _predict,
    "track": _track,
    "data": _data,
    "speed": _speed,
    "sweep": studies.sweep,
    "report": studies.report,
    "quote": studies.quote,
    "verify": studies.verify,
    "rerun": studies.rerun,
    "noise": studies.noise,
}


def main(words: Sequence[str]) -> int:
    """Run one command; return the exit code: 0 done, 2 the user's mistake, 1 the run failed."""
    try:
        parser = build_parser()
        arguments, dotted = parser.parse_known_args(words)
        if arguments.command is None:
            parser.print_help()
            return 0
        arguments.dotted = dotted
        if dotted and arguments.command not in {"run", "cost", "test"}:
            raise UserError(
                f"{arguments.command}: no option {dotted[0]} (see python -m bench {arguments.command} --help)"
            )
        COMMANDS[arguments.command](arguments)
        sys.stdout.flush()  # here, where a reader that left is understood
    except (KeyboardInterrupt, SystemExit) as stop:
        if getattr(stop, "code", 1) == 0:  # argparse has shown its help
            return 0
        _say("stopped; the same command goes on from the last whole epoch")  # Lightning turns Ctrl-C into an exit
        return 1
    except Exception as error:
        return _explain(error)
    return 0


def _explain(error: Exception) -> int:
    """Say a mistake in one line; show where anything else came from."""
    if isinstance(error, BrokenPipeError) and reader_left():
        return 1
    code = getattr(error, "exit_code", None)
    if code is not None:
        _say(f"error: {one_line(error)}")
        return int(code)
    if isinstance(error, OSError) and error.errno == 28:  # ENOSPC
        _say(f"error: the disk is full ({error}); make room, then the same command goes on from the last whole epoch")
        return 1
    traceback.print_exc()
    return 1


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    sys.exit(main(sys.argv[1:]))
