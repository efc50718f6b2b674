"""From a sweep's file to cells: every word checked, every cell named by its configuration, no network built."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

from bench.config import Options, cell_id, resolve_options, with_options
from bench.errors import UserError, unknown
from bench.grid import ALL, Grid, Sweep, Words
from bench.record import RunRecord
from methods import METHODS


@dataclass(frozen=True)
class Planned:
    """One cell of a sweep.

    Attributes:
        id: of the cell, its record and its files.
        words: what ``python -m bench`` is given, but for ``--out``.
        cpus: cores it may use; None leaves that to the runner.
        gpus: devices it needs; None takes one where there are some.
    """

    id: str
    words: Words
    cpus: int | None = None
    gpus: int | None = None

    def command(self, out: Path) -> list[str]:
        """Return the whole command that runs the cell."""
        return [sys.executable, "-m", "bench", *self.words, "--out", str(out)]

    def line(self, out: Path) -> str:
        """Return the command as a line for a shell."""
        return shlex.join(self.command(out))


def plan(sweep: Sweep, *, wandb: str = "auto") -> list[Planned]:
    """List the cells of a sweep, each once; all of the first seed, then all of the next.

    Args:
        sweep: as its file describes it.
        wandb: how each cell is mirrored.

    Raises:
        UserError: for a method, preset, data set, option or value that does not exist.
        data.types.DataError: for boxes that cannot be read.
    """
    options = cache(resolve_options)  # the slow part, which neither seed nor data set changes
    cells: dict[str, Planned] = {}
    shared = ("--wandb", wandb, "--group", sweep.name, "--tags", f"sweep:{sweep.name}")
    for number, grid in enumerate(sweep.grids, 1):
        try:
            for cell in _cells(grid, options, shared):
                cells.setdefault(cell.id, cell)
        except UserError as error:
            raise UserError(f"sweep {sweep.name}, grid {number}: {error}") from error
    return list(cells.values())


def _cells(grid: Grid, options: Callable[..., Options], shared: Words) -> Iterator[Planned]:
    methods = tuple(METHODS) if grid.methods == (ALL,) else grid.methods
    if unknown_ones := [method for method in methods if method not in METHODS]:
        raise unknown("method", unknown_ones[0], [*METHODS, ALL])
    settings = []
    for method, preset, dataset, boxes, budget, convention, overrides in product(
        methods, grid.presets, grid.datasets, grid.boxes, grid.budgets, grid.conventions, grid.overrides
    ):
        resolved = options(method, preset, overrides)
        cell = with_options(resolved, method, preset, dataset, boxes=boxes, budget=budget, convention=convention)
        given = {"--boxes": boxes if boxes != "truth" else None, "--budget": budget, "--convention": convention}
        words = [word for name, value in given.items() if value is not None for word in (name, value)]
        settings.append((cell, cell.digest, words, overrides))
    for seed in grid.seeds:
        for cell, digest, said, overrides in settings:
            names = ("run", "--method", cell.method, "--preset", cell.preset, "--dataset", cell.dataset)
            name = cell_id(cell.method, cell.preset, cell.dataset, seed, digest)
            yield Planned(name, (*names, "--seed", str(seed), *said, *shared, *overrides), grid.cpus, grid.gpus)


def recorded(cell: Planned, out: Path) -> bool:
    """Say whether a cell has a record that can be read and is its own; `run` sets another one aside."""
    path = out / "runs" / f"{cell.id}.json"
    if not path.is_file():
        return False
    try:
        return RunRecord.read(path).id == cell.id
    except UserError:
        return False
