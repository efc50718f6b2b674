"""Mask R-CNN's network: ResNet, feature pyramid, proposals, and a head for boxes and one for keypoints.

The detector is put together from torchvision's parts; what they learn from stands in ``maskrcnn_regions``. Entries of
the state dict are named as in torchvision's Keypoint R-CNN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from timm.models.resnet import make_blocks
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign

from methods.roi_align import ProductRoIAlign
from methods.simplebaseline import BLOCKS

Norm = Literal["frozen", "batch"]
Align = Literal["samples", "products"]
ALIGN: dict[str, Callable[..., nn.Module]] = {"samples": MultiScaleRoIAlign, "products": ProductRoIAlign}
CUT_LEVELS = ("0", "1", "2", "3")  # of the pyramid, strides 4 to 32; proposals come from stride 64 too
BOX_CELLS, KEYPOINT_CELLS, SAMPLES = 7, 14, 2  # along each side of what is cut for a head; samples a cell and side
ASPECTS = (0.5, 1.0, 2.0)  # height by width of the anchors
CLASSES = 2  # background and person
RPN_IOU, RPN_SHARE, RPN_NMS = (0.7, 0.3), 0.5, 0.7  # person from, nothing below; at most so many people; section 3.1
ROI_IOU, ROI_SHARE, ROI_NMS = 0.5, 0.25, 0.5  # person from, nothing below; the same
LEAST_SCORE = 0.05  # of a person who is found; Detectron and torchvision
BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # of a box's x, y, width and height


@dataclass(frozen=True)
class Widths:
    """Channels and depths, named as the method's arguments."""

    depth: int
    width: int
    pyramid_width: int
    box_width: int
    keypoint_width: int
    keypoint_convs: int


@dataclass(frozen=True)
class Counts:
    """How many regions an image is looked at in, named as the method's arguments."""

    before_nms: tuple[int, int]
    proposals: tuple[int, int]
    rpn_samples: int
    roi_samples: int
    most_people: int


def frozen_norm(channels: int, device: torch.device | None = None, dtype: torch.dtype | None = None) -> nn.Module:
    """Return a batch norm of which nothing learns, with the arguments that timm gives."""
    norm: nn.Module = FrozenBatchNorm2d(channels).to(device, dtype)
    return norm


NORMS: dict[str, Callable[..., nn.Module]] = {"frozen": frozen_norm, "batch": nn.BatchNorm2d}


class Trunk(nn.Module):
    """A ResNet without its classifier, entries named as in torchvision's."""

    def __init__(self, depth: int, width: int, norm: Norm) -> None:
        """Stack stem and four stages; Kaiming's weights, batch norms at 1 and 0."""
        super().__init__()
        block, repeats = BLOCKS[depth]
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = NORMS[norm](width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = tuple(width << i for i in range(4))
        stages, info = make_blocks((block,) * 4, channels, repeats, inplanes=width, norm_layer=NORMS[norm])
        self.layer1, self.layer2, self.layer3, self.layer4 = (stage for _, stage in stages)
        self.channels: list[int] = [stage["num_chs"] for stage in info]
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class KeypointPredictor(nn.Module):
    """From the head's 14x14 features to one map of 56x56 a joint."""

    def __init__(self, width: int, joints: int) -> None:
        """A transposed convolution doubles the map, interpolation doubles it again."""
        super().__init__()
        self.kps_score_lowres = nn.ConvTranspose2d(width, joints, 4, 2, 1)
        _initialise(self.kps_score_lowres)

    def forward(self, x: Tensor) -> Tensor:
        """Turn (R, C, 14, 14) into logits (R, K, 56, 56)."""
        return F.interpolate(self.kps_score_lowres(x), scale_factor=2.0, mode="bilinear", align_corners=False)


def keypoint_head(into: int, width: int, convs: int, norm: Norm) -> nn.Sequential:
    """Stack 3x3 convolutions, a ReLU behind each, and before it a norm where norms learn."""
    layers: list[nn.Module] = []
    for i in range(convs):
        conv = nn.Conv2d(width if i else into, width, 3, 1, 1, bias=norm == "frozen")
        _initialise(conv)
        layers += [conv, *([] if norm == "frozen" else [nn.BatchNorm2d(width)]), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _initialise(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Draw Kaiming's weights by the outputs, as Detectron does for this head; biases at 0."""
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


class KeypointRCNN(nn.Module):
    """The parts: ``backbone`` with its pyramid, ``rpn`` and ``roi_heads``."""

    def __init__(
        self, joints: int, widths: Widths, norm: Norm, anchors: Sequence[int], counts: Counts, align: Align
    ) -> None:
        """Build all with first weights.

        Args:
            joints: Maps of the keypoint head.
            widths: Channels and depths.
            norm: Of the trunk; one that learns stands in the pyramid and in the keypoint head too.
            anchors: Size of the anchors at each level, strides 4 to 64, in pixels of the input.
            counts: How many regions are looked at.
            align: How RoIAlign is computed.
        """
        super().__init__()
        trunk = Trunk(widths.depth, widths.width, norm)
        layers = {f"layer{i + 1}": name for i, name in enumerate(CUT_LEVELS)}
        self.backbone = BackboneWithFPN(
            trunk, layers, trunk.channels, widths.pyramid_width, norm_layer=None if norm == "frozen" else nn.BatchNorm2d
        )
        self.rpn = RegionProposalNetwork(
            AnchorGenerator(tuple((size,) for size in anchors), (ASPECTS,) * len(anchors)),
            RPNHead(widths.pyramid_width, len(ASPECTS)),
            *RPN_IOU,
            counts.rpn_samples,
            RPN_SHARE,
            dict(zip(("training", "testing"), counts.before_nms, strict=True)),
            dict(zip(("training", "testing"), counts.proposals, strict=True)),
            RPN_NMS,
        )
        self.roi_heads = RoIHeads(
            ALIGN[align](CUT_LEVELS, BOX_CELLS, SAMPLES),
            TwoMLPHead(widths.pyramid_width * BOX_CELLS**2, widths.box_width),
            FastRCNNPredictor(widths.box_width, CLASSES),
            ROI_IOU,
            ROI_IOU,
            counts.roi_samples,
            ROI_SHARE,
            BOX_WEIGHTS,
            LEAST_SCORE,
            ROI_NMS,
            counts.most_people,
            keypoint_roi_pool=ALIGN[align](CUT_LEVELS, KEYPOINT_CELLS, SAMPLES),
            keypoint_head=keypoint_head(widths.pyramid_width, widths.keypoint_width, widths.keypoint_convs, norm),
            keypoint_predictor=KeypointPredictor(widths.keypoint_width, joints),
        )

    def freeze(self, stages: int) -> None:
        """Leave the first parts of the trunk as they are: the stem, then stage after stage."""
        body = self.backbone.body
        for part in (nn.ModuleList([body.conv1, body.bn1]), *(body[f"layer{i}"] for i in range(1, 5)))[:stages]:
            part.requires_grad_(False)
