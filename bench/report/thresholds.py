"""PCK over thresholds, from the stored predictions: how a method's misses are spread, not only whether they count."""

from __future__ import annotations

from typing import Any

from bench.errors import UserError
from bench.report.rows import Table

STEPS = 26  # thresholds from 0 to 0.5 of the torso


def pck_curves(table: Table) -> dict[str, Any] | None:
    """Score the first run of each row at every threshold; None where no predictions are there, or people are several.

    Returns:
        ``x``, the thresholds in torso lengths, and ``lines``: label -> percent at each.
    """
    rows = [row for row in table.rows if row.entries[0].predictions.is_file() and "pck@0.2" in row.numbers]
    if not rows:
        return None
    from bench.compare import Side
    from bench.metrics.protocols import pck_at, value_of
    from data import DATASETS

    entry = DATASETS[table.dataset]
    people = Side.read(rows[0].entries[0].path).people()
    kept = [i for i, person in enumerate(people) if not person.ignore]
    scored = [people[i] for i in kept]
    lines: dict[str, list[float]] = {}
    x = [0.02 * step for step in range(STEPS)]
    for row in rows:
        try:
            found = Side.read(row.entries[0].path).joints(len(people), entry.skeleton)[kept]
        except UserError:
            continue  # changed or lost since; the table says so
        values = [value_of(p, p.score(found, scored, entry.skeleton)) for p in map(pck_at, x)]
        lines[row.label] = [round(value, 2) for value in values]
    return {"x": [round(value, 2) for value in x], "lines": lines} if lines else None
