"""``bench verify``: a record's numbers once more, from its stored predictions and, if there, its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from bench.boxes import box_source
from bench.compare import Side
from bench.errors import UserError
from bench.evaluate import Evaluate, test
from bench.metrics.protocols import PROTOCOLS, evaluate
from bench.parts import Say
from bench.predict import load_method
from bench.predictions import score
from bench.quiet import quieten
from bench.record import RunRecord, stored_checkpoint
from bench.report.records import read_records
from data import DATASETS
from data.module import PoseDataModule
from data.types import DataError

ROUNDING = 1e-6  # default: the same joints scored again differ by no more, whatever the machine
HARDWARE = 0.05  # default: percent or mm by which another machine's network may differ: half a digit of a table


@dataclass(frozen=True)
class Check:
    """One number, once more."""

    metric: str
    source: Literal["predictions", "checkpoint"]
    stored: float
    again: float
    agrees: bool


@dataclass(frozen=True)
class Verified:
    """What became of a record's numbers."""

    id: str
    checks: tuple[Check, ...]
    notes: tuple[str, ...]  # what was not checked, and why

    @property
    def agrees(self) -> bool:
        """Whether something was checked and all of it agrees."""
        return bool(self.checks) and all(check.agrees for check in self.checks)

    def to_dict(self) -> dict[str, object]:
        """Return the form of the command's document."""
        return {**asdict(self), "agrees": self.agrees}


def verify(path: Path, *, checkpoint: bool = True, say: Say = lambda line: None) -> Verified:
    """Check one record.

    Args:
        path: the record, its predictions beside it.
        checkpoint: whether to test the checkpoint too, where it is there.
        say: takes lines for people.

    Raises:
        UserError: if the file is no record, or its predictions are missing or changed.
        data.types.DataError: if the data set is not as it should be.
    """
    side = Side.read(path)
    record = side.record
    if path.stem != record.id:
        raise UserError(f"{path}: holds the record {record.id}; a record is named by its id")
    if record.dataset not in DATASETS:
        raise UserError(f"{path}: no data set {record.dataset!r} here; `python -m bench list` shows what there is")
    notes = _versions(record)
    checks = _checks(record, _from_predictions(side), "predictions", ROUNDING)
    missing = set(record.metrics) - {check.metric for check in checks}
    notes += [f"{name}: the stored predictions do not give it" for name in sorted(missing)]
    if checkpoint:
        try:
            stored_checkpoint(path, record)
            checks += _checks(record, _from_checkpoint(side, say), "checkpoint", HARDWARE)
        except UserError as error:
            notes.append(f"checkpoint not tested: {error}")
    return Verified(record.id, tuple(checks), tuple(notes))


def verify_all(path: Path, *, checkpoint: bool = True, say: Say) -> tuple[list[Verified], list[str]]:
    """Check one record, or every record of a folder.

    Returns:
        What was checked; and, of a folder, a line for each record that could not be.

    Raises:
        UserError: as `verify` for one record; for a folder without records.
    """
    if not path.is_dir():
        return [verify(path, checkpoint=checkpoint, say=say)], []
    entries, faults = read_records(path)
    found = []
    for entry in entries:
        try:
            found.append(verify(entry.path, checkpoint=checkpoint, say=say))
        except (UserError, DataError) as error:
            faults.append(str(error))
    return found, faults


def _versions(record: RunRecord) -> list[str]:
    """Say which rules have changed since."""
    made = record.config.get("protocols", {})
    known = {name: PROTOCOLS[name].version for name in record.metrics if name in PROTOCOLS}
    return [f"{name}: recorded by rules of version {made[name]}, checked by version {now}"
            for name, now in known.items() if made.get(name, now) != now]  # fmt: skip


def _checks(
    record: RunRecord, again: Mapping[str, float], source: Literal["predictions", "checkpoint"], within: float
) -> list[Check]:
    stored = {name: metric.value for name, metric in record.metrics.items() if name in again}
    return [Check(n, source, value, again[n], abs(value - again[n]) <= within) for n, value in stored.items()]


def _from_predictions(side: Side) -> dict[str, float]:
    """Score the stored predictions."""
    record, entry = side.record, DATASETS[side.record.dataset]
    if entry.people == "multi":
        if side.tested_on["test limit"] is not None:
            raise UserError(
                f"{side.path}: AP of the first {side.tested_on['test limit']} images cannot be scored again"
            )
        values = score(record.dataset, side.predictions(), split=side.split, say=lambda line: None)
        return {name: value.value for name, value in values.items()}
    people = side.people()
    found = side.joints(len(people), entry.skeleton)
    known = [name for name in record.metrics if name in PROTOCOLS]
    return {name: value.value for name, value in evaluate(known, found, people, entry.skeleton).items()}


def _from_checkpoint(side: Side, say: Say) -> dict[str, float]:
    """Test the checkpoint as the run did."""
    record, entry = side.record, DATASETS[side.record.dataset]
    if record.boxes != "truth" and not record.boxes.startswith("jitter:"):
        raise UserError(f"its boxes came from {record.boxes}, which the record names but does not hold")
    method = load_method(stored_checkpoint(side.path, record), record.config.get("trained", {}).get("changed"))
    quieten()
    data = PoseDataModule(
        method.view,
        record.dataset,
        seed=record.seed,
        boxes=box_source(record.boxes, record.dataset),
        convention=str(side.tested_on["convention"]),
        test_limit=record.config.get("data", {}).get("test_limit"),
        batch_size=record.config.get("data", {}).get("batch_size", 32),
        workers=0,
        tested=record.split,
    )
    again = Evaluate(entry.protocols, entry.skeleton)
    say(f"testing the checkpoint of {record.id}: {len(data.inputs('test')):,} inputs")
    precision = record.config.get("trainer", {}).get("precision", "32-true")
    test(method, data, again, precision=precision)
    return {name: metric.value for name, metric in again.results.items()}
