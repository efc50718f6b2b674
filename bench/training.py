"""Callbacks of a training that may be cut short: the clock, the checkpoint, one line an epoch."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import TorchCheckpointIO

from bench.config import Cell
from bench.record import atomically
from data.types import PoseBatch
from methods.base import PoseMethod


class Clock(pl.Callback):
    """Count training seconds and images over all resumptions, and end the training when a budget is spent.

    Attributes:
        wall: seconds of training so far, validation and checkpoints included; what a budget limits.
        busy: seconds in training steps and in waiting for their inputs.
        images: network inputs trained on in ``busy``.
    """

    def __init__(self, budget: float | None) -> None:
        """Give the budget in seconds; None lets the epochs end the training."""
        self.budget = budget
        self.wall, self.busy, self.images = 0.0, 0.0, 0

    def state_dict(self) -> dict[str, float]:
        """Return the counts."""
        return {"wall": self.wall, "busy": self.busy, "images": self.images}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the counts of a checkpoint."""
        self.wall, self.busy, self.images = state_dict["wall"], state_dict["busy"], state_dict["images"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start to count; a budget that an earlier process spent ends the training at once."""
        self._tick(pl_module)
        trainer.should_stop = trainer.should_stop or self.spent >= 1

    def _tick(self, pl_module: pl.LightningModule) -> None:
        self._seen = time.monotonic()
        if isinstance(pl_module, PoseMethod):
            pl_module.budget_spent = self.spent

    @property
    def spent(self) -> float:
        """Share of the budget that is used up; 0 without a budget."""
        return self.wall / self.budget if self.budget else 0.0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: PoseBatch, batch_idx: int
    ) -> None:
        """Count a step and the wait before it."""
        passed = time.monotonic() - self._seen
        self.wall, self.busy, self.images = self.wall + passed, self.busy + passed, self.images + len(batch)
        self._tick(pl_module)
        trainer.should_stop = trainer.should_stop or self.spent >= 1

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count validation as wall time only."""
        if not trainer.sanity_checking:
            self.wall += time.monotonic() - self._seen
            self._tick(pl_module)

    @property
    def images_per_second(self) -> float | None:
        """Training throughput; None where nothing was trained."""
        return self.images / self.busy if self.busy else None


class Keep(pl.callbacks.Checkpoint):
    """Write ``last.ckpt`` after every epoch, whole or not at all. Lightning runs it after all other callbacks."""

    def __init__(self, path: Path, cell: Cell) -> None:
        """Say where, and what is trained; ``finished`` becomes true when nothing is left to train."""
        self.path, self.cell = path, cell
        self.finished = False

    def state_dict(self) -> dict[str, bool]:
        """Say whether the training is over."""
        return {"finished": self.finished}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Read whether the training was over."""
        self.finished = state_dict["finished"]

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Say in the file what it is a checkpoint of, so that it can be used on its own."""
        cell = self.cell
        names = {"id": cell.id, "method": cell.method, "dataset": cell.dataset}
        checkpoint["vitruvian"] = {**names, "method_options": cell.config["method"]}

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the checkpoint of this epoch."""
        self.save(trainer)

    def save(self, trainer: pl.Trainer) -> None:
        """Write the checkpoint now."""
        with atomically(self.path) as temporary:
            trainer.save_checkpoint(temporary)


class WholeFile(TorchCheckpointIO):
    """Write a checkpoint where it is told to; Lightning's own way takes a detour through the temporary folder."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write the file; a full disk raises OSError."""
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        Path(path).write_bytes(buffer.getbuffer())


class Reseed(pl.Callback):
    """Seed every generator by (seed, epoch), so that a resumed training draws what an undisturbed one would."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Seed Python, NumPy and torch."""
        pl.seed_everything(self.seed * 100_003 + trainer.current_epoch, verbose=False)


class EpochLines(pl.Callback):
    """One line an epoch, for logs and for terminals that cannot draw a bar."""

    def __init__(self, clock: Clock, headline: str, say: Callable[[str], None]) -> None:
        """Say which validation metric goes into the line."""
        self.clock, self.headline, self.say = clock, headline, say
        self.validated = ""

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the new point of the curve for the line."""
        value = float(trainer.callback_metrics.get(f"val/{self.headline}", float("nan")))
        self.validated = f"  val {self.headline} {value:.1f}"

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the line."""
        loss, speed = float(trainer.callback_metrics["train/loss"]), self.clock.images_per_second or 0
        line = f"epoch {trainer.current_epoch + 1:3d}  {self.clock.wall:6.0f} s  loss {loss:.3g}  {speed:.0f} images/s"
        self.say(line + self.validated)
        self.validated = ""
