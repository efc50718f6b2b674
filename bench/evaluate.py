"""The callback that feeds every metric from every method."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch

from bench.metrics.person import PersonMetric
from bench.record import Metric
from data.types import PoseBatch, PosePrediction, Skeleton


class Evaluate(pl.Callback):
    """Update every metric on each batch's predictions; keep the predictions of a test.

    Attributes:
        results: what the test gave, by protocol id.
        predictions: one per test input, in the order of the split.
        image_ids: their images.
        test_images_per_second: inputs through loading and ``predict``, the first batch apart.
    """

    def __init__(self, protocols: Sequence[str], skeleton: Skeleton) -> None:
        """Make the metrics; an unknown id is refused here, before any training."""
        self.metrics = {name: PersonMetric(name, skeleton) for name in protocols}
        self.results: dict[str, Metric] = {}
        self.predictions: list[PosePrediction] = []
        self.image_ids: list[int] = []
        self.test_images_per_second = 0.0

    def _update(self, outputs: Any, batch: PoseBatch) -> list[PosePrediction]:
        found = [prediction.cpu() for prediction in outputs["predictions"]]
        for metric in self.metrics.values():
            metric.update(found, batch.people)
        return found

    def _compute(self) -> dict[str, Metric]:
        results = {name: Metric.model_validate(metric.compute().to_dict()) for name, metric in self.metrics.items()}
        for metric in self.metrics.values():
            metric.reset()
        return results

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: PoseBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count one batch."""
        self._update(outputs, batch)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log a point of the learning curve."""
        for name, metric in self._compute().items():
            pl_module.log(f"val/{name}", torch.tensor(metric.value, dtype=torch.float32))

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget an earlier test."""
        self.predictions, self.image_ids = [], []

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: PoseBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count one batch, and keep it."""
        self.predictions += self._update(outputs, batch)
        self.image_ids += batch.image_ids
        now = time.perf_counter()
        if batch_idx == 0:
            self._first = (now, len(self.predictions))
        elif now > self._first[0]:
            self.test_images_per_second = (len(self.predictions) - self._first[1]) / (now - self._first[0])

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the numbers for the record."""
        self.results = self._compute()
