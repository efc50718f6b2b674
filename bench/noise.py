"""``bench noise``: how trained methods bear boxes that err: a table, and a figure, from the records of their tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.errors import UserError
from bench.record import RunRecord, atomically
from bench.report.records import Entry, read_records
from data.boxes import BoxSource
from data.types import DataError

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#56b4e9", "#e69f00")  # Okabe & Ito
MARKERS = "osD^vPX"
Key = tuple[float, int]  # noise, further boxes a person


@dataclass(frozen=True)
class Series:
    """One trained method under boxes of several kinds: of each the metric and its 95 % interval."""

    name: str
    points: dict[Key, tuple[float, float, float]]


def boxes_of(label: str) -> Key | None:
    """Read what a record says of its boxes; None for boxes of a file.

    >>> boxes_of("truth"), boxes_of("jitter:0.1"), boxes_of("jitter:0.0:2"), boxes_of("found.json sha256:0")
    ((0.0, 0), (0.1, 0), (0.0, 2), None)
    """
    try:
        source = BoxSource.parse(label)
    except DataError:
        return None
    return source.jitter, source.doubles


def gather(words: Sequence[str], metric: str) -> list[Series]:
    """Collect the tests of each run that lie beside it.

    Args:
        words: NAME=RECORD.json, or NAME=RECORD.json,option=value for its tests with other options.
        metric: id.

    Raises:
        UserError: if a word is not of that form, a run has no such tests, or tests are not of the same images.
    """
    series, kinds, read = [], set(), cache(read_records)
    for word in words:
        name, _, rest = word.partition("=")
        path, *options = rest.split(",")
        if not path or any("=" not in option for option in options):
            raise UserError(f"{word}: NAME=RECORD.json expected, or NAME=RECORD.json,option=value")
        entries, _ = read(Path(path).parent)
        found = _tests(Path(path), entries, dict(option.split("=", 1) for option in options), metric)
        if not found:
            raise UserError(f"{word}: no test of that run with {metric} in truth or jittered boxes is beside it")
        kinds |= {(r.dataset, r.split, r.config.get("data", {}).get("test_limit")) for r in found.values()}
        values = {key: record.metrics[metric] for key, record in found.items()}
        series.append(Series(name, {key: (value.value, *value.ci95) for key, value in values.items()}))
    if len(kinds) > 1:
        told = "; ".join(" ".join(map(str, kind)) for kind in sorted(kinds, key=str))
        raise UserError(f"tests of {len(kinds)} kinds of images, one expected (data set, split, limit): {told}")
    return series


def _tests(path: Path, entries: Sequence[Entry], options: dict[str, str], metric: str) -> dict[Key, RunRecord]:
    """Return the tests of a run with these options, by their boxes; of two alike the one that had more images."""
    run, found = RunRecord.read(path), dict[Key, RunRecord]()
    for entry in entries:
        key = boxes_of(entry.record.boxes)
        if key is not None and metric in entry.record.metrics and _is_of(entry, run, options):
            found[key] = entry.record
    return found


def _is_of(entry: Entry, run: RunRecord, options: dict[str, str]) -> bool:
    changed = {name: str(value) for name, value in entry.changed.items()}
    return entry.trained.get("id") == run.id and changed == options


def table(series: Sequence[Series], metric: str) -> str:
    """Lay the numbers out in Markdown: a row a method, a column a kind of boxes."""
    keys = sorted({key for one in series for key in one.points}, key=lambda key: key[::-1])
    heads = [f"{sigma:g}" + (f", +{doubles}" if doubles else "") for sigma, doubles in keys]
    lines = [f"| {metric}, boxes off by | {' | '.join(heads)} |", "|---|" + "---|" * len(keys)]
    for one in series:
        cells = [one.points.get(key) for key in keys]
        texts = ["" if cell is None else f"{cell[0]:.1f} ({cell[1]:.1f}-{cell[2]:.1f})" for cell in cells]
        lines.append(f"| {one.name} | {' | '.join(texts)} |")
    return "\n".join(lines) + "\n"


def draw(series: Sequence[Series], metric: str, path: Path) -> None:
    """Draw the metric over the noise of the boxes, a panel for each number of doubles; .svg or .png."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    doubles = sorted({key[1] for one in series for key in one.points})
    figure = Figure(figsize=(1 + 3.6 * len(doubles), 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(doubles), sharey=True, squeeze=False)[0]
    for axes, extra in zip(panels, doubles, strict=True):
        for i, one in enumerate(series):
            here = sorted((sigma, value) for (sigma, more), value in one.points.items() if more == extra)
            x = [sigma + 0.004 * (i - len(series) / 2) for sigma, _ in here]  # side by side, so that bars are seen
            y, low, high = zip(*(value for _, value in here), strict=True) if here else ((), (), ())
            ends = [[v - a for v, a in zip(y, low, strict=True)], [b - v for v, b in zip(y, high, strict=True)]]
            colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
            axes.errorbar(x, y, yerr=ends, label=one.name, color=colour, marker=marker, markersize=4, capsize=2)
        axes.set(title="one box a person" if not extra else f"{1 + extra} boxes a person", xlabel="noise of the boxes")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(f"{metric}, %")
    panels[0].set_ylim(bottom=0)
    panels[-1].legend(fontsize=8)
    with atomically(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lstrip(".") or "svg", dpi=120)
