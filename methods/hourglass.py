"""Stacked hourglass (Newell, Yang, Deng, ECCV 2016, arXiv:1603.06937; the final network of the code pose-hg-train).

MPII test, 8 stacks, flip test: PCKh@0.5 total 90.9; MPII val 88.1. FLIC, PCK@0.2: elbow 99.0, wrist 97.0.
Parameters with MPII's 16 joints: 3,426,448, 6,570,400 and 25,434,112 for 1, 2 and 8 stacks; 8 take 27.4 GMACs.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR

from data.module import PoseDataModule
from data.types import DataError, PoseBatch, PosePrediction, Skeleton, apply_affine
from data.views import PersonCrop
from methods import heatmaps
from methods.base import PoseMethod
from methods.hourglass_nets import STEM_STRIDE, StackedHourglass
from methods.inside import Panel
from methods.weights import load_weights

HALF = 0.5  # cell: a joint belongs to the cell it lies in, and is found at its centre; official code
RMS_DECAY = 0.99  # Torch7's default, as the official code leaves it
PER_JOINT = {r"outs\.\d+\.conv\.(weight|bias)": 0, r"merge_preds\.\d+\.conv\.conv\.weight": 1}
# The port gives every residual a skip layer and uses it only where the width changes: in the stem's 1 and 4.
DEAD = r"(?!pre\.[14]\.)(.*\.)?skip_layer\.conv\.(weight|bias)"
DROP = 0.2  # the learning rate's factor once the validation stands still, as the paper has it


class Hourglass(PoseMethod):
    """Top-down: each person's crop to one heat-map a joint and stack; every stack has its own loss."""

    title: ClassVar[str] = "Stacked hourglass"
    year: ClassVar[int] = 2016

    def __init__(
        self,
        skeleton: Skeleton,
        stacks: int = 8,
        input_size: tuple[int, int] = (256, 256),
        width: int = 256,
        order: int = 4,
        modules: int = 1,
        sigma: float = 1.0,
        encoder: Literal["classic", "unbiased", "udp"] = "classic",
        decoder: Literal["argmax", "quarter", "dark", "udp"] = "quarter",
        aligned: bool = False,
        flip_test: bool = True,
        flip_shift: int = 0,
        optimizer: Literal["rmsprop", "adam"] = "rmsprop",
        lr: float = 2.5e-4,
        lr_drops: tuple[float, ...] = (0.5,),
        weights: Path | None = None,
    ) -> None:
        """Build the network.

        Args:
            skeleton: Whose joints to find.
            stacks: Hourglasses, one after another.
            input_size: Height and width of the crop.
            width: Channels of all features; the stem has a quarter, then half of them.
            order: Poolings within an hourglass.
            modules: Residuals at each place of an hourglass.
            sigma: Of the targets, in cells. The paper says 1; the official code draws 1.75 and its author finds that
                anything from 1 to 2 serves.
            encoder: ``unbiased`` draws DARK's targets, ``udp`` those of UDP.
            decoder: How a map becomes a joint.
            aligned: UDP's transforms: sizes are counted between the centres of the first and last pixel.
            flip_test: Average with the maps of the mirrored input.
            flip_shift: Cells by which mirrored maps are moved first; the paper's code moves none.
            optimizer: The authors' later port uses Adam.
            lr: Learning rate.
            lr_drops: Shares of the training after which the learning rate falls to a fifth. The paper drops once, when
                the validation stands still; half-way is the port's choice.
            weights: Start from this checkpoint of the authors' PyTorch port.

        Raises:
            DataError: for settings that cannot work together.
        """
        super().__init__(skeleton)
        self.hparams["weights"] = weights and str(weights)  # checkpoints hold no paths
        self._refuse(stacks, input_size, width, order, modules, sigma)
        self.view = PersonCrop(input_size, padding=1.25, aligned=aligned)
        self.grid = heatmaps.Grid.of(self.view, STEM_STRIDE, HALF)
        self.sigma, self.flip_test, self.flip_shift = sigma, flip_test, flip_shift
        self.encode = heatmaps.ENCODERS[encoder]
        self.decode = partial(heatmaps.quarter, margin=0) if decoder == "quarter" else heatmaps.DECODERS[decoder]
        self.optimizer, self.lr, self.lr_drops, self.weights = optimizer, lr, lr_drops, weights
        net = StackedHourglass(len(skeleton.joints), stacks, width, order, modules)
        self.net = net.to(memory_format=torch.channels_last)

    def _refuse(self, stacks: int, size: tuple[int, int], width: int, order: int, modules: int, sigma: float) -> None:
        """Raise DataError for settings that cannot work together."""
        for name, value in (("stacks", stacks), ("order", order), ("modules", modules)):
            if value < 1:
                raise DataError(f"{name} {value}: expected 1 or more")
        step = STEM_STRIDE << order
        if min(size) < step or any(side % step for side in size):
            raise DataError(
                f"input_size {size[0]}x{size[1]}: height and width must be multiples of {step} for an hourglass of "
                f"order {order}"
            )
        if width < 4 or width % 4:
            raise DataError(f"width {width}: expected a multiple of 4, for the stem's first convolution has a quarter")
        if sigma <= 0:
            raise DataError(f"sigma {sigma}: expected a width above 0, in cells of the heat-map")

    def before_fit(self, data: PoseDataModule) -> None:
        """Start from a checkpoint of the authors, where one is given."""
        if self.weights:
            load_weights(self.net, self.weights, self.skeleton, PER_JOINT, unused=DEAD)

    def forward(self, images: Tensor) -> Tensor:
        """Turn uint8 images (B, 3, h, w) into the heat-maps of every stack (N, B, K, h/4, w/4).

        Pixels are in [0, 1]; no mean is taken off.
        """
        maps: Tensor = self.net((images.float() / 255).contiguous(memory_format=torch.channels_last))
        return maps

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Mean squared error of each stack; a joint without label has a map of zeros, and counts, as in the code."""
        cells = self.grid.cells(batch.joints[:, 0])
        targets, _ = self.encode(cells, batch.visible[:, 0], self.grid.size, self.sigma, stride=1)
        return {f"stack {n}": F.mse_loss(maps, targets) for n, maps in enumerate(self(batch.images), 1)}

    def predict(self, batch: PoseBatch) -> list[PosePrediction]:
        """Decode the last stack's maps, averaged with those of the mirrored crop; their peaks are the scores."""
        return self._decode(self._maps(batch.images)[-1], batch)

    def stages(self, batch: PoseBatch) -> dict[str, list[PosePrediction]]:
        """Decode the maps of every stack."""
        return {f"stack {n}": self._decode(maps, batch) for n, maps in enumerate(self._maps(batch.images), 1)}

    def inside(self, batch: PoseBatch) -> list[Panel]:
        """Show the maps of every stack and what they are decoded to."""
        return [
            Panel(f"stack {n}", joints=self.grid.pixels(self.decode(maps)[0]), maps=maps.clamp(0, 1))
            for n, maps in enumerate(self._maps(batch.images), 1)
        ]

    def _maps(self, images: Tensor) -> Tensor:
        """Return the maps of every stack (N, B, K, h, w) as they are decoded."""
        found: Tensor = self(images).float()
        if not self.flip_test:
            return found
        pairs = zip(found, self(images.flip(-1)).float(), strict=True)
        return torch.stack([heatmaps.flip_average(a, b, self.skeleton.flip, shift=self.flip_shift) for a, b in pairs])

    def _decode(self, maps: Tensor, batch: PoseBatch) -> list[PosePrediction]:
        """Turn maps (B, K, h, w) into people in original pixels."""
        cells, peaks = self.decode(maps)
        joints = apply_affine(self.grid.pixels(cells), batch.to_image)
        return [PosePrediction(j[None], s[None], s.mean()[None]) for j, s in zip(joints, peaks, strict=True)]

    def configure_optimizers(self) -> Any:
        """RMSprop without momentum or decay."""
        if self.optimizer == "adam":
            optimizer: torch.optim.Optimizer = torch.optim.Adam(self.parameters(), lr=self.lr, fused=True)
        else:
            optimizer = torch.optim.RMSprop(self.parameters(), lr=self.lr, alpha=RMS_DECAY)
        schedule = LambdaLR(optimizer, lambda _: DROP ** self.passed(self.lr_drops))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
