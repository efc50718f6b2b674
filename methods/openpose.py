"""OpenPose: everybody's parts and the limbs between them in one pass, grouped into people (Cao et al. 2017).

Realtime multi-person 2D pose estimation using part affinity fields, CVPR 2017, arXiv:1611.08050. COCO test-dev, four
scales with CPM's refinement: AP 61.8; 1,160 images of COCO val, six stages without it: AP 58.4, AP50 81.5. MPII
multi-person, three scales: mAP 75.6. 52,311,446 parameters with COCO's joints.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from data.module import PoseDataModule
from data.types import DataError, FloatArray, PoseBatch, PosePrediction, Skeleton, apply_affine
from data.views import SceneCrop, WholeImage
from methods.base import PoseMethod
from methods.belief_maps import zoomed
from methods.caffe_rates import dropping, parameter_groups
from methods.cpm_nets import initialise
from methods.images import GREY, centred_bgr
from methods.inside import Panel
from methods.openpose_nets import OpenPoseNet, begin_as_vgg
from methods.paf import LEAST_AGREEING, LEAST_ALONG, LIMB_WIDTH, SIGMA, draw_fields, draw_parts, in_view, strongest
from methods.parts import parts_of
from methods.people import (
    LEAST_MEAN,
    LEAST_PARTS,
    LEAST_PEAK,
    Candidates,
    Connections,
    People,
    assemble,
    connect,
    find_peaks,
    joints_of,
)

PEAK_DISTANCE = 6.0  # pixels between two peaks of one part; the authors' evaluation


class OpenPose(PoseMethod):
    """Bottom-up: part maps and part affinity fields of the whole image, refined in stages, then grouped."""

    title: ClassVar[str] = "OpenPose"
    year: ClassVar[int] = 2017
    people: ClassVar[Literal["single", "multi"]] = "multi"

    def __init__(
        self,
        skeleton: Skeleton,
        stages: int = 6,
        size: int = 368,
        input_size: tuple[int, int] = (368, 656),
        pools: int = 3,
        width: float = 1.0,
        front_width: float = 1.0,
        kernel: int = 7,
        norm: Literal["none", "batch"] = "none",
        init: Literal["gaussian", "kaiming"] = "gaussian",
        vgg: Path | None = None,
        person_height: float = 0.48,
        sigma: float = SIGMA,
        limb_width: float = LIMB_WIDTH,
        overlap: Literal["paper", "code"] = "paper",
        scales: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0),
        matching: Literal["greedy", "optimal"] = "greedy",
        least_peak: float = LEAST_PEAK,
        least_along: float = LEAST_ALONG,
        least_agreeing: float = LEAST_AGREEING,
        least_parts: int = LEAST_PARTS,
        least_mean: float = LEAST_MEAN,
        optimizer: Literal["sgd", "adam"] = "sgd",
        lr: float = 4e-5,
        later_rate: float = 4.0,
        weight_decay: float = 5e-4,
        lr_drops: tuple[float, ...] = (136106 / 600000, 272212 / 600000, 408318 / 600000, 544424 / 600000),
    ) -> None:
        """Build the network; weights are brought only before training.

        The thresholds are those on COCO; on MPII the authors have 0.05, 0.01, 0.7, 3 and 0.1.

        Args:
            skeleton: Whose joints to find; COCO's and MPII's become the parts of the authors.
            stages: How many.
            size: Height and width of the crops that it is trained on.
            input_size: Height and width into which test images are fitted, at scale 1.
            pools: Each halves the maps.
            width: Factor of the channels of the stages and of what they see.
            front_width: Factor of VGG's channels.
            kernel: Of the later stages' wide convolutions.
            norm: The paper has none and begins with VGG's weights; from random ones batch norm learns faster.
            init: ``gaussian`` is the paper's, with deviation 0.01; ``kaiming`` starts faster.
            vgg: Begin with the first ten convolutions of this VGG-19, a state dict of torchvision's, as the paper does
                with the authors' own file; where None, with random ones.
            person_height: Of the box a training crop is centred on, in its own height: the middle of the paper's 0.6
                times 0.5 to 1.1, which an augmentation by ``scale: 0.375, spread: uniform`` spreads.
            sigma: Of the part maps, in input pixels.
            limb_width: Of the fields on either side, in cells.
            overlap: People who overlap are joined by maximum and average as the paper says, or by sum and the last one
                as the authors' label code does.
            scales: Of the test image; maps and fields are averaged.
            matching: How pairs of candidates are chosen; the paper's is optimal, the authors' code greedy.
            least_peak: Of a part map.
            least_along: Of the field at a point along a pair.
            least_agreeing: Share of the points that must exceed that.
            least_parts: Of a person.
            least_mean: Score a part of a person.
            optimizer: The paper's is SGD with momentum.
            lr: Learning rate of the front's and the first stage's weights.
            later_rate: Learning rate of the later stages, in that.
            weight_decay: Of the weights.
            lr_drops: Shares of the training after which the learning rate falls to a third.

        Raises:
            DataError: for settings that cannot work.
        """
        super().__init__(skeleton)
        self.vgg = vgg
        self.hparams.update({"vgg": vgg and str(vgg)})  # checkpoints hold no paths
        self.size, self.at_one, self.stride, self.scales = size, tuple(input_size), 2**pools, scales
        self.sigma, self.limb_width, self.overlap, self.matching = sigma, limb_width, overlap, matching
        self.least_pair, self.least_person = (least_along, least_agreeing), (least_parts, least_mean)
        self.optimizer, self.lr, self.later_rate = optimizer, lr, later_rate
        self.weight_decay, self.lr_drops = weight_decay, lr_drops
        self._refuse(stages, pools, kernel, person_height)
        self.parts, self.finest, self.least_peak = parts_of(skeleton), max(scales), least_peak
        h, w = (round(self.finest * side) for side in self.at_one)
        self.view = WholeImage((h, w), border=(GREY,) * 3)
        self.train_view = SceneCrop((size, size), border=(GREY,) * 3, height=person_height)
        fields, maps = 2 * len(self.parts.limbs.pairs), len(self.parts.sources) + 1
        net = OpenPoseNet(
            fields, maps, stages, width, kernel, front_width=front_width, pools=pools, norm=norm == "batch"
        )
        initialise(net, init)
        self.net = net.to(memory_format=torch.channels_last)

    def _refuse(self, stages: int, pools: int, kernel: int, person_height: float) -> None:
        """Raise DataError for settings that cannot work."""
        if stages < 1:
            raise DataError(f"stages {stages}: expected 1 or more; 6 is the paper's")
        if pools not in (1, 2, 3):
            raise DataError(f"pools {pools}: expected 1 to 3, the poolings of VGG's first ten convolutions")
        if kernel < 1 or kernel % 2 == 0:
            raise DataError(f"kernel {kernel}: an odd one expected, it keeps the map's size")
        if not self.scales or min(self.scales) <= 0:
            raise DataError(f"scales {list(self.scales)}: expected one or more above 0; [1.0] for a single pass")
        for side in (self.size, *(scale * side for scale in self.scales for side in self.at_one)):
            if side < self.stride or side % self.stride:
                sides = f"size {self.size}, input_size {list(self.at_one)} at scales {list(self.scales)}"
                raise DataError(f"{sides}: {side:g} is no multiple of {self.stride}, the stride of {pools} pools")
        if self.sigma <= 0 or self.limb_width <= 0 or not 0 < person_height <= 1:
            found = f"sigma {self.sigma}, limb_width {self.limb_width}, person_height {person_height}"
            raise DataError(f"{found}: expected lengths above 0, the last at most 1")

    def before_fit(self, data: PoseDataModule) -> None:
        """Begin with VGG's weights where a file of them is given."""
        if self.vgg is not None:
            begin_as_vgg(self.net, self.vgg)

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of one pass at scale 1."""
        return self.at_one[0], self.at_one[1]

    def forward(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Turn uint8 images (B, 3, h, w), crops or of the view, into fields and maps of each stage, at scale 1.

        Returns:
            Of each stage (B, 2 L, h', w') and (B, M + 1, h', w').
        """
        pixels = centred_bgr(images)
        answers: list[tuple[Tensor, Tensor]] = self.net(
            self._at(pixels, 1.0) if images.shape[-2:] == self.view.size else pixels
        )
        return answers

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Half the squared error of each stage's fields and maps where people count, summed over all, a mean of images.

        Prediction and target are both weighted, as in the authors' code: at the border of an ignored region, where the
        mask is between 0 and 1, the error is weighted twice.
        """
        answers = self(batch.images)
        h, w = answers[0][0].shape[-2:]
        targets = self.targets(batch, (h, w))
        weight = None if batch.counted is None else _resized(batch.counted, (h, w))
        terms = {}
        for t, found in enumerate(answers, 1):
            for name, answer, target in zip(("fields", "maps"), found, targets, strict=True):
                error = answer.float() - target
                error = error if weight is None else error * weight
                terms[f"{name} {t}"] = error.square().sum() / (2 * len(target))
        return terms

    def targets(self, batch: PoseBatch, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Draw everybody: fields (B, 2 L, h, w) and maps (B, M + 1, h, w)."""
        h, w = (side * self.stride for side in size)
        reach = max(4 * self.sigma, 2 * self.stride * (self.limb_width + 1))  # beyond what either draws
        joints, visible = self.parts.of(*in_view(batch.joints, batch.visible, (h, w), reach))
        paper = self.overlap == "paper"
        fields = draw_fields(
            joints,
            visible,
            size,
            self.parts.limbs,
            "mean" if paper else "last",
            self.limb_width,
            stride=self.stride,
        )
        maps = draw_parts(joints, visible, size, "max" if paper else "sum", self.sigma, stride=self.stride)
        return fields, maps

    def predict(self, batch: PoseBatch) -> list[PosePrediction]:
        """Group the last stage's averaged maps and fields; a person's score is their sum times their parts."""
        fields, maps = (answer.cpu().numpy() for answer in self._averaged(batch.images))
        return [self._group(f, m, a) for f, m, a in zip(fields, maps, batch.to_image.cpu(), strict=True)]

    def _averaged(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return fields (B, 2 L, h, w) and maps (B, M, h, w) without background, on the cells of the finest scale."""
        pixels = centred_bgr(images)
        total: list[Tensor] = []
        for scale in self.scales:
            answers = [answer.float() for answer in self.net(self._at(pixels, scale))[-1]]
            if scale != self.finest:
                answers = [zoomed(answer, self.finest / scale) for answer in answers]
            total = [t + a for t, a in zip(total, answers, strict=True)] if total else answers
        fields, maps = (t / len(self.scales) for t in total)
        return fields, maps[:, :-1]

    def _at(self, pixels: Tensor, scale: float) -> Tensor:
        """Resize the view's pixels to a scale."""
        if scale == self.finest:
            return pixels
        return zoomed(pixels, scale / self.finest).contiguous(memory_format=torch.channels_last)

    def _candidates(self, maps: FloatArray) -> Candidates:
        """Find peaks of maps (M, h, w). The authors' pixels are the image's; here they are those of scale 1."""
        return find_peaks(maps, self.least_peak, PEAK_DISTANCE * self.finest / self.stride)

    def _connections(self, found: Candidates, fields: FloatArray) -> Connections:
        """Choose pairs. The authors take half the image's height as the reach; here it is half the view's."""
        reach = fields.shape[1] / 2
        return connect(found, fields, self.parts.limbs, reach, self.matching, self.least_pair)

    def _group(self, fields: FloatArray, maps: FloatArray, to_image: Tensor) -> PosePrediction:
        """Make people of one image's fields and maps."""
        found, _, grown = self._grown(fields, maps)
        joints, scores = joints_of(grown, found, self.parts.places(len(self.skeleton.joints)))
        where = apply_affine(torch.from_numpy(self._pixels(joints)), to_image)
        return PosePrediction(where, torch.from_numpy(scores), torch.from_numpy(grown.score * grown.count))

    def _grown(self, fields: FloatArray, maps: FloatArray) -> tuple[Candidates, Connections, People]:
        """Find candidates, the pairs that were chosen, and the people that these make."""
        found = self._candidates(maps)
        pairs = self._connections(found, fields)
        return found, pairs, assemble(found, pairs, self.parts.limbs, len(maps), self.least_person)

    def _pixels(self, cells: FloatArray) -> FloatArray:
        """Return where in the view cells (..., 2) of the finest scale lie."""
        return np.asarray(cells * self.stride + (self.stride - 1) / 2)

    def inside(self, batch: PoseBatch) -> list[Panel]:
        """Show the part maps, the fields of all limbs at once, candidates with the chosen pairs, and people."""
        fields, maps = self._averaged(batch.images)
        shown = []
        for f, m in zip(fields.cpu().numpy(), maps.cpu().numpy(), strict=True):
            found, pairs, grown = self._grown(f, m)
            joints, _ = joints_of(grown, found, self.parts.places(len(self.skeleton.joints)))
            cells = found.cells[np.stack([pairs.parent, pairs.child], -1)]
            shown.append([torch.from_numpy(self._pixels(where)) for where in (found.cells, cells, joints)])
        points, segments, everyone = zip(*shown, strict=True)
        return [
            Panel("part maps", maps=maps),
            Panel("part affinity fields", arrows=strongest(fields)),
            Panel("candidates and limbs", points=points, segments=segments),
            Panel("people", people=everyone),
        ]

    def configure_optimizers(self) -> Any:
        """Four groups: front with first stage, and the later stages, each with its weights and its biases."""
        groups = parameter_groups(
            self.net, self.net.later_stages(), self.lr, self.later_rate, self.weight_decay, first=False
        )
        return dropping(groups, self.optimizer, lambda: self.passed(self.lr_drops))


def _resized(counted: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring the mask (B, h, w) to the maps' size, cubic as in the authors' code: (B, 1, h', w') in [0, 1]."""
    return F.interpolate(counted[:, None].float(), size, mode="bicubic", align_corners=False).clamp(0, 1)
