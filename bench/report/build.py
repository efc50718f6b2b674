"""``bench report``: every view of the records of a folder, each file written in one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import UserError
from bench.record import atomically
from bench.report import tables as laid_out
from bench.report.best import Best, find_best
from bench.report.differences import Paired, Reader, differences
from bench.report.latex import latex
from bench.report.published import Line, departures, read_published, reproduce
from bench.report.ranks import draw_ranks
from bench.report.records import Entry, read_records
from bench.report.rows import Table, make_tables


@dataclass(frozen=True)
class Report:
    """What the views show."""

    entries: tuple[Entry, ...]
    tables: tuple[Table, ...]
    verdicts: tuple[Mapping[str, Best], ...]  # of each table, by protocol
    lines: tuple[Line, ...]  # beside the published numbers
    departures: Mapping[str, str]
    unused: int  # published numbers without a run
    faults: tuple[str, ...]  # files that are no records
    pairs: tuple[Sequence[Paired], ...] = ()  # of each table, row against row


def gather(folder: Path) -> Report:
    """Read the records of a folder and compare them; errors as `read_records`."""
    entries, faults = read_records(folder)
    tables, published = make_tables(entries), read_published()
    lines = reproduce(tables, published)
    shown = sum((line.paper is not None) + (line.repository is not None) for line in lines)
    readers = [Reader(table) for table in tables]
    return Report(
        entries=tuple(entries),
        tables=tuple(tables),
        verdicts=tuple(find_best(table, reader.metrics) for table, reader in zip(tables, readers, strict=True)),
        lines=tuple(lines),
        departures=departures(),
        unused=len(published) - shown,
        faults=tuple(faults),
        pairs=tuple(differences(table, reader) for table, reader in zip(tables, readers, strict=True)),
    )


def write(report: Report, folder: Path) -> list[Path]:
    """Write the tables, the page and the figure; return their paths."""
    from bench.report.page import page

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made ({error.strerror}); choose another folder with --out") from error
    r = report
    texts = {
        "table.md": laid_out.markdown(r.tables, r.verdicts, r.lines, dict(r.departures), r.unused, r.pairs),
        "table.tex": latex(r.tables, r.verdicts, r.lines),
        "table.csv": laid_out.comma_separated(r.tables, r.verdicts),
        "reproducibility.csv": laid_out.reproduction_csv(r.lines),
        "report.html": page(report),
    }
    paths = [_write(folder / name, text) for name, text in texts.items()]
    drawn = draw_ranks(r.tables, ranks := folder / "ranks.svg")
    return [*paths, ranks] if drawn else paths


def _write(path: Path, text: str) -> Path:
    with atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def warnings(report: Report) -> Sequence[str]:
    """List what a reader should know before the numbers."""
    return [*report.faults, *(f"{table.title}: {line}" for table in report.tables for line in table.warnings)]
