"""The network of CPM: a first stage that sees a patch, later stages that see patch and beliefs (Wei et al. 2016).

Layers and their order as in the prototxt of the official models. Every convolution keeps the size of its map.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FEATURE_KERNEL = 5  # of the convolution that narrows a trunk's channels
MIXERS = 3  # wide convolutions of a later stage
STD = 0.01  # of the initial weights; official prototxt


def convolution(into: int, out: int, kernel: int, *, norm: bool = False) -> list[nn.Module]:
    """A convolution and its ReLU, a batch norm between them where asked for."""
    layer = nn.Conv2d(into, out, kernel, padding=kernel // 2)
    return [layer, *([nn.BatchNorm2d(out)] if norm else []), nn.ReLU(inplace=True)]


def trunk(channels: tuple[int, ...], kernel: int, pools: int) -> nn.Sequential:
    """Wide convolutions from the pixels on, a pooling that halves the map after each of the first ``pools``.

    The poolings are 3x3 (prototxt); the receptive fields of the text, 160 and 400 pixels, are those of 2x2.
    """
    layers: list[nn.Module] = []
    for i, (into, out) in enumerate(zip((3, *channels), channels, strict=False)):
        layers += convolution(into, out, kernel)
        if i < pools:
            layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
    return nn.Sequential(*layers)


class Later(nn.Module):
    """A stage after the first; nothing in it is shared with another stage."""

    def __init__(self, into: int, features: int, width: int, kernel: int, maps: int) -> None:
        """Narrow the shared trunk to ``features``; mix them with the beliefs and the centre map."""
        super().__init__()
        self.features = nn.Sequential(*convolution(into, features, FEATURE_KERNEL))
        mixers = [convolution(width if i else features + maps + 1, width, kernel) for i in range(MIXERS)]
        layers = [layer for mixer in mixers for layer in mixer]
        self.mixer = nn.Sequential(*layers, *convolution(width, width, 1), nn.Conv2d(width, maps, 1))

    def forward(self, image: Tensor, beliefs: Tensor, centre: Tensor) -> Tensor:
        """Turn the shared trunk's features, the stage before and the centre map into new beliefs."""
        found: Tensor = self.mixer(torch.cat([self.features(image), beliefs, centre.expand(len(image), -1, -1, -1)], 1))
        return found


class PoseMachine(nn.Module):
    """Stages 1 to ``stages``; those after the first share one trunk, which is not that of the first."""

    def __init__(
        self,
        maps: int,
        stages: int,
        pools: int,
        kernel: int,
        mixer_kernel: int,
        trunk_widths: tuple[int, ...],
        features: int,
        head_width: int,
        mixer_width: int,
        dropout: float,
    ) -> None:
        """Build as many stages as asked for; ``maps`` counts the background."""
        super().__init__()
        self.stride = 2**pools
        self.trunk = trunk(trunk_widths, kernel, pools)
        self.head = nn.Sequential(
            *convolution(trunk_widths[-1], features, FEATURE_KERNEL),
            *convolution(features, head_width, kernel),
            nn.Dropout(dropout),
            *convolution(head_width, head_width, 1),
            nn.Dropout(dropout),
            nn.Conv2d(head_width, maps, 1),
        )
        if stages > 1:
            self.shared_trunk = trunk(trunk_widths, kernel, pools)
        later = [Later(trunk_widths[-1], features, mixer_width, mixer_kernel, maps) for _ in range(stages - 1)]
        self.later = nn.ModuleList(later)

    def forward(self, pixels: Tensor, centre: Tensor) -> list[Tensor]:
        """Turn images (B, 3, h, w) and a centre map (1, 1, h, w), unseen by the first stage, into beliefs a stage.

        Returns:
            Of each stage (B, maps, h / stride, w / stride).
        """
        beliefs: list[Tensor] = [self.head(self.trunk(pixels))]
        if not self.later:
            return beliefs
        image: Tensor = self.shared_trunk(pixels)
        pooled = F.avg_pool2d(centre, self.stride + 1, self.stride, ceil_mode=True)
        for stage in self.later:
            beliefs.append(stage(image, beliefs[-1], pooled))
        return beliefs

    def first_stage(self) -> list[nn.Parameter]:
        """Return the parameters of the first stage."""
        return [*self.trunk.parameters(), *self.head.parameters()]


def initialise(net: nn.Module, how: Literal["gaussian", "kaiming"]) -> None:
    """Draw the weights; biases start at 0. With ``kaiming`` the layers before a ReLU do, and maps start near 0."""
    sequences = [module for module in net.modules() if isinstance(module, nn.Sequential)]
    for layer, after in (pair for sequence in sequences for pair in pairwise([*sequence, nn.Identity()])):
        if not isinstance(layer, nn.Conv2d):
            continue
        if how == "kaiming" and isinstance(after, nn.ReLU | nn.BatchNorm2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        else:
            nn.init.normal_(layer.weight, std=STD)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
