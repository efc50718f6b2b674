"""Networks of Tompson et al. 2015: three banks over a pyramid, crops of their first features, one fine network.

The paper's text gives the counts of banks, stages and paths; widths are those of the public re-implementations of the
coarse network, and defaults where there is none. Pixels and cells have their centres at integers: the cell x of a map
of stride s covers the pixels s x to s x + s - 1, so its centre is the pixel s x + (s - 1) / 2.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.conv_relu import ConvReLU

LEVELS = 3  # of the pyramid: the image, its half, its quarter; one bank each
TAPS = 2  # convolutions of each bank whose outputs the fine network sees
LCN_WINDOW = 9  # pixels; default, the paper names none
LCN_SIGMA = LCN_WINDOW / 4  # pixels; default
LINEAR_STD = 0.01  # of the last layers' initial weights, default: the maps start near the zero of most of the target


class Layout(NamedTuple):
    """How the weight stages from image to heat-map are spent; besides these, a 9x9 and the last 1x1 convolution."""

    convs: int  # 5x5
    hidden: int  # 1x1, before the last
    pools: dict[int, tuple[int, ...]]  # pooling of the whole: after which convolutions the map is halved


LAYOUTS = {
    7: Layout(3, 2, {4: (1, 2), 8: (1, 2, 3), 16: (1, 2, 3, 3)}),  # FLIC
    11: Layout(8, 1, {4: (2, 4), 8: (2, 4, 6), 16: (2, 4, 6, 8)}),  # MPII
}


class Tap(NamedTuple):
    """The output of one of a bank's first convolutions."""

    features: Tensor  # (B, C, h', w')
    stride: int  # input pixels a cell


def pyramid(images: Tensor) -> list[Tensor]:
    """Halve images (B, 3, h, w) twice with the binomial 1 3 3 1, whose cells lie as those of a pooling."""
    levels = [images]
    for _ in range(LEVELS - 1):
        levels.append(F.interpolate(levels[-1], scale_factor=0.5, mode="bilinear", antialias=True))
    return levels


def local_contrast(images: Tensor, eps: float) -> Tensor:
    """Subtract the local mean and divide by the local deviation, each channel for itself.

    Args:
        images: (B, 3, h, w) in [0, 1].
        eps: Added to the variance, so that flat regions come out near 0.

    Returns:
        (B, 3, h, w).
    """
    rows, columns = (_window(side, images) for side in images.shape[-2:])
    rest = images - rows @ (images @ columns.T)
    variance = rows @ (rest.square() @ columns.T)
    return (rest / (variance + eps).sqrt()).contiguous(memory_format=torch.channels_last)


