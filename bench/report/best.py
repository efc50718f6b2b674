"""Whether the best of a column is better than every other by more than chance: paired, over the same people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import one_line
from bench.report.differences import Reader, seed_pairs
from bench.report.records import Entry
from bench.report.rows import Row, Table

if TYPE_CHECKING:
    from bench.paired import MetricDifference

ALPHA = 0.05  # default: of the two-sided test


@dataclass(frozen=True)
class Best:
    """The best row of one column.

    Attributes:
        row: it.
        p: the largest of its comparisons with the others; None where it was not tested.
        reason: why it was not tested.
    """

    row: Row
    p: float | None
    reason: str = ""

    @property
    def sure(self) -> bool:
        """Whether it is to be set in bold."""
        return self.p is not None and self.p < ALPHA


Compare = Callable[[Entry, Entry], Mapping[str, "MetricDifference"]]  # (a, b) -> metric -> b against a


def find_best(table: Table, compare: Compare | None = None) -> dict[str, Best]:
    """Find the best row of each column and test it against all others.

    It must win every comparison, so p is the largest (an intersection-union test needs no correction). Runs are paired
    by their seed; where no seed is shared, all pairs count.

    Args:
        table: rows about the same people.
        compare: the paired comparison; reads the predictions by default.

    Returns:
        A verdict for each column with at least two rows.
    """
    compare = compare or Reader(table).metrics
    found = {}
    for protocol in table.protocols:
        row = table.best(protocol)
        if row is not None:
            others = [other for other in table.rows if other is not row and protocol in other.numbers]
            found[protocol] = _test(protocol, row, others, compare)
    return found


def _test(protocol: str, row: Row, others: list[Row], compare: Compare) -> Best:
    versions = {e.record.config.get("protocols", {}).get(protocol) for r in (row, *others) for e in r.entries}
    if len(versions) > 1:
        return Best(row, None, "rules of different versions")
    largest = 0.0
    for other in others:
        for a, b in seed_pairs(other, row):
            try:
                difference = compare(a, b).get(protocol)
            except Exception as error:
                if getattr(error, "exit_code", None) is None:
                    raise
                return Best(row, None, one_line(error))
            if difference is None:
                return Best(row, None, "the stored predictions do not give it")
            gain = difference.difference if difference.higher_is_better else -difference.difference
            largest = max(largest, difference.p if gain > 0 else 1.0)
    return Best(row, largest)
