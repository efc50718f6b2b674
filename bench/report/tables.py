"""Tables for people and for programs: method by protocol, costs, and what the papers say."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from bench.report import differences
from bench.report.best import ALPHA, Best
from bench.report.differences import Paired
from bench.report.published import Line, Published, departure
from bench.report.rows import Row, Table

COSTS = (
    "parameters",
    "GMACs",
    "train images/s",
    "test images/s",
    "latency ms",
    "trained",
    "to train",
    "hardware",
    "commit",
)
Verdicts = Mapping[str, Best]


def value(row: Row, protocol: str) -> str:
    """Write a number with its interval, as 34.8 ± 1.1."""
    number = row.numbers.get(protocol)
    return f"{number.mean:.1f} ± {number.half:.1f}" if number else ""


def costs(row: Row) -> list[str]:
    """Write what a row took, in the order of `COSTS`."""
    parameters, gmacs = row.cost("parameters") or 0.0, row.cost("gmacs") or 0.0
    seconds, latency = row.cost("train_seconds") or 0.0, row.cost("latency_ms")
    rates = [f"{rate:.0f}" if (rate := row.cost(f"{phase}_images_per_second")) else "" for phase in ("train", "test")]
    trained = f"{seconds:.0f} s" if rates[0] else ""
    numbers = [f"{parameters / 1e6:.2f} M", f"{gmacs:.3f}", *rates, f"{latency:.1f}" if latency is not None else ""]
    return [*numbers, trained, row.budget if rates[0] else "", row.hardware, row.commits]


def bold(row: Row, protocol: str, verdicts: Verdicts) -> bool:
    """Say whether a number is the best of its column by more than chance."""
    best = verdicts.get(protocol)
    return best is not None and best.sure and best.row is row


def notes(table: Table, verdicts: Verdicts) -> list[str]:
    """Say how to read a table, and what may not be concluded from it."""
    seeds = {len(row.entries) for row in table.rows}
    over = "people (one seed each)" if seeds == {1} else "seeds and people"
    told = [f"Mean ± half the 95 % interval over {over}."]
    untested: dict[str, list[str]] = {}
    for name, best in verdicts.items():
        if best.p is None:
            untested.setdefault(best.reason, []).append(name)
    if any(best.p is not None for best in verdicts.values()):
        told.append(f"Bold: better than every other row, each paired comparison p < {ALPHA:g}.")
    for reason, names in untested.items():
        which = "no column" if len(names) == len(verdicts) else f"not {', '.join(names)}"
        told.append(f"Differences tested in {which}, so nothing is bold there: {reason}.")
    return [*told, *(f"Warning: {warning}." for warning in table.warnings)]


def markdown(tables: Sequence[Table], verdicts: Sequence[Verdicts], lines: Sequence[Line], deviations: dict[str, str],
             unused: int, pairs: Sequence[Sequence[Paired]] = ()) -> str:  # fmt: skip
    """Write everything as Markdown.

    Args:
        tables: ours.
        verdicts: of each table.
        lines: of the reproducibility table.
        deviations: what departs from each paper, by title.
        unused: published numbers that nothing here can be set beside.
        pairs: row against row, of each table.
    """
    parts = ["# Results", ""]
    for table, best, paired in zip(tables, verdicts, pairs or [()] * len(tables), strict=True):
        names = [f"{name} ({table.unit(name)})" for name in table.protocols]
        rows = []
        for row in table.rows:
            cells = [f"**{value(row, n)}**" if bold(row, n, best) else value(row, n) for n in table.protocols]
            rows.append([row.label, str(len(row.entries)), *cells, *costs(row)])
        parts += [f"## {table.title}", "", *pipe(["method", "seeds", *names, *COSTS], rows), ""]
        parts += [f"- {note}" for note in notes(table, best)] + ["", *differences.markdown(paired)]
    return "\n".join([*parts, *_markdown_lines(lines, deviations, unused)])


def _markdown_lines(lines: Sequence[Line], deviations: dict[str, str], unused: int) -> list[str]:
    head = ["method", "published for", "protocol", "paper", "repository", "ours", "difference", "verdict"]
    parts = ["## Beside the published numbers", ""]
    if lines:
        parts += [
            *pipe(head, [reproduction(line) for line in lines]),
            "",
            "† from memory, not checked at the source.",
            "",
        ]
    parts += [
        f"{unused} other published numbers have no run here to be set beside; `results/published.csv` has them.",
        "",
    ]
    told = [(method, departure(method, deviations)) for method in sorted({line.ours.method for line in lines})]
    if any(words for _, words in told):
        parts += ["Departures from the papers, as recorded:", "", *(f"- {m}: {w}" for m, w in told if w), ""]
    return parts


def reproduction(line: Line) -> list[str]:
    """Write one line of the reproducibility table."""
    theirs = line.conditions
    extra = f" + {theirs.extra_data}" if theirs.extra_data else ""
    what = f"{theirs.backbone}, {theirs.dataset} {theirs.split}{extra}"
    ours = f"{line.number.mean:.1f} ± {line.number.half:.1f}"
    return [
        *(line.ours.label, what, theirs.protocol, _printed(line.paper), _printed(line.repository), ours),
        *(f"{line.difference:+.1f}", line.verdict),
    ]


def _printed(published: Published | None) -> str:
    if published is None:
        return ""
    return f"{published.value:g}" + ("†" if published.checked == "memory" else "")


def pipe(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Write a table as lines of Markdown."""
    listed = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in listed]


def comma_separated(tables: Sequence[Table], verdicts: Sequence[Verdicts]) -> str:
    """Write one line for each row and protocol, with every part of the interval."""
    file = io.StringIO()
    head = [
        "dataset",
        "split",
        "boxes",
        "convention",
        "test_limit",
        "method",
        "preset",
        "differs",
        "seeds",
        "protocol",
        "unit",
    ]
    head += ["mean", "low", "high", "half_people", "half_seeds", "n", "best", "p", "records"]
    head += ["parameters", "gmacs", "train_images_per_second", "test_images_per_second", "latency_ms", "train_seconds"]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*head, "hardware", "commit"])
    for table, best in zip(tables, verdicts, strict=True):
        where = [table.dataset, table.split, table.boxes, table.convention, table.test_limit]
        for row in table.rows:
            own = [row.method, row.preset, row.differs, " ".join(map(str, row.seeds))]
            spent = [row.cost(name) for name in head[-6:]]
            for name, n in row.numbers.items():
                found = best.get(name)
                verdict = [found is not None and found.row is row, found.p if found and found.row is row else None]
                number = [n.mean, n.low, n.high, n.people, n.seeds, n.n]
                records = " ".join(entry.record.id for entry in row.entries)
                writer.writerow(
                    [*where, *own, name, n.unit, *number, *verdict, records, *spent, row.hardware, row.commits]
                )
    return file.getvalue()


def reproduction_csv(lines: Sequence[Line]) -> str:
    """Write the reproducibility table for programs."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    head = ["method", "ours", "backbone", "dataset", "split", "protocol", "input_size", "boxes", "extra_data", "paper"]
    writer.writerow([*head, "repository", "mean", "low", "high", "difference", "verdict"])
    for line in lines:
        theirs, n = line.conditions, line.number
        printed = [one.value if one else None for one in (line.paper, line.repository)]
        writer.writerow(
            [
                theirs.method,
                line.ours.label,
                *theirs.conditions[1:],
                *printed,
                n.mean,
                n.low,
                n.high,
                line.difference,
                line.verdict,
            ]
        )
    return file.getvalue()
