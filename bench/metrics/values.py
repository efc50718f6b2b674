"""What a metric id stands for, and how hits become the numbers of a record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.metrics.functional import share
from bench.stats import bootstrap, bootstrap_ci, interval
from data.types import FloatArray, Person, Skeleton

PERCENT = 100.0  # records hold percent
DECIMALS = 9  # default: sums of fractions that differ by less are the same person to the bootstrap

Kind = Literal["person", "body3d", "people"]
Family = Literal["oks-ap", "mpii-ap"]
Total = Literal["weighted", "plain mean"]  # every counted item weighs the same, or every joint does
Rows = tuple[tuple[str, tuple[int, ...]], ...]  # (row of the table, the items averaged in it)


@dataclass(frozen=True, eq=False)
class Hits:
    """Who hit what: N people, J items (joints or sticks)."""

    hits: NDArray[Any]  # (N, J) bool, a part of a hit in [0, 1], or an error in millimetres
    counted: NDArray[np.bool_]  # (N, J)
    rows: Rows


Score = Callable[[FloatArray, Sequence[Person], Skeleton], Hits]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One metric id: what it measures, by whose rules."""

    id: str
    title: str
    source: str
    kind: Kind  # what is scored: one pose a person, in the image or in space, or all people of an image
    unit: str = "%"
    higher_is_better: bool = True
    version: int = 1  # raised when the numbers of an id change


@dataclass(frozen=True, kw_only=True)
class PersonProtocol(Protocol):
    """One found pose is scored for each true person: kinds ``person`` and ``body3d``."""

    score: Score  # (found (N, K, dims), N people, skeleton) -> hits; NaN where nothing was found
    needs: str  # what a person must have to be counted, for the message when nobody has it
    total: Total = "weighted"

    @property
    def dims(self) -> int:
        """Numbers of a joint: pixels of an image, or millimetres in space."""
        return 3 if self.kind == "body3d" else 2


@dataclass(frozen=True, kw_only=True)
class PeopleProtocol(Protocol):
    """Everybody found in an image is ranked: kind ``people``."""

    family: Family  # whose computation gives this number


class MetricValue(NamedTuple):
    """A metric as a record holds it. A NamedTuple: torchmetrics refuses a frozen dataclass as a result."""

    value: float
    unit: str
    n: int  # people counted
    ci95: tuple[float, float]
    per_joint: dict[str, float]  # by row of the skeleton; a row without a counted item is absent
    left_out: int  # people who could not be counted: no length to divide by, or nothing labelled

    def to_dict(self) -> dict[str, object]:
        """Return the form of the record."""
        return {
            "value": self.value,
            "unit": self.unit,
            "n": self.n,
            "ci95": list(self.ci95),
            "per_joint": dict(self.per_joint),
        }


def summarise(protocol: PersonProtocol, hits: Hits) -> MetricValue:
    """Pool the hits into the value, its interval and the rows of the table.

    A row is the plain mean of its items' shares, so left and right weigh the same however many of each are labelled:
    the way of the MPII and LSP evaluation codes.

    Raises:
        ValueError: if nobody can be counted, or a joint that was not found leaves the value without a number.
    """
    n = int(hits.counted.any(1).sum())
    return MetricValue(
        value=value_of(protocol, hits),
        unit=protocol.unit,
        n=n,
        ci95=_ci95(protocol, hits),
        per_joint=by_row(_shares(protocol, hits), hits.rows),
        left_out=len(hits.counted) - n,
    )


def value_of(protocol: PersonProtocol, hits: Hits) -> float:
    """Pool the hits into the value alone.

    Raises:
        ValueError: as `summarise`.
    """
    if not hits.counted.any():
        people = len(hits.counted)
        raise ValueError(
            f"{protocol.id}: 0 of {people} people have {protocol.needs}; use a metric that this data allows"
        )
    if protocol.total == "plain mean":
        value = float(np.nanmean(_shares(protocol, hits)))
    else:
        value = _scale(protocol) * share(hits.hits, hits.counted)
    if not np.isfinite(value):
        missed = int((hits.counted & ~np.isfinite(hits.hits)).sum())
        raise ValueError(f"{protocol.id}: {missed} joints were not found and have no distance; use pck3d@150mm")
    return value


def by_row(shares: FloatArray, rows: Rows) -> dict[str, float]:
    """Average the items (J,) of each row; NaN is no item, and a row without items is absent."""
    present = {name: shares[list(items)][~np.isnan(shares[list(items)])] for name, items in rows}
    return {name: float(parts.mean()) for name, parts in present.items() if len(parts)}


def _scale(protocol: Protocol) -> float:
    return PERCENT if protocol.unit == "%" else 1.0


def _shares(protocol: PersonProtocol, hits: Hits) -> FloatArray:
    """Return the share of each item (J,) in the unit of the protocol; NaN where it never counted."""
    counts = hits.counted.sum(0)
    sums = np.where(hits.counted, hits.hits, 0.0).sum(0)
    return np.where(counts > 0, _scale(protocol) * sums / np.maximum(counts, 1), np.nan)


def _ci95(protocol: PersonProtocol, hits: Hits) -> tuple[float, float]:
    """Resample people; the order in which batches or processes brought them says nothing."""
    if protocol.total == "weighted":
        low, high = bootstrap_ci(hits.hits, hits.counted)
        return low / PERCENT * _scale(protocol), high / PERCENT * _scale(protocol)
    items, n = hits.counted.shape[1], int(hits.counted.any(1).sum())
    people = np.hstack([np.where(hits.counted, hits.hits, 0.0), hits.counted])[hits.counted.any(1)]
    kinds, copies = np.unique(people.round(DECIMALS), axis=0, return_counts=True)

    def plain_mean(drawn: FloatArray) -> FloatArray:
        sums = drawn @ kinds  # (R, 2 J)
        counts = sums[:, items:]
        parts = np.where(counts > 0, sums[:, :items] / np.maximum(counts, 1), np.nan)
        return np.asarray(_scale(protocol) * np.nanmean(parts, axis=1))

    lowest, highest = interval(bootstrap(plain_mean, copies), n)
    return float(lowest), float(highest)
