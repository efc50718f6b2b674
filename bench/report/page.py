"""One self-contained page over all records: tables that sort, charts, and for each run how to repeat it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from bench.report import differences
from bench.report import page_parts as parts
from bench.report.chart_data import charts
from bench.report.gallery import gallery
from bench.report.thresholds import pck_curves

if TYPE_CHECKING:
    from bench.report.build import Report

HERE = Path(__file__).parent
SECTIONS = {
    "leaderboard": "Leaderboard",
    "differences": "Differences",
    "charts": "Charts",
    "gallery": "People",
    "published": "Papers",
    "methods": "Methods",
    "runs": "Runs",
}


def page(report: Report) -> str:
    """Write the page: HTML with its styles, its script, plotly and all data inside."""
    from bench.report.build import warnings

    data = {"tables": charts(report.tables, [pck_curves(table) for table in report.tables])}
    body = [
        _header(report, warnings(report)),
        "<main id='main'>",
        _section("leaderboard", parts.leaderboard(report.tables, report.verdicts)),
        _section("differences", differences.section(report.tables, report.pairs or [()] * len(report.tables))),
        _section("charts", parts.charts_section()),
        _section("gallery", parts.gallery_section([(table.title, gallery(table)) for table in report.tables])),
        _section("published", parts.published_section(report.lines, report.unused)),
        _section("methods", parts.methods_section(report.tables, report.departures)),
        _section("runs", parts.runs_section(report.entries)),
        "</main>",
    ]
    plotly = resources.files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")
    scripts = [
        f"<script type='application/json' id='data'>{_embedded(data)}</script>",
        f"<script>{(HERE / 'page.js').read_text(encoding='utf-8')}</script>",
        f"<script type='text/plain' id='plotly'>{plotly}</script>",  # run when the first chart comes into view
    ]
    head = (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Pose estimation: results</title>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'><link rel='icon' href='data:,'>"
        f"<style>{(HERE / 'page.css').read_text(encoding='utf-8')}</style></head><body>"
    )
    return "\n".join([head, *body, *scripts, "</body></html>\n"])


def _embedded(document: object) -> str:
    """Write JSON that cannot end the script it stands in."""
    return json.dumps(document, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _header(report: Report, warnings: Sequence[str]) -> str:
    methods = len({entry.record.method for entry in report.entries})
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    told = f"{len(report.entries)} records of {methods} methods. Made {made} by <code>bench report</code>."
    links = "".join(f"<li><a href='#{name}'>{title}</a></li>" for name, title in SECTIONS.items())
    listed = ""
    if warnings:
        items = "".join(f"<li>{escape(line)}</li>" for line in warnings)
        listed = (
            f"<details class='warn'><summary>{len(warnings)} warnings: what to know before comparing</summary>"
            f"<ul>{items}</ul></details>"
        )
    return (
        "<a class='skip' href='#main'>Skip to the tables</a><header><h1>Human pose estimation: results</h1>"
        f"<p class='soft'>{told}</p>{listed}</header><nav aria-label='Sections'><ul>{links}</ul></nav>"
    )


def _section(name: str, content: str) -> str:
    title = f"<h2 id='{name}-title'>{SECTIONS[name]}</h2>"
    return f"<section id='{name}' aria-labelledby='{name}-title'>{title}{content}</section>"
