"""DeepPose: joints regressed from the whole person, then corrected joint by joint (Toshev, Szegedy, CVPR 2014).

arXiv:1312.4659, table 1: LSP test, trained on LSP and LSP-extended, PCP@0.5 (the mean of both ends' errors counts;
whose left is unknown): stage 1 .54, stage 2 .60, stage 3 .61. FLIC, PCK@0.2 as later papers give it: elbow 92.3, wrist
82.0. The paper says "about 40M" parameters a stage; its list of layers gives 58,396,060 with 14 joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR

from data.module import PoseDataModule
from data.types import DataError, PoseBatch, PosePrediction, Skeleton, apply_affine
from data.views import PersonCrop
from methods import cascade
from methods.alexnet import AlexNet, inherit_weights
from methods.base import PoseMethod
from methods.images import normalise
from methods.inside import Panel

MEAN_COLOUR = (124, 116, 104)  # what is beyond the image (unknown -> our choice): ImageNet's mean, 0 when normalised
PERSON_PADDING = 1.25  # of the person's box (unknown -> the classic code's); the whole image is not padded


class DeepPose(PoseMethod):
    """Top-down: a cascade of regressors, trained one after the other."""

    title: ClassVar[str] = "DeepPose"
    year: ClassVar[int] = 2014
    means: Tensor  # (stages - 1, K, 2) errors of each stage but the last, in longer sides of the region
    covariances: Tensor  # (stages - 1, K, 2, 2)
    measured: Tensor  # () how many stages' errors are known: the next one is being trained, or is
    chosen: Tensor  # () how many stages answer; 0 until that is chosen: then all that are ready

    def __init__(
        self,
        skeleton: Skeleton,
        size: int = 220,
        detail: int = 2,
        width: int = 96,
        hidden: int = 4096,
        stem_stride: int = 4,
        norm: Literal["lrn", "batch"] = "lrn",
        dropout: float = 0.6,
        initial_box: Literal["image", "person"] | None = None,
        side: float | None = None,
        stage_shares: tuple[float, ...] = (3 / 17, 10 / 17),
        crops: int = 1,
        measured_on: int | None = None,
        inherit: bool = False,
        teachers: Literal["own", "inside"] = "own",
        optimizer: Literal["adagrad", "adam"] = "adagrad",
        lr: float = 5e-4,
        lr_left: float = 1.0,
    ) -> None:
        """Build one network a stage.

        Args:
            skeleton: Whose joints to find.
            size: Side of what a network sees.
            detail: The region is kept at so many times the resolution for the later stages to cut from.
            width: Channels of the first convolution.
            hidden: Units of the two wide layers.
            stem_stride: Of the first convolution.
            norm: ``lrn``, the paper's, or batch norm after every layer but the last.
            dropout: Share of the wide layers' units that is silent in training.
            initial_box: What stage 1 sees; where None, the image for LSP's joints and the person's box for others.
            side: Of the boxes around joints, in diameters of the pose; where None, 1 for FLIC's and 2 for others.
            stage_shares: Shares of the training after which the next stage begins, one less than stages; the paper
                trained stage 1 for 3 days and each other for 7.
            crops: Simulated boxes an image and step at the later stages, each around a labelled joint drawn at random.
                One makes the paper's mini-batch of 128 samples of 128 images.
            measured_on: How many training people a stage's errors are measured on; all where None.
            inherit: A stage begins with the weights of the one before, but for its last layer; the paper is silent.
            teachers: Of a later stage: a box's ``own`` joint, as in the paper, or all labelled ones ``inside`` it too.
            optimizer: The paper's is Adagrad.
            lr: Learning rate.
            lr_left: What is left of it at the end of each stage's training; it falls evenly and starts anew.

        Raises:
            DataError: for settings that cannot work together.
        """
        super().__init__(skeleton)
        self.size, self.detail, self.crops, self.measured_on, self.inherit = size, detail, crops, measured_on, inherit
        self.side = cascade.SIDES.get(skeleton.name, cascade.OTHER_SIDE) if side is None else side
        self.stage_shares, self.optimizer, self.lr, self.lr_left = stage_shares, optimizer, lr, lr_left
        self.teachers = teachers
        self._refuse()
        whole = (initial_box or ("image" if skeleton.name == "lsp14" else "person")) == "image"
        padding, region = 1.0 if whole else PERSON_PADDING, (detail * size, detail * size)
        self.view = PersonCrop(region, padding=padding, stretch=True, whole=whole, border=MEAN_COLOUR)
        k, later = len(skeleton.joints), len(stage_shares)
        self.diagonal = [skeleton.joints.index(name) for name in cascade.DIAGONAL]
        nets = [AlexNet(2 * k, size, width, hidden, stem_stride, norm, dropout) for _ in range(1 + later)]
        self.nets = nn.ModuleList(nets).to(memory_format=torch.channels_last)
        self.register_buffer("means", torch.zeros(later, k, 2))
        self.register_buffer("covariances", torch.zeros(later, k, 2, 2))
        self.register_buffer("measured", torch.zeros((), dtype=torch.long))
        self.register_buffer("chosen", torch.zeros((), dtype=torch.long))

    def _refuse(self) -> None:
        """Raise DataError for settings that cannot work together."""
        missing = [name for name in cascade.DIAGONAL if name not in self.skeleton.joints]
        if missing:
            raise DataError(f"{self.skeleton.name}: has no {' and no '.join(missing)}; DeepPose measures poses by them")
        numbers = {name: getattr(self, name) for name in ("size", "detail", "crops", "measured_on")}
        wrong = [f"{name} {number}" for name, number in numbers.items() if number is not None and number < 1]
        if wrong:
            raise DataError(f"{', '.join(wrong)}: expected 1 or more")
        if self.side <= 0:
            raise DataError(f"side {self.side}: expected a length above 0, in diameters of the pose")
        if list(self.stage_shares) != sorted(set(self.stage_shares)) or not all(0 < s < 1 for s in self.stage_shares):
            raise DataError(f"stage_shares {self.stage_shares}: expected rising shares of the training between 0 and 1")
        if not 0 < self.lr_left <= 1:
            raise DataError(f"lr_left {self.lr_left}: expected a share of the learning rate in (0, 1]")

    @property
    def ready(self) -> int:
        """How many stages answer: those trained, and the one in training."""
        return int(self.measured) + 1

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of one crop."""
        return self.size, self.size

    def forward(self, images: Tensor) -> Tensor:
        """Find joints (B, K, 2), in pixels of the input, taken as square; all stages answer, trained or not.

        One pass of stage 1 and one a joint of each later stage: 29 of 1.13 GMACs for three stages and 14 joints.
        """
        return self._poses(normalise(images), images.new_ones(len(images), 2, dtype=torch.float), len(self.nets))[-1]

    def _poses(self, pixels: Tensor, pixel: Tensor, stages: int, joints: Sequence[int] | None = None) -> list[Tensor]:
        """Return the pose (B, K, 2) in input pixels after each of the first ``stages``.

        Args:
            pixels: (B, 3, h, w) normalised.
            pixel: (B, 2) size of an input pixel.
            stages: How many.
            joints: Which the later stages correct; all where None.
        """
        region = pixels.new_tensor(pixels.shape[:1:-1])  # w, h
        answers = self.nets[0](F.avg_pool2d(pixels, self.detail)).float().unflatten(-1, (-1, 2))
        poses = [cascade.out_of_box(answers, region / 2, region)]
        which = torch.tensor(joints or range(poses[0].shape[1]), device=pixels.device).expand(len(pixels), -1)
        for net in self.nets[1:stages]:
            pose, size = poses[-1].clone(), self.side * self._unit(poses[-1], pixel)
            at = which[..., None].expand(-1, -1, 2)
            centre = pose.gather(1, at)
            moved = cascade.out_of_box(self._offsets(net, pixels, centre, size, which), centre, size)
            poses.append(pose.scatter(1, at, moved))
        return poses

    def _unit(self, pose: Tensor, pixel: Tensor) -> Tensor:
        """Return the diameter (B, 1, 2) of predicted poses, in input pixels."""
        return cascade.diameter(pose, pixel, self.diagonal, cascade.LEAST_DIAMETER * self._longer(pixel))

    def _longer(self, pixel: Tensor) -> Tensor:
        """Return the longer side (B,) of the region looked at, in original pixels."""
        return (pixel * self.detail * self.size).amax(-1)

    def _region(self, pixel: Tensor) -> Tensor:
        """Return that side (B, 1, 2) in input pixels, the unit of errors.

        The paper's is unknown; in predicted diameters, a few people seen end on spread all boxes beyond their joints.
        """
        return (self._longer(pixel)[:, None] / pixel)[:, None]

    def _offsets(self, net: nn.Module, pixels: Tensor, centre: Tensor, size: Tensor, joints: Tensor) -> Tensor:
        """Return what a network says of the joints (B, N), each in its own box: (B, N, 2) in-box coordinates.

        A network has outputs for all joints; others than a box's are not used (unknown -> one network a stage).
        """
        return self._answers(net, pixels, centre, size).gather(2, joints[..., None, None].expand(-1, -1, 1, 2))[:, :, 0]

    def _answers(self, net: nn.Module, pixels: Tensor, centre: Tensor, size: Tensor) -> Tensor:
        """Return what a network says of all joints in each box: (B, N, K, 2) in-box coordinates."""
        answers: Tensor = net(cascade.cut(pixels, centre, size, self.size)).float()
        return answers.view(*centre.shape[:2], -1, 2)

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Squared distance in units of the box, of the stage being trained: a mean where the paper sums."""
        stage = self.passed(self.stage_shares)
        self._measure(stage, batch)
        truth, labelled = batch.joints[:, 0], batch.visible[:, 0] > 0
        if stage == 0:
            answers = self.nets[0](normalise(F.avg_pool2d(batch.images.float(), self.detail))).float().view_as(truth)
            region = truth.new_tensor(batch.images.shape[:1:-1])
            error = answers - cascade.into_box(truth, region / 2, region)
        else:
            pixels, pixel = normalise(batch.images), cascade.pixel_size(batch.to_image)
            error, labelled = self._error_of_offsets(stage, pixels, pixel, truth, labelled)
        squared = error.square().sum(-1).where(labelled, 0.0)
        return {f"stage{stage + 1}": squared.sum() / labelled.sum().clamp(min=1)}

    def _error_of_offsets(
        self, stage: int, pixels: Tensor, pixel: Tensor, truth: Tensor, labelled: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Simulate where the stages before might look for some joints, and let this one say where they are.

        The boxes are as large as those stages' own poses of these people make them (unknown -> as at test time).
        Returns the error (B, crops, K, 2) in units of the box, and which of them teach.
        """
        with torch.no_grad():
            unit = self._unit(self._frozen(pixels, pixel, stage, self.diagonal), pixel)
        weights = torch.where(labelled.any(-1, keepdim=True), labelled.float(), 1.0)
        joints = torch.multinomial(weights, self.crops, replacement=True)
        own = truth.gather(1, joints[..., None].expand(-1, -1, 2))
        centre = own + self._region(pixel) * cascade.simulate(
            self.means[stage - 1][joints], self.covariances[stage - 1][joints]
        )
        size = (self.side * unit).expand_as(centre)
        where, teach = cascade.taught(truth, labelled, joints, centre, size, inside=self.teachers == "inside")
        return self._answers(self.nets[stage], pixels, centre, size) - where, teach

    def _frozen(self, pixels: Tensor, pixel: Tensor, stages: int, joints: Sequence[int] | None = None) -> Tensor:
        """Return the last pose of the first ``stages``, which are trained: without their dropout."""
        self.nets[:stages].eval()
        return self._poses(pixels, pixel, stages, joints)[-1]

    @torch.no_grad()
    def _measure(self, stage: int, batch: PoseBatch) -> None:
        """Measure the errors of the stages before ``stage`` where that was not yet done: when a stage begins."""
        for done in range(int(self.measured), stage):
            residuals = cascade.Residuals(len(self.skeleton.joints))
            data = getattr(self._trainer, "datamodule", None)  # without one, the batch must do
            for part in [batch] if data is None else data.inputs("train").evenly(self.measured_on, len(batch)):
                part = part.to(self.device)
                pixel = cascade.pixel_size(part.to_image)
                pose = self._frozen(normalise(part.images), pixel, done + 1)
                residuals.add((pose - part.joints[:, 0]) / self._region(pixel), part.visible[:, 0] > 0)
            self.means[done], self.covariances[done] = residuals.mean, residuals.covariance
            if self.inherit:
                inherit_weights(self.nets[done + 1], self.nets[done])
            self.measured += 1

    @torch.no_grad()
    def after_fit(self, data: PoseDataModule) -> None:
        """Choose how many stages answer: the paper adds them until people held out from training gain nothing.

        All answer where nobody is held out: the validation split is what will be tested on.
        """
        if data.entry.stands_for("test") == "val":
            return
        self.eval()
        hits = torch.zeros(self.ready, dtype=torch.long)
        for part in data.inputs("val").evenly(None, data.batch_size):
            part = part.to(self.device)
            pixel = cascade.pixel_size(part.to_image)
            poses = torch.stack(self._poses(normalise(part.images), pixel, self.ready))
            hits += cascade.detected(poses, part.joints[:, 0], part.visible[:, 0] > 0, pixel, self.diagonal).cpu()
        self.chosen.fill_(cascade.improving(hits.tolist()))

    def predict(self, batch: PoseBatch) -> list[PosePrediction]:
        """Return the pose of the last stage that answers; a regressor has no scores, so all are 1."""
        return self._after(batch, int(self.chosen) or self.ready)[-1]

    def stages(self, batch: PoseBatch) -> dict[str, list[PosePrediction]]:
        """Return the pose after each stage that is ready, and last that of the one that was chosen, if an earlier."""
        found, last = self._after(batch, self.ready), int(self.chosen) or self.ready
        chosen = {} if last == self.ready else {f"chosen: stage {last}": found[last - 1]}
        return {f"stage {i}": poses for i, poses in enumerate(found, 1)} | chosen

    def _after(self, batch: PoseBatch, stages: int) -> list[list[PosePrediction]]:
        """Return the answers of each of the first ``stages``, in pixels of the images."""
        poses = self._poses(normalise(batch.images), cascade.pixel_size(batch.to_image), stages)
        found = [apply_affine(pose.double(), batch.to_image) for pose in poses]
        ones = torch.ones(found[0].shape[1], device=found[0].device)
        return [[PosePrediction(joints[None], ones[None], ones[:1]) for joints in each] for each in found]

    def inside(self, batch: PoseBatch) -> list[Panel]:
        """Show the pose after each stage, and the boxes that the next one looks into."""
        pixel = cascade.pixel_size(batch.to_image)
        poses = self._poses(normalise(batch.images), pixel, self.ready)
        panels = [Panel("stage 1", joints=poses[0])]
        for i, (before, pose) in enumerate(pairwise(poses), 2):
            boxes = cascade.corners(before, (self.side * self._unit(before, pixel)).expand_as(before))
            panels += [Panel(f"boxes of stage {i}", boxes=boxes), Panel(f"stage {i}", joints=pose)]
        return panels

    def configure_optimizers(self) -> Any:
        """Adagrad, its rate constant: the paper names no schedule. Stages that are not trained have no gradient."""
        kinds = {"adagrad": torch.optim.Adagrad, "adam": torch.optim.Adam}
        optimizer = kinds[self.optimizer](self.parameters(), lr=self.lr, fused=True)
        schedule = {"scheduler": LambdaLR(optimizer, lambda _: self._lr_share()), "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def _lr_share(self) -> float:
        """Return the share of the learning rate at this moment: evenly from 1 to ``lr_left`` in each stage."""
        bounds, stage = (0.0, *self.stage_shares, 1.0), self.passed(self.stage_shares)
        done = (self.progress - bounds[stage]) / (bounds[stage + 1] - bounds[stage])
        return 1 - (1 - self.lr_left) * min(max(done, 0.0), 1.0)
