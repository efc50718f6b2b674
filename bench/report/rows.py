"""From records to rows: runs that differ in their seed only are one row, with an interval over seeds and people."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.report.records import Entry
from bench.stats import over_seeds

MOST_DIFFERENCES = 3  # shown of what sets two rows of one method apart
ASIDE = {"data.workers", "data.cache_gb", "data.test_batch_size", "trainer.accelerator", "trainer.compile"}


@dataclass(frozen=True)
class Number:
    """One metric of one row.

    Attributes:
        mean: over the seeds.
        low: lower end of the 95 % interval over seeds and people.
        high: its upper end.
        people: half the interval over people, the mean of the seeds'.
        seeds: half the t interval over seeds; None for one seed.
        unit: % or mm.
        n: people (images for AP).
    """

    mean: float
    low: float
    high: float
    people: float
    seeds: float | None
    unit: str
    n: int

    @property
    def half(self) -> float:
        """Half the interval, what follows the ± sign."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Row:
    """One setting of one method."""

    method: str
    preset: str
    differs: str  # from the other rows of the method and preset, in words
    entries: tuple[Entry, ...]  # by seed
    numbers: dict[str, Number]

    @property
    def label(self) -> str:
        """The row's name."""
        return f"{self.method} {self.preset}" + (f" ({self.differs})" if self.differs else "")

    @property
    def seeds(self) -> list[int]:
        """The seeds of its runs."""
        return [entry.record.seed for entry in self.entries]

    def cost(self, name: str) -> float | None:
        """Return the mean of a cost over the seeds; None where it was not measured."""
        values = [getattr(entry.record.cost, name) for entry in self.entries]
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if known else None

    @property
    def hardware(self) -> str:
        """The devices that the runs used."""
        return _listed(entry.record.cost.device for entry in self.entries)

    @property
    def commits(self) -> str:
        """The commits that made the runs; + where something was not committed."""
        found = (entry.record.environment for entry in self.entries)
        return _listed((e.git_commit or "unknown")[:8] + ("+" if e.git_dirty else "") for e in found)

    @property
    def budget(self) -> str:
        """How long the training was to last."""
        return training_length(self.entries[0].record.config)


@dataclass(frozen=True)
class Table:
    """Rows about the same people, under the same conditions."""

    dataset: str
    split: str
    boxes: str
    convention: str
    test_limit: int | None
    protocols: tuple[str, ...]
    rows: tuple[Row, ...]  # the best of the first protocol first
    warnings: tuple[str, ...] = field(default=())

    @property
    def title(self) -> str:
        """What the rows have in common."""
        limit = f", first {self.test_limit} samples" if self.test_limit is not None else ""
        sides = ", observer's left and right" if self.convention == "oc" else ""
        return f"{self.dataset} {self.split}, boxes: {self.boxes}{sides}{limit}"

    def unit(self, protocol: str) -> str:
        """The unit of a column."""
        return next(row.numbers[protocol].unit for row in self.rows if protocol in row.numbers)

    def best(self, protocol: str) -> Row | None:
        """Return the row with the best mean; None where there is but one."""
        having = [row for row in self.rows if protocol in row.numbers]
        if len(having) < 2:
            return None
        return max(having, key=lambda row: sign(self.unit(protocol)) * row.numbers[protocol].mean)


def sign(unit: str) -> int:
    """Return 1 where more is better, -1 for distances."""
    return 1 if unit == "%" else -1


def make_tables(entries: Sequence[Entry]) -> list[Table]:
    """Sort records into tables of what may be compared.

    Args:
        entries: any records.

    Returns:
        A table for each data set, split, source of boxes, convention and limit; those with most rows first.
    """
    groups: dict[tuple[str, str, str, str, int | None], list[Entry]] = {}
    for entry in entries:
        record = entry.record
        limit = record.config.get("data", {}).get("test_limit")
        key = (record.dataset, record.split, record.boxes, str(record.config.get("convention", "pc")), limit)
        groups.setdefault(key, []).append(entry)
    tables = [_table(*key, found) for key, found in sorted(groups.items(), key=lambda item: str(item[0]))]
    return sorted(tables, key=lambda table: -len(table.rows))


def _table(dataset: str, split: str, boxes: str, convention: str, limit: int | None, entries: Sequence[Entry]) -> Table:
    settings: dict[tuple[str, ...], list[Entry]] = {}
    for entry in sorted(entries, key=lambda e: (e.record.seed, e.record.id)):
        settings.setdefault(entry.setting, []).append(entry)
    presets: dict[tuple[str, str], list[list[Entry]]] = {}
    for found in settings.values():
        presets.setdefault((found[0].record.method, found[0].record.preset), []).append(found)
    rows = [
        _row(found, words)
        for alike in presets.values()
        for found, words in zip(alike, _differences([runs[0] for runs in alike]), strict=True)
    ]
    protocols = tuple(dict.fromkeys(name for entry in entries for name in entry.record.metrics))
    first = protocols[0] if protocols else ""

    def rank(row: Row) -> tuple[bool, float]:
        number = row.numbers.get(first)
        return number is None, -sign(number.unit) * number.mean if number else 0.0

    warnings = tuple(unlike(entries))
    return Table(dataset, split, boxes, convention, limit, protocols, tuple(sorted(rows, key=rank)), warnings)


