"""SimpleBaseline: a ResNet, three deconvolutions, one heat-map a joint (Xiao, Wu, Wei, ECCV 2018, arXiv:1804.06208).

Table 2: ResNet-50, 256x192, COCO val2017, flip test, detected boxes (person AP 56.4): AP 70.4; 72.4 with true boxes.
MPII val, ResNet-50, 256x256, flip test: PCKh@0.5 88.5. Parameters 33,999,697 with COCO's 17 joints.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import timm
import torch
from timm.models.resnet import BasicBlock, Bottleneck, make_blocks
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from data.module import PoseDataModule
from data.types import DataError, PoseBatch, PosePrediction, Skeleton, apply_affine
from data.views import PersonCrop
from methods import heatmaps
from methods.base import PoseMethod
from methods.images import normalise
from methods.weights import load_weights, place, read_state

Depth = Literal[18, 34, 50, 101, 152]
BLOCKS: dict[int, tuple[type[BasicBlock | Bottleneck], tuple[int, ...]]] = {  # He et al. 2016, table 1
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}
BACKBONE_STRIDE = 32  # input pixels a cell of layer4
DECONV_PADDING = {4: (1, 0), 3: (1, 1), 2: (0, 0)}  # kernel: padding, output padding; each doubles the map exactly
HEAD_STD = 0.001  # of the initial weights of deconvolutions and final layer; official code
HEADS = ("deconv_layers.", "final_layer.")
NO_BACKBONE = r"deconv_layers\.|final_layer\.|fc\."  # the head here, and the classifier of ImageNet's files
PER_JOINT = {r"final_layer\.(weight|bias)": 0}
IMAGENET_WIDTH = 64
SIGMA_AT_256 = 2.0  # cells, for an input 256 high; 3 at 384 is the same share of the height
DROP = 0.1  # the learning rate's factor at each drop


class PoseResNet(nn.Module):
    """The network; entries of its state dict are named as in the official files."""

    def __init__(
        self, joints: int, depth: int, width: int, deconv_layers: int, deconv_filters: int, deconv_kernel: int
    ) -> None:
        """Stack stem, four stages, deconvolutions and the 1x1 convolution; initialise all."""
        super().__init__()
        block, repeats = BLOCKS[depth]
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = (width, 2 * width, 4 * width, 8 * width)
        stages, info = make_blocks((block,) * 4, channels, repeats, inplanes=width)
        self.layer1, self.layer2, self.layer3, self.layer4 = (stage for _, stage in stages)
        self.deconv_layers = nn.Sequential()
        deep, (padding, extra) = info[-1]["num_chs"], DECONV_PADDING[deconv_kernel]
        for i in range(deconv_layers):
            into = deconv_filters if i else deep
            up = nn.ConvTranspose2d(into, deconv_filters, deconv_kernel, 2, padding, extra, bias=False)
            self.deconv_layers.extend([up, nn.BatchNorm2d(deconv_filters), nn.ReLU(inplace=True)])
        self.final_layer = nn.Conv2d(deconv_filters, joints, 1)
        self._initialise()

    def _initialise(self) -> None:
        """Kaiming for the backbone, as torchvision; the head as the official code. Batch norms start at 1 and 0."""
        for name, module in self.named_modules():
            if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                continue
            if f"{name}.".startswith(HEADS):
                nn.init.normal_(module.weight, std=HEAD_STD)
            else:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Turn images (B, 3, h, w) into maps (B, K, h/4, w/4)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        maps: Tensor = self.final_layer(self.deconv_layers(x))
        return maps


class SimpleBaseline(PoseMethod):
    """Top-down: each person's crop to one heat-map a joint."""

    title: ClassVar[str] = "SimpleBaseline"
    year: ClassVar[int] = 2018

    def __init__(
        self,
        skeleton: Skeleton,
        depth: Depth = 50,
        input_size: tuple[int, int] | None = None,
        width: int = 64,
        deconv_layers: int = 3,
        deconv_filters: int = 256,
        deconv_kernel: Literal[4, 3, 2] = 4,
        sigma: float | None = None,
        encoder: Literal["classic", "unbiased", "udp"] = "classic",
        decoder: Literal["argmax", "quarter", "dark", "udp"] = "quarter",
        aligned: bool = False,
        flip_test: bool = True,
        flip_shift: int | None = None,
        channel_order: Literal["rgb", "bgr"] = "bgr",
        lr: float = 1e-3,
        lr_drops: tuple[float, ...] = (90 / 140, 120 / 140),
        pretrained: bool = True,
        backbone_weights: Path | None = None,
        weights: Path | None = None,
    ) -> None:
        """Build the network; weights are brought only before training.

        Args:
            skeleton: Whose joints to find.
            depth: Layers of the ResNet.
            input_size: Height and width of the crop; where None, 256x192 for COCO's joints and 256x256 for others.
            width: Channels of the stem; the stages have 1, 2, 4 and 8 times as many.
            deconv_layers: Each doubles the map, which starts at 1/32 of the input.
            deconv_filters: Channels of the deconvolutions.
            deconv_kernel: Their kernel.
            sigma: Of the targets, in cells; where None, 2 for an input 256 high and in proportion.
            encoder: ``unbiased`` draws DARK's targets, ``udp`` those of UDP.
            decoder: How a map becomes a joint.
            aligned: UDP's transforms: sizes are counted between the centres of the first and last pixel.
            flip_test: Average with the maps of the mirrored input.
            flip_shift: Cells by which mirrored maps are moved first; where None, 1, and 0 for aligned transforms.
            channel_order: The official models are trained on BGR.
            lr: Learning rate of Adam.
            lr_drops: Shares of the training after which the learning rate falls to a tenth.
            pretrained: Start from timm's copy of torchvision's ImageNet weights (brought from the hub).
            backbone_weights: Start from this ResNet state dict (torchvision's or timm's) instead.
            weights: Start from this pose network of the authors instead, head included.

        Raises:
            DataError: for settings that cannot work together.
        """
        super().__init__(skeleton)
        self.hparams.update({"backbone_weights": backbone_weights and str(backbone_weights)})  # checkpoints: no paths
        self.hparams.update({"weights": weights and str(weights)})
        h, w = input_size or ((256, 192) if skeleton.name == "coco17" else (256, 256))
        self.depth, self.pretrained, self.backbone_weights, self.weights = depth, pretrained, backbone_weights, weights
        self.sigma = SIGMA_AT_256 * h / 256 if sigma is None else sigma
        self.encode = heatmaps.ENCODERS[encoder]
        self.decode = heatmaps.DECODERS[decoder]
        self.flip_test, self.flip_shift = flip_test, int(not aligned) if flip_shift is None else flip_shift
        self.channel_order = channel_order
        self.lr, self.lr_drops = lr, lr_drops
        self._refuse((h, w), width, deconv_layers)
        self.view = PersonCrop((h, w), padding=1.25, aligned=aligned)
        self.grid = heatmaps.Grid.of(self.view, BACKBONE_STRIDE >> deconv_layers)
        joints = len(skeleton.joints)
        net = PoseResNet(joints, depth, width, deconv_layers, deconv_filters, deconv_kernel)
        self.net = net.to(memory_format=torch.channels_last)

    def _refuse(self, size: tuple[int, int], width: int, deconv_layers: int) -> None:
        """Raise DataError for settings that cannot work together."""
        if self.depth not in BLOCKS:
            raise DataError(f"depth {self.depth}: expected one of {', '.join(map(str, BLOCKS))}")
        if min(size) < BACKBONE_STRIDE or any(side % BACKBONE_STRIDE for side in size):
            raise DataError(f"input_size {size[0]}x{size[1]}: height and width must be multiples of {BACKBONE_STRIDE}")
        if not 1 <= deconv_layers <= 5:
            raise DataError(f"deconv_layers {deconv_layers}: expected 1 to 5; 5 bring the map to the input's size")
        if self.sigma <= 0:
            raise DataError(f"sigma {self.sigma}: expected a width above 0, in cells of the heat-map")
        if self.pretrained and not self.backbone_weights and not self.weights and width != IMAGENET_WIDTH:
            raise DataError(
                f"width {width}: the ImageNet weights have {IMAGENET_WIDTH}; set pretrained to false or leave the width"
            )

    def before_fit(self, data: PoseDataModule) -> None:
        """Start from a pose network's file, or the backbone from a file or from ImageNet."""
        if self.weights:
            load_weights(self.net, self.weights, self.skeleton, PER_JOINT)
        elif self.backbone_weights:
            place(self.net, read_state(self.backbone_weights), str(self.backbone_weights), without=NO_BACKBONE)
        elif self.pretrained:
            place(self.net, imagenet_weights(self.depth), f"ResNet-{self.depth} of the hub", without=NO_BACKBONE)

    def forward(self, images: Tensor) -> Tensor:
        """Turn uint8 images (B, 3, h, w) into heat-maps (B, K, h/4, w/4)."""
        maps: Tensor = self.net(normalise(images, self.channel_order))
        return maps

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Weighted squared error to the Gaussian targets of the one person in each crop."""
        cells = self.grid.cells(batch.joints[:, 0])
        targets, weights = self.encode(cells, batch.visible[:, 0], self.grid.size, self.sigma, stride=1)
        return {"heatmap": heatmaps.weighted_mse(self(batch.images), targets, weights)}

    def predict(self, batch: PoseBatch) -> list[PosePrediction]:
        """Decode the maps, averaged with those of the mirrored crop; the pose's score is the mean of its peaks."""
        maps = self(batch.images).float()
        if self.flip_test:
            mirrored = self(batch.images.flip(-1)).float()
            maps = heatmaps.flip_average(maps, mirrored, self.skeleton.flip, shift=self.flip_shift)
        cells, peaks = self.decode(maps)
        joints = apply_affine(self.grid.pixels(cells), batch.to_image)
        return [PosePrediction(j[None], s[None], s.mean()[None]) for j, s in zip(joints, peaks, strict=True)]

    def configure_optimizers(self) -> Any:
        """Adam without weight decay: the official configuration names 1e-4 but hands it to SGD alone."""
        optimizer = torch.optim.Adam(self.parameters(), lr=self.lr, fused=True)
        schedule = LambdaLR(optimizer, lambda _: DROP ** self.passed(self.lr_drops))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def imagenet_weights(depth: int) -> dict[str, Tensor]:
    """Bring timm's copy of torchvision's first ImageNet weights, those of the paper's time.

    Raises:
        DataError: if the hub cannot be reached.
    """
    try:
        return timm.create_model(f"resnet{depth}.tv_in1k", pretrained=True).state_dict()
    except Exception as error:  # the hub raises errors of several libraries
        advice = "use --method.pretrained false or --method.backbone_weights FILE"
        raise DataError(f"no ImageNet weights for ResNet-{depth} ({type(error).__name__}); {advice}") from error
