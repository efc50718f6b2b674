"""The numbers of the papers beside ours: how far apart, and whether the two may be compared at all."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from bench.errors import UserError
from bench.report.records import Entry
from bench.report.rows import Number, Row, Table

REPOSITORY = Path(__file__).parents[2]
PUBLISHED = REPOSITORY / "results" / "published.csv"
README = REPOSITORY / "README.md"
DEPARTURES = "| method | parameters, `paper` | departures |"  # head of the table in the README


@dataclass(frozen=True)
class Published:
    """One number that somebody printed.

    Attributes:
        method: the key of ours.
        backbone: network and variant, in words.
        dataset: the key of ours.
        split: as the authors call it.
        protocol: the id by whose rules it was counted.
        row: the joint or limb; empty for the total.
        input_size: height x width, empty where there is no fixed one.
        boxes: where the boxes came from.
        extra_data: training data beside the data set's own.
        value: in the protocol's unit.
        origin: paper, or repository (of the authors, or a port).
        source: where it is printed.
        checked: verified there, or from memory.
    """

    method: str
    backbone: str
    dataset: str
    split: str
    protocol: str
    row: str
    input_size: str
    boxes: str
    extra_data: str
    value: float
    origin: Literal["paper", "repository"]
    source: str
    checked: Literal["verified", "memory"]

    @property
    def conditions(self) -> tuple[str, ...]:
        """What a paper and a repository must share to stand in one line."""
        return (
            self.method,
            self.backbone,
            self.dataset,
            self.split,
            self.protocol,
            self.input_size,
            self.boxes,
            self.extra_data,
        )


@dataclass(frozen=True)
class Line:
    """One line of the reproducibility table."""

    conditions: Published  # any of the line's numbers; all share what they were made with
    paper: Published | None
    repository: Published | None
    ours: Row
    number: Number
    verdict: str

    @property
    def difference(self) -> float:
        """Ours minus the paper's, or the repository's where the paper has none."""
        return self.number.mean - reference(self.paper, self.repository).value


def reference(paper: Published | None, repository: Published | None) -> Published:
    """Return the number to compare with: the paper's where there is one."""
    found = paper or repository
    if found is None:
        raise ValueError("neither a paper's nor a repository's number")
    return found


def read_published(path: Path = PUBLISHED) -> list[Published]:
    """Read the file of published numbers.

    Raises:
        UserError: if a column is missing or a value is not a number.
    """
    names = [field.name for field in fields(Published)]
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != names:
            raise UserError(f"{path}: columns {reader.fieldnames}; expected {', '.join(names)}")
        found = []
        for number, row in enumerate(reader, 2):
            try:
                values: dict[str, Any] = {**row, "value": float(row["value"])}
                found.append(Published(**values))
            except (TypeError, ValueError) as error:
                raise UserError(f"{path}, line {number}: {error}; expected one value a column") from error
    return found


def reproduce(tables: Sequence[Table], published: Sequence[Published]) -> list[Line]:
    """Set every published total beside our best setting of the same method, data set, split and protocol.

    Args:
        tables: ours.
        published: all that is known.

    Returns:
        A line for each set of published conditions that we have a number for; the paper's preset goes before others.
    """
    pairs: dict[tuple[str, ...], dict[str, Published]] = {}
    for one in published:
        if not one.row:
            pairs.setdefault(one.conditions, {}).setdefault(one.origin, one)
    lines = []
    for found in pairs.values():
        paper, repository = found.get("paper"), found.get("repository")
        theirs = reference(paper, repository)
        ours = _ours(tables, theirs)
        if ours is not None:
            number = ours.numbers[theirs.protocol]
            lines.append(Line(theirs, paper, repository, ours, number, _verdict(theirs, ours, number)))
    return sorted(lines, key=lambda line: (line.conditions.method, line.conditions.dataset))


def _ours(tables: Sequence[Table], theirs: Published) -> Row | None:
    """Return the setting that is nearest to theirs: the paper's preset, then fewest reasons, then the best number."""
    rows = [
        row
        for table in tables
        for row in table.rows
        if (row.method, table.dataset, table.split) == (theirs.method, theirs.dataset, theirs.split)
        and theirs.protocol in row.numbers
    ]
    return min(
        rows,
        key=lambda row: (row.preset != "paper", len(reasons(theirs, row)), -row.numbers[theirs.protocol].mean),
        default=None,
    )


def _verdict(theirs: Published, ours: Row, number: Number) -> str:
    against = reasons(theirs, ours)
    if against:
        return f"not comparable: {'; '.join(against)}"
    if number.low <= theirs.value <= number.high:
        return "reproduced within the interval"
    worse = number.mean < theirs.value if number.unit == "%" else number.mean > theirs.value
    return "not reached" if worse else "better than published"


def reasons(theirs: Published, ours: Row) -> list[str]:
    """Say why a number of ours may not be compared with a published one; nothing where it may."""
    record = ours.entries[0].record
    config = record.config
    told = [] if ours.preset == "paper" else [f"preset {ours.preset}"]
    if config.get("budget_seconds"):
        told.append(f"trained {ours.budget}")
    limits = [f"{key.removesuffix('_limit')} limited to {config['data'][key]}" for key in ("train_limit", "test_limit")
              if config.get("data", {}).get(key) is not None]  # fmt: skip
    told += limits
    if theirs.boxes not in (record.boxes, "own", "none"):
        told.append(f"boxes {record.boxes}, published with {theirs.boxes}")
    size = config.get("method", {}).get("input_size")
    own_size = "x".join(map(str, size)) if isinstance(size, list) else ""
    if theirs.input_size and own_size and theirs.input_size != own_size:
        told.append(f"input {own_size}, published with {theirs.input_size}")
    extra = _extra(ours.entries[0])
    if extra != theirs.extra_data:
        told.append(f"extra data {extra or 'none'}, published with {theirs.extra_data or 'none'}")
    return told


def _extra(entry: Entry) -> str:
    has_extra = entry.record.config.get("data", {}).get("extra")
    return "LSP-extended" if has_extra and entry.record.dataset == "lsp" else ""


def departures(readme: Path = README) -> dict[str, str]:
    """Read what departs from each paper, as the README's table has it.

    Returns:
        Words by title of the method; empty where the README has no such table.
    """
    lines = readme.read_text().splitlines() if readme.is_file() else []
    if DEPARTURES not in lines:
        return {}
    found = {}
    for line in lines[lines.index(DEPARTURES) + 2 :]:
        if not line.startswith("|"):
            break
        title, _, words = (cell.strip() for cell in line.strip("|").split("|", 2))
        found[title] = words.rstrip("| ")
    return found


def departure(method: str, found: dict[str, str]) -> str:
    """Return the words for a method by its key, which the title contains or is."""
    for title, words in found.items():
        if _letters(method) in _letters(title):
            return words
    return ""


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
