"""The callback that feeds every metric from every method."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytorch_lightning as pl
import torch

from bench.config import Precision
from bench.metrics.person import PersonMetric
from bench.metrics.protocols import lookup
from bench.metrics.values import PeopleProtocol
from bench.predictions import coco_results
from bench.record import Metric
from bench.score_ap import average_precision, of_groups
from bench.stages import Scores, StageScores
from data.module import PoseDataModule
from data.types import PoseBatch, PosePrediction, Skeleton, by_image
from methods.base import PoseMethod


class Evaluate(pl.Callback):
    """Update every metric on each batch's predictions; keep the predictions of a test.

    Attributes:
        results: what the test gave, by protocol id.
        stages: the same for every stage of a method that has stages.
        predictions: one per test input, in the order of the split.
        image_ids: their images.
        people: what counts: of data with several people an image, whom the method keeps of each image's; else the same.
        people_ids: their images.
        test_images_per_second: inputs through loading and ``predict``, the first batch apart.
    """

    def __init__(self, protocols: Sequence[str], skeleton: Skeleton) -> None:
        """Make the metrics; an unknown id is refused here, before any training."""
        self.protocols = list(protocols)
        known = {name: lookup(name) for name in protocols}
        self.families = {protocol.family for protocol in known.values() if isinstance(protocol, PeopleProtocol)}
        persons = [name for name, protocol in known.items() if not isinstance(protocol, PeopleProtocol)]
        self.metrics = {name: PersonMetric(name, skeleton) for name in persons}
        self.results: dict[str, Metric] = {}
        self.stages: Scores = {}
        self._stages = StageScores(protocols, skeleton)
        self.predictions: list[PosePrediction] = []
        self.image_ids: list[int] = []
        self.people: list[PosePrediction] = []
        self.people_ids: list[int] = []
        self.test_images_per_second = 0.0

    def _update(self, outputs: Any, batch: PoseBatch) -> None:
        found = [prediction.cpu() for prediction in outputs["predictions"]]
        if batch.box_scores is not None:
            found = [_weighted(one, score) for one, score in zip(found, batch.box_scores.cpu(), strict=True)]
        for metric in self.metrics.values():
            metric.update(found, batch.people)
        self.predictions += found
        self.image_ids += batch.image_ids

    def _decide(self, data: PoseDataModule, method: pl.LightningModule) -> None:
        """Ask the method once for each image whom it keeps."""
        self.people, self.people_ids = self.predictions, self.image_ids
        if data.entry.people == "multi" and isinstance(method, PoseMethod):
            images = by_image(self.predictions, self.image_ids)
            self.people, self.people_ids = [method.together(found) for found in images.values()], list(images)

    def _compute(self, data: PoseDataModule, split: str, method: pl.LightningModule) -> dict[str, Metric]:
        self._decide(data, method)
        values = {name: metric.compute() for name, metric in self.metrics.items()}
        for metric in self.metrics.values():
            metric.reset()
        if "oks-ap" in self.families:
            found = coco_results(self.people, self.people_ids, data.entry.category)
            values |= average_precision(data, split, found)
        if "mpii-ap" in self.families:
            values |= of_groups(data.inputs(split).samples, self.people, self.people_ids, data.entry.skeleton)
        return {name: Metric.model_validate(values[name].to_dict()) for name in self.protocols if name in values}

    def _forget(self) -> None:
        self.predictions, self.image_ids = [], []

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
        for name, metric in self._compute(_data(trainer), "val", pl_module).items():
            pl_module.log(f"val/{name}", torch.tensor(metric.value, dtype=torch.float32))
        self._forget()

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget what came before."""
        self._forget()
        self._stages.reset()

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
        self._update(outputs, batch)
        self._stages.update(outputs.get("stages", {}), batch.people)
        now = time.perf_counter()
        if batch_idx == 0:
            self._first = (now, len(self.predictions))
        elif now > self._first[0]:
            self.test_images_per_second = (len(self.predictions) - self._first[1]) / (now - self._first[0])

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the numbers for the record."""
        self.results = self._compute(_data(trainer), "test", pl_module)
        self.stages = self._stages.compute()


def test(
    method: pl.LightningModule,
    data: PoseDataModule,
    evaluate: Evaluate,
    *,
    accelerator: str = "auto",
    precision: Precision = "32-true",
) -> None:
    """Test a method on one device; ``evaluate`` keeps what it gives. Nothing is written."""
    interactive = sys.stderr.isatty()
    bar = [pl.callbacks.RichProgressBar(console_kwargs={"stderr": True})] if interactive else []
    trainer = pl.Trainer(
        accelerator=accelerator,
        devices=1,
        precision=precision,
        logger=False,
        callbacks=[evaluate, *bar],
        enable_progress_bar=interactive,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.test(method, data, verbose=False)


def _weighted(prediction: PosePrediction, box_score: torch.Tensor) -> PosePrediction:
    """Multiply the score of each pose with that of its box, as SimpleBaseline's and HRNet's code does.

    This is the one place where box scores count. Both codes take the mean of the joint scores above 0.2 for the pose;
    here it is what the method says. They drop near doubles by OKS afterwards; here everybody stays.
    """
    return replace(prediction, scores=prediction.scores * box_score)


def _data(trainer: pl.Trainer) -> PoseDataModule:
    data: PoseDataModule = trainer.datamodule  # type: ignore[attr-defined]
    return data
