"""HRNet: full resolution from start to end, lower ones in parallel (Sun, Xiao, Liu, Wang, CVPR 2019, arXiv:1902.09212).

COCO val2017, 256x192, flip test, detected boxes (person AP 56.4): W32 AP 74.4 (73.4 from scratch), W48 75.1; MPII val,
W32, 256x256: PCKh@0.5 90.3. Parameters with COCO's joints 28,536,113 (W32) and 63,595,745 (W48); 7.645 and 15.692 GMACs
(the paper's 7.1 and 14.6 count in units of 2^30).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import timm
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from data.module import PoseDataModule
from data.types import DataError, PoseBatch, PosePrediction, Skeleton, apply_affine
from data.views import PersonCrop
from methods import heatmaps
from methods.base import PoseMethod
from methods.hrnet_nets import HRNet as Net
from methods.images import normalise
from methods.inside import Panel
from methods.weights import load_weights, place, read_state

STRIDE = 4  # input pixels a cell
LOWEST = 32  # input pixels a cell of the lowest branch of four
SIGMA_AT_256 = 2.0  # cells, for an input 256 high; 3 at 384 is the same share of the height
DROP = 0.1  # the learning rate's factor at each drop
PER_JOINT = {r"final_layer\.(weight|bias)": 0}
# A classifier's own: its heads, and the sums into the lower branches at the end, which nothing here reads.
CLASSIFIER = r"final_layer\.|incre_modules\.|downsamp_modules\.|classifier\.|stage4\.2\.fuse_layers\.[123]\."


class HRNet(PoseMethod):
    """Top-down: each person's crop to one heat-map a joint, read off the branch of highest resolution."""

    title: ClassVar[str] = "HRNet"
    year: ClassVar[int] = 2019

    def __init__(
        self,
        skeleton: Skeleton,
        width: int = 32,
        input_size: tuple[int, int] | None = None,
        stem: int = 64,
        modules: tuple[int, int, int] = (1, 4, 3),
        sigma: float | None = None,
        encoder: Literal["classic", "unbiased", "udp"] = "classic",
        decoder: Literal["argmax", "quarter", "dark", "udp"] = "quarter",
        aligned: bool = False,
        flip_test: bool = True,
        flip_shift: int | None = None,
        lr: float = 1e-3,
        lr_drops: tuple[float, ...] = (170 / 210, 200 / 210),
        pretrained: bool = True,
        backbone_weights: Path | None = None,
        weights: Path | None = None,
    ) -> None:
        """Build the network; weights are brought only before training.

        Args:
            skeleton: Whose joints to find.
            width: Channels of the branch of highest resolution (W32, W48); each lower one has twice as many.
            input_size: Height and width of the crop; where None, 256x192 for COCO's joints and 256x256 for others.
            stem: Channels of the first two convolutions.
            modules: Exchanges of stages 2, 3 and 4.
            sigma: Of the targets, in cells; where None, 2 for an input 256 high and in proportion.
            encoder: ``unbiased`` draws DARK's targets, ``udp`` those of UDP.
            decoder: How a map becomes a joint.
            aligned: UDP's transforms: sizes are counted between the centres of the first and last pixel.
            flip_test: Average with the maps of the mirrored input.
            flip_shift: Cells by which mirrored maps are moved first; where None, 1, and 0 for aligned transforms.
            lr: Learning rate of Adam.
            lr_drops: Shares of the training after which the learning rate falls to a tenth.
            pretrained: Start from timm's copy of the authors' ImageNet weights (brought from the hub).
            backbone_weights: Start from this file of ImageNet weights instead (the authors' or timm's).
            weights: Start from this pose network of the authors instead, head included.

        Raises:
            DataError: for settings that cannot work together.
        """
        super().__init__(skeleton)
        self.hparams.update({"backbone_weights": backbone_weights and str(backbone_weights)})  # checkpoints: no paths
        self.hparams.update({"weights": weights and str(weights)})
        h, w = input_size or ((256, 192) if skeleton.name == "coco17" else (256, 256))
        self.sigma = SIGMA_AT_256 * h / 256 if sigma is None else sigma
        self._refuse((h, w), width, stem, modules)
        self.width, self.pretrained, self.backbone_weights, self.weights = width, pretrained, backbone_weights, weights
        self.encode = heatmaps.ENCODERS[encoder]
        self.decode = heatmaps.DECODERS[decoder]
        self.flip_test, self.flip_shift = flip_test, int(not aligned) if flip_shift is None else flip_shift
        self.lr, self.lr_drops = lr, lr_drops
        self.view = PersonCrop((h, w), padding=1.25, aligned=aligned)
        self.grid = heatmaps.Grid.of(self.view, STRIDE)
        self.net = Net(len(skeleton.joints), width, stem, modules).to(memory_format=torch.channels_last)

    def _refuse(self, size: tuple[int, int], width: int, stem: int, modules: tuple[int, int, int]) -> None:
        """Raise DataError for settings that cannot work together."""
        if min(size) < LOWEST or any(side % LOWEST for side in size):
            raise DataError(f"input_size {size[0]}x{size[1]}: height and width must be multiples of {LOWEST}")
        if width < 1 or stem < 1:
            raise DataError(f"width {width} and stem {stem}: expected 1 or more channels")
        if len(modules) != 3 or min(modules) < 1:
            raise DataError(f"modules {list(modules)}: expected three numbers, one exchange or more for each stage")
        if self.sigma <= 0:
            raise DataError(f"sigma {self.sigma}: expected a width above 0, in cells of the heat-map")

    def before_fit(self, data: PoseDataModule) -> None:
        """Start from a pose network's file, from a backbone's, or from ImageNet.

        Raises:
            DataError: if a file does not fit, or the hub cannot be reached.
        """
        if self.weights:
            load_weights(self.net, self.weights, self.skeleton, PER_JOINT)
        elif self.backbone_weights:
            place(self.net, read_state(self.backbone_weights), str(self.backbone_weights), without=CLASSIFIER)
        elif self.pretrained:
            place(self.net, imagenet_weights(self.width), f"HRNet-W{self.width} of the hub", without=CLASSIFIER)

    def forward(self, images: Tensor) -> Tensor:
        """Turn uint8 images (B, 3, h, w) into heat-maps (B, K, h/4, w/4)."""
        maps: Tensor = self.net(normalise(images))
        return maps

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Weighted squared error to the Gaussian targets of the one person in each crop."""
        cells = self.grid.cells(batch.joints[:, 0])
        targets, weights = self.encode(cells, batch.visible[:, 0], self.grid.size, self.sigma, stride=1)
        return {"heatmap": heatmaps.weighted_mse(self(batch.images), targets, weights)}

    def predict(self, batch: PoseBatch) -> list[PosePrediction]:
        """Decode the maps, averaged with those of the mirrored crop; the pose's score is the mean of its peaks."""
        cells, peaks = self.decode(self._maps(batch.images))
        joints = apply_affine(self.grid.pixels(cells), batch.to_image)
        return [PosePrediction(j[None], s[None], s.mean()[None]) for j, s in zip(joints, peaks, strict=True)]

    def inside(self, batch: PoseBatch) -> list[Panel]:
        """Show how strongly each branch answers at the end of the last stage but one, and the maps."""
        at = self.net.branches(normalise(batch.images))[-2]
        panels = []
        for n, branch in enumerate(at):
            strength = branch.float().mean(1, keepdim=True)
            panels.append(
                Panel(f"1/{STRIDE << n}", maps=strength / strength.amax((2, 3), keepdim=True).clamp(min=1e-9))
            )
        maps = self._maps(batch.images)
        return [*panels, Panel("maps", joints=self.grid.pixels(self.decode(maps)[0]), maps=maps.clamp(0, 1))]

    def _maps(self, images: Tensor) -> Tensor:
        """Return the maps (B, K, h, w) as they are decoded."""
        maps: Tensor = self(images).float()
        if not self.flip_test:
            return maps
        return heatmaps.flip_average(maps, self(images.flip(-1)).float(), self.skeleton.flip, shift=self.flip_shift)

    def configure_optimizers(self) -> Any:
        """Adam without weight decay, as SimpleBaseline."""
        optimizer = torch.optim.Adam(self.parameters(), lr=self.lr, fused=True)
        schedule = LambdaLR(optimizer, lambda _: DROP ** self.passed(self.lr_drops))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def imagenet_weights(width: int) -> dict[str, Tensor]:
    """Bring timm's copy of the authors' ImageNet weights.

    Raises:
        DataError: if there are none of that width, or the hub cannot be reached.
    """
    advice = "use --method.pretrained false or --method.backbone_weights FILE"
    try:
        return timm.create_model(f"hrnet_w{width}.ms_in1k", pretrained=True).state_dict()
    except Exception as error:  # the hub raises errors of several libraries
        raise DataError(f"no ImageNet weights for HRNet-W{width} ({type(error).__name__}); {advice}") from error
