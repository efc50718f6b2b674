"""IEF: a pose is drawn beside its image and corrected, four times over (Carreira et al., CVPR 2016, arXiv:1507.06550).

MPII test, GoogLeNet at 224x224: PCKh@0.5 81.3; validation 81.0 (74.8 in one shot). Parameters 6,059,664 with MPII's 16
joints, 9.0 billion multiply-adds in four passes. The paper predicts the person's scale with a second network; here the
box of the data set gives it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from data.inputs import NO_EPOCH
from data.module import PoseDataModule
from data.types import DataError, PoseBatch, PosePrediction, Skeleton, apply_affine
from data.views import PersonCrop
from methods.base import PoseMethod
from methods.googlenet import MODULES, GoogLeNet, load_trunk, stride_of
from methods.inside import Panel

FULL_SIDE = 224  # pixels of the paper's input; lengths below are of that input and shrink with it
PIXEL_MEAN = (117.3785, 117.6438, 110.1771)  # RGB in [0, 255], no division; official code
PEAK, FLOOR, DECAY = 100.0, -50.0, 0.001  # of a drawn point: 100 exp(-0.001 d^2) - 50; official layer's defaults
MOMENTUM, WEIGHT_DECAY = 0.9, 5e-4  # of SGD; unknown in the paper: defaults
DROP = 0.1  # the learning rate's factor at each drop


class IEF(PoseMethod):
    """Top-down: from the training set's median pose, corrections of bounded length by one network."""

    title: ClassVar[str] = "IEF"
    year: ClassVar[int] = 2016
    start: Tensor  # (K, 2) input pixels: the median pose

    def __init__(
        self,
        skeleton: Skeleton,
        side: int = FULL_SIDE,
        steps: int = 4,
        bound: float = 20.0,
        jitter: float = 0.0,
        modules: tuple[str, ...] = tuple(MODULES),
        width: float = 1.0,
        dropout: float = 0.4,
        maps_std: float = 0.1**0.5,
        batch_norm: bool = False,
        flatten: bool = False,
        optimizer: Literal["sgd", "adam"] = "sgd",
        lr: float = 1e-3,
        new_lr: float = 10.0,
        lr_drops: tuple[float, ...] = (),
        backbone_weights: Path | None = None,
    ) -> None:
        """Build the network; weights are brought only before training.

        Args:
            skeleton: Whose joints to find.
            side: Pixels of the square input.
            steps: Corrections.
            bound: Length of the longest target correction of a joint, in pixels of an input of 224.
            jitter: Deviation of noise on the path's poses after the start, in the same pixels. The paper has none: each
                pose then betrays where its path leads, and a network that errs meets poses it has never seen.
            modules: Which of GoogLeNet's inception modules, in their order.
            width: Factor of GoogLeNet's channels.
            dropout: Before the last layer; GoogLeNet's.
            maps_std: Deviation of conv1's new weights; the paper's variance is 0.1.
            batch_norm: Normalise after each convolution, for training from scratch.
            flatten: Keep the cells of GoogLeNet's last map apart instead of averaging them.
            optimizer: ``sgd`` with momentum, or ``adam``.
            lr: Learning rate; unknown in the paper.
            new_lr: Factor of the learning rate of conv1's new weights and of the last layer; unknown in the paper.
            lr_drops: Shares of the training after which the learning rate falls to a tenth; unknown in the paper.
            backbone_weights: Start from this GoogLeNet state dict, with Caffe's names, as the paper did from ImageNet;
                where None, from scratch: no hub has weights that fit.

        Raises:
            DataError: for settings that cannot work together.
        """
        super().__init__(skeleton)
        self.hparams["backbone_weights"] = backbone_weights and str(backbone_weights)  # checkpoints hold no paths
        self._refuse(side, steps, bound, jitter, modules, width)
        self.side, self.steps, self.bound = side, steps, bound * side / FULL_SIDE
        self.jitter = jitter * side / FULL_SIDE
        self.optimizer, self.lr, self.new_lr, self.lr_drops = optimizer, lr, new_lr, lr_drops
        self.backbone_weights = backbone_weights
        self.view = PersonCrop((side, side), padding=1.25)
        joints = len(skeleton.joints)
        self.register_buffer("start", torch.full((joints, 2), side / 2))
        net = GoogLeNet(
            joints + 1,
            2 * joints,
            side,
            extra_std=maps_std,
            modules=modules,
            width=width,
            dropout=dropout,
            batch_norm=batch_norm,
            flatten=flatten,
        )
        self.net = net.to(memory_format=torch.channels_last)

    def _refuse(
        self, side: int, steps: int, bound: float, jitter: float, modules: tuple[str, ...], width: float
    ) -> None:
        """Raise DataError for settings that cannot work."""
        if not modules or list(modules) != [name for name in MODULES if name in modules]:
            raise DataError(
                f"modules {', '.join(modules) or '()'}: expected some of {', '.join(MODULES)}, in this order"
            )
        if side < stride_of(modules) or side % stride_of(modules):
            raise DataError(f"side {side}: expected a multiple of {stride_of(modules)}, the network's stride")
        if steps < 1:
            raise DataError(f"steps {steps}: expected at least 1 correction")
        if bound <= 0:
            raise DataError(f"bound {bound}: expected a length above 0, in pixels of an input of {FULL_SIDE}")
        if jitter < 0:
            raise DataError(f"jitter {jitter}: expected 0 or more, in pixels of an input of {FULL_SIDE}")
        if width <= 0:
            raise DataError(f"width {width}: expected a factor above 0 of GoogLeNet's channels")

    def before_fit(self, data: PoseDataModule) -> None:
        """Take the median of each joint over the training inputs that label it, and the trunk's weights.

        A joint that nobody labels starts at the centre.
        """
        inputs, poses = data.inputs("train"), []
        for position in range(len(inputs)):
            affine, _ = inputs.geometry(NO_EPOCH, position)
            joints, visible = inputs.truth(position, affine)
            poses.append(np.where(visible[..., None] > 0, joints, np.nan))
        every = np.concatenate(poses)  # (P, K, 2)
        known = np.isfinite(every).any((0, 2))
        median = np.nanmedian(every[:, known], 0)
        self.start[torch.from_numpy(known)] = torch.from_numpy(median).to(self.start)
        if self.backbone_weights:
            load_trunk(self.net, self.backbone_weights)

    def draw(self, pose: Tensor) -> Tensor:
        """Draw each joint (B, K, 2) and last the mark, the crop's centre: (B, K + 1, side, side), channels_last."""
        mark = torch.full_like(pose[:, :1], self.side / 2)
        centre = torch.cat([pose, mark], 1).round()
        away = torch.arange(self.side, device=pose.device)[:, None, None] - centre[:, None]  # (B, side, K + 1, 2)
        gx, gy = torch.exp(away.square() * -DECAY * (FULL_SIDE / self.side) ** 2).unbind(-1)
        return ((PEAK * gy)[:, :, None] * gx[:, None] + FLOOR).permute(0, 3, 1, 2)

    def correct(self, images: Tensor, pose: Tensor) -> Tensor:
        """Look at uint8 images (B, 3, h, w) and a pose (B, K, 2) once: its correction, in units of the bound."""
        mean = torch.tensor(PIXEL_MEAN, device=images.device)[:, None, None]
        numbers = self.net(torch.cat([images - mean, self.draw(pose)], 1))
        xy: Tensor = numbers.unflatten(1, (2, -1)).transpose(1, 2)  # all dx come before all dy
        return xy

    def forward(self, images: Tensor) -> Tensor:
        """Turn uint8 images (B, 3, h, w) into the poses (B, steps + 1, K, 2) from the start to the last correction.

        The whole iteration: as many passes as corrections, at full size 2.25 billion multiply-adds each. Predicted
        corrections are not cut to the bound.
        """
        poses = [self.start.expand(len(images), -1, -1)]
        for _ in range(self.steps):
            poses.append(poses[-1] + self.bound * self.correct(images, poses[-1]))
        return torch.stack(poses, 1)

    def path(self, joints: Tensor, visible: Tensor, taken: Tensor) -> tuple[Tensor, Tensor]:
        """Walk straight from the start to the truth, at most the bound a step and joint; no network is asked.

        Args:
            joints: (B, K, 2) true input pixels.
            visible: (B, K); a joint that is not labelled stays at the start.
            taken: (B,) steps already taken.

        Returns:
            The pose there and its target correction in units of the bound, both (B, K, 2).
        """
        there = torch.where((visible > 0)[..., None], joints, self.start)
        pose = self.start + bounded(there - self.start, self.bound * taken[:, None, None])
        pose = pose + self.jitter * (taken > 0)[:, None, None] * torch.randn_like(pose)
        return pose, bounded(there - pose, self.bound) / self.bound

    @property
    def learnt(self) -> int:
        """How many of the path's steps are trained now: one more after each equal share of the training."""
        return 1 + self.passed([step / self.steps for step in range(1, self.steps)])

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Squared error of one correction an image, summed over labelled joints.

        Fixed path consolidation: the paper's growing set holds every image at each of the steps learnt so far, and SGD
        draws from it; here each image is seen at one of them, drawn evenly.
        """
        joints, visible = batch.joints[:, 0], batch.visible[:, 0]
        taken = torch.randint(self.learnt, (len(batch),), device=joints.device)
        pose, target = self.path(joints, visible, taken)
        error = (self.correct(batch.images, pose) - target).square().sum(-1)
        return {"correction": error.where(visible > 0, 0.0).sum(1).mean()}

    def predict(self, batch: PoseBatch) -> list[PosePrediction]:
        """Return the pose after the last correction; the method knows no confidence, so every score is 1."""
        return self._people(self(batch.images)[:, -1], batch)

    def stages(self, batch: PoseBatch) -> dict[str, list[PosePrediction]]:
        """Return the start and the pose after each correction."""
        poses = self(batch.images)
        names = ["start", *(f"step {step}" for step in range(1, self.steps + 1))]
        return {name: self._people(poses[:, i], batch) for i, name in enumerate(names)}

    def _people(self, poses: Tensor, batch: PoseBatch) -> list[PosePrediction]:
        """Put poses (B, K, 2) of the inputs into their images."""
        joints = apply_affine(poses.double(), batch.to_image)
        scores = torch.ones(joints.shape[:2], device=joints.device)
        return [PosePrediction(j[None], s[None], s.mean()[None]) for j, s in zip(joints, scores, strict=True)]

    def inside(self, batch: PoseBatch) -> list[Panel]:
        """Return the start as it is drawn for the network, then the pose after each correction."""
        poses = self(batch.images)
        drawn = (self.draw(poses[:, 0]) - FLOOR) / PEAK
        after = [Panel(f"step {step}", joints=poses[:, step]) for step in range(1, self.steps + 1)]
        return [Panel("start, as drawn", joints=poses[:, 0], maps=drawn[:, :-1]), *after]

    def configure_optimizers(self) -> Any:
        """SGD or Adam; new weights learn faster."""
        new = self.net.new_parameters()
        old = [p for name, p in self.net.named_parameters() if name not in new]
        groups: list[dict[str, Any]] = [{"params": old}, {"params": list(new.values()), "lr": self.lr * self.new_lr}]
        if self.optimizer == "sgd":
            optimizer: torch.optim.Optimizer = torch.optim.SGD(
                groups, lr=self.lr, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
            )
        else:
            optimizer = torch.optim.Adam(groups, lr=self.lr, fused=True)
        schedule = LambdaLR(optimizer, lambda _: DROP ** self.passed(self.lr_drops))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def bounded(way: Tensor, longest: Tensor | float) -> Tensor:
    """Cut vectors (..., 2) to a length, each as a whole; shorter ones stay."""
    length = way.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(way.dtype).tiny)
    cut: Tensor = way * (longest / length).clamp(max=1)
    return cut
