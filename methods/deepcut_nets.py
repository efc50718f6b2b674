"""The part detectors of DeepCut and DeeperCut: a dense VGG-16, and a dilated ResNet (arXiv:1511.06645, 1605.03170).

Both answer on cells of 8 pixels. With 14 joints the ResNet-152 has 65,964,922 parameters (101: 50,321,274; 50:
31,329,146), 7,692,076 of them in the heads and 129,038 in the head for intermediate supervision. The VGG has
134,260,544 in its trunk, 61,455 in the part head and 114,716 in that of the offsets.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from timm.models.resnet import Bottleneck, make_blocks
from torch import Tensor, nn
from torch.nn import functional as F

from methods.deepcut_targets import Cells
from methods.simplebaseline import BLOCKS, IMAGENET_WIDTH
from methods.weights import place

Paper = Literal["deepercut", "deepcut"]
Norm = Literal["frozen", "batch"]
StrideOn = Literal["1x1", "3x3"]
EARLY_BLOCK = 12  # of res4, after which intermediate supervision reads; of a shorter res4 the middle one
HEAD_STD = 0.01  # of the initial weights of the heads; the authors' prototxt
PRIOR = -4.6  # initial logit of a part, 1 %: most cells are none; the authors begin at 0
DILATION = 2  # of res5, which does not stride
VGG = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))  # VGG-16's convolutions
VGG_WIDE = 4096  # channels of fc6 and fc7
NEW_IN_RESNET = r"fc\.|deep\.|skip\.|early\."  # ImageNet's classifier, and what its files lack
NEW_IN_VGG = r"classifier\.6\.|head\.|parts\.|offsets\."


class Answers(NamedTuple):
    """What a detector says about J joints on h x w cells.

    Attributes:
        parts: (B, J, h, w) logits; the VGG's without its background.
        offsets: (B, J, 2, h, w) from a cell to the joint, in deviations.
        pairs: (B, J, J - 1, 2, h, w) from a cell of one joint to every other joint, in deviations from the mean; not in
            training, which asks for a few cells.
        early: (B, J or J + 1, h, w) logits that only training asks for: intermediate supervision, or the background.
        features: (B, C, h / 2, w / 2) and (B, F, h, w), of which the ResNet makes its answers.
    """

    parts: Tensor
    offsets: Tensor
    pairs: Tensor | None = None
    early: Tensor | None = None
    features: tuple[Tensor, Tensor] | None = None


class SteadyNorm(nn.BatchNorm2d):
    """A batch norm whose statistics stay as they are, also in training; its scale and shift learn."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise with the stored statistics."""
        return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


