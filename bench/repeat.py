"""The command that repeats a record: every option said, so that no default of today can creep in."""

from __future__ import annotations

import json
import shlex
from typing import Any

from bench.record import RunRecord


def words(record: RunRecord) -> list[str]:
    """Return what ``python -m bench`` is given to make a record of the same configuration.

    Boxes from a file are named by the record, not stored in it; they are given as the record names them. A record of
    `bench test` repeats its training's configuration.
    """
    config = record.config
    trained = config.get("trained", {})
    dataset, boxes = trained.get("dataset", record.dataset), trained.get("boxes", record.boxes)
    said = ["run", "--method", record.method, "--preset", record.preset, "--dataset", dataset]
    said += ["--seed", str(record.seed), "--boxes", boxes, "--convention", str(config.get("convention", "pc"))]
    if config.get("budget_seconds"):
        said += ["--budget", f"{config['budget_seconds']:g}s"]
    for group in ("method", "data", "trainer"):
        said += _options(config.get(group, {}), f"--{group}")
    return said


def line(record: RunRecord) -> str:
    """Return the command for a shell."""
    return shlex.join(["python", "-m", "bench", *words(record)])


def _options(value: Any, name: str) -> list[str]:
    if isinstance(value, dict) and value:
        return [word for key, item in value.items() for word in _options(item, f"{name}.{key}")]
    if isinstance(value, dict):
        return []
    return [name, value if isinstance(value, str) else json.dumps(value)]
