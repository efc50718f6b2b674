"""``ranks.svg``: the order of the rows with their intervals, a panel a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.record import atomically
from bench.report.rows import Row, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 6  # panels; default: the largest tables, or the picture becomes a scroll
INK, SEED = "#0072b2", "#e69f00"  # Okabe & Ito's blue and orange
INCHES = 0.28  # of height for each row
LONGEST = 60  # characters of a row's name


def draw_ranks(tables: Sequence[Table], path: Path) -> bool:
    """Draw each table's first protocol: mean and 95 % interval of a row, every seed as a dot; best on top.

    Tables of one row have no order and are left out, and so are those beyond the largest `MOST`.

    Args:
        tables: the largest first, as `make_tables` gives them.
        path: .svg or .png.

    Returns:
        Whether there was a panel; nothing is written where there is none.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [(table, rows) for table in tables if len(rows := ranked(table)) > 1][:MOST]
    if not shown:
        return False
    with rc_context({"svg.hashsalt": "vitruvian"}):  # the same records give the same file
        heights = [len(rows) + 3 for _, rows in shown]
        figure = Figure(figsize=(7.2, INCHES * sum(heights) + 0.4), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(len(shown), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, (table, rows) in zip(panels, shown, strict=True):
            _panel(axes, table, rows)
        with atomically(path) as temporary:
            kind = path.suffix.lstrip(".")
            figure.savefig(temporary, format=kind, dpi=120, metadata={"Date": None} if kind == "svg" else None)
    return True


def ranked(table: Table) -> list[Row]:
    """Return the rows that have the table's first protocol, in the table's order: the best first."""
    return [row for row in table.rows if table.protocols and table.protocols[0] in row.numbers]


def _panel(axes: Axes, table: Table, rows: Sequence[Row]) -> None:
    first = table.protocols[0]
    for y, row in enumerate(rows):
        number = row.numbers[first]
        axes.plot([number.low, number.high], [y, y], color=INK, linewidth=2, solid_capstyle="butt")
        axes.plot(number.mean, y, "o", color=INK, markersize=6)
        if len(row.entries) > 1:
            values = [entry.record.metrics[first].value for entry in row.entries]
            axes.plot(values, [y] * len(values), "o", color=SEED, markersize=3)
    axes.set_yticks(range(len(rows)), [_short(row.label) for row in rows])
    axes.set(title=_short(table.title), xlabel=f"{first}, {table.unit(first)}, with 95 % intervals")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(alpha=0.3)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
