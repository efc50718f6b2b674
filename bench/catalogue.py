"""What there is: methods, data sets and protocols; and the table of the records on one data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from bench.config import preset_names
from bench.errors import UserError
from bench.metrics.protocols import PROTOCOLS
from bench.record import RunRecord
from data import DATASETS, Dataset, data_root
from data.types import DataError
from methods import METHODS

if TYPE_CHECKING:
    from bench.compare import Comparison


def catalogue() -> dict[str, list[dict[str, Any]]]:
    """List everything registered, as JSON has it."""
    methods = [
        {"name": name, "title": m.title, "year": m.year, "people": m.people, "presets": preset_names(name)}
        for name, m in METHODS.items()
    ]
    datasets = [
        {
            "name": d.name,
            "title": d.title,
            "skeleton": d.skeleton.name,
            "splits": list(d.splits),
            "people": d.people,
            "protocols": list(d.protocols),
            "present": _present(d),
            "source": d.source,
        }
        for d in DATASETS.values()
    ]
    protocols = [
        {
            "id": p.id,
            "title": p.title,
            "unit": p.unit,
            "higher_is_better": p.higher_is_better,
            "version": p.version,
            "source": p.source,
        }
        for p in PROTOCOLS.values()
    ]
    return {"methods": methods, "datasets": datasets, "protocols": protocols}


def _present(entry: Dataset) -> bool:
    try:
        root = data_root()
    except DataError:
        return not entry.folders
    return not entry.folders or any((root / folder).is_dir() for folder in entry.folders)


def tables(listing: dict[str, list[dict[str, Any]]]) -> list[Table]:
    """Lay a catalogue out for people."""
    shown = []
    for kind, rows in listing.items():
        table = Table(title=kind, title_justify="left")
        for column in rows[0]:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(_cell(value) for value in row.values()))
        shown.append(table)
    return shown


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def result_table(newest: RunRecord, runs: Path) -> Table:
    """Compare a record with every other that was tested alike: the same data set, split, boxes and convention."""
    alike = sorted(_alike(newest, runs), key=lambda r: -next(iter(r.metrics.values())).value)
    table = Table(
        title=f"{newest.dataset} {newest.split}, boxes: {newest.boxes}; 95 % interval in brackets",
        title_justify="left",
    )
    table.add_column("method", no_wrap=True)
    for name in newest.metrics:
        table.add_column(name, justify="right")
    for heading in ("n", "params", "GMACs", "trained", "train im/s", "test im/s"):
        table.add_column(heading, justify="right")
    for record in alike:
        table.add_row(*_row(record, newest), style="bold" if record.id == newest.id else "")
    return table


def _alike(newest: RunRecord, runs: Path) -> list[RunRecord]:
    records = []
    for path in runs.glob(f"*--{newest.dataset}--*.json"):
        try:
            records.append(RunRecord.read(path))
        except UserError:
            continue  # a stray file beside the records is no reason to hide the result
    return [record for record in records if _conditions(record) == _conditions(newest)]


def _conditions(record: RunRecord) -> tuple[object, ...]:
    limit = record.config.get("data", {}).get("test_limit")
    return record.dataset, record.split, record.boxes, record.config.get("convention"), limit


def _row(record: RunRecord, newest: RunRecord) -> list[str]:
    cost = record.cost
    changed = record.config.get("trained", {}).get("changed", {})
    cells = [f"{record.method}-{record.preset} s{record.seed}" + "".join(f", {k} {v}" for k, v in changed.items())]
    for position, name in enumerate(newest.metrics):
        metric = record.metrics.get(name)
        interval = f" ({metric.ci95[0]:.1f}-{metric.ci95[1]:.1f})" if metric and position == 0 else ""
        cells.append(f"{metric.value:.1f}{interval}" if metric else "")
    trained = f"{cost.train_images_per_second:.0f}" if cost.train_images_per_second else ""
    people = max(metric.n for metric in record.metrics.values())
    numbers = [str(people), f"{cost.parameters / 1e6:.2f} M", f"{cost.gmacs:.3f}", f"{cost.train_seconds:.0f} s"]
    return [*cells, *numbers, trained, f"{cost.test_images_per_second:.0f}"]


def joint_table(record: RunRecord) -> Table:
    """Show each metric of a record by joint."""
    table = Table(title="by joint", title_justify="left")
    rows = list(dict.fromkeys(row for metric in record.metrics.values() for row in metric.per_joint))
    for column in ("metric", *rows, "all"):
        table.add_column(column, justify="left" if column == "metric" else "right")
    for name, metric in record.metrics.items():
        values = [metric.per_joint.get(row) for row in rows]
        table.add_row(name, *("" if v is None else f"{v:.1f}" for v in values), f"{metric.value:.1f}")
    return table


def difference_table(comparison: Comparison) -> Table:
    """Lay a paired comparison out: the difference is the second record minus the first."""
    table = Table(title=f"a: {comparison.a}\nb: {comparison.b}", title_justify="left")
    for column in ("metric", "unit", "a", "b", "b - a", "95 % interval", "p", "n"):
        table.add_column(column, justify="left" if column in {"metric", "unit"} else "right")
    for m in comparison.metrics:
        numbers = [f"{m.a:.2f}", f"{m.b:.2f}", f"{m.difference:+.2f}", f"{m.ci95[0]:+.2f} to {m.ci95[1]:+.2f}"]
        table.add_row(m.metric, m.unit, *numbers, f"{m.p:.4f}", str(m.n))
    return table
