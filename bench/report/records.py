"""Every record under a folder, each once, and what could not be read."""

from __future__ import annotations

import csv
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from bench.errors import UserError
from bench.record import RunRecord

SEED = re.compile(r"--s\d+--")
UNSEARCHED = {"wandb", "lightning_logs"}  # folders of many files, none of them a record


@dataclass(frozen=True)
class Entry:
    """A record and where it lies."""

    path: Path
    record: RunRecord

    @property
    def predictions(self) -> Path:
        """Where its predictions should lie."""
        return self.path.parent / self.record.predictions.path

    @property
    def folder(self) -> Path:
        """Where curves and pictures lie, if anywhere."""
        return self.path.with_suffix("")

    def curve(self) -> list[dict[str, float]]:
        """Read the learning curve beside the record, a mapping an epoch; none where there is no file."""
        path = self.folder / "curves.csv"
        if not path.is_file():
            return []
        with path.open(newline="") as file:
            return [{k: float(v) for k, v in row.items() if v not in ("", None)} for row in csv.DictReader(file)]

    @property
    def trained(self) -> dict[str, str]:
        """What a record of `bench test` says of the training; empty for a run's own record."""
        return {name: value for name, value in self.record.config.get("trained", {}).items() if name != "changed"}

    @property
    def changed(self) -> dict[str, object]:
        """Options that a record of `bench test` has in place of the training's."""
        return dict(self.record.config.get("trained", {}).get("changed", {}))

    @property
    def setting(self) -> tuple[str, ...]:
        """What runs that differ in nothing but their seed have in common."""
        record = self.record
        made_by = self.trained.get("id", record.id)
        name = SEED.sub("--", made_by if self.trained else record.id)
        options = json.dumps([record.config.get("data", {}).get("test_limit"), self.changed], sort_keys=True)
        return name, record.dataset, record.split, record.boxes, options


def read_records(folder: Path) -> tuple[list[Entry], list[str]]:
    """Read all records under a folder.

    Args:
        folder: searched with its subfolders.

    Returns:
        The records by id, the one with its predictions where there are copies; and a line for each file that should
        be a record and is none.

    Raises:
        UserError: if there is no such folder, or no record in it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; records of `bench run` expected, as in results/reference")
    found: dict[str, Entry] = {}
    faults = []
    for path in _candidates(folder):
        try:
            entry = _entry(path)
        except UserError as error:
            faults.append(str(error))
            continue
        if entry is None:
            continue
        known = found.get(entry.record.id)
        if known and known.record.predictions != entry.record.predictions:
            faults.append(f"{entry.record.id}: {known.path} and {path} are different runs; the report has one of them")
        if known is None or (entry.predictions.is_file() and not known.predictions.is_file()):
            found[entry.record.id] = entry
    if not found:
        raise UserError(f"{folder}: no record in it; `bench run` and `bench sweep` make some")
    return [found[name] for name in sorted(found)], faults


def _candidates(folder: Path) -> list[Path]:
    """List the files that are called like a record."""
    paths = []
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in UNSEARCHED and not name.startswith("."))
        named = (n for n in sorted(files) if n.endswith(".json") and SEED.search(n) and ".predictions" not in n)
        paths += [Path(root) / name for name in named]
    return paths


def _entry(path: Path) -> Entry | None:
    """Read one file; None where it is another kind of document, such as the scores of stages."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a record: {error}") from error
    if not isinstance(document, dict) or "schema_version" not in document:
        return None
    return Entry(path, RunRecord.read(path))