class PartResNet(nn.Module):
    """ResNet whose last stage is dilated; one transposed convolution and a skip answer at half of res4's stride."""

    def __init__(
        self, joints: int, depth: int, width: int, norm: Norm = "frozen", stride_on: StrideOn = "1x1", pools: int = 1
    ) -> None:
        """Build it.

        Args:
            joints: J.
            depth: Layers.
            width: Channels of the stem.
            norm: ``frozen`` batch norms keep their statistics: a batch of one image has none worth having.
            stride_on: Which convolution of a bottleneck strides; the authors' first, torchvision's second.
            pools: 1 with the pooling of the stem; 0 without it, all strides are halved.
        """
        super().__init__()
        block, repeats = BLOCKS[depth]
        layer = SteadyNorm if norm == "frozen" else nn.BatchNorm2d
        self.joints = joints
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = layer(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1) if pools else nn.Identity()
        channels = (width, 2 * width, 4 * width, 8 * width)
        stages, info = make_blocks((block,) * 4, channels, repeats, inplanes=width, output_stride=16, norm_layer=layer)
        self.layer1, self.layer2, _, self.layer4 = (stage for _, stage in stages)
        self.layer3 = nn.Sequential(*stages[2][1].children())
        _dilate(self.layer4)
        if stride_on == "1x1":
            _stride_first(self)
        self.early_block = min(EARLY_BLOCK, len(self.layer3) // 2)
        _, finer, middle, deepest = (stage["num_chs"] for stage in info)
        answers = joints * (1 + 2 + 2 * (joints - 1))
        self.deep = _doubling(deepest, answers)
        self.skip = nn.Conv2d(finer, answers, 1)
        self.early = _doubling(middle, joints)
        self._initialise()
        for head in (self.deep, self.early):
            nn.init.constant_(_bias(head)[:joints], PRIOR)

    def _initialise(self) -> None:
        for name, module in self.named_modules():
            if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                continue
            if name in ("deep", "skip", "early"):
                nn.init.normal_(module.weight, std=HEAD_STD)
            else:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Answers:
        """Turn images (B, 3, h, w) into answers on h/8 x w/8 cells; h/4 x w/4 without the pooling."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        finer = self.layer2(self.layer1(x))
        middle = self.layer3[: self.early_block](finer)
        early = self.early(middle) if self.training else None
        deepest = self.layer4(self.layer3[self.early_block :](middle))
        j, (b, _, h, w) = self.joints, finer.shape
        wanted = slice(3 * j if self.training else None)  # in training pairs are asked for where there is a joint
        answer = F.conv_transpose2d(deepest, self.deep.weight[:, wanted], _bias(self.deep)[wanted], 2, 1, 1)
        answer = answer + F.conv2d(finer, self.skip.weight[wanted], _bias(self.skip)[wanted])
        offsets, pairs = answer[:, j : 3 * j].reshape(b, j, 2, h, w), None
        if not self.training:
            pairs = answer[:, 3 * j :].reshape(b, j, j - 1, 2, h, w)
        return Answers(answer[:, :j], offsets, pairs, early, (deepest, finer))

    def pairs_at(self, features: tuple[Tensor, Tensor], cells: Cells) -> Tensor:
        """Say from single cells where the other joints are: as :meth:`forward`, for less where cells are few.

        Args:
            features: Of the answers.
            cells: M of them, by joint.

        Returns:
            (M, J - 1, 2) in deviations from the mean.
        """
        j, (deepest, finer) = self.joints, features
        rows = torch.cat([_seen(deepest, cells), _rows(finer.movedim(1, -1), cells.image, cells.y, cells.x)], 1)
        wide, narrow = self.deep.weight[:, 3 * j :], self.skip.weight[3 * j :, :, 0, 0]
        wide = wide.reshape(len(wide), j, -1, 3, 3).permute(1, 3, 4, 0, 2).flatten(1, 3)  # (J, 9 C, 2 J - 2)
        weight = torch.cat([wide, narrow.reshape(j, -1, narrow.shape[1]).transpose(1, 2)], 1)
        bias = (_bias(self.deep) + _bias(self.skip))[3 * j :].reshape(j, -1)
        parts = torch.split(rows, torch.bincount(cells.joint, minlength=j).tolist())
        answers = [torch.addmm(b, r, w) for b, r, w in zip(bias, parts, weight, strict=True)]
        return torch.cat(answers).reshape(-1, j - 1, 2)


def _seen(maps: Tensor, cells: Cells) -> Tensor:
    """Return what the transposed convolution reads for cells twice as fine: (M, 9 C), 0 where it reads nothing."""
    b, c, h, w = maps.shape
    apart = maps.new_zeros(b, 2 * h + 2, 2 * w + 2, c)
    apart[:, 1:-1:2, 1:-1:2] = maps.movedim(1, -1)
    reach = torch.arange(2, -1, -1, device=maps.device)  # kernel entry k of output y meets input (y + 1 - k) / 2
    image, y, x = (
        cells.image[:, None, None],
        (cells.y[:, None] + reach)[:, :, None],
        (cells.x[:, None] + reach)[:, None],
    )
    return _rows(apart, image, y, x).flatten(1)


def _rows(maps: Tensor, image: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Read maps (B, h, w, C) at cells of any shape (...): (..., C)."""
    _, h, w, c = maps.shape
    return F.embedding((image * h + y) * w + x, maps.reshape(-1, c))


def _bias(layer: nn.Conv2d | nn.ConvTranspose2d) -> Tensor:
    """Return the biases of a layer that has them."""
    assert layer.bias is not None
    return layer.bias


def _doubling(into: int, out: int) -> nn.ConvTranspose2d:
    """Return a 3x3 transposed convolution of stride 2, cropped so that cell i of the input lies on cell 2 i."""
    return nn.ConvTranspose2d(into, out, 3, 2, padding=1, output_padding=1)


def _dilate(stage: nn.Module) -> None:
    """Dilate every 3x3 convolution of a stage, those of its first block too."""
    for module in stage.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
            module.dilation = module.padding = (DILATION, DILATION)


def _stride_first(net: nn.Module) -> None:
    """Move the stride of each bottleneck from its 3x3 convolution to the first 1x1."""
    for module in net.modules():
        if isinstance(module, Bottleneck):
            module.conv1.stride, module.conv2.stride = module.conv2.stride, module.conv1.stride


class DenseVGG(nn.Module):
    """VGG-16 on every cell: its last two poolings do not stride, what follows is dilated instead ("holes")."""

    def __init__(self, joints: int, width: float = 1.0) -> None:
        """Build it for J joints and a background, with ``width`` times VGG's channels."""
        super().__init__()
        self.joints = joints
        layers: list[nn.Module] = []
        into = 3
        for i, group in enumerate(VGG):
            dilation = 2 if i == len(VGG) - 1 else 1
            for channels in group:
                out = max(1, round(channels * width))
                layers += [nn.Conv2d(into, out, 3, padding=dilation, dilation=dilation), nn.ReLU(inplace=True)]
                into = out
            layers.append(nn.MaxPool2d(2) if i < 3 else nn.MaxPool2d(3, 1, 1))
        self.features = nn.Sequential(*layers)
        wide = max(1, round(VGG_WIDE * width))
        self.fc6 = nn.Conv2d(into, wide, 7, padding=12, dilation=4)
        self.fc7 = nn.Conv2d(wide, wide, 1)
        self.relu, self.dropout = nn.ReLU(inplace=True), nn.Dropout()
        self.parts = nn.Conv2d(wide, joints + 1, 1)
        self.offsets = nn.Conv2d(wide, 2 * joints, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(_bias(module))
        for head in (self.parts, self.offsets):
            nn.init.normal_(head.weight, std=HEAD_STD)
        nn.init.constant_(_bias(self.parts)[:joints], PRIOR)

    def forward(self, images: Tensor) -> Answers:
        """Turn images (B, 3, h, w) into answers on h/8 x w/8 cells, without pairs."""
        x = self.dropout(self.relu(self.fc6(self.features(images))))
        x = self.dropout(self.relu(self.fc7(x)))
        parts, offsets = self.parts(x), self.offsets(x)
        b, _, h, w = parts.shape
        early = parts if self.training else None
        return Answers(parts[:, : self.joints], offsets.reshape(b, self.joints, 2, h, w), early=early)


def build_detector(
    paper: Paper, joints: int, depth: int, width: int, norm: Norm, stride_on: StrideOn, pools: int
) -> PartResNet | DenseVGG:
    """Build DeeperCut's ResNet, or DeepCut's VGG with channels in proportion to the width of a ResNet's stem."""
    if paper == "deepercut":
        return PartResNet(joints, depth, width, norm, stride_on, pools)
    return DenseVGG(joints, width / IMAGENET_WIDTH)


def begin_as(net: PartResNet | DenseVGG, state: dict[str, Tensor], source: str) -> None:
    """Load everything but the heads from ImageNet's weights, torchvision's or timm's.

    Raises:
        DataError: naming what does not fit.
    """
    if isinstance(net, DenseVGG):
        place(net, vgg_entries(state), source, without=NEW_IN_VGG)
    else:
        place(net, state, source, without=NEW_IN_RESNET)


def vgg_entries(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Name VGG-16's entries of torchvision's or timm's file as here: its dense layers are convolutions."""
    renamed = {}
    for name, tensor in state.items():
        for layer, theirs in (("fc6", ("classifier.0", "pre_logits.fc1")), ("fc7", ("classifier.3", "pre_logits.fc2"))):
            for prefix in theirs:
                name = name.replace(f"{prefix}.", f"{layer}.")
        size = {"fc6.weight": 7, "fc7.weight": 1}.get(name)
        renamed[name] = tensor if size is None else tensor.reshape(len(tensor), -1, size, size)
    return renamed
