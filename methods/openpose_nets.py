"""OpenPose's network: VGG-19's first ten convolutions, then stages of two branches, fields and maps (Cao et al. 2017).

Layers and the order of what a stage reads (fields, maps, features) as in the authors' prototxt. 52,311,446 parameters
with COCO's 18 parts and 19 limbs, 7,340,480 of them in the front; 135.9 GMACs at 368x368.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from methods.cpm_nets import convolution
from methods.weights import place, read_state

VGG = ((64, 64), (128, 128), (256, 256, 256, 256), (512, 512))  # conv1_1 to conv4_2, a pooling between the groups
NARROWED = (256, 128)  # conv4_3_CPM, conv4_4_CPM
FIRST, FIRST_WIDE = 128, 512  # a first-stage branch: three 3x3 convolutions, one 1x1
VGG_ENTRIES = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21)  # conv1_1 to conv4_2 in torchvision's file of VGG-19
LATER, LATER_CONVS, LATER_KERNEL = 128, 5, 7  # a later branch: five 7x7 convolutions, one 1x1


def front(width: float, narrowed: float, pools: int = 3, *, norm: bool = False) -> nn.Sequential:
    """The convolutions that all stages share.

    Args:
        width: Factor of VGG's channels.
        narrowed: Factor of the channels that stages see.
        pools: How many of VGG's first three poolings there are.
        norm: Batch norm behind every convolution.
    """
    layers: list[nn.Module] = []
    into = 3
    for i, group in enumerate(VGG):
        layers += [nn.MaxPool2d(2)] if 0 < i <= pools else []
        for out in group:
            layers += convolution(into, scaled(out, width), 3, norm=norm)
            into = scaled(out, width)
    for out in NARROWED:
        layers += convolution(into, scaled(out, narrowed), 3, norm=norm)
        into = scaled(out, narrowed)
    return nn.Sequential(*layers)


def scaled(channels: int, width: float) -> int:
    """Return a channel count times ``width``, at least 1."""
    return max(1, round(channels * width))


def branch(
    into: int, out: int, convs: int, kernel: int, channels: int, wide: int, *, norm: bool = False
) -> nn.Sequential:
    """One branch of one stage: equal convolutions, a 1x1, and a 1x1 that answers."""
    layers: list[nn.Module] = []
    for i in range(convs):
        layers += convolution(channels if i else into, channels, kernel, norm=norm)
    return nn.Sequential(*layers, *convolution(channels, wide, 1, norm=norm), nn.Conv2d(wide, out, 1))


class Stage(nn.Module):
    """Two branches that read the same."""

    def __init__(
        self,
        into: int,
        fields: int,
        maps: int,
        convs: int,
        kernel: int,
        channels: int,
        wide: int,
        *,
        norm: bool = False,
    ) -> None:
        """Give the channels that it reads and answers."""
        super().__init__()
        self.fields = branch(into, fields, convs, kernel, channels, wide, norm=norm)
        self.maps = branch(into, maps, convs, kernel, channels, wide, norm=norm)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return fields and maps."""
        return self.fields(features), self.maps(features)


class OpenPoseNet(nn.Module):
    """The front and all stages; nothing is shared between stages."""

    def __init__(
        self,
        fields: int,
        maps: int,
        stages: int = 6,
        width: float = 1.0,
        kernel: int = LATER_KERNEL,
        convs: int = LATER_CONVS,
        front_width: float = 1.0,
        pools: int = 3,
        norm: bool = False,
    ) -> None:
        """Build it.

        Args:
            fields: Channels of the fields, two a limb.
            maps: Parts and the background.
            stages: How many.
            width: Factor of the stages' channels.
            kernel: Of the later stages' wide convolutions.
            convs: How many of these a branch has.
            front_width: Factor of VGG's channels.
            pools: Each halves the maps.
            norm: Batch norm behind every convolution but those that answer.
        """
        super().__init__()
        self.front = front(front_width, width, pools, norm=norm)
        seen, first, wide, later = (scaled(c, width) for c in (NARROWED[-1], FIRST, FIRST_WIDE, LATER))
        stack = [Stage(seen, fields, maps, 3, 3, first, wide, norm=norm)]
        into = fields + maps + seen
        stack += [Stage(into, fields, maps, convs, kernel, later, later, norm=norm) for _ in range(stages - 1)]
        self.stages = nn.ModuleList(stack)

    def forward(self, pixels: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Turn images (B, 3, h, w) into fields (B, fields, h/8, w/8) and maps (B, maps, h/8, w/8) of every stage."""
        features: Tensor = self.front(pixels)
        answers: list[tuple[Tensor, Tensor]] = []
        for stage in self.stages:
            answers.append(stage(torch.cat([*answers[-1], features], 1) if answers else features))
        return answers

    def later_stages(self) -> list[nn.Parameter]:
        """Return the parameters of the stages after the first."""
        return [parameter for stage in list(self.stages)[1:] for parameter in stage.parameters()]

    def vgg(self) -> list[nn.Conv2d]:
        """Return the ten convolutions that VGG-19 begins with."""
        return [layer for layer in self.front if isinstance(layer, nn.Conv2d)][: sum(map(len, VGG))]


def begin_as_vgg(net: OpenPoseNet, path: Path) -> None:
    """Load the first ten convolutions from a VGG-19 of torchvision's; other entries of the file are not asked for.

    Raises:
        DataError: if the file is no state dict, or lacks one of them.
    """
    wanted = {f"features.{entry}.{kind}" for entry in VGG_ENTRIES for kind in ("weight", "bias")}
    state = {name: tensor for name, tensor in read_state(path).items() if name in wanted}
    layers = nn.ModuleDict({str(entry): layer for entry, layer in zip(VGG_ENTRIES, net.vgg(), strict=True)})
    place(nn.ModuleDict({"features": layers}), state, str(path))
