"""What a method noted about single test images: ``images.json`` beside the run's pictures, and W&B."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.record import atomically

Notes = Mapping[str, Sequence[float]]  # columns of a number an image, NaN where there is none
IDENTITY = "image"  # the column that says which image; no number to average


def write(path: Path, notes: Notes) -> None:
    """Write the columns as JSON, whole or not at all; NaN becomes null."""
    plain = {name: [None if math.isnan(value) else value for value in column] for name, column in notes.items()}
    with atomically(path) as temporary:
        temporary.write_text(json.dumps(plain, indent=1, allow_nan=False) + "\n")


def flat(notes: Notes) -> dict[str, float]:
    """Name mean and maximum of each column for W&B's summary, and how many images lack a number.

    >>> flat({"image": [7.0, 8.0], "gap": [0.0, 3.0], "bound": [-4.0, float("nan")]})
    {'images/gap/mean': 1.5, 'images/gap/max': 3.0, 'images/bound/mean': -4.0, 'images/bound/max': -4.0, \
'images/without': 1.0}
    """
    found: dict[str, float] = {}
    without: set[int] = set()
    for name, column in notes.items():
        known = [value for value in column if not math.isnan(value)]
        without |= {i for i, value in enumerate(column) if math.isnan(value)}
        if name != IDENTITY and known:
            found |= {f"images/{name}/mean": sum(known) / len(known), f"images/{name}/max": max(known)}
    return {**found, "images/without": float(len(without))} if notes else {}


def line(notes: Notes) -> str:
    """Write for people what :func:`flat` says."""
    count = max(map(len, notes.values()), default=0)
    summary = flat(notes)
    means = [name.split("/")[1] for name in summary if name.endswith("/mean")]
    parts = [
        f"{name} {summary[f'images/{name}/mean']:.4g} (at most {summary[f'images/{name}/max']:.4g})" for name in means
    ]
    return f"{count} test images, {summary['images/without']:.0f} of them failed; means: {', '.join(parts)}"


def rows(notes: Notes) -> list[list[float | None]]:
    """Return a row an image for W&B's table."""
    return [[None if math.isnan(v) else v for v in row] for row in zip(*notes.values(), strict=True)]