def _window(side: int, like: Tensor) -> Tensor:
    """Return the (side, side) matrix that averages a line under the Gaussian; at the border, over what there is."""
    at = torch.arange(side, device=like.device, dtype=like.dtype)
    distance = (at[:, None] - at).abs()
    weight = torch.exp(distance.square() / (-2 * LCN_SIGMA**2)) * (distance <= LCN_WINDOW // 2)
    return weight / weight.sum(1, keepdim=True)


class Bank(nn.Module):
    """One level's convolutions up to the 9x9."""

    def __init__(self, layout: Layout, pooling: int, width: int, context: int, *, batch_norm: bool) -> None:
        """Stack the 5x5 convolutions of ``width`` channels and the 9x9 one of ``context`` channels."""
        super().__init__()
        into = (3, *(width,) * (layout.convs - 1))
        self.convs = nn.ModuleList(ConvReLU(channels, width, 5, batch_norm=batch_norm) for channels in into)
        self.context = ConvReLU(width, context, 9, batch_norm=batch_norm)
        self.pools = layout.pools[pooling]

    def forward(self, level: Tensor) -> tuple[Tensor, list[Tap]]:
        """Turn a level (B, 3, h, w) into features (B, context, h / pooling, w / pooling) and the taps in its cells."""
        x, stride, taps = level, 1, []
        for i, conv in enumerate(self.convs, 1):
            x = conv(x)
            if i <= TAPS:
                taps.append(Tap(x, stride))
            for _ in range(self.pools.count(i)):
                x, stride = F.max_pool2d(x, 2, ceil_mode=True), 2 * stride
        return self.context(x), taps


class Coarse(nn.Module):
    """Three banks with weights of their own, summed, and the sliding detector on top."""

    def __init__(
        self,
        joints: int,
        layout: Layout,
        pooling: int,
        width: int,
        context: int,
        hidden: int,
        dropout: float,
        *,
        batch_norm: bool = False,
    ) -> None:
        """Build the banks and the head; ``dropout`` drops whole channels of the sum."""
        super().__init__()
        self.banks = nn.ModuleList(Bank(layout, pooling, width, context, batch_norm=batch_norm) for _ in range(LEVELS))
        self.head = nn.Sequential(nn.Dropout2d(dropout))
        for i in range(layout.hidden):
            self.head.append(ConvReLU(hidden if i else context, hidden, 1, batch_norm=batch_norm))
        last = nn.Conv2d(hidden, joints, 1)
        self.head.append(last)
        initialise(self, last)

    def forward(self, levels: list[Tensor]) -> tuple[Tensor, list[Tap]]:
        """Turn the normalised levels into maps (B, K, h / pooling, w / pooling) and the taps of all banks."""
        total, taps = torch.zeros(()), []
        for i, (bank, level) in enumerate(zip(self.banks, levels, strict=True)):
            features, own = bank(level)
            taps += [Tap(tap.features, tap.stride << i) for tap in own]
            if i:
                h, w = total.shape[-2:]  # an odd level is pooled to one cell more, so there is enough to cut
                features = F.interpolate(features, scale_factor=2**i, mode="nearest")[..., :h, :w]
            total = total + features if i else features
        return self.head(total), taps


def crop(tap: Tap, centres: Tensor, window: int) -> Tensor:
    """Cut the same square of the image around each joint out of a tap, at the tap's own resolution.

    Args:
        tap: Features (B, C, h', w') and their stride.
        centres: (B, K, 2) input pixels.
        window: Side of the square in input pixels; one the stride does not divide is sampled a little finer.

    Returns:
        (B K, C, n, n) with n = window / stride, rounded up; zeros lie outside the map.
    """
    n = math.ceil(window / tap.stride)
    steps = ((torch.arange(n, device=centres.device) + 0.5) / n - 0.5) * window
    h, w = tap.features.shape[-2:]
    extent = centres.new_tensor([w * tap.stride, h * tap.stride])
    at = 2 * (centres[..., None, :] + steps[:, None] + 0.5) / extent - 1  # (B, K, n, 2), in grid_sample's units
    x, y = at[..., None, :, 0].expand(-1, -1, n, n), at[..., :, None, 1].expand(-1, -1, n, n)
    grid = torch.stack([x, y], -1).flatten(1, 2)  # (B, K n, n, 2): joints one below the other
    found = F.grid_sample(tap.features, grid.to(tap.features.dtype), align_corners=False)
    found = found.view(*found.shape[:2], -1, n, n).transpose(1, 2).flatten(0, 1)
    return found.contiguous(memory_format=torch.channels_last)


def lay(maps: Tensor, centres: Tensor, size: tuple[int, int]) -> Tensor:
    """Lay maps (B, K, n, n) of a cell a pixel at their centres (B, K, 2) over an input of ``size``: (B, K, h, w)."""
    n = maps.shape[-1]
    y, x = (torch.arange(side, device=maps.device, dtype=maps.dtype) for side in size)
    at = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)  # (h, w, 2) pixels
    grid = 2 * (at - centres[:, :, None, None]) / n  # (B, K, h, w, 2), in grid_sample's units
    flat = F.grid_sample(maps.flatten(0, 1)[:, None], grid.flatten(0, 1), align_corners=False)
    return flat.view(*maps.shape[:2], *size)


class Fine(nn.Module):
    """One instance a joint with the same weights, but for the last layer: crops to a map of a cell a pixel."""

    def __init__(self, joints: int, into: int, width: int, *, batch_norm: bool = False) -> None:
        """Build a path for each tap of ``into`` channels, the common layers and the last ones."""
        super().__init__()
        self.paths = nn.ModuleList(ConvReLU(into, width, 5, batch_norm=batch_norm) for _ in range(LEVELS * TAPS))
        self.common = nn.Sequential(
            ConvReLU(width, width, 5, batch_norm=batch_norm), ConvReLU(width, width, 1, batch_norm=batch_norm)
        )
        self.last = nn.Conv2d(joints * width, joints, 1, groups=joints)  # each joint sees its own instance
        initialise(self, self.last)

    def forward(self, crops: list[Tensor], window: int) -> Tensor:
        """Turn the crops (B K, C, n, n) of the six taps into maps (B, K, window, window)."""
        seen = [path(part) for path, part in zip(self.paths, crops, strict=True)]
        total = torch.zeros(())
        for part in seen:
            total = total + F.interpolate(part, size=(window, window), mode="bilinear")
        features = self.common(total).reshape(-1, self.last.in_channels, window, window)  # (B, K C, ...)
        maps: Tensor = self.last(features)
        return maps


def initialise(net: nn.Module, last: nn.Conv2d) -> None:
    """Draw the weights as He et al. 2015 for ReLU, those of the last layer narrowly; biases are 0. A default."""
    for module in net.modules():
        if not isinstance(module, nn.Conv2d):
            continue
        if module is last:
            nn.init.normal_(module.weight, std=LINEAR_STD)
        else:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
