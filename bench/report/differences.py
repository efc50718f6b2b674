"""Any two rows of a table against each other: paired over the same people, from their predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import combinations
from typing import TYPE_CHECKING

from bench.errors import UserError
from bench.report.html_table import breakable, head, scrolled
from bench.report.records import Entry
from bench.report.rows import Row, Table

if TYPE_CHECKING:
    from bench.compare import Comparison, Same
    from bench.paired import MetricDifference

MOST_PAIRS = 28  # default: of one table, all pairs of 8 rows; with more rows only the best against each
HOW = (
    "First minus second: the paired difference over the same people (images for AP), its 95 % interval and p, from "
    "the predictions of one run of each row, of one seed where both have it. Each p stands alone: of twenty pairs of "
    "equals one falls below 0.05."
)


@dataclass(frozen=True)
class Paired:
    """One row against another that stands below it."""

    first: Row
    second: Row
    comparison: Comparison  # the first against the second


class Reader:
    """Compares records of one table; its people are read once, each pair is compared once."""

    def __init__(self, table: Table) -> None:
        entries = [entry for row in table.rows for entry in row.entries]
        self.missing = [entry.record.id for entry in entries if not entry.predictions.is_file()]
        self.known: dict[tuple[str, str], Comparison] = {}
        self.same: Same | None = None

    def compare(self, a: Entry, b: Entry) -> Comparison:
        """Compare b against a; errors as `bench.compare.Same.compare`."""
        if self.same is None:
            from bench.compare import Same

            self.same = Same()
        key = (a.record.id, b.record.id)
        if key not in self.known:
            self.known[key] = self.same.compare(a.path, b.path)
        return self.known[key]

    def metrics(self, a: Entry, b: Entry) -> Mapping[str, MetricDifference]:
        """Return the differences by metric; errors as `compare`.

        Raises:
            UserError: if any predictions of the table are missing, since a best row must win against all.
        """
        if self.missing:
            more = f" and of {len(self.missing) - 1} more" if len(self.missing) > 1 else ""
            raise UserError(f"the predictions of {self.missing[0]}{more} are not beside their record")
        return {metric.metric: metric for metric in self.compare(a, b).metrics}


def seed_pairs(one: Row, other: Row) -> list[tuple[Entry, Entry]]:
    """Pair the runs of two rows by their seed; all with all where no seed is shared."""
    shared = set(one.seeds) & set(other.seeds)
    pairs = [(a, b) for a in one.entries for b in other.entries]
    return [(a, b) for a, b in pairs if not shared or a.record.seed == b.record.seed]


def differences(table: Table, reader: Reader) -> list[Paired]:
    """Compare the rows whose predictions are there, at most `MOST_PAIRS`; a pair that cannot be compared is left out.

    Args:
        table: rows about the same people, the best first.
        reader: of the same table.
    """
    rows = [row for row in table.rows if any(entry.predictions.is_file() for entry in row.entries)]
    pairs = list(combinations(rows, 2))
    if len(pairs) > MOST_PAIRS:
        pairs = [(rows[0], row) for row in rows[1:]]
    found = []
    for first, second in pairs:
        there = [(a, b) for a, b in seed_pairs(second, first) if a.predictions.is_file() and b.predictions.is_file()]
        comparison = _compared(reader, *there[0]) if there else None
        if comparison is not None and comparison.metrics:
            found.append(Paired(first, second, comparison))
    return found


def _compared(reader: Reader, a: Entry, b: Entry) -> Comparison | None:
    try:
        return reader.compare(a, b)
    except Exception as error:
        if getattr(error, "exit_code", None) is None:
            raise
        return None  # changed or lost since; the table says so


def written(metric: MetricDifference) -> str:
    """Write a difference as +2.1 (+1.0 to +3.2), p 0.003."""
    low, high = metric.ci95
    return f"{metric.difference:+.1f} ({low:+.1f} to {high:+.1f}), p {probability(metric.p)}"


def probability(p: float) -> str:
    """Write a p value with two digits that count, none below 0.001."""
    return "< 0.001" if p < 0.001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def markdown(pairs: Sequence[Paired]) -> list[str]:
    """Write the first metric of each pair as a Markdown table."""
    if not pairs:
        return []
    name = pairs[0].comparison.metrics[0].metric
    head = ["first", "second", f"{name} of first", "of second", "difference", "95 % interval", "p", "n"]
    lines = [head, ["---"] * len(head)]
    for pair in pairs:
        m = pair.comparison.metrics[0]
        low, high = m.ci95
        numbers = [f"{m.b:.1f}", f"{m.a:.1f}", f"{m.difference:+.1f}", f"{low:+.1f} to {high:+.1f}", probability(m.p)]
        lines.append([pair.first.label, pair.second.label, *numbers, str(m.n)])
    text = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
    return [HOW, "", *text, ""]


def section(tables: Sequence[Table], pairs: Sequence[Sequence[Paired]]) -> str:
    """Lay out the differences of every table as HTML."""
    made = [_table(table, found) for table, found in zip(tables, pairs, strict=True) if found]
    if not made:
        return "<p class='soft'>No two rows whose predictions lie beside their records.</p>"
    command = "<code>python -m bench compare A.json B.json</code>"
    return f"<p class='soft'>{escape(HOW)} {command} compares any two records.</p>{''.join(made)}"


def _table(table: Table, pairs: Sequence[Paired]) -> str:
    names = [name for name in table.protocols if any(m.metric == name for p in pairs for m in p.comparison.metrics)]
    title = f"Differences on {table.title}"
    heads = [head("first", text=True), head("second", text=True), *map(head, names), head("what else differs")]
    rows = "".join(_row(table, pair, names) for pair in pairs)
    return f"<h3>{escape(title)}</h3>{scrolled(title, ''.join(heads), rows)}"


def _row(table: Table, pair: Paired, names: Sequence[str]) -> str:
    metrics = {metric.metric: metric for metric in pair.comparison.metrics}
    cells = []
    for name in names:
        metric = metrics.get(name)
        value = metric.difference if metric else ""
        cells.append(f"<td data-value='{value}'>{escape(written(metric)) if metric else ''}</td>")
    first, second = pair.first.label, pair.second.label
    searched = escape(f"{first} {second} {table.title}", quote=True)
    told = escape("; ".join(pair.comparison.warnings))
    return (
        f"<tr data-text='{searched}'><th scope='row'>{breakable(first)}</th><td class='wrap'>{escape(second)}</td>"
        f"{''.join(cells)}<td class='wrap'>{told}</td></tr>"
    )