def _row(entries: Sequence[Entry], differs: str) -> Row:
    record = entries[0].record
    names = [n for n in record.metrics if all(n in entry.record.metrics for entry in entries)]
    return Row(record.method, record.preset, differs, tuple(entries), {n: number(entries, n) for n in names})


def number(entries: Sequence[Entry], metric: str) -> Number:
    """Combine one metric of runs with different seeds.

    The test people are the same for every seed, so their share of the uncertainty does not shrink with more seeds:
    the two half-widths are added as independent errors are, by squares.
    """
    found = [entry.record.metrics[metric] for entry in entries]
    mean = over_seeds([m.value for m in found])
    seeds = (mean.ci95[1] - mean.ci95[0]) / 2 if mean.ci95 else None
    below = sum(m.value - m.ci95[0] for m in found) / len(found)
    above = sum(m.ci95[1] - m.value for m in found) / len(found)
    low, high = mean.mean - math.hypot(below, seeds or 0.0), mean.mean + math.hypot(above, seeds or 0.0)
    return Number(mean.mean, low, high, (below + above) / 2, seeds, found[0].unit, min(m.n for m in found))


def unlike(entries: Sequence[Entry]) -> list[str]:
    """Warn of what else than the method differs between records of one table."""
    told = []
    versions: dict[str, set[Any]] = {}
    for entry in entries:
        for name, version in entry.record.config.get("protocols", {}).items():
            versions.setdefault(name, set()).add(version)
    told += [
        f"{name}: rules of versions {_listed(found)}" for name, found in sorted(versions.items()) if len(found) > 1
    ]
    lengths = {training_length(e.record.config) for e in entries if e.record.cost.train_images_per_second}
    if len(lengths) > 1:
        told.append(f"different training lengths: {_listed(lengths)}")
    commits = {entry.record.environment.git_commit for entry in entries}
    if len(commits) > 1:
        told.append(f"made by {len(commits)} commits: {_listed((commit or 'unknown')[:8] for commit in commits)}")
    devices = {entry.record.cost.device for entry in entries}
    if len(devices) > 1:
        told.append(f"speeds of different devices: {_listed(devices)}")
    dirty = [entry.record.id for entry in entries if entry.record.environment.git_dirty]
    if dirty:
        told.append(f"run from uncommitted changes: {_listed(dirty)}")
    return told


def training_length(config: dict[str, Any]) -> str:
    """Say how long a training was to last: its budget, or its epochs."""
    seconds, epochs = config.get("budget_seconds"), config.get("trainer", {}).get("max_epochs")
    if seconds:
        return f"{seconds / 60:g} min"
    return f"{epochs} epochs" if epochs is not None else ""


def leaves(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Flatten a configuration: dotted name -> value."""
    if not isinstance(tree, dict):
        return {prefix: tree}
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= leaves(value, f"{prefix}.{key}" if prefix else str(key))
    return found


def _differences(rivals: Sequence[Entry]) -> list[str]:
    """Say what sets each setting of one method and preset apart; its hash where words do not."""
    if len(rivals) == 1:
        return [""]
    configs = [_shown(rival) for rival in rivals]
    common = set(configs[0]).intersection(*configs[1:])
    differing = [key for key in configs[0] if key in common and len({str(config[key]) for config in configs}) > 1]
    told = [_words(config, differing) for config in configs]
    seen = Counter(told)
    digests = [rival.record.id.rsplit("--", 1)[-1] for rival in rivals]
    pairs = zip(told, digests, strict=True)
    return [
        words if words and seen[words] == 1 else "; ".join(filter(None, [words, digest])) for words, digest in pairs
    ]


def _words(config: dict[str, Any], differing: Sequence[str]) -> str:
    words = [f"{key.split('.', 1)[-1]} {config[key]}" for key in differing[:MOST_DIFFERENCES]]
    if len(differing) > MOST_DIFFERENCES:
        words.append(f"and {len(differing) - MOST_DIFFERENCES} more")
    return "; ".join(words)


def _shown(entry: Entry) -> dict[str, Any]:
    config = {key: value for key, value in entry.record.config.items() if key != "protocols"}
    return {key: value for key, value in leaves(config).items() if key not in ASIDE and key != "trained.id"}


def _listed(found: Iterable[object]) -> str:
    return ", ".join(sorted({str(item) for item in found}))
