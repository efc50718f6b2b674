"""SimCC: a joint's x and y as two classifications over bins finer than pixels (Li et al., ECCV 2022, arXiv:2107.03332).

The form without upsampling: a ResNet's last map, some channels a joint, flattened, and one linear layer an axis. The
settings are those of the authors' configurations. Parameters 25,688,476 with COCO's 17 joints at 256x192.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR

from data.module import PoseDataModule
from data.types import DataError, PoseBatch, PosePrediction, Skeleton, apply_affine
from data.views import PersonCrop
from methods.base import PoseMethod
from methods.images import normalise
from methods.inside import Panel
from methods.simplebaseline import BACKBONE_STRIDE as STRIDE
from methods.simplebaseline import BLOCKS, DROP, IMAGENET_WIDTH, NO_BACKBONE, Depth, PoseResNet, imagenet_weights
from methods.weights import place, read_state

REACH = 3  # sigmas; a joint farther outside the input is not taught; in the authors' code sigmas are pixels here
LAST_STAGE = 8  # times the stem's width


class SimCCNet(nn.Module):
    """The network: features of each joint, and what stands in each bin along x and y."""

    def __init__(self, joints: int, depth: int, size: tuple[int, int], split: int, width: int, channels: int) -> None:
        """Stack the ResNet, a 1x1 convolution behind its last stage, and the two linear layers that joints share."""
        super().__init__()
        self.shape = joints, channels
        deep = LAST_STAGE * width * BLOCKS[depth][0].expansion
        self.resnet = PoseResNet(joints * channels, depth, width, 0, deep, 4)  # without deconvolutions
        cells = channels * (size[0] // STRIDE) * (size[1] // STRIDE)
        self.head_x, self.head_y = nn.Linear(cells, split * size[1]), nn.Linear(cells, split * size[0])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Turn images (B, 3, h, w) into logits along x (B, K, split w) and y (B, K, split h)."""
        features = self.resnet(images).unflatten(1, self.shape).flatten(2)  # (B, K, channels h/32 w/32)
        return self.head_x(features), self.head_y(features)


