"""The symmetric spatial transformer of RMPE (Fang et al., ICCV 2017, arXiv:1612.00137): there, and exactly back.

A transform is theta (B, 2, 3) in coordinates from -1 to 1 over the outer edges of the first and the last pixel. It says
where in its source each target point is taken from: source = theta (target, 1). So the same theta serves images and
maps of any resolution.
"""

from __future__ import annotations

import torch
from timm.models.resnet import make_blocks
from torch import Tensor, nn
from torch.nn import functional as F

from methods.simplebaseline import BLOCKS, Depth

LEAST_DET = 1e-3  # default: of what is undone; a smaller determinant is taken to be this, of its own sign


class Localiser(nn.Module):
    """A ResNet that looks at a crop and answers theta; with 18 layers and 64 channels 11,179,590 parameters."""

    def __init__(self, depth: Depth = 18, width: int = 64) -> None:
        """Begin with the identity, whatever it sees.

        Args:
            depth: Layers.
            width: Channels of the stem.
        """
        super().__init__()
        block, repeats = BLOCKS[depth]
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        stages, info = make_blocks((block,) * 4, tuple(width << n for n in range(4)), repeats, inplanes=width)
        self.layers = nn.Sequential(*(stage for _, stage in stages))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.theta = nn.Linear(info[-1]["num_chs"], 6)
        nn.init.zeros_(self.theta.weight)
        with torch.no_grad():
            self.theta.bias.copy_(torch.eye(2, 3).flatten())

    def forward(self, images: Tensor) -> Tensor:
        """Turn normalised images (B, 3, h, w) into theta (B, 2, 3)."""
        x = self.maxpool(self.bn1(self.conv1(images)).relu_())
        theta: Tensor = self.theta(self.layers(x).mean((2, 3)))
        return theta.view(-1, 2, 3)


def inverse(theta: Tensor) -> Tensor:
    """Return gamma (B, 2, 3), which undoes theta: its linear part inverted, its shift by that and taken off.

    Gradients pass. Where the determinant is nearer to 0 than LEAST_DET it counts as LEAST_DET, so that a transform that
    has collapsed gives numbers instead of infinities.
    """
    a, b, c, d = theta[:, 0, 0], theta[:, 0, 1], theta[:, 1, 0], theta[:, 1, 1]
    det = a * d - b * c
    least = torch.where(det < 0, -LEAST_DET, LEAST_DET)
    det = torch.where(det.abs() < LEAST_DET, least, det)
    linear = torch.stack([torch.stack([d, -b], -1), torch.stack([-c, a], -1)], 1) / det[:, None, None]
    return torch.cat([linear, -linear @ theta[:, :, 2:]], 2)


def warp(images: Tensor, theta: Tensor) -> Tensor:
    """Sample images or maps (B, C, h, w) where theta (B, 2, 3) says, bilinearly; outside there is 0."""
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def warp_stacks(maps: Tensor, theta: Tensor) -> Tensor:
    """Sample the maps (N, B, K, h, w) of N stacks where theta (B, 2, 3) says."""
    stacked = maps.movedim(0, 1).flatten(1, 2)  # (B, N K, h, w): one sampling for all
    return warp(stacked, theta).view(maps.shape[1], len(maps), -1, *maps.shape[-2:]).movedim(1, 0)


def corners(theta: Tensor, size: tuple[int, int]) -> Tensor:
    """Return in pixels of the source what the target shows: the corners (B, 4, 2) of an input of ``size`` h, w."""
    square = theta.new_tensor([[-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]])
    h, w = size
    at = square @ theta.transpose(1, 2)  # (B, 4, 2) in [-1, 1]
    return ((at + 1) * theta.new_tensor([w, h]) - 1) / 2
