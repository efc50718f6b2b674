"""The sections of the page, each as HTML."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from bench import repeat
from bench.report import tables as laid_out
from bench.report.best import Best
from bench.report.html_table import breakable, head, scrolled
from bench.report.published import REPOSITORY, Line, departure, reference
from bench.report.records import Entry
from bench.report.rows import Row, Table

CHARTS = {
    "speed": ("Speed and accuracy", "Each point is a row of the table; bars are 95 % intervals over seeds and people."),
    "joints": ("By joint", "The mean over seeds; brighter is better where the unit is %."),
    "thresholds": (
        "Over thresholds",
        "PCK of the first seed at every threshold: the share of joints found within so many torso lengths.",
    ),
    "learning": ("Learning curves", "Of people held out from training, as logged during the run."),
}
CODE, CODED = re.compile("`(.+?)`"), r"<code>\1</code>"  # as Markdown and HTML have it
Verdicts = Mapping[str, Best]


def leaderboard(tables: Sequence[Table], verdicts: Sequence[Verdicts]) -> str:
    """Lay out every table; the script makes it sort and filter."""
    controls = (
        "<div class='controls'><label>Filter rows, differences, papers and runs<input id='filter' type='search' "
        "placeholder='such as hrnet lsp' autocomplete='off'></label>"
        "<span id='shown' class='soft' role='status'></span></div>"
    )
    return controls + "".join(_table(table, best) for table, best in zip(tables, verdicts, strict=True))


def _table(table: Table, verdicts: Verdicts) -> str:
    names = [f"{name} ({table.unit(name)})" for name in table.protocols]
    heads = [head("method", text=True), head("seeds"), *map(head, names)]
    heads += [head(name, text=name in ("to train", "hardware", "commit")) for name in laid_out.COSTS]
    rows = "".join(_row(table, row, verdicts) for row in table.rows)
    notes = "".join(f"<li>{escape(note)}</li>" for note in laid_out.notes(table, verdicts))
    laid = scrolled(table.title, "".join(heads), rows)
    return f"<h3>{escape(table.title)}</h3>{laid}<ul class='notes soft'>{notes}</ul>"


def _row(table: Table, row: Row, verdicts: Verdicts) -> str:
    cells = [f"<td data-value='{len(row.entries)}'>{len(row.entries)}</td>"]
    for name in table.protocols:
        text, number = escape(laid_out.value(row, name)), row.numbers.get(name)
        strong = f"<strong>{text}</strong>" if laid_out.bold(row, name, verdicts) else text
        cells.append(f"<td data-value='{number.mean if number else ''}'>{strong}</td>")
    raw = [
        row.cost(n) for n in ("parameters", "gmacs", "train_images_per_second", "test_images_per_second", "latency_ms")
    ]
    raw.append(row.cost("train_seconds") if raw[2] else None)
    for text, value in zip(laid_out.costs(row), [*raw, "", "", ""], strict=True):
        known = f" data-value='{'' if value is None else value}'" if value != "" else " class='text'"
        cells.append(f"<td{known}>{escape(text)}</td>")
    method = f"<a href='#method-{escape(row.method, quote=True)}'>{breakable(row.label)}</a>"
    searched = escape(f"{row.label} {table.title} {row.hardware} {row.commits}", quote=True)
    name = f"<th scope='row' data-value='{escape(row.label, quote=True)}'>{method}</th>"
    return f"<tr data-text='{searched}'>{name}{''.join(cells)}</tr>"


def charts_section() -> str:
    """Lay out the places that the script draws in."""
    controls = (
        "<div class='controls'><label>Table<select id='which'></select></label><label>Protocol<select id='protocol'>"
        "</select></label><label>Cost<select id='cost'></select></label></div>"
    )
    figures = [
        f"<figure><h3>{title}</h3><div class='chart' id='chart-{name}' role='img' aria-label='{title}; the numbers "
        f"are in the tables above'></div><figcaption>{words}</figcaption></figure>"
        for name, (title, words) in CHARTS.items()
    ]
    return controls + "".join(figures)


def gallery_section(pictures: Sequence[tuple[str, tuple[str | None, str]]]) -> str:
    """Lay out a picture for each table, and say once why others have none."""
    made, without = [], dict[str, list[str]]()
    for title, (picture, words) in pictures:
        if picture is None:
            without.setdefault(words, []).append(title)
            continue
        image = f"<img loading='lazy' src='data:image/jpeg;base64,{picture}' alt='{escape(words, quote=True)}'>"
        made.append(f"<h3>{escape(title)}</h3><figure>{image}<figcaption>{escape(words)}.</figcaption></figure>")
    for words, titles in without.items():
        which = f"of {escape('; '.join(titles))}" if made or len(without) > 1 else "of any table"
        made.append(f"<p class='soft'>No picture {which}: {escape(words)}.</p>")
    return "".join(made)


def published_section(lines: Sequence[Line], unused: int) -> str:
    """Lay out the reproducibility table."""
    rest = (
        f"<p class='soft'>{unused} other published numbers have no run here to be set beside; "
        "<code>results/published.csv</code> has them all, each with its source.</p>"
    )
    if not lines:
        return rest
    heads = ["method", "published for", "protocol", "paper", "repository", "ours", "difference", "verdict"]
    kinds = [True, True, True, False, False, False, False, True]
    rows = []
    for line in lines:
        cells = laid_out.reproduction(line)
        values = [None, None, None, *(str(p.value) if p else "" for p in (line.paper, line.repository))]
        values += [str(line.number.mean), str(line.difference), None]
        source = escape(reference(line.paper, line.repository).source, quote=True)
        made = [f"<th scope='row'>{breakable(cells[0])}</th>"]
        for text, value, is_text in zip(cells[1:], values[1:], kinds[1:], strict=True):
            attribute = f" data-value='{value}' title='{source}'" if value is not None else ""
            kind = " class='wrap'" if text == line.verdict else " class='words'" if is_text else ""
            made.append(f"<td{attribute}{kind}>{escape(text)}</td>")
        rows.append(f"<tr>{''.join(made)}</tr>")
    sortable = "".join(head(name, text=kind) for name, kind in zip(heads, kinds, strict=True))
    told = (
        "<p class='soft'>† from memory, not checked at the source. The source of a number shows when the pointer rests "
        "on it.</p>"
    )
    return scrolled("Beside the published numbers", sortable, "".join(rows)) + told + rest


def methods_section(tables: Sequence[Table], departures: Mapping[str, str]) -> str:
    """Say of each method what it is, what departs from its paper, and where it stands."""
    made = []
    for method in sorted({row.method for table in tables for row in table.rows}):
        words = departure(method, dict(departures)) or "none recorded"
        items = []
        for table in tables:
            for place, row in enumerate(table.rows, 1):
                if row.method == method:
                    name = table.protocols[0]
                    items.append(
                        f"<li>{escape(row.label)}: {escape(laid_out.value(row, name))} {escape(name)} on "
                        f"{escape(table.title)}, place {place} of {len(table.rows)}</li>"
                    )
        made.append(
            f"<h3 id='method-{escape(method, quote=True)}'>{escape(method)}</h3><p>{escape(_first_line(method))}</p>"
            f"<p>Departures from the paper: {CODE.sub(CODED, escape(words))}.</p><ul>{''.join(items)}</ul>"
        )
    return "".join(made)


def _first_line(method: str) -> str:
    """Return what the method's file says of itself, without running it."""
    path: Path = REPOSITORY / "methods" / f"{method}.py"
    if not path.is_file():
        return ""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0]


def runs_section(entries: Sequence[Entry]) -> str:
    """Show each record: how to repeat it, where it was made, its whole configuration."""
    return "".join(_run(entry) for entry in entries)


def _run(entry: Entry) -> str:
    record = entry.record
    environment = record.environment
    commit = (environment.git_commit or "unknown") + (" with uncommitted changes" if environment.git_dirty else "")
    facts = {
        "made": f"{record.started} to {record.finished}",
        "commit": commit,
        "python, torch": f"{environment.python}, {environment.torch}",
        "platform": environment.platform,
        "hardware": record.cost.device,
        "predictions": record.predictions.path + ("" if entry.predictions.is_file() else " (not beside the record)"),
        "W&B": f"{record.wandb.mode} {record.wandb.run_id or ''}",
    }
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    retested = (
        "<p>Of <code>bench test</code>; the command repeats the training that it tested.</p>" if entry.trained else ""
    )
    return (
        f"<details id='run-{escape(record.id, quote=True)}'><summary>{escape(record.id)}</summary>{retested}"
        f"<p>To repeat it:</p><pre>{escape(repeat.line(record))}</pre><dl>{listed}</dl>"
        f"<pre>{escape(json.dumps(record.config, indent=1))}</pre></details>"
    )
