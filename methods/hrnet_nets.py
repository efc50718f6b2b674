"""The high-resolution network (Sun, Xiao, Liu, Wang, CVPR 2019, arXiv:1902.09212; code deep-high-resolution-net).

Modules are named as in the authors' code, so that its checkpoints fit entry by entry. Where that code has None, for a
branch that passes through, an Identity stands; neither has entries.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import cast

import torch
from timm.models.resnet import BasicBlock, Bottleneck
from torch import Tensor, nn

BLOCKS = 4  # residual blocks a branch between two exchanges, and bottlenecks of the first stage
INIT_STD = 0.001  # of every convolution; official code
EXPANSION = 4  # of the bottlenecks


def conv_norm(into: int, out: int, kernel: int = 1, stride: int = 1, *, relu: bool = True) -> nn.Sequential:
    """A convolution without bias, batch norm, and ReLU where asked for."""
    layers = [nn.Conv2d(into, out, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(out)]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if relu else []))


def down(into: int, out: int, halvings: int) -> nn.Sequential:
    """Halve with strided 3x3 convolutions; the last one changes the width and has no ReLU."""
    steps = [conv_norm(into, into, 3, 2) for _ in range(halvings - 1)]
    return nn.Sequential(*steps, conv_norm(into, out, 3, 2, relu=False))


def up(into: int, out: int, doublings: int) -> nn.Sequential:
    """Change the width by a 1x1 convolution first, then repeat cells."""
    return nn.Sequential(*conv_norm(into, out, relu=False), nn.Upsample(scale_factor=2**doublings, mode="nearest"))


class Exchange(nn.Module):
    """Parallel branches of residual blocks, then each of the first ``outputs`` branches becomes a sum over all."""

    def __init__(self, widths: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(BasicBlock(w, w) for _ in range(BLOCKS))) for w in widths)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_path(widths, source, target) for source in range(len(widths))) for target in range(outputs)
        )

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Turn the maps of all branches, each half as large as the one before, into those of the first outputs."""
        ys = [branch(x) for branch, x in zip(self.branches, xs, strict=True)]
        return [_sum(cast(nn.ModuleList, layers), ys).relu_() for layers in self.fuse_layers]


def _path(widths: Sequence[int], source: int, target: int) -> nn.Module:
    """Bring the maps of a branch to the size and the width of another."""
    if source == target:
        return nn.Identity()
    make = up if source > target else down
    return make(widths[source], widths[target], abs(source - target))


def _sum(layers: Iterable[nn.Module], xs: Sequence[Tensor]) -> Tensor:
    terms: list[Tensor] = [layer(x) for layer, x in zip(layers, xs, strict=True)]
    return functools.reduce(torch.add, terms)


def transition(before: Sequence[int], after: Sequence[int]) -> nn.ModuleList:
    """Begin one more branch, from the lowest; change the widths of the others where they differ."""
    layers: list[nn.Module] = [
        nn.Identity() if into == out else conv_norm(into, out, 3) for into, out in zip(before, after, strict=False)
    ]
    return nn.ModuleList([*layers, nn.Sequential(conv_norm(before[-1], after[-1], 3, 2))])


class HRNet(nn.Module):
    """A stem to a quarter of the size, four stages with one branch more each, and a 1x1 convolution on the first."""

    def __init__(self, joints: int, width: int, stem: int, modules: Sequence[int]) -> None:
        """Build stage n + 1 of ``modules[n]`` exchanges; only the last one of all sums into the first branch alone."""
        super().__init__()
        self.conv1 = nn.Conv2d(3, stem, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.conv2 = nn.Conv2d(stem, stem, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(stem)
        wide = stem * EXPANSION
        first = Bottleneck(stem, stem, downsample=conv_norm(stem, wide, relu=False))
        self.layer1 = nn.Sequential(first, *(Bottleneck(wide, stem) for _ in range(BLOCKS - 1)))
        widths = [width * 2**n for n in range(len(modules) + 1)]
        before = [wide]
        for n, count in enumerate(modules, 2):
            setattr(self, f"transition{n - 1}", transition(before, widths[:n]))
            outputs = [n] * count
            outputs[-1] = 1 if n == len(modules) + 1 else n
            setattr(self, f"stage{n}", nn.Sequential(*(Exchange(widths[:n], out) for out in outputs)))
            before = widths[:n]
        self.final_layer = nn.Conv2d(width, joints, 1)
        self.stages = len(modules) + 1
        self._initialise()

    def _initialise(self) -> None:
        """All convolutions narrow, as the official code; batch norms start at 1 and 0."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=INIT_STD)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Turn images (B, 3, h, w) into maps (B, K, h/4, w/4)."""
        maps: Tensor = self.final_layer(self.branches(images)[-1][0])
        return maps

    def branches(self, images: Tensor) -> list[list[Tensor]]:
        """Return the maps of all branches at the end of stages 2, 3 and so on."""
        x = self.bn1(self.conv1(images)).relu_()
        xs, found = [self.layer1(self.bn2(self.conv2(x)).relu_())], []
        for n in range(2, self.stages + 1):
            layers = cast(nn.ModuleList, self.get_submodule(f"transition{n - 1}"))
            new = layers[-1](xs[-1])  # of the lowest branch
            xs = [*(layer(x) for layer, x in zip(layers, xs, strict=False)), new]
            xs = self.get_submodule(f"stage{n}")(xs)
            found.append(xs)
        return found
