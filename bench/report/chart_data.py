"""What the charts of the page draw, as JSON has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.report.records import Entry
from bench.report.rows import Row, Table

COSTS = ("test_images_per_second", "latency_ms", "gmacs", "parameters", "train_seconds", "peak_memory_mb")
MOST_POINTS = 200  # of a learning curve


def charts(tables: Sequence[Table], thresholds: Sequence[dict[str, Any] | None]) -> list[dict[str, Any]]:
    """Return one document for each table.

    Args:
        tables: ours.
        thresholds: PCK curves of each, as `bench.report.thresholds` makes them.
    """
    return [
        {
            "title": table.title,
            "protocols": [{"id": name, "unit": table.unit(name)} for name in table.protocols],
            "rows": [_row(row) for row in table.rows],
            "thresholds": curves,
        }
        for table, curves in zip(tables, thresholds, strict=True)
    ]


def _row(row: Row) -> dict[str, Any]:
    return {
        "label": row.label,
        "method": row.method,
        "numbers": {k: [round(n.mean, 3), round(n.low, 3), round(n.high, 3)] for k, n in row.numbers.items()},
        "joints": {name: _joints(row, name) for name in row.numbers},
        "costs": {name: row.cost(name) for name in COSTS},
        "curves": [curve for entry in row.entries if (curve := learning_curve(entry))],
    }


def _joints(row: Row, protocol: str) -> dict[str, float]:
    """Return the mean over the seeds of each joint."""
    found = [entry.record.metrics[protocol].per_joint for entry in row.entries]
    names = [name for name, value in found[0].items() if all(one.get(name) is not None for one in found)]
    return {name: round(sum(float(one[name] or 0.0) for one in found) / len(found), 2) for name in names}


def learning_curve(entry: Entry) -> dict[str, Any] | None:
    """Read the learning curve that lies beside a record; None where there is none."""
    rows = entry.curve()
    if not rows:
        return None
    step = max(1, len(rows) // MOST_POINTS)
    kept = rows[::step]
    names = sorted({name for row in rows for name in row if name.startswith("val/")})
    points = {name: [[row["seconds"], row[name]] for row in kept if name in row] for name in ("train/loss", *names)}
    return {"seed": entry.record.seed, "points": {name: line for name, line in points.items() if line}}
