"""AlphaPose, as its paper has it: RMPE (Fang, Xie, Tai, Lu, ICCV 2017, arXiv:1612.00137).

MPII multi-person, full test: AP 76.7; 288 images 79.1. COCO test-dev 2015: AP 61.8, AP50 83.7, AP75 69.8.
Parameters with MPII's joints: 25,434,112 of the hourglass of 8 stacks and 11,179,590 of the transformer; in training
12,858,304 more, of the parallel branch. The program called AlphaPose today has neither transformer nor parallel branch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR

from data.annotations import read_json
from data.boxes import BoxSource
from data.detections import detections as read_detections
from data.module import PoseDataModule
from data.types import DataError, PoseBatch, PosePrediction, Skeleton, apply_affine, by_image
from data.views import PersonCrop
from methods import heatmaps, pose_nms_fit, sppe
from methods.base import PoseMethod
from methods.images import normalise
from methods.inside import Panel
from methods.pose_nms import CAFFE, RELEASED, pose_nms
from methods.pose_proposals import ProposalCrop, Proposals
from methods.simplebaseline import Depth
from methods.sstn import Localiser, corners, inverse, warp, warp_stacks

RMS_DECAY = 0.99  # the authors' training code
FITTED = replace(CAFFE, least=0.0)  # where the fit of the pose NMS begins, and its conventions; default
DOUBLES = BoxSource(jitter=0.1, doubles=2)  # what it is fitted to without detections; default
DROP = 0.2  # the learning rate's factor at each drop, as the hourglass's


class AlphaPose(PoseMethod):
    """Top-down for boxes that err: an estimator between two spatial transformers that undo each other."""

    nms_numbers: Tensor  # (4,) what was fitted
    copied: Tensor  # whether the frozen branch has its weights
    view: PersonCrop
    title: ClassVar[str] = "AlphaPose (RMPE)"
    year: ClassVar[int] = 2017
    people: ClassVar[Literal["single", "multi"]] = "multi"
    boxed: ClassVar[bool] = True

    def __init__(
        self,
        skeleton: Skeleton,
        estimator: str = "hourglass",
        estimator_options: dict[str, Any] | None = None,
        sstn: bool = True,
        parallel: bool = True,
        parallel_stacks: int = 4,
        localiser_depth: Depth = 18,
        localiser_width: int = 64,
        localiser_rate: float = 0.1,
        phase_ends: tuple[float, float] = (0.5, 0.75),
        padding: float = 1.3,
        proposals: Literal["fitted", "released", "none"] | None = None,
        detections: Path | None = None,
        atoms: int = 50,
        tau: float = 0.5,
        nms: Literal["caffe", "alphapose", "mxnet", "fitted", "none"] = "caffe",
        fit_images: int = 500,
        flip_test: bool = True,
        optimizer: Literal["rmsprop", "adam"] = "rmsprop",
        lr: float = 2.5e-4,
        lr_drops: tuple[float, ...] = (),
    ) -> None:
        """Build the networks.

        Args:
            skeleton: Whose joints to find.
            estimator: The single-person method between the transformers, by name.
            estimator_options: Its options, where they are not its defaults.
            sstn: Whether there are transformers at all.
            parallel: Whether the frozen branch teaches the first of them.
            parallel_stacks: Of an estimator with stacks the frozen branch has the first so many.
            localiser_depth: Layers of the ResNet that says how to transform.
            localiser_width: Channels of its stem.
            localiser_rate: Its share of the learning rate; the paper has no number.
            phase_ends: Share of the training that the estimator has alone, and share after which the parallel branch,
                a frozen copy of what it is then, takes part. The paper's order; it has no numbers.
            padding: Boxes grow by this factor.
            proposals: Boxes of the training: drawn around the true ones by Gaussians ``fitted`` to how a detector
                misses, by the ``released`` one, or as they are given. Where None, fitted if there are ``detections``.
            detections: What a detector found in the training images: a COCO results list. Where None, ``fitted`` takes
                the boxes that the run trains with, which must be noisy.
            atoms: Atomic poses, each with a Gaussian of its own; the paper has no number.
            tau: So many training inputs are whole people; the others a part of at least tau of their sides. The first
                of the authors' generators; later ones have 0.7 and 0.85.
            nms: Pose NMS: one of the released sets of parameters, or ``fitted`` to training images, in whose boxes
                everybody is looked for three times (or in those of ``detections``): the first release's conventions,
                and nobody dropped for a low score.
            fit_images: Training images for that.
            flip_test: Average with the maps of the mirrored input; the paper says nothing of it.
            optimizer: The paper's is RMSprop.
            lr: Learning rate.
            lr_drops: Shares of the training after which it falls to a fifth; the paper's stays.

        Raises:
            DataError: for settings that cannot work together.
        """
        super().__init__(skeleton)
        self.hparams["detections"] = detections and str(detections)  # checkpoints hold no paths
        _refuse(padding, tau, atoms, phase_ends, parallel_stacks, localiser_width)
        self.estimator = sppe.build(estimator, skeleton, estimator_options or {})
        self.localiser = Localiser(localiser_depth, localiser_width) if sstn else None
        self.frozen = sppe.frozen_copy(self.estimator, parallel_stacks) if sstn and parallel else None
        self.register_buffer("copied", torch.tensor(False))
        self.how, self.detections = proposals or ("fitted" if detections else "released"), detections
        self.proposals = Proposals(skeleton, atoms if self.how == "fitted" else 0)
        view = self.estimator.view
        self.view = PersonCrop(view.size, padding=padding, aligned=view.aligned)
        drawn = None if self.how == "none" else self.proposals
        self.train_view = ProposalCrop(view.size, padding=padding, aligned=view.aligned, proposals=drawn, tau=tau)
        self.nms, self.fit_images = nms, fit_images
        self.register_buffer("nms_numbers", torch.tensor(pose_nms_fit.numbers(FITTED), dtype=torch.float64))
        self.phase_ends, self.flip_test = phase_ends, flip_test
        self.optimizer, self.lr, self.lr_drops, self.localiser_rate = optimizer, lr, lr_drops, localiser_rate
        self.to(memory_format=torch.channels_last)

    def before_fit(self, data: PoseDataModule) -> None:
        """Bring the estimator's weights, where it has some to begin with; fit the proposals.

        Raises:
            DataError: if there are no boxes that miss to fit them to, or none that matches anybody.
        """
        self.estimator.before_fit(data)
        if self.how != "fitted":
            return
        boxes = self._detected(data) or data.boxes.in_training()
        if boxes == BoxSource():
            raise DataError(
                "proposals fitted: to what? --method.detections FILE of the training images, or --boxes jitter:0.1"
            )
        if not self.proposals.fit(data.inputs("train").samples, boxes):
            raise DataError(
                f"proposals fitted: no box of {boxes.label} is of anybody in the training images; another split?"
            )

    def _detected(self, data: PoseDataModule) -> BoxSource | None:
        """Read what a detector found in the training images; None where nothing is given."""
        if self.detections is None:
            return None
        path = Path(self.detections)
        return BoxSource(found=read_detections(read_json(path), path.name, data.entry.category))

    def after_fit(self, data: PoseDataModule) -> None:
        """Fit the pose NMS to training images, for the highest AP."""
        if self.nms != "fitted":
            return
        inputs = data.inputs("train").through(self.view, self._detected(data) or DOUBLES, self.fit_images)
        was_training, found, image_ids = self.training, list[PosePrediction](), list[int]()
        self.eval()
        for batch in inputs.evenly(None, data.batch_size):
            with torch.inference_mode():
                found += [one.cpu() for one in self.predict(batch.to(self.device))]
            image_ids += batch.image_ids
        truth = {sample.image_id: sample.people for sample in inputs.samples}
        fitted = pose_nms_fit.fit_to_people(by_image(found, image_ids), truth, self.skeleton.sigmas, FITTED)
        self.nms_numbers.copy_(torch.tensor(pose_nms_fit.numbers(fitted), dtype=torch.float64))
        self.train(was_training)

    def together(self, people: PosePrediction) -> PosePrediction:
        """Drop and merge doubles."""
        if self.nms == "none":
            return people
        numbers = self.nms_numbers.tolist()
        chosen = pose_nms_fit.with_numbers(FITTED, numbers) if self.nms == "fitted" else RELEASED[self.nms]
        joints, sure, scores = (t.double().numpy() for t in (people.joints, people.joint_scores, people.scores))
        kept = pose_nms(joints, sure, scores, chosen)
        return PosePrediction(*map(torch.from_numpy, (kept.joints, kept.joint_scores, kept.scores)))

    def train(self, mode: bool = True) -> AlphaPose:
        """Train or test; the frozen branch always tests, its batch norms included."""
        super().train(mode)
        if self.frozen is not None:
            self.frozen.eval()
        return self

    def tested(self) -> Iterable[nn.Module]:
        """Return the transformer and the estimator: the parallel branch only teaches."""
        return (self.estimator,) if self.localiser is None else (self.localiser, self.estimator)

    @property
    def transforming(self) -> bool:
        """Whether the transformers take part by now; always once the training is over."""
        return self.localiser is not None and not (self.training and self.passed(self.phase_ends) < 1)

    @property
    def teaching(self) -> bool:
        """Whether the parallel branch takes part by now."""
        return self.frozen is not None and self.passed(self.phase_ends) == len(self.phase_ends)

    def seen(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Transform crops: what the estimator sees (B, 3, h, w), from 0 to 255, and theta (B, 2, 3)."""
        if self.localiser is None or not self.transforming:
            return images, torch.eye(2, 3, device=images.device).expand(len(images), 2, 3)
        theta = self.localiser(normalise(images)).float()
        return warp(images.float(), theta), theta

    def forward(self, images: Tensor) -> Tensor:
        """Turn uint8 crops (B, 3, h, w) into the maps of every stack (N, B, K, h', w'), in the frame of the crop."""
        seen, theta = self.seen(images)
        return self._back(sppe.stacks_of(self.estimator, seen), theta)

    def _back(self, maps: Tensor, theta: Tensor) -> Tensor:
        """De-transform maps (N, B, K, h, w), each stack's."""
        return warp_stacks(maps.float(), inverse(theta)) if self.transforming else maps

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Squared errors of all stacks, summed: of the crop's frame and, from the frozen branch, of the centred one.

        A joint without label has a map of zeros, and counts.
        """
        seen, theta = self.seen(batch.images)
        maps = self._back(sppe.stacks_of(self.estimator, seen), theta)
        terms = {"main": self._errors(maps, batch.joints[:, 0], batch.visible[:, 0])}
        if self.teaching and self.frozen is not None:
            maps = sppe.stacks_of(self.frozen, seen)
            terms["parallel"] = self._errors(maps, sppe.centred(batch, self.view), batch.visible[:, 0])
        return terms

    def _errors(self, maps: Tensor, joints: Tensor, visible: Tensor) -> Tensor:
        """Sum the mean squared error of every stack (N, B, K, h, w) to joints (B, K, 2) in input pixels."""
        grid = self.estimator.grid
        targets, _ = self.estimator.encode(grid.cells(joints), visible, grid.size, self.estimator.sigma, stride=1)
        return torch.stack([F.mse_loss(stack, targets) for stack in maps]).sum()

    def on_train_batch_start(self, batch: PoseBatch, batch_idx: int) -> None:
        """Make the parallel branch a copy of what the estimator is by then."""
        if self.frozen is not None and self.teaching and not bool(self.copied):
            sppe.take_over(self.frozen, self.estimator)
            self.copied.fill_(True)

    def _maps(self, images: Tensor) -> Tensor:
        """Return the last stack's maps (B, K, h, w) as they are decoded."""
        maps: Tensor = self(images)[-1].float()
        if not self.flip_test:
            return maps
        mirrored = self(images.flip(-1))[-1].float()
        return heatmaps.flip_average(maps, mirrored, self.skeleton.flip, shift=self.estimator.flip_shift)

    def predict(self, batch: PoseBatch) -> list[PosePrediction]:
        """Decode the last stack's maps; the pose's score is the mean of their peaks."""
        cells, peaks = self.estimator.decode(self._maps(batch.images))
        joints = apply_affine(self.estimator.grid.pixels(cells), batch.to_image)
        return [PosePrediction(j[None], s[None], s.mean()[None]) for j, s in zip(joints, peaks, strict=True)]

    def inside(self, batch: PoseBatch) -> list[Panel]:
        """Show what the transformer cuts out, what the estimator sees and finds there, and that in the crop again."""
        seen, theta = self.seen(batch.images)
        there = sppe.stacks_of(self.estimator, seen)[-1].float()
        maps, grid, decode = self._maps(batch.images), self.estimator.grid, self.estimator.decode
        transformed = seen.round().clamp(0, 255).to(torch.uint8)
        return [
            Panel("what is cut out", boxes=corners(theta, self.view.size)[:, None]),
            Panel("what the estimator sees", images=transformed, joints=grid.pixels(decode(there)[0])),
            Panel("its maps", images=transformed, maps=there.clamp(0, 1)),
            Panel("back in the crop", joints=grid.pixels(decode(maps)[0]), maps=maps.clamp(0, 1)),
        ]

    def configure_optimizers(self) -> Any:
        """RMSprop; the transformer at a share of the learning rate."""
        groups: list[dict[str, Any]] = [{"params": list(self.estimator.parameters())}]
        if self.localiser is not None:
            groups.append({"params": list(self.localiser.parameters()), "lr": self.lr * self.localiser_rate})
        optimizer: torch.optim.Optimizer
        if self.optimizer == "adam":
            optimizer = torch.optim.Adam(groups, lr=self.lr, fused=True)
        else:
            optimizer = torch.optim.RMSprop(groups, lr=self.lr, alpha=RMS_DECAY)
        schedule = LambdaLR(optimizer, lambda _: DROP ** self.passed(self.lr_drops))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _refuse(padding: float, tau: float, atoms: int, phase_ends: tuple[float, float], stacks: int, width: int) -> None:
    """Raise DataError for settings that cannot work together."""
    if padding < 1:
        raise DataError(f"padding {padding}: expected a factor of 1 or more")
    if not 0 < tau <= 1:
        raise DataError(f"tau {tau}: expected a share above 0, at most 1")
    for name, value in (("atoms", atoms), ("parallel_stacks", stacks), ("localiser_width", width)):
        if value < 1:
            raise DataError(f"{name} {value}: expected 1 or more")
    if len(phase_ends) != 2 or not 0 <= phase_ends[0] <= phase_ends[1] <= 1:
        raise DataError(f"phase_ends {list(phase_ends)}: expected two shares of the training, the second not before")
