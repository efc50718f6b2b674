"""CPM: a chain of convolutional stages, each refining the belief maps of the one before (Wei et al. 2016).

Convolutional pose machines, CVPR 2016, arXiv:1602.00134, six stages at 368x368. MPII test, trained on MPII: PCKh@0.5
87.95 (88.52 with LSP). LSP test, person-centric, trained on LSP and its extension: PCK@0.2 84.32 (90.5 with MPII).
FLIC, four stages: PCK@0.2 elbow 97.59, wrist 95.03. 31,219,866 parameters; 21,323,816 on FLIC.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from data.types import DataError, PoseBatch, PosePrediction, Skeleton, apply_affine
from data.views import PersonCrop
from methods.base import PoseMethod
from methods.belief_maps import cubic, gaussians, resample, with_background
from methods.caffe_rates import dropping, parameter_groups
from methods.cpm_nets import PoseMachine, initialise
from methods.images import GREY, centred_bgr
from methods.inside import Panel
from methods.joints import kept, spread

STAGES, STAGES_BY_SKELETON = 6, {"flic11": 4}  # official config
LEFT_OUT = {"mpii16": ("pelvis", "thorax"), "flic11": ("left_eye", "right_eye")}  # nine joints on FLIC, the nose one
PERSON_HEIGHT = 200 * 41 / 35  # of the 368 pixels, for a person of MPII's `scale`; official data layer's target_dist


class CPM(PoseMethod):
    """Top-down: each person's crop to belief maps, once a stage; the last stage's maps, over test scales, answer."""

    title: ClassVar[str] = "CPM"
    year: ClassVar[int] = 2016
    centre: Tensor  # (1, 1, h, w) the centre map: where in the crop the person is

    def __init__(
        self,
        skeleton: Skeleton,
        stages: int | None = None,
        size: int = 368,
        padding: float = 368 / PERSON_HEIGHT,
        pools: Literal[1, 2, 3] = 3,
        kernel: int = 9,
        mixer_kernel: int = 11,
        trunk_widths: tuple[int, int, int] = (128, 128, 128),
        features: int = 32,
        head_width: int = 512,
        mixer_width: int = 128,
        dropout: float = 0.5,
        init: Literal["gaussian", "kaiming"] = "gaussian",
        sigma: float = 7.0,
        centre_sigma: float = 21.0,
        scales: tuple[float, ...] = (0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3),
        optimizer: Literal["sgd", "adam"] = "sgd",
        lr: float = 8e-5,
        first_stage_rate: float = 5.0,
        weight_decay: float = 5e-4,
        lr_drops: tuple[float, ...] = (136 / 600, 272 / 600, 408 / 600, 544 / 600),
    ) -> None:
        """Build the network.

        Args:
            skeleton: Whose joints to find; pelvis and thorax of MPII and the eyes of FLIC are left out.
            stages: How many; where None, 4 on FLIC and 6 elsewhere.
            size: Height and width of what the network sees.
            padding: The box grows by this factor. The paper scales by MPII's ``scale``, of which MPII's boxes are made
                here; elsewhere the box's longer side stands for the person's height.
            pools: Each halves the maps.
            kernel: Of the trunks' convolutions and of the first stage's widest.
            mixer_kernel: Of the later stages' convolutions over beliefs; three of them must span the body.
            trunk_widths: Channels of a trunk's three convolutions.
            features: Channels of the image that a stage sees.
            head_width: Channels of the first stage's head.
            mixer_width: Channels of the later stages.
            dropout: Share of the first stage's head that is dropped, twice.
            init: ``gaussian`` is the paper's, with deviation 0.01; ``kaiming`` starts faster.
            sigma: Of the targets, in input pixels.
            centre_sigma: Of the centre map, in input pixels.
            scales: At which the person is shown to the network at test time; the maps are averaged.
            optimizer: The paper's is SGD with momentum.
            lr: Learning rate of the later stages' weights.
            first_stage_rate: Learning rate of the first stage, in that of the later ones.
            weight_decay: Of the weights.
            lr_drops: Shares of the training after which the learning rate falls to a third.

        Raises:
            DataError: for settings that cannot work.
        """
        super().__init__(skeleton)
        self.depth = STAGES_BY_SKELETON.get(skeleton.name, STAGES) if stages is None else stages
        self.size, self.stride, self.scales = size, 2**pools, scales
        self.sigma, self.optimizer, self.lr, self.lr_drops = sigma, optimizer, lr, lr_drops
        self.first_stage_rate, self.weight_decay = first_stage_rate, weight_decay
        self.chosen = list(kept(skeleton, LEFT_OUT))
        self._refuse(pools, (kernel, mixer_kernel), (*trunk_widths, features, head_width, mixer_width), dropout)
        _refuse_none(padding=padding, sigma=sigma, centre_sigma=centre_sigma)
        # The view is cut so large that the smallest test scale needs nothing outside; training sees its middle.
        side = math.ceil(size / min(1.0, *scales))
        side += (side - size) % 2
        self.margin = (side - size) // 2
        self.view = PersonCrop((side, side), border=(GREY,) * 3, padding=padding * side / size, others=True)
        maps, widths = len(self.chosen) + 1, (trunk_widths, features, head_width, mixer_width)
        net = PoseMachine(maps, self.depth, pools, kernel, mixer_kernel, *widths, dropout)
        initialise(net, init)
        self.net = net.to(memory_format=torch.channels_last)
        line = torch.exp((torch.arange(size) - size / 2).square() / (-2 * centre_sigma**2))
        # In training the official map ends at 0.01, at test time it does not; here it never does.
        self.register_buffer("centre", (line[:, None] * line)[None, None], persistent=False)

    def _refuse(self, pools: int, kernels: tuple[int, int], widths: tuple[int, ...], dropout: float) -> None:
        """Raise DataError for settings that cannot work."""
        if self.depth < 1:
            raise DataError(f"stages {self.depth}: expected 1 or more; 6 is the paper's")
        if pools not in (1, 2, 3):
            raise DataError(f"pools {pools}: expected 1 to 3, at most one after each of the three convolutions")
        if self.size < self.stride or self.size % self.stride:
            raise DataError(f"size {self.size}: expected a multiple of {self.stride}, the stride of {pools} pools")
        if any(kernel < 1 or kernel % 2 == 0 for kernel in kernels):
            raise DataError(
                f"kernel {kernels[0]}, mixer_kernel {kernels[1]}: odd ones expected, they keep the map's size"
            )
        if min(widths) < 1:
            raise DataError(f"channels {', '.join(map(str, widths))}: expected 1 or more of each")
        if not 0 <= dropout < 1:
            raise DataError(f"dropout {dropout}: expected a share from 0 and below 1")
        if not self.scales or min(self.scales) <= 0:
            raise DataError(f"scales {list(self.scales)}: expected one or more above 0; [1.0] for a single pass")

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of one pass."""
        return self.size, self.size

    def forward(self, images: Tensor) -> list[Tensor]:
        """Turn uint8 images (B, 3, h, w) of the view into the beliefs (B, K + 1, h', w') of each stage."""
        middle = slice(self.margin, self.margin + self.size)
        beliefs: list[Tensor] = self.net(centred_bgr(images[..., middle, middle]), self.centre)
        return beliefs

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Half the squared error of each stage's maps, summed over maps and cells, averaged over people.

        Joints that are not labelled count: their maps shall be 0.
        """
        first, later = self.targets(batch)
        terms = {}
        for t, beliefs in enumerate(self(batch.images)):
            error = (beliefs - (later if t else first)).square().sum()
            terms[f"stage {t + 1}"] = error / (2 * len(beliefs))
        return terms

    def targets(self, batch: PoseBatch) -> tuple[Tensor, Tensor]:
        """Draw the joints of everybody, for the first stage, and of the centred person, for the later ones."""
        joints, visible = batch.joints[:, :, self.chosen] - self.margin, batch.visible[:, :, self.chosen]
        cells = self.size // self.stride
        people = gaussians(joints, visible, (cells, cells), self.sigma, stride=self.stride)
        return with_background(people.sum(1).clamp(max=1)), with_background(people[:, 0])

    def predict(self, batch: PoseBatch) -> list[PosePrediction]:
        """Read the highest place of the last stage's averaged maps; the pose's score is the mean of its peaks."""
        return self._poses(self._average([beliefs[-1] for beliefs in self._passes(batch)]), batch)

    def stages(self, batch: PoseBatch) -> dict[str, list[PosePrediction]]:
        """Return the poses read from each stage's averaged maps."""
        by_stage = zip(*self._passes(batch), strict=True)
        return {f"stage {t}": self._poses(self._average(beliefs), batch) for t, beliefs in enumerate(by_stage, 1)}

    def inside(self, batch: PoseBatch) -> list[Panel]:
        """Show the averaged belief maps of each stage, the highest of all joints, and the pose read from them."""
        panels = []
        for t, beliefs in enumerate(zip(*self._passes(batch), strict=True), 1):
            maps = self._average(beliefs)
            joints = spread(_highest(maps)[0], self.chosen, len(self.skeleton.joints))
            panels.append(Panel(f"stage {t}", joints=joints, maps=maps.amax(1, keepdim=True)))
        return panels

    def _passes(self, batch: PoseBatch) -> list[list[Tensor]]:
        """Return the beliefs of each stage, at each of the test scales.

        The official code resizes the original image; here the view is resized, which has no more to show above 1.
        """
        view = centred_bgr(batch.images)
        side = view.shape[-1]
        shown = torch.arange(self.size, dtype=torch.float64, device=view.device) - self.size / 2
        passes = []
        for scale in self.scales:
            crop = resample(view, cubic(shown / scale + side / 2, side, scale))
            passes.append(self.net(crop.contiguous(memory_format=torch.channels_last), self.centre))
        return passes

    def _average(self, beliefs: Sequence[Tensor]) -> Tensor:
        """Lay one stage's beliefs of all scales over the view, 0 where a scale did not look, and average them.

        Returns:
            (B, K, side, side), without background. The official code does this in the original image's pixels.
        """
        cells, side = beliefs[0].shape[-1], self.view.size[0]
        seen = torch.arange(side, dtype=torch.float64, device=beliefs[0].device) - side / 2
        total = torch.zeros(())
        for scale, maps in zip(self.scales, beliefs, strict=True):
            places = (seen * scale + self.size / 2 - (self.stride - 1) / 2) / self.stride
            total = total + resample(maps[:, :-1].float(), cubic(places, cells))
        return total / len(self.scales)

    def _poses(self, maps: Tensor, batch: PoseBatch) -> list[PosePrediction]:
        """Read one pose from each of the averaged maps (B, K, side, side)."""
        highest, peaks = _highest(maps)
        count = len(self.skeleton.joints)
        joints = spread(apply_affine(highest.double(), batch.to_image), self.chosen, count)
        scores = spread(peaks, self.chosen, count).nan_to_num(0.0)
        return [PosePrediction(j[None], s[None], p.mean()[None]) for j, s, p in zip(joints, scores, peaks, strict=True)]

    def configure_optimizers(self) -> Any:
        """Four groups: the first stage and the others, each with its weights and its biases."""
        groups = parameter_groups(
            self.net, self.net.first_stage(), self.lr, self.first_stage_rate, self.weight_decay, first=True
        )
        return dropping(groups, self.optimizer, lambda: self.passed(self.lr_drops))


def _refuse_none(**lengths: float) -> None:
    """Raise DataError for a length that is not above 0."""
    for name, value in lengths.items():
        if value <= 0:
            raise DataError(f"{name} {value}: expected a value above 0; the sigmas are pixels of the network's input")


def _highest(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return the x, y of the highest cell of each map (B, K, h, w), as (B, K, 2), and its height (B, K)."""
    peaks, index = maps.flatten(2).max(-1)
    width = maps.shape[-1]
    return torch.stack([index % width, index // width], -1).to(maps.dtype), peaks
