"""Mean pose: the floor every method must beat. The training set's mean pose, stretched into each person's box.

Nothing is learnt and no pixel is looked at. No paper, no published number: on each data set, whatever it gets.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from data.inputs import NO_EPOCH
from data.module import PoseDataModule
from data.types import PoseBatch, PosePrediction, Skeleton, apply_affine
from data.views import PersonCrop
from methods.base import PoseMethod

SIDE = 64  # pixels of the crop, which nobody looks at


class MeanPose(PoseMethod):
    """The mean of the training poses, in units of the person's box."""

    title: ClassVar[str] = "Mean pose"
    year: ClassVar[int] = 2026  # no paper: the year of this suite
    mean: Tensor  # (K, 2) in units of the box: (0, 0) its upper left corner, (1, 1) its lower right

    def __init__(self, skeleton: Skeleton) -> None:
        """Begin with every joint at the centre of the box."""
        super().__init__(skeleton)
        self.view = PersonCrop((SIDE, SIDE), padding=1.0, stretch=True)
        self.register_buffer("mean", torch.full((len(skeleton.joints), 2), 0.5, dtype=torch.float64))

    def before_fit(self, data: PoseDataModule) -> None:
        """Average each joint over the training inputs that label it; one that nobody labels stays at the centre."""
        inputs = data.inputs("train")
        total, count = np.zeros(self.mean.shape), np.zeros((len(self.mean), 1))
        for position in range(len(inputs)):
            affine, _ = inputs.geometry(NO_EPOCH, position)
            joints, visible = inputs.truth(position, affine)
            labelled = visible[..., None] > 0
            total += np.where(labelled, joints / SIDE, 0).sum(0)
            count += labelled.sum(0)
        mean = np.where(count > 0, total / np.maximum(count, 1), 0.5)
        self.mean.copy_(torch.from_numpy(mean))

    def forward(self, images: Tensor) -> Tensor:
        """Return the mean (B, K, 2) in units of the box, whatever the images."""
        return self.mean.expand(len(images), -1, -1)

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Squared distance of the labelled joints from the mean, in units of the box."""
        labelled = batch.visible[:, 0] > 0
        distance = (batch.joints[:, 0] / SIDE - self.mean).square().sum(-1)  # (B, K)
        return {"pose": distance.where(labelled, 0.0).sum() / labelled.sum().clamp(min=1)}

    def predict(self, batch: PoseBatch) -> list[PosePrediction]:
        """Put the mean into each box; every score is 1."""
        joints = apply_affine(self(batch.images) * SIDE, batch.to_image)
        scores = torch.ones(joints.shape[:2], device=joints.device)
        return [PosePrediction(j[None], s[None], s.mean()[None]) for j, s in zip(joints, scores, strict=True)]

    def configure_optimizers(self) -> None:
        """Return none: there is nothing to optimise."""
        return
