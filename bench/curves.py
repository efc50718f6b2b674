"""Learning curves: a row an epoch, kept through resumptions, written as CSV and as a figure."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from bench.record import atomically
from bench.training import Clock


class Curves(pl.Callback):
    """Collect what was logged at the end of each epoch.

    Attributes:
        rows: one mapping an epoch: epoch, seconds, lr, the step that loggers were told, and every logged number.
    """

    def __init__(self, clock: Clock) -> None:
        """Read the time from ``clock``."""
        self.clock = clock
        self.rows: list[dict[str, float]] = []
        self.validated = False

    def state_dict(self) -> dict[str, Any]:
        """Return the rows so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the rows of a checkpoint."""
        self.rows = list(state_dict["rows"])

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Know that this epoch has a new point."""
        self.validated = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add a row."""
        fresh = {k: v for k, v in trainer.callback_metrics.items() if self.validated or not k.startswith("val/")}
        logged, self.validated = {key: float(value) for key, value in fresh.items()}, False
        lr = float(trainer.optimizers[0].param_groups[0]["lr"]) if trainer.optimizers else 0.0
        step = trainer.fit_loop.epoch_loop._batches_that_stepped - 1  # Lightning keeps it to itself
        own = {"epoch": trainer.current_epoch + 1, "seconds": self.clock.wall, "lr": lr, "step": step}
        self.rows.append({**own, **logged})

    @staticmethod
    def logged(rows: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
        """Return of each row what loggers were told: all but the seconds and the learning rate."""
        return [{name: value for name, value in row.items() if name not in ("seconds", "lr")} for row in rows]

    def write(self, folder: Path) -> Path | None:
        """Write ``curves.csv`` and ``curves.png``; return the figure, or None where nothing was trained."""
        if not self.rows:
            return None
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        with atomically(folder / "curves.csv") as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(self.rows)
        return _plot(self.rows, columns, folder / "curves.png")


def _plot(rows: list[dict[str, float]], columns: list[str], path: Path) -> Path:
    """Draw the training terms on the left, the validation metrics on the right."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    FigureCanvasAgg(figure)
    terms = [column for column in columns if column.startswith("train/")]
    if len(terms) == 2:  # one term is the loss itself
        columns = [column for column in columns if column != "train/loss"]
    for axes, prefix, label in zip(figure.subplots(1, 2), ("train/", "val/"), ("training loss", "%"), strict=True):
        for name in (column for column in columns if column.startswith(prefix)):
            points = [(row["epoch"], row[name]) for row in rows if name in row]
            axes.plot(*zip(*points, strict=True), marker=".", label=name.removeprefix(prefix))
        axes.set(xlabel="epoch", ylabel=label)
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize=8)
    with atomically(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
    return path
