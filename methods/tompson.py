"""Efficient object localization: coarse heat-maps, then a fine network on crops of the coarse one's own features.

Tompson, Goroshin, Jain, LeCun, Bregler, CVPR 2015, arXiv:1411.4280. PCKh@0.5: 82.0 on MPII test; 82.3 on MPII val, by
the authors' own predictions. FLIC test, PCK@0.05, 4x pooling: head 92.6, shoulder 73.0, elbow 57.1, wrist 60.4. We know
few widths and no learning rate of theirs; what stands for them is called a default here.

The graphical model that picks the person by a given torso (Tompson et al. 2014) is another paper's and left out: the
input is cut around the person instead.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from data.types import DataError, PoseBatch, PosePrediction, Skeleton, apply_affine
from data.views import PersonCrop
from methods import heatmaps
from methods.base import PoseMethod
from methods.inside import Panel
from methods.joints import kept, spread
from methods.tompson_nets import LAYOUTS, Coarse, Fine, Tap, crop, lay, local_contrast, pyramid

LEFT_OUT = {  # 14 of MPII's joints are in the authors' predictions; FLIC's 7 are those of the 2014 paper
    "mpii16": ("pelvis", "thorax"),
    "flic11": ("left_hip", "right_hip", "left_eye", "right_eye"),
}
COARSE, FINE, JOINT = 0, 1, 2  # phases: the coarse network alone, the fine one on the frozen coarse one, both
FINE_SHARE = 0.1  # lambda, the weight of the fine loss in the joint phase
JOINT_RATE = 0.1  # of the learning rates, in the joint phase; default
DROP = 0.2  # the learning rate's factor at each drop; default
MOMENTUM, WEIGHT_DECAY = 0.9, 1e-5  # of SGD with Nesterov's momentum; default
NOISY = (
    0.5  # share of the crops in the fine phase around the truth, moved; the others around the coarse answer; default
)
NOISE = 0.25  # of the window: by how much they are moved at most, along x and y; default


class Answer(NamedTuple):
    """What the networks say of B inputs."""

    coarse: Tensor  # (B, K, h / pooling, w / pooling)
    cells: Tensor  # (B, K, 2) the highest of each, x, y
    peaks: Tensor  # (B, K)
    fine: Tensor  # (B, K, window, window), a cell a pixel, around each cell's centre


class Tompson(PoseMethod):
    """Top-down: each person's crop to coarse maps, their peaks to offsets within a window."""

    title: ClassVar[str] = "Tompson et al."
    year: ClassVar[int] = 2015
    refined: Tensor  # () bool: the fine network has begun to learn, so its offsets count

    def __init__(
        self,
        skeleton: Skeleton,
        layers: Literal[7, 11] | None = None,
        pooling: Literal[4, 8, 16] = 4,
        input_size: tuple[int, int] | None = None,
        width: int = 128,
        context: int = 512,
        hidden: int = 256,
        fine_width: int = 128,
        dropout: float = 0.5,
        batch_norm: bool = False,
        eps: float = 1e-4,
        sigma: float = 1.5,
        window: int = 36,
        fine_sigma: float = 3.0,
        phases: tuple[float, float] = (0.5, 0.8),
        optimizer: Literal["sgd", "adam"] = "sgd",
        lr: float = 0.01,
        fine_lr: float = 0.01,
        lr_drops: tuple[float, ...] = (0.6, 0.85),
    ) -> None:
        """Build both networks.

        Args:
            skeleton: Whose joints to find; the paper leaves out some of MPII's and FLIC's.
            layers: Weight stages from image to coarse map; where None, 7 for FLIC's joints and 11 for others.
            pooling: Input pixels a cell of the coarse maps.
            input_size: Height and width of the crop; where None, 240x320 for FLIC's joints and 256x256 for others.
            width: Channels of the 5x5 convolutions.
            context: Channels of the 9x9 ones.
            hidden: Channels of the 1x1 ones.
            fine_width: Channels of the fine network.
            dropout: Share of the channels of the banks' sum that are dropped, each as a whole; default.
            batch_norm: Normalise after each convolution but the last ones, to learn faster from scratch.
            eps: Added to the variance by which the contrast is normalised, of pixels in [0, 1]; default.
            sigma: Of the coarse targets, in cells.
            window: Side of the crops in input pixels; default.
            fine_sigma: Of the fine targets, in pixels; default.
            phases: Shares of the training after which the fine network is trained, then both; default.
            optimizer: The paper's is SGD with momentum, as that of 2014.
            lr: Learning rate of the coarse network; default.
            fine_lr: Learning rate of the fine network; default.
            lr_drops: Shares of each of the first two phases after which the rate falls to a fifth; default.

        Raises:
            DataError: for settings that cannot work together.
        """
        super().__init__(skeleton)
        flic = skeleton.name == "flic11"
        h, w = input_size or ((240, 320) if flic else (256, 256))
        layers = layers or (7 if flic else 11)
        self.pooling, self.window, self.eps = pooling, window, eps
        self.sigma, self.fine_sigma = sigma, fine_sigma
        self.phases, self.optimizer = phases, optimizer
        self.lr, self.fine_lr, self.lr_drops = lr, fine_lr, lr_drops
        self._refuse((h, w), layers, dropout)
        self.view = PersonCrop((h, w), padding=1.25)
        self.map_size = (h // pooling, w // pooling)
        self.chosen = kept(skeleton, LEFT_OUT)
        joints = len(self.chosen)
        coarse = Coarse(joints, LAYOUTS[layers], pooling, width, context, hidden, dropout, batch_norm=batch_norm)
        self.coarse = coarse.to(memory_format=torch.channels_last)
        self.fine = Fine(joints, width, fine_width, batch_norm=batch_norm).to(memory_format=torch.channels_last)
        self.register_buffer("refined", torch.tensor(False))

    def _refuse(self, size: tuple[int, int], layers: int, dropout: float) -> None:
        """Raise DataError for settings that cannot work together."""
        if layers not in LAYOUTS:
            raise DataError(f"layers {layers}: expected 7 or 11")
        if self.pooling not in (4, 8, 16):
            raise DataError(f"pooling {self.pooling}: expected 4, 8 or 16")
        least = 4 * self.pooling  # the third level has a quarter of the pixels a side
        if min(size) < least or any(side % self.pooling for side in size):
            raise DataError(
                f"input_size {size[0]}x{size[1]}: height and width must be multiples of {self.pooling}, {least} or more"
            )
        if self.window % 2 or self.window < self.pooling:
            raise DataError(f"window {self.window}: expected an even number of pixels, a cell's {self.pooling} or more")
        if not 0 <= dropout < 1:
            raise DataError(f"dropout {dropout}: expected a share from 0 to below 1")
        for name in ("eps", "sigma", "fine_sigma"):
            if getattr(self, name) <= 0:
                raise DataError(f"{name} {getattr(self, name)}: expected a number above 0")
        if not 0 < self.phases[0] < self.phases[1] <= 1:
            raise DataError(f"phases {self.phases}: expected two rising shares of the training, above 0 and up to 1")

    def _see(self, images: Tensor) -> tuple[Tensor, list[Tap]]:
        """Return the coarse maps and the first features of every bank."""
        levels = pyramid(images.float() / 255)
        maps, taps = self.coarse([local_contrast(level, self.eps) for level in levels])
        return maps, taps

    def _look_closer(self, taps: list[Tap], cells: Tensor) -> Tensor:
        """Return the fine maps around the centres of the coarse cells (B, K, 2)."""
        maps: Tensor = self.fine([crop(tap, self.centres(cells), self.window) for tap in taps], self.window)
        return maps

    def centres(self, cells: Tensor) -> Tensor:
        """Turn coarse cells into the input pixels in their middle, between two pixels as the stride is even."""
        return cells * self.pooling + (self.pooling - 1) / 2

    def forward(self, images: Tensor) -> Answer:
        """Pass uint8 images (B, 3, h, w) through both networks."""
        maps, taps = self._see(images)
        cells, peaks = highest(maps)  # an index: no gradient comes back through it
        return Answer(maps, cells, peaks, self._look_closer(taps, cells))

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        """E1 in the coarse phase, E2 in the fine one, E1 + 0.1 E2 in the joint one.

        Each is divided by the cells of a map, the sum by those of a coarse map: a learning rate then suits any size.
        """
        phase = self.passed(self.phases)
        if self.training:
            self.coarse.train(phase != FINE)
            if phase != COARSE:
                self.refined.fill_(True)
        joints, visible = batch.joints[:, 0, list(self.chosen)], batch.visible[:, 0, list(self.chosen)]
        middle = joints - (self.pooling - 1) / 2  # of the cell; `heatmaps` counts from a cell's first pixel
        targets, weights = heatmaps.encode_unbiased(middle, visible, self.map_size, self.sigma, stride=self.pooling)
        with torch.set_grad_enabled(torch.is_grad_enabled() and phase != FINE):  # frozen while the fine one learns
            maps, taps = self._see(batch.images)
        area = self.map_size[0] * self.map_size[1]
        terms = {} if phase == FINE else {"coarse": squared_error(maps, targets, weights) / area}
        if phase == COARSE:
            return terms
        cells, _ = highest(maps)
        if phase == FINE:
            cells = self._scatter(cells, middle / self.pooling, weights)
        inner = joints - self.centres(cells) + (self.window - 1) / 2
        size = (self.window, self.window)
        fine_targets, _ = heatmaps.encode_unbiased(inner, visible, size, self.fine_sigma, stride=1)  # 0 if all outside
        share = 1 / self.window**2 if phase == FINE else FINE_SHARE / area
        return {**terms, "fine": share * squared_error(self._look_closer(taps, cells), fine_targets, weights)}

    def _scatter(self, cells: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
        """Replace some of the coarse answers by cells around the truth (B, K, 2), both in cells."""
        reach = NOISE * self.window / self.pooling
        moved = truth + reach * (2 * torch.rand_like(truth) - 1)
        last = cells.new_tensor([self.map_size[1] - 1, self.map_size[0] - 1])
        moved = moved.round().clamp(min=torch.zeros_like(last), max=last)  # cells, as at test time
        chosen = (torch.rand_like(weights) < NOISY) & (weights > 0)
        return torch.where(chosen[..., None], moved, cells)

    def predict(self, batch: PoseBatch) -> list[PosePrediction]:
        """Add the fine offsets to the coarse cells, once there are any to trust."""
        return list(self.stages(batch).values())[-1]

    def stages(self, batch: PoseBatch) -> dict[str, list[PosePrediction]]:
        """Return the centres of the coarse cells and, once the fine network has been trained, the refined joints."""
        answer = self(batch.images)
        found = {"coarse": self.centres(answer.cells)}
        if self.refined:
            found["fine"] = self._refine(answer)
        return {stage: self._pose(joints, answer.peaks, batch) for stage, joints in found.items()}

    def _refine(self, answer: Answer) -> Tensor:
        """Return the joints (B, K, 2): coarse centre plus fine offset, in input pixels."""
        inner, _ = highest(answer.fine)
        return self.centres(answer.cells) + inner - (self.window - 1) / 2

    def _pose(self, joints: Tensor, peaks: Tensor, batch: PoseBatch) -> list[PosePrediction]:
        """Bring joints to the image; the coarse peak is a joint's score, their mean the pose's."""
        everywhere = spread(apply_affine(joints.double(), batch.to_image), self.chosen, len(self.skeleton.joints))
        scores = spread(peaks, self.chosen, len(self.skeleton.joints)).nan_to_num(0.0)
        return [
            PosePrediction(j[None], s[None], p.mean()[None]) for j, s, p in zip(everywhere, scores, peaks, strict=True)
        ]

    def inside(self, batch: PoseBatch) -> list[Panel]:
        """Show the coarse maps, the windows around their peaks, and the fine maps laid where the windows are."""
        answer = self(batch.images)
        centres = self.centres(answer.cells)
        half = self.window / 2 * centres.new_tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        everywhere = spread(centres[..., None, :] + half, self.chosen, len(self.skeleton.joints))
        fine = lay(answer.fine, centres, self.view.size)
        return [
            Panel("coarse", maps=answer.coarse),
            Panel("windows", boxes=everywhere),
            Panel("fine", maps=fine, joints=spread(self._refine(answer), self.chosen, len(self.skeleton.joints))),
        ]

    def configure_optimizers(self) -> Any:
        """SGD or Adam, a group a network: a frozen network has no gradient and stays as it is."""
        groups = [
            {"params": list(self.coarse.parameters()), "lr": self.lr},
            {"params": list(self.fine.parameters()), "lr": self.fine_lr},
        ]
        optimizer: torch.optim.Optimizer
        if self.optimizer == "sgd":
            optimizer = torch.optim.SGD(groups, momentum=MOMENTUM, nesterov=True, weight_decay=WEIGHT_DECAY)
        else:
            optimizer = torch.optim.Adam(groups, fused=True)
        schedule = LambdaLR(optimizer, lambda _: self.rate())
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def rate(self) -> float:
        """Return the factor of the learning rates at this moment of the training."""
        phase = self.passed(self.phases)
        if phase == JOINT:
            return JOINT_RATE
        start, end = (0.0, *self.phases)[phase], self.phases[phase]
        return DROP ** self.passed([start + share * (end - start) for share in self.lr_drops])


def highest(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Find the highest cell of each map (B, K, h, w): x, y (B, K, 2) and its height (B, K), whatever its sign."""
    peaks, index = maps.flatten(2).max(-1)
    w = maps.shape[-1]
    return torch.stack([index % w, index // w], -1).to(maps.dtype), peaks


def squared_error(maps: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Sum over the cells, average over joints and batch; a joint of weight 0 adds nothing."""
    return ((maps - targets) * weights[..., None, None]).square().sum((-2, -1)).mean()
