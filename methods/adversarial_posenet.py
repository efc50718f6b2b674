"""Adversarial PoseNet: hourglasses that two discriminators teach what a body is (Chen et al., ICCV 2017).

arXiv:1705.00389, MPII validation, 4 stacks: PCKh@0.5 92.1 (one task and no discriminator 90.6, one task 91.2, no
discriminator 91.1); LSP (with LSP-extended and MPII), PCK@0.2 93.1. Parameters of the generator with MPII's 16 joints
91,536,640, 76.0 GMACs. Steps and targets are the paper's algorithm 1; what it does not say is a default named here.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from data.types import OCCLUDED, DataError, PoseBatch, PosePrediction, Skeleton, apply_affine
from data.views import PersonCrop
from methods import heatmaps
from methods.adversarial_losses import (
    CONFIDENCE,
    POSE,
    AdvTarget,
    Discriminators,
    Labels,
    Truth,
    near_in_place,
    near_in_shape,
    reach,
    squared_error,
)
from methods.adversarial_nets import Discriminator, Generator, refuse_sizes
from methods.base import SAME, PoseMethod
from methods.hourglass_nets import STEM_STRIDE
from methods.inside import Panel

HALF = 0.5  # cell: a joint belongs to the cell it lies in, and is found at its centre; the hourglass's code
RMS_DECAY = 0.99  # Torch7's default
DROP = 0.2  # the learning rate's factor at a drop; unknown: the hourglass's
CHOSEN = {"both": (POSE, CONFIDENCE), "pose": (POSE,), "confidence": (CONFIDENCE,), "none": ()}
BELIEVED = 0.5  # a discriminator that gives a joint more takes it for good


class AdversarialPoseNet(PoseMethod):
    """Top-down: each person's crop to maps of joints and of occluded joints, which two discriminators judge."""

    title: ClassVar[str] = "Adversarial PoseNet"
    year: ClassVar[int] = 2017

    def __init__(
        self,
        skeleton: Skeleton,
        stacks: int = 4,
        input_size: tuple[int, int] = (256, 256),
        width: int = 512,
        stem_widths: tuple[int, int] = (64, 512),
        order: int = 4,
        occlusion: bool = True,
        discriminators: Literal["both", "pose", "confidence", "none"] = "both",
        discriminator_widths: tuple[int, int, int] = (64, 128, 256),
        sigma: float = 1.0,
        alpha: float = 1 / 220,
        beta: float = 1 / 180,
        adv_target: AdvTarget = "ones",
        warm_up: float = 5 / 230,
        delta_head: float = 0.5,
        delta_torso: float = 0.2,
        epsilon: float = 3e-4,
        decoder: Literal["argmax", "quarter", "dark"] = "quarter",
        flip_test: bool = True,
        optimizer: Literal["rmsprop", "adam"] = "rmsprop",
        lr: float = 2.5e-4,
        lr_drops: tuple[float, ...] = (0.5,),
    ) -> None:
        """Build the networks.

        Args:
            skeleton: Whose joints to find.
            stacks: Each of two hourglasses, or of one without occlusion.
            input_size: Height and width of the crop.
            width: Channels of all features.
            stem_widths: Channels of the first convolution and of the residual after it. With (64, 128), the
                hourglass's, the generator has 89,987,968 parameters.
            order: Poolings within an hourglass.
            occlusion: Learn which joints are labelled as occluded; without, the paper's single-task network.
            discriminators: Which of them teach the generator.
            discriminator_widths: Channels of their convolution, first residual and hourglass; unknown in the paper.
            sigma: Of the targets, in cells; unknown in the paper: the hourglass's.
            alpha: Weight of the confidence discriminator.
            beta: Weight of the pose discriminator.
            adv_target: What the generator wants to hear: that all joints are good (``ones``) or those that are not
                (``wrong_only``), or whatever is wrong (``literal``, equation 4 as printed).
            warm_up: Share of the training in which the generator learns from the truth alone; unknown in the paper.
            delta_head: Within this share of the head size a joint is good; unknown in the paper: PCKh's.
            delta_torso: The same of the torso, where the data set has no head size: PCK's.
            epsilon: A map whose mean squared error is below this is good; unknown in the paper. A map of zeros has
                0.00077 at sigma 1 and 64x64 cells.
            decoder: How a map becomes a joint.
            flip_test: Average with the maps of the mirrored input.
            optimizer: The paper has RMSprop, for all three networks here.
            lr: Learning rate, of all three.
            lr_drops: Shares of the training after which it falls to a fifth; unknown in the paper.

        Raises:
            DataError: for settings that cannot work together.
        """
        super().__init__(skeleton)
        refuse_sizes(stacks, input_size, (width, *stem_widths, *discriminator_widths), order)
        _refuse(sigma, epsilon, (delta_head, delta_torso), warm_up, alpha, beta)
        self.automatic_optimization = False  # three optimizers in the order of algorithm 1
        self.view = PersonCrop(input_size, padding=1.25)
        self.grid = heatmaps.Grid.of(self.view, STEM_STRIDE, HALF)
        self.sigma, self.flip_test, self.adv_target, self.warm_up = sigma, flip_test, adv_target, warm_up
        self.delta, self.epsilon = (delta_head, delta_torso), epsilon
        self.weights = {CONFIDENCE: alpha, POSE: beta}
        self.decode = partial(heatmaps.quarter, margin=0) if decoder == "quarter" else heatmaps.DECODERS[decoder]
        self.optimizer, self.lr, self.lr_drops = optimizer, lr, lr_drops
        k = len(skeleton.joints)
        self.generator = Generator(k, stacks, width, stem_widths, order, occlusion=occlusion)
        self.discriminators = Discriminators(
            {
                name: Discriminator(k, k << occlusion, discriminator_widths, order, sees_image=name == POSE)
                for name in CHOSEN[discriminators]
            }
        )
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """Turn uint8 images (B, 3, h, w) into the maps of every stack (N, B, K or 2K, h/4, w/4); pixels in [0, 1]."""
        maps: Tensor = self.generator(_pixels(images))
        return maps

    def tested(self) -> Iterable[nn.Module]:
        """Return the generator: the discriminators only teach it."""
        return (self.generator,)

    @property
    def progress(self) -> float:
        """Share of the training that is done; batches are counted, for each takes several steps of optimizers."""
        if self._trainer is None:
            return self.budget_spent
        done = self.trainer.fit_loop.epoch_loop.batch_progress.total.completed
        return min(1.0, max(done / self.trainer.estimated_stepping_batches, self.budget_spent))

    @property
    def adversarial(self) -> bool:
        """Whether the discriminators take part by now."""
        return len(self.discriminators) > 0 and self.progress >= self.warm_up - SAME

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Return the terms of all three networks on one pass; each reaches only the network that it teaches."""
        truth, maps = self._truth(batch), self(batch.images)
        terms = self._errors(maps, truth)
        if self.adversarial:
            terms |= self._judged(maps, truth) | self._persuaded(maps, truth)
        return terms

    def training_step(self, batch: PoseBatch, batch_idx: int) -> Tensor:
        """Algorithm 1: the generator by the truth, both discriminators, the generator by the truth and by them.

        The true and the found maps of a discriminator make one step; the paper takes one for each.
        """
        found = self.optimizers()
        optimizers = found if isinstance(found, list) else [found]
        truth, maps = self._truth(batch), self(batch.images)
        terms = self._errors(maps, truth)
        self._step(optimizers[0], terms)
        if self.adversarial:
            judged = self._judged(maps, truth)
            for optimizer, (name, term) in zip(optimizers[1:], judged.items(), strict=True):
                self._step(optimizer, {name: term})
            maps = self(batch.images)  # anew, as the generator has changed
            persuaded = self._persuaded(maps, truth)
            self._step(optimizers[0], self._errors(maps, truth) | persuaded)
            terms |= judged | persuaded
        total = torch.stack([term.detach() for term in terms.values()]).sum()
        logged = {f"train/{name}": term.detach() for name, term in {**terms, "loss": total}.items()}
        self.log_dict(logged, on_step=False, on_epoch=True, batch_size=len(batch))
        return total

    def _step(self, optimizer: Any, terms: dict[str, Tensor]) -> None:
        """Minimise the sum of some terms by one step, at the learning rate that is due."""
        for group in optimizer.param_groups:
            group["lr"] = self.lr * DROP ** self.passed(self.lr_drops)
        optimizer.zero_grad()
        self.manual_backward(torch.stack(list(terms.values())).sum())
        optimizer.step()

    def _truth(self, batch: PoseBatch) -> Truth:
        """Draw the targets; a joint without label has maps of zeros, and counts for the generator alone."""
        joints, visible, k = batch.joints[:, 0], batch.visible[:, 0], len(self.skeleton.joints)
        draw = partial(heatmaps.encode, self.grid.cells(joints), size=self.grid.size, sigma=self.sigma, stride=1)
        maps, weights = draw(visible)
        if self.generator.occ_hg:  # the paper says only that visibility is the target: the pose map if occluded
            maps = torch.cat([maps, draw(visible * (visible == OCCLUDED))[0]], 1)
        known = (weights > 0).view(-1, k)
        return Truth(_pixels(batch.images), maps, known, joints, reach(batch, self.skeleton, *self.delta))

    def _errors(self, maps: Tensor, truth: Truth) -> dict[str, Tensor]:
        """L_G of equation 1: of the pose maps and of the occlusion maps."""
        k = len(self.skeleton.joints)
        terms = {"G pose": squared_error(maps[:, :, :k], truth.maps[:, :k])}
        if self.generator.occ_hg:
            terms["G occlusion"] = squared_error(maps[:, :, k:], truth.maps[:, k:])
        return terms

    def _judged(self, maps: Tensor, truth: Truth) -> dict[str, Tensor]:
        """The discriminators' own terms, on the maps of the last stack."""
        return self.discriminators.judged(maps[-1].detach(), truth, self.labels(maps[-1], truth))

    def _persuaded(self, maps: Tensor, truth: Truth) -> dict[str, Tensor]:
        """The weighted terms that the discriminators give the generator."""
        found = self.discriminators.persuaded(maps[-1], truth, self.labels(maps[-1], truth), self.adv_target)
        return {f"G by {name}": self.weights[name] * term for name, term in found.items()}

    def labels(self, maps: Tensor, truth: Truth) -> dict[str, Labels]:
        """Say which joints each discriminator should find good in a stack's maps (B, K or 2K, h, w)."""
        k = len(self.skeleton.joints)
        pose = maps[:, :k].detach()
        found = self.grid.pixels(self.decode(pose)[0])
        return {
            POSE: near_in_place(found, truth.joints, truth.known, truth.reach),
            CONFIDENCE: near_in_shape(pose, truth.maps[:, :k], truth.known, self.epsilon),
        }

    def predict(self, batch: PoseBatch) -> list[PosePrediction]:
        """Decode the last stack's pose maps, averaged with those of the mirrored crop; their peaks are the scores."""
        return self._decode(self._maps(batch.images)[-1], batch)

    def stages(self, batch: PoseBatch) -> dict[str, list[PosePrediction]]:
        """Decode the pose maps of every stack."""
        return {f"stack {n}": self._decode(maps, batch) for n, maps in enumerate(self._maps(batch.images), 1)}

    def inside(self, batch: PoseBatch) -> list[Panel]:
        """Show the maps of every stack, and of the last pose what each discriminator believes."""
        stacks, k, panels = self._maps(batch.images), len(self.skeleton.joints), []
        for n, maps in enumerate(stacks, 1):
            pose, joints = maps[:, :k].clamp(0, 1), self._joints(maps)
            panels.append(Panel(f"stack {n}: joints", joints=joints, maps=pose))
            if self.generator.occ_hg:
                panels.append(Panel(f"stack {n}: occluded", maps=maps[:, k:].clamp(0, 1)))
        for name, judge in self.discriminators.items():
            good = judge(_pixels(batch.images), stacks[-1]).sigmoid()
            believed = torch.where((good > BELIEVED)[..., None], joints, torch.nan)
            panels.append(Panel(f"{name} believes", joints=believed, maps=pose * good[..., None, None]))
        return panels

    def _maps(self, images: Tensor) -> Tensor:
        """Return the maps of every stack (N, B, K or 2K, h, w) as they are decoded."""
        found: Tensor = self(images).float()
        if not self.flip_test:
            return found
        flip = list(self.skeleton.flip)
        if self.generator.occ_hg:
            flip += [len(flip) + other for other in flip]
        pairs = zip(found, self(images.flip(-1)).float(), strict=True)
        return torch.stack([heatmaps.flip_average(a, b, flip, shift=0) for a, b in pairs])

    def _joints(self, maps: Tensor) -> Tensor:
        """Find the joints (B, K, 2) in input pixels."""
        return self.grid.pixels(self.decode(maps[:, : len(self.skeleton.joints)])[0])

    def _decode(self, maps: Tensor, batch: PoseBatch) -> list[PosePrediction]:
        """Turn maps (B, K or 2K, h, w) into people in original pixels."""
        joints = apply_affine(self._joints(maps), batch.to_image)
        peaks = maps[:, : len(self.skeleton.joints)].amax((-2, -1))
        return [PosePrediction(j[None], s[None], s.mean()[None]) for j, s in zip(joints, peaks, strict=True)]

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """One optimizer a network: the generator's first, then the discriminators' in their order."""
        nets = (self.generator, *self.discriminators.values())
        if self.optimizer == "adam":
            return [torch.optim.Adam(net.parameters(), lr=self.lr, fused=True) for net in nets]
        return [torch.optim.RMSprop(net.parameters(), lr=self.lr, alpha=RMS_DECAY) for net in nets]


def _refuse(
    sigma: float, epsilon: float, deltas: tuple[float, float], warm_up: float, alpha: float, beta: float
) -> None:
    """Raise DataError for numbers out of their range."""
    named = {"sigma": sigma, "epsilon": epsilon, "delta_head": deltas[0], "delta_torso": deltas[1]}
    for name, value in named.items():
        if value <= 0:
            raise DataError(f"{name} {value}: expected a number above 0")
    if not 0 <= warm_up < 1:
        raise DataError(f"warm_up {warm_up}: expected a share of the training from 0 to below 1")
    for name, value in (("alpha", alpha), ("beta", beta)):
        if value < 0:
            raise DataError(f"{name} {value}: expected a weight of 0 or more")


def _pixels(images: Tensor) -> Tensor:
    """Bring uint8 images to [0, 1]."""
    return (images.float() / 255).contiguous(memory_format=torch.channels_last)
