"""Generator and discriminators of Adversarial PoseNet (Chen, Shen, Wei, Liu, Yang, ICCV 2017, arXiv:1705.00389).

No code was published. Blocks are those of the hourglass the paper builds on; what the paper leaves open is said here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from data.types import DataError
from methods.hourglass_nets import STEM_STRIDE, Conv, Hourglass, Residual, stem

HEAD_STD = 0.01  # of the classifier's initial weights; see Head


class Head(nn.Sequential):
    """Features to maps: one 1x1 convolution to as many channels as joints, one more as the linear classifier.

    The features have no batch norm: with PyTorch's initial weights the first maps are far from zero and hundreds of
    steps go into that. How the paper starts is unknown.
    """

    def __init__(self, width: int, joints: int) -> None:
        """Put a ReLU between the two; the paper names none, but without it they are one."""
        last = Conv(joints, joints)
        nn.init.normal_(last.conv.weight, std=HEAD_STD)
        if last.conv.bias is not None:
            nn.init.zeros_(last.conv.bias)
        super().__init__(Conv(width, joints), nn.ReLU(inplace=True), last)


class Generator(nn.Module):
    """Stacks of two hourglasses: one finds the joints, the next one, on its features, which of them are occluded."""

    def __init__(
        self, joints: int, stacks: int, width: int, stem_widths: tuple[int, int], order: int, *, occlusion: bool
    ) -> None:
        """Without ``occlusion`` every stack has one hourglass and one set of maps: the single-task network."""
        super().__init__()
        self.stem = stem(*stem_widths, width)
        self.pose_hg = nn.ModuleList(Hourglass(order, width) for _ in range(stacks))
        self.pose_head = nn.ModuleList(Head(width, joints) for _ in range(stacks))
        self.remap_pose = nn.ModuleList(Conv(joints, width) for _ in range(stacks - 1))
        second = stacks if occlusion else 0
        self.occ_hg = nn.ModuleList(Hourglass(order, width) for _ in range(second))
        self.occ_head = nn.ModuleList(Head(width, joints) for _ in range(second))
        self.remap_occ = nn.ModuleList(Conv(joints, width) for _ in range(second - 1))

    def forward(self, images: Tensor) -> Tensor:
        """Turn images (B, 3, h, w) into the maps of every stack (N, B, 2K, h/4, w/4): K of pose, K of occlusion."""
        first = self.stem(images)
        x, found = first, []
        for n, (glass, head) in enumerate(zip(self.pose_hg, self.pose_head, strict=True)):
            features = glass(x)
            maps = [head(features)]
            if self.occ_hg:
                maps.append(self.occ_head[n](self.occ_hg[n](features + x)))
            found.append(torch.cat(maps, 1))
            if n < len(self.remap_pose):
                x = first + self.remap_pose[n](maps[0])  # always the stem's features, not those of the stack before
            if n < len(self.remap_occ):
                x = x + self.remap_occ[n](maps[1])
        return torch.stack(found)


class Discriminator(nn.Module):
    """One probability a joint that its maps are as the truth's, read off an hourglass at the maps' resolution.

    The paper draws an encoder and decoder with skip connections and gives no sizes: a 3x3 convolution, two residuals,
    an hourglass and the mean over all cells are the choice here.
    """

    def __init__(
        self, joints: int, channels: int, widths: tuple[int, int, int], order: int, *, sees_image: bool
    ) -> None:
        """Take ``channels`` maps, and the image's three channels where it is seen."""
        super().__init__()
        self.sees_image = sees_image
        narrow, middle, width = widths
        self.first = Conv(channels + 3 * sees_image, narrow, 3, norm=True)
        self.widen = nn.Sequential(Residual(narrow, middle), Residual(middle, width))
        self.hourglass = Hourglass(order, width)
        self.last = nn.Linear(width, joints)

    def forward(self, images: Tensor, maps: Tensor) -> Tensor:
        """Judge maps (B, C, h, w) of images (B, 3, 4h, 4w) in [0, 1], which are averaged down to the maps.

        Returns:
            Log odds (B, K); their sigmoids are the paper's output.
        """
        x = torch.cat([F.avg_pool2d(images, STEM_STRIDE), maps], 1) if self.sees_image else maps
        x = self.hourglass(self.widen(self.first(x.contiguous(memory_format=torch.channels_last))))
        odds: Tensor = self.last(x.mean((-2, -1)))
        return odds


def refuse_sizes(stacks: int, size: tuple[int, int], widths: Sequence[int], order: int) -> None:
    """Raise DataError for networks that cannot be built."""
    for name, value in (("stacks", stacks), ("order", order)):
        if value < 1:
            raise DataError(f"{name} {value}: expected 1 or more")
    step = STEM_STRIDE << order
    if min(size) < step or any(side % step for side in size):
        raise DataError(
            f"input_size {size[0]}x{size[1]}: height and width must be multiples of {step} for an hourglass of "
            f"order {order}"
        )
    for width in widths:
        if width < 2 or width % 2:
            raise DataError(f"width {width}: expected an even number, for residuals halve it")


@contextmanager
def frozen(net: nn.Module) -> Iterator[None]:
    """Let gradients pass through what the network computes meanwhile, to its input and not to its parameters."""
    parameters = [p for p in net.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
