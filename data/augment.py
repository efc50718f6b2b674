"""Training augmentation: flip, scale, rotation and translation as ONE 2x3 affine; colour apart, on the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from data.types import FloatArray, Person, Skeleton

# Half bodies, all of HRNet's code: only people of more joints; a normal below 0.5 (69 % of them) takes the upper half,
# where more joints than the least are in it; the least of a box.
HALF_BODY_JOINTS, HALF_BODY_UP, HALF_BODY_LEAST, HALF_BODY_SCALE = 8, 0.5, 2, 1.5
LOWER = ("hip", "knee", "ankle", "pelvis")


@dataclass(frozen=True)
class Augment:
    """How much a training input is moved; the defaults are SimpleBaseline's on MPII (scale .25, rotation 30).

    Attributes:
        scale: the person's box is multiplied by clip(1 + scale * N(0,1), 1 - scale, 1 + scale).
        rotation: degrees; clip(rotation * N(0,1), -2 rotation, 2 rotation).
        rotation_share: how many inputs are rotated at all; the classic code's 0.6.
        translation: uniform shift up to this share of the input's width and height.
        flip: how many inputs are mirrored.
        colour: gain of each channel and of all, uniform in 1 +- colour; 0 leaves the pixels alone.
        spread: ``uniform`` draws the person's size in the input from U(1 - scale, 1 + scale) times what it was, and the
            angle from U(-rotation, rotation), as CPM, Tompson et al. and others do.
        half_body: how many inputs show the upper or the lower body alone, HRNet's 0.3 on COCO; see :func:`half_box`.
    """

    scale: float = 0.25
    rotation: float = 30.0
    rotation_share: float = 0.6
    translation: float = 0.0
    flip: float = 0.5
    colour: float = 0.0
    spread: Literal["normal", "uniform"] = "normal"
    half_body: float = 0.0

    def draw(self, rng: np.random.Generator, extent: FloatArray) -> tuple[FloatArray, bool]:
        """Draw one change of an input of ``extent`` (w, h) about its middle.

        Returns:
            A 2x3 affine, input pixels -> moved input pixels, and whether it mirrors (then left and right swap).
        """
        normal, uniform = rng.standard_normal(2), rng.random(4)
        if self.spread == "uniform":
            zoom, degrees = np.array([1.0, 0.0]) + np.array([self.scale, self.rotation]) * rng.uniform(-1, 1, 2)
        else:
            zoom = 1 / np.clip(1 + self.scale * normal[0], 1 - self.scale, 1 + self.scale)
            degrees = np.clip(self.rotation * normal[1], -2 * self.rotation, 2 * self.rotation)
        angle = np.deg2rad(degrees) if uniform[0] < self.rotation_share else 0.0
        shift = (2 * uniform[1:3] - 1) * self.translation * extent
        flip = bool(uniform[3] < self.flip)
        return about_middle(extent, zoom, angle, shift, flip=flip), flip


def half_box(rng: np.random.Generator, person: Person, skeleton: Skeleton) -> FloatArray | None:
    """Draw the box of half a body, as HRNet's code: about the mean of its joints, 1.5 times their extent.

    Returns:
        x0, y0, x1, y1 in original pixels; None for a person of 8 labelled joints or fewer, or of one in that half.
    """
    labelled = person.visible > 0
    if labelled.sum() <= HALF_BODY_JOINTS:
        return None
    lower = np.array([name.endswith(LOWER) for name in skeleton.joints])
    top, bottom = labelled & ~lower, labelled & lower
    up = rng.standard_normal() < HALF_BODY_UP and top.sum() > HALF_BODY_LEAST
    chosen = person.joints[bottom if not up and bottom.sum() > HALF_BODY_LEAST else top]
    if len(chosen) < HALF_BODY_LEAST:
        return None
    half = HALF_BODY_SCALE * np.ptp(chosen, axis=0) / 2
    return np.concatenate([chosen.mean(0) - half, chosen.mean(0) + half])


def about_middle(extent: FloatArray, zoom: float, angle: float, shift: FloatArray, *, flip: bool) -> FloatArray:
    """Build the affine: rotate by ``angle`` (radians), zoom, mirror, all about half the extent (w, h), then shift.

    The middle is w/2 and, for aligned views alone, (w-1)/2: the classic code mirrors the whole image before it cuts,
    which maps x to w - x.
    """
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]])
    if flip:
        linear[0] *= -1
    return np.concatenate([linear, (extent / 2 - linear @ extent / 2 + shift)[:, None]], axis=1)


def recolour(images: Tensor, amount: float) -> Tensor:
    """Multiply each image and each of its channels by a random gain.

    Args:
        images: (B, 3, h, w) uint8, on any device.
        amount: gains are uniform in [1 - amount, 1 + amount].

    Returns:
        (B, 3, h, w) uint8.
    """
    gain = 1 + amount * (2 * torch.rand(len(images), 4, 1, 1, device=images.device) - 1)
    return (images * (gain[:, :3] * gain[:, 3:])).clamp(0, 255).to(torch.uint8)
