"""What one run of a cell is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.config import Cell
from bench.curves import Curves
from bench.evaluate import Evaluate
from bench.training import Clock, Keep
from data.module import PoseDataModule
from methods.base import PoseMethod

Say = Callable[[str], None]  # where lines for people go


@dataclass(frozen=True, eq=False)
class Parts:
    """What one run is made of."""

    cell: Cell
    folder: Path
    method: PoseMethod
    data: PoseDataModule
    clock: Clock
    keep: Keep
    curves: Curves
    evaluate: Evaluate
    say: Say
