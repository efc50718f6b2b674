"""Residual, hourglass and the stacked network (Newell, Yang, Deng, ECCV 2016, arXiv:1603.06937; code pose-hg-train).

Modules are named as in the authors' PyTorch port, so that its checkpoints fit once dead skip layers are dropped.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

STEM_STRIDE = 4  # input pixels a cell


class Conv(nn.Module):
    """A convolution with bias that keeps the size (or divides it), then batch norm and ReLU where asked for."""

    def __init__(self, into: int, out: int, kernel: int = 1, stride: int = 1, *, norm: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(into, out, kernel, stride, (kernel - 1) // 2)
        self.bn = nn.BatchNorm2d(out) if norm else None

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, into, h, w) into (B, out, h / stride, w / stride)."""
        x = self.conv(x)
        return x if self.bn is None else self.bn(x).relu_()


class Residual(nn.Module):
    """Pre-activation bottleneck of half the width; nothing follows the sum."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        half = out // 2
        self.bn1 = nn.BatchNorm2d(into)
        self.conv1 = Conv(into, half)
        self.bn2 = nn.BatchNorm2d(half)
        self.conv2 = Conv(half, half, 3)
        self.bn3 = nn.BatchNorm2d(half)
        self.conv3 = Conv(half, out)
        self.skip_layer = Conv(into, out) if into != out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, into, h, w) into (B, out, h, w)."""
        y = self.conv1(self.bn1(x).relu_())
        y = self.conv2(self.bn2(y).relu_())
        y = self.conv3(self.bn3(y).relu_())
        total: Tensor = self.skip_layer(x) + y
        return total


def residuals(width: int, count: int) -> nn.Module:
    """Chain ``count`` residuals that keep the width; a single one stands by itself, as its keys do in the port."""
    return Residual(width, width) if count == 1 else nn.Sequential(*(Residual(width, width) for _ in range(count)))


class Hourglass(nn.Module):
    """Down to 1/2^order of the resolution and back, with a branch of residuals across at every scale."""

    def __init__(self, order: int, width: int, modules: int = 1) -> None:
        super().__init__()
        self.up1 = residuals(width, modules)
        self.pool1 = nn.MaxPool2d(2, 2)
        self.low1 = residuals(width, modules)
        self.low2 = Hourglass(order - 1, width, modules) if order > 1 else residuals(width, modules)
        self.low3 = residuals(width, modules)
        self.up2 = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (B, width, h, w)."""
        low = self.low3(self.low2(self.low1(self.pool1(x))))
        total: Tensor = self.up1(x) + self.up2(low)
        return total


class Merge(nn.Module):
    """A 1x1 convolution back to the features' width; one level deeper in the port's names."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.conv = Conv(into, out)

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, into, h, w) into (B, out, h, w)."""
        merged: Tensor = self.conv(x)
        return merged


def stem(quarter: int, half: int, width: int) -> nn.Sequential:
    """Bring images (B, 3, h, w) to features (B, width, h/4, w/4)."""
    return nn.Sequential(
        Conv(3, quarter, 7, 2, norm=True),
        Residual(quarter, half),
        nn.MaxPool2d(2, 2),
        Residual(half, half),
        Residual(half, width),
    )


class StackedHourglass(nn.Module):
    """``stacks`` hourglasses; each one's maps and features are added to its input, which feeds the next."""

    def __init__(self, joints: int, stacks: int, width: int, order: int, modules: int) -> None:
        """Leave PyTorch's initial weights: uniform within 1/sqrt(fan-in), as Torch7 had them."""
        super().__init__()
        self.pre = stem(width // 4, width // 2, width)
        self.hgs = nn.ModuleList(nn.Sequential(Hourglass(order, width, modules)) for _ in range(stacks))
        self.features = nn.ModuleList(
            nn.Sequential(residuals(width, modules), Conv(width, width, norm=True)) for _ in range(stacks)
        )
        self.outs = nn.ModuleList(Conv(width, joints) for _ in range(stacks))
        self.merge_features = nn.ModuleList(Merge(width, width) for _ in range(stacks - 1))
        self.merge_preds = nn.ModuleList(Merge(joints, width) for _ in range(stacks - 1))

    def forward(self, images: Tensor) -> Tensor:
        """Turn images (B, 3, h, w) into the maps of every stack (N, B, K, h/4, w/4)."""
        x, found = self.pre(images), []
        for i, (hourglass, features, out) in enumerate(zip(self.hgs, self.features, self.outs, strict=True)):
            y = features(hourglass(x))
            maps = out(y)
            found.append(maps)
            if i < len(self.merge_preds):
                x = x + self.merge_features[i](y) + self.merge_preds[i](maps)
        return torch.stack(found)
