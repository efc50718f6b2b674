"""The contract a method signs: a view, a network, a loss, a prediction, and two hooks for a paper's statistics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from data.module import PoseDataModule
from data.types import PoseBatch, PosePrediction, Skeleton
from data.views import View
from methods.inside import Panel

SAME = 1e-9  # so that the share 900 / 1400 of the steps has passed 90 / 140


class PoseMethod(pl.LightningModule, ABC):
    """Base of every method; subclasses give ``view``, ``forward``, ``loss`` and ``predict``."""

    title: ClassVar[str]  # as in tables
    year: ClassVar[int]  # of publication
    people: ClassVar[Literal["single", "multi"]] = "single"
    boxed: ClassVar[bool] = False  # of a method for several people: whether it must be given their boxes
    view: View
    train_view: View | None = None  # how training inputs are looked at, where that differs

    def __init__(self, skeleton: Skeleton) -> None:
        """Keep the skeleton, and the subclass's arguments in the checkpoint."""
        super().__init__()
        self.save_hyperparameters(ignore="skeleton")
        self.skeleton = skeleton
        self.budget_spent = 0.0  # share of a time budget that is used up, written by whoever keeps the clock

    @abstractmethod
    def forward(self, images: Tensor) -> Any:
        """Pass uint8 images (B, 3, h, w) through the network once, as at test time but without flips or scales."""

    @abstractmethod
    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Return the named terms to be summed and minimised."""

    @abstractmethod
    def predict(self, batch: PoseBatch) -> list[PosePrediction]:
        """Find people: one prediction per input, in original image pixels."""

    def before_fit(self, data: PoseDataModule) -> None:
        """Take statistics from the training samples; keep them in buffers."""

    def after_fit(self, data: PoseDataModule) -> None:
        """Fit what needs the trained network; keep it in buffers."""

    def together(self, people: PosePrediction) -> PosePrediction:
        """Decide among the people that all inputs of one image gave; as they are, but for methods that drop doubles.

        Asked of data with several people an image, with the scores of boxes multiplied in.
        """
        return people

    def stages(self, batch: PoseBatch) -> dict[str, list[PosePrediction]]:
        """Return what would be the answer after each stage, by name, the last being that of :meth:`predict`.

        The test scores each; empty for a method without stages.
        """
        return {}

    def inside(self, batch: PoseBatch) -> list[Panel]:
        """Return what there is to see on the way to the answer, for the pictures of a run."""
        return []

    def notes(self) -> dict[str, list[float]]:
        """Return numbers of the images of the test that was last, in columns of equal length; NaN where one has none.

        They are written beside the record; empty for a method that has nothing to say of single images.
        """
        return {}

    def tested(self) -> Iterable[nn.Module]:
        """Return the modules that are used at test time; fewer than all where some only help to train."""
        return (self,)

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width that the network sees: the view's, but for methods that cut from it again."""
        return self.view.size

    @property
    def progress(self) -> float:
        """Share of the training that is done, in [0, 1]: by steps, or by time where a budget ends it."""
        if self._trainer is None:
            return self.budget_spent
        steps = self.trainer.estimated_stepping_batches  # inf when only a budget ends the training
        return min(1.0, max(self.trainer.global_step / steps, self.budget_spent))

    def passed(self, shares: Sequence[float]) -> int:
        """Count the shares of the training that are over: the phase it is in, the drops of a learning rate."""
        return sum(self.progress >= share - SAME for share in shares)

    def training_step(self, batch: PoseBatch, batch_idx: int) -> Tensor:
        """Sum and log the terms of :meth:`loss`."""
        terms = self.loss(batch)
        total = torch.stack(list(terms.values())).sum()
        logged = {f"train/{name}": term.detach() for name, term in {**terms, "loss": total}.items()}
        self.log_dict(logged, on_step=False, on_epoch=True, batch_size=len(batch))
        return total

    def validation_step(self, batch: PoseBatch, batch_idx: int) -> dict[str, Any]:
        """Hand the predictions to whoever listens: the evaluating callback."""
        return {"predictions": self.predict(batch)}

    def test_step(self, batch: PoseBatch, batch_idx: int) -> dict[str, Any]:
        """Hand over the answers of all stages too, where there are any."""
        stages = self.stages(batch)
        found = list(stages.values())[-1] if stages else self.predict(batch)
        return {"predictions": found, "stages": stages}

    def configure_optimizers(self) -> Any:
        """AdamW at 1e-3; override where the paper says otherwise."""
        return torch.optim.AdamW(self.parameters(), lr=1e-3)
