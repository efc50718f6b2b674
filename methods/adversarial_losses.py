"""Losses of Adversarial PoseNet, and the labels that its discriminators give to found joints (arXiv:1705.00389)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from data.types import PoseBatch, Skeleton
from methods.adversarial_nets import frozen

POSE, CONFIDENCE = "P", "C"  # the discriminators' names in the paper
AdvTarget = Literal["ones", "literal", "wrong_only"]


@dataclass(frozen=True)
class Truth:
    """What the networks are taught about one batch."""

    pixels: Tensor  # (B, 3, h, w) in [0, 1]
    maps: Tensor  # (B, C, h', w'): K of pose, then K of occlusion where they are learnt
    known: Tensor  # (B, K) bool: labelled, and drawn
    joints: Tensor  # (B, K, 2) input pixels
    reach: Tensor  # (B,) input pixels within which a joint counts as found


@dataclass(frozen=True)
class Labels:
    """What a discriminator should say of joints, and of which of them anything is known."""

    good: Tensor  # (B, K) 1.0 as good as the truth, 0.0 not
    known: Tensor  # (B, K) bool


def squared_error(maps: Tensor, targets: Tensor) -> Tensor:
    """Equation 1 for one kind of maps: half the squared norm of the error, averaged over stacks and people.

    The norm is a sum over joints and cells, as printed: at alpha and beta the discriminators then send a few hundredths
    of the gradient that the error sends. With a mean over cells they would drown it.

    Args:
        maps: (N, B, K, h, w).
        targets: (B, K, h, w).
    """
    return 0.5 * (maps - targets).square().sum((-3, -2, -1)).mean()


def near_in_shape(maps: Tensor, targets: Tensor, known: Tensor, epsilon: float) -> Labels:
    """Confidence: a map (B, K, h, w) is good if its mean squared distance from the target is below ``epsilon``."""
    distance = (maps.detach() - targets).square().mean((-2, -1))
    return Labels((distance < epsilon).float(), known)


def near_in_place(found: Tensor, joints: Tensor, known: Tensor, reach: Tensor) -> Labels:
    """Plausibility: a joint is good if it lies less than ``reach`` from the truth.

    Args:
        found: (B, K, 2) input pixels.
        joints: (B, K, 2) the truth.
        known: (B, K) bool.
        reach: (B,) input pixels; of a person where it is NaN nothing is known.
    """
    distance = (found.detach() - joints).norm(dim=-1)
    return Labels((distance < reach[:, None]).float(), known & reach.isfinite()[:, None])


def reach(batch: PoseBatch, skeleton: Skeleton, of_head: float, of_torso: float) -> Tensor:
    """Return how far from the truth a joint may lie: a share of the head size, where there is one, or of the torso.

    Returns:
        (B,) input pixels; NaN for a person without head size whose torso is not labelled.
    """
    (one, other), joints, visible = skeleton.torso, batch.joints[:, 0], batch.visible[:, 0]
    torso = (joints[:, one] - joints[:, other]).norm(dim=-1)
    torso = torso.masked_fill((visible[:, one] <= 0) | (visible[:, other] <= 0), torch.nan)
    sizes = [people[0].head_size if people else float("nan") for people in batch.people]
    zoom = batch.to_image[:, :, :2].det().abs().sqrt()  # original pixels an input pixel
    head = (torch.tensor(sizes, device=zoom.device, dtype=zoom.dtype) / zoom).to(torso.dtype)
    return torch.where(head.isfinite(), of_head * head, of_torso * torso)


def judging(real: Tensor, fake: Tensor, known: Tensor, labels: Labels) -> Tensor:
    """Equations 2 and 3, to be minimised: real joints are good, found ones as labelled.

    The paper's log(1 - (P - p)) is undefined where P < p; read with the absolute value of the difference it is the
    cross-entropy for labels of 0 and 1.

    Args:
        real: (B, K) log odds for the true maps.
        fake: (B, K) log odds for the generator's.
        known: (B, K) bool, which joints are labelled.
        labels: Of the generator's maps.
    """
    return _entropy(real, torch.ones_like(real), known) + _entropy(fake, labels.good, labels.known)


def persuading(fake: Tensor, known: Tensor, labels: Labels, target: AdvTarget) -> Tensor:
    """The generator's side of equation 4 for one discriminator, before its weight.

    Equation 4 read literally (``literal``) has the generator increase the discriminator's error, so that joints it has
    right would be called wrong; ``ones`` has it called right everywhere, ``wrong_only`` where it is not.

    Args:
        fake: (B, K) log odds.
        known: (B, K) bool, which joints are labelled.
        labels: Of the generator's maps.
        target: Which reading.
    """
    if target == "literal":
        return -_entropy(fake, labels.good, labels.known)
    counted = labels.known & (labels.good == 0) if target == "wrong_only" else known
    return _entropy(fake, torch.ones_like(fake), counted)


class Discriminators(nn.ModuleDict):
    """Those that take part, by name, and what they and the generator learn from each other's answers."""

    def judged(self, fakes: Tensor, truth: Truth, labels: Mapping[str, Labels]) -> dict[str, Tensor]:
        """Return each one's own term for the generator's maps (B, C, h, w), which are to be detached.

        True and found maps pass apart, each with its own statistics in the batch norms.
        """
        terms = {}
        for name, judge in self.items():
            real, fake = judge(truth.pixels, truth.maps), judge(truth.pixels, fakes)
            terms[name] = judging(real, fake, truth.known, labels[name])
        return terms

    def persuaded(
        self, fakes: Tensor, truth: Truth, labels: Mapping[str, Labels], target: AdvTarget
    ) -> dict[str, Tensor]:
        """Return what each one gives the generator; no parameter of a discriminator takes a gradient."""
        terms = {}
        for name, judge in self.items():
            with frozen(judge):
                logits = judge(truth.pixels, fakes)
            terms[name] = persuading(logits, truth.known, labels[name], target)
        return terms


def _entropy(logits: Tensor, labels: Tensor, counted: Tensor) -> Tensor:
    """Cross-entropy averaged over the joints that count; 0 where none does."""
    each = F.binary_cross_entropy_with_logits(logits, labels.to(logits), reduction="none")
    return each.where(counted, 0.0).sum() / counted.sum().clamp(min=1)
