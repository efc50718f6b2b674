"""A sweep's file: which methods, presets, data sets, seeds, boxes, budgets and options to combine."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.errors import UserError, one_line, unknown

Words = tuple[str, ...]
GRID_KEYS = ("methods", "presets", "datasets", "seeds", "boxes", "budgets", "conventions", "overrides", "cpus", "gpus")
SWEEP_KEYS = ("name", "retries", "grids", *GRID_KEYS)
ALL = "all"  # in place of a list of methods


@dataclass(frozen=True)
class Grid:
    """Every combination of these is a cell.

    Attributes:
        methods: names, or ``all``.
        presets: of each of the methods.
        datasets: names.
        seeds: of each setting.
        boxes: as ``run --boxes`` takes them.
        budgets: as ``run --budget`` takes them; None trains for the preset's epochs.
        conventions: whose left and right; None is the data set's own.
        overrides: sets of dotted options, each of them as words.
        cpus: cores a cell may use; None leaves that to the runner.
        gpus: devices a cell needs, 0 or 1; None takes one where there are some.
    """

    methods: Words
    presets: Words = ("small",)
    datasets: Words = ("synthetic",)
    seeds: tuple[int, ...] = (0,)
    boxes: Words = ("truth",)
    budgets: tuple[str | None, ...] = (None,)
    conventions: tuple[str | None, ...] = (None,)
    overrides: tuple[Words, ...] = ((),)
    cpus: int | None = None
    gpus: int | None = None


@dataclass(frozen=True)
class Sweep:
    """A sweep as its file describes it."""

    name: str  # group of the W&B runs
    retries: int  # of a cell that failed
    grids: tuple[Grid, ...]


def read_sweep(path: Path) -> Sweep:
    """Read a sweep's file.

    The file is one mapping. What stands beside ``grids`` holds for each of the grids that does not say otherwise;
    without ``grids`` the mapping is the only one.

    Raises:
        UserError: if the file is missing or not YAML, or a key or value is not one of a sweep.
    """
    try:
        found = yaml.safe_load(path.read_text())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); a sweep's YAML expected") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not YAML: {one_line(error)}") from error
    try:
        return _sweep(found, path.stem)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _sweep(found: Any, stem: str) -> Sweep:
    given = _mapping(found, "the file", SWEEP_KEYS)
    shared = {key: value for key, value in given.items() if key in GRID_KEYS}
    grids = given.get("grids", [{}])
    if not isinstance(grids, list) or not grids:
        raise UserError(f"grids: {grids!r}; expected a list of mappings")
    made = []
    for number, grid in enumerate(grids, 1):
        own = _mapping(grid, f"grid {number}", GRID_KEYS)
        made.append(_grid({**shared, **own}, f"grid {number}: " if "grids" in given else ""))
    retries = given.get("retries", 1)
    if not _whole(retries) or retries < 0:
        raise UserError(f"retries: {retries!r}; expected a whole number from 0")
    return Sweep(str(given.get("name", stem)), retries, tuple(made))


def _mapping(found: Any, where: str, keys: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise UserError(f"{where} is {_kind(found)}; expected a mapping with {', '.join(keys[:5])} ...")
    for key in found:
        if key not in keys:
            raise unknown(f"key of {where}", str(key), keys)
    return found


def _grid(given: Mapping[str, Any], where: str) -> Grid:
    if "methods" not in given:
        raise UserError(f"{where}methods is missing; a list of names, or {ALL}")
    readers: dict[str, Callable[[str, Any], Any]] = {
        **dict.fromkeys(("methods", "presets", "datasets", "boxes"), _texts),
        **dict.fromkeys(("budgets", "conventions"), _texts_or_none),
        **{"seeds": _seeds, "overrides": _overrides, "cpus": _cpus, "gpus": _gpus},
    }
    try:
        return Grid(**{key: readers[key](key, value) for key, value in given.items()})
    except UserError as error:
        raise UserError(f"{where}{error}") from error


def _texts(key: str, value: Any) -> Words:
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(isinstance(item, str) for item in listed):
        raise UserError(f"{key}: {value!r}; expected one or more names")
    return tuple(listed)


def _texts_or_none(key: str, value: Any) -> tuple[str | None, ...]:
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(item is None or isinstance(item, str | int | float) for item in listed):
        raise UserError(f"{key}: {value!r}; expected one or more words such as 5m, or null for none")
    return tuple(None if item is None else str(item) for item in listed)


def _seeds(key: str, value: Any) -> tuple[int, ...]:
    listed = value if isinstance(value, list) else [value]
    seeds: list[int] = []
    for item in listed:
        span = re.fullmatch(r"(\d+)-(\d+)", item) if isinstance(item, str) else None
        if span:
            seeds += range(int(span[1]), int(span[2]) + 1)
        elif _whole(item) and item >= 0:
            seeds.append(item)
        else:
            raise UserError(f"{key}: {item!r}; expected whole numbers from 0, or a range such as 0-4")
    if not seeds:
        raise UserError(f"{key}: {value!r}; expected at least one")
    return tuple(seeds)


def _overrides(key: str, value: Any) -> tuple[Words, ...]:
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(isinstance(item, dict) for item in listed):
        raise UserError(f"{key}: {value!r}; expected a mapping such as trainer.max_epochs: 5, or a list of mappings")
    return tuple(
        tuple(word for name, option in item.items() for word in (f"--{name}", _word(option))) for item in listed
    )


def _word(value: Any) -> str:
    """Write a value as it is typed on the command line."""
    return value if isinstance(value, str) else json.dumps(value)


def _cpus(key: str, value: Any) -> int:
    if not _whole(value) or value < 1:
        raise UserError(f"{key}: {value!r}; expected a whole number from 1")
    return int(value)


def _gpus(key: str, value: Any) -> int:
    if not _whole(value) or value not in (0, 1):
        raise UserError(f"{key}: {value!r}; expected 0 or 1, a cell runs on one device")
    return int(value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    return "empty" if value is None else f"a {type(value).__name__}"