class SimCC(PoseMethod):
    """Top-down: each person's crop to the bins of each joint."""

    title: ClassVar[str] = "SimCC"
    year: ClassVar[int] = 2022

    def __init__(
        self,
        skeleton: Skeleton,
        depth: Depth = 50,
        input_size: tuple[int, int] | None = None,
        width: int = 64,
        channels: int = 28,
        split: int = 2,
        sigma: float = 6.0,
        flip_test: bool = True,
        channel_order: Literal["rgb", "bgr"] = "bgr",
        lr: float = 1e-3,
        lr_drops: tuple[float, ...] = (90 / 140, 120 / 140),
        pretrained: bool = True,
        backbone_weights: Path | None = None,
    ) -> None:
        """Build the network; weights are brought only before training.

        Args:
            skeleton: Whose joints to find.
            depth: Layers of the ResNet.
            input_size: Height and width of the crop; where None, 256x192 for COCO's joints and 256x256 for others.
            width: Channels of the stem; the stages have 1, 2, 4 and 8 times as many.
            channels: Of the last map a joint; 28 in the authors' configuration without upsampling, 1 in MMPose.
            split: Bins a pixel.
            sigma: Of the targets, in bins.
            flip_test: Average with the logits of the mirrored input.
            channel_order: The authors train on BGR.
            lr: Learning rate of Adam.
            lr_drops: Shares of the training after which the learning rate falls to a tenth.
            pretrained: Start from timm's copy of torchvision's ImageNet weights (brought from the hub).
            backbone_weights: Start from this ResNet state dict (torchvision's or timm's) instead.

        Raises:
            DataError: for settings that cannot work together.
        """
        super().__init__(skeleton)
        self.hparams.update({"backbone_weights": backbone_weights and str(backbone_weights)})  # checkpoints: no paths
        h, w = input_size or ((256, 192) if skeleton.name == "coco17" else (256, 256))
        if min(h, w) < STRIDE or h % STRIDE or w % STRIDE:
            raise DataError(f"input_size {h}x{w}: height and width must be multiples of {STRIDE}")
        if min(split, channels) < 1 or sigma <= 0:
            raise DataError(f"split {split}, channels {channels}, sigma {sigma}: expected at least 1, 1 and above 0")
        if pretrained and not backbone_weights and width != IMAGENET_WIDTH:
            raise DataError(f"width {width}: the ImageNet weights have {IMAGENET_WIDTH}; set pretrained to false")
        self.depth, self.pretrained, self.backbone_weights = depth, pretrained, backbone_weights
        self.split, self.sigma, self.flip_test, self.channel_order = split, sigma, flip_test, channel_order
        self.lr, self.lr_drops = lr, lr_drops
        self.view = PersonCrop((h, w), padding=1.25)
        net = SimCCNet(len(skeleton.joints), depth, (h, w), split, width, channels)
        self.net = net.to(memory_format=torch.channels_last)

    def before_fit(self, data: PoseDataModule) -> None:
        """Start the backbone from a file or from ImageNet."""
        if self.backbone_weights:
            place(self.net.resnet, read_state(self.backbone_weights), str(self.backbone_weights), without=NO_BACKBONE)
        elif self.pretrained:
            hub = f"ResNet-{self.depth} of the hub"
            place(self.net.resnet, imagenet_weights(self.depth), hub, without=NO_BACKBONE)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Turn uint8 images (B, 3, h, w) into logits along x (B, K, split w) and y (B, K, split h)."""
        along: tuple[Tensor, Tensor] = self.net(normalise(images, self.channel_order))
        return along

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Divergence of each axis from the Gaussian labels of the one person in each crop."""
        logits = self(batch.images)
        bins = self.split * batch.joints[:, 0]
        taught = within_reach(bins, batch.visible[:, 0], (logits[0].shape[-1], logits[1].shape[-1]), self.sigma)
        return {
            name: divergence(along, encode(bins[..., axis], along.shape[-1], self.sigma), taught)
            for axis, (name, along) in enumerate(zip("xy", logits, strict=True))
        }

    def probabilities(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return what stands in each bin along x and y; logits are averaged with those of the mirrored input."""
        x, y = (along.float() for along in self(images))
        if self.flip_test:
            mirrored_x, mirrored_y = (along.float()[:, list(self.skeleton.flip)] for along in self(images.flip(-1)))
            x, y = (x + mirror_bins(mirrored_x, self.split)) / 2, (y + mirrored_y) / 2
        return x.softmax(-1), y.softmax(-1)

    def predict(self, batch: PoseBatch) -> list[PosePrediction]:
        """Take the highest bins; the pose's score is the mean of its joints'."""
        bins, scores = decode(*self.probabilities(batch.images))
        joints = apply_affine(bins.double() / self.split, batch.to_image)
        return [PosePrediction(j[None], s[None], s.mean()[None]) for j, s in zip(joints, scores, strict=True)]

    def inside(self, batch: PoseBatch) -> list[Panel]:
        """Show where x and y together put each joint, its highest place at 1."""
        x, y = (along / along.amax(-1, keepdim=True) for along in self.probabilities(batch.images))
        return [Panel("x and y", maps=y[..., :, None] * x[..., None, :])]

    def configure_optimizers(self) -> Any:
        """Adam without weight decay, as the SimpleBaseline code, which the authors' is built on."""
        optimizer = torch.optim.Adam(self.parameters(), lr=self.lr, fused=True)
        schedule = LambdaLR(optimizer, lambda _: DROP ** self.passed(self.lr_drops))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def encode(where: Tensor, bins: int, sigma: float) -> Tensor:
    """Return the logarithm of Gaussian labels (B, K, bins) around ``where`` (B, K), in bins.

    They sum to 1 near the border too; the authors' code cuts the density off there. What is not finite is put at 0.
    """
    distance = torch.arange(bins, device=where.device) - where.nan_to_num(0.0, 0.0, 0.0)[..., None]
    return (distance.square() / (-2 * sigma**2)).log_softmax(-1)


def within_reach(joints: Tensor, visible: Tensor, bins: Sequence[int], sigma: float) -> Tensor:
    """Say which joints (B, K, 2), in bins, are labelled and at most three sigmas outside: (B, K)."""
    last = joints.new_tensor(bins) - 1
    return ((joints >= -REACH * sigma) & (joints <= last + REACH * sigma)).all(-1) & (visible > 0)


def divergence(logits: Tensor, labels: Tensor, taught: Tensor) -> Tensor:
    """Kullback-Leibler divergence from the labels' logarithms (B, K, bins), a mean over bins as the authors' code.

    Joints that are not taught count as 0 and leave the denominator alone.
    """
    each = F.kl_div(logits.log_softmax(-1), labels, reduction="none", log_target=True).mean(-1)
    return torch.where(taught, each, 0.0).mean()


def mirror_bins(along_x: Tensor, split: int) -> Tensor:
    """Bring logits of a mirrored input back: bin b of its pixel b / split is that of the pixel w - 1 - b / split.

    Turned round, all lie split - 1 bins too far right; the authors' code moves them by 1, right for a split of 2. The
    last split - 1 bins, which nothing moves into, keep theirs.
    """
    back, shift = along_x.flip(-1), split - 1
    return torch.cat([back[..., shift:], back[..., back.shape[-1] - shift :]], -1)


def decode(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the highest bins (B, K, 2) of probabilities (B, K, bins), and the lower of both peaks (B, K)."""
    (peak_x, bin_x), (peak_y, bin_y) = x.max(-1), y.max(-1)
    return torch.stack([bin_x, bin_y], -1), torch.minimum(peak_x, peak_y)
