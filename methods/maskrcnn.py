"""Mask R-CNN for keypoints: person boxes, and in each one cell of 56x56 a joint (He, Gkioxari, Dollár, Girshick 2017).

Mask R-CNN, ICCV 2017, arXiv:1703.06870, section 5 and table 4: ResNet-50-FPN, COCO test-dev, keypoints alone: AP 62.7,
AP50 87.0, AP75 68.4, APM 57.4, APL 71.1; 63.1 when masks are learnt beside them, for which no data set here has the
segments. Detectron on minival: 64.2. 59,137,258 parameters with COCO's 17 joints.

GMACs are those of one image with all its proposals through the box head and one person through the keypoint head:
each further person costs 3.50 more in the paper's network, and a hundred may be found.

The input has one size, not one short side: images are scaled to fit in it, upright ones to less than in the paper. Of
the paper's random short sides of 640 to 800 pixels, the augmentation draws a zoom about 1 instead.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from data.module import PoseDataModule
from data.types import DataError, PoseBatch, PosePrediction, Skeleton, apply_affine
from data.views import WholeImage
from methods import keypoint_targets
from methods import maskrcnn_regions as regions
from methods.base import PoseMethod
from methods.images import normalise
from methods.inside import Panel
from methods.maskrcnn_nets import Align, Counts, KeypointRCNN, Norm, Widths
from methods.simplebaseline import BLOCKS, IMAGENET_WIDTH, Depth, imagenet_weights
from methods.weights import load_weights, place, read_state

STRIDE = 32  # input pixels a cell of the lowest level before the last; sides are multiples
LEVELS = 5  # of the pyramid, strides 4 to 64
BORDER = (124, 116, 104)  # ImageNet's mean: what lies outside the image becomes 0
CLASSIFIER = r"fc\.|.*num_batches_tracked"  # of ImageNet's files; a frozen batch norm does not count
PER_JOINT = {
    r"roi_heads\.keypoint_predictor\.kps_score_lowres\.bias": 0,
    r"roi_heads\.keypoint_predictor\.kps_score_lowres\.weight": 1,
}
OLD_NAMES = {  # of older versions of torchvision, from when its files are
    r"(backbone\.fpn\.(?:inner|layer)_blocks\.\d)\.(weight|bias)": r"\1.0.\2",
    r"rpn\.head\.conv\.(weight|bias)": r"rpn.head.conv.0.0.\1",
}
MOMENTUM = 0.9
IMAGES_A_STEP = 16  # that the paper's learning rate is for
WARM_UP_FROM = 1 / 3  # of the learning rate; Detectron's configuration
DROP = 0.1  # the learning rate's factor at each drop
COUNTED_PEOPLE = 1  # for whom the cost counts the keypoint head
SHOWN, SHOWN_PROPOSALS = 0.5, 20  # in pictures: score of a person from, or the best one's; the first so many proposals


class MaskRCNN(PoseMethod):
    """Top-down in one network: proposals, boxes, and the joints within the boxes."""

    title: ClassVar[str] = "Mask R-CNN"
    year: ClassVar[int] = 2017
    people: ClassVar[Literal["single", "multi"]] = "multi"

    def __init__(
        self,
        skeleton: Skeleton,
        input_size: tuple[int, int] = (800, 1344),
        depth: Depth = 50,
        width: int = 64,
        pyramid_width: int = 256,
        box_width: int = 1024,
        keypoint_width: int = 512,
        keypoint_convs: int = 8,
        before_nms: tuple[int, int] = (2000, 1000),
        proposals: tuple[int, int] = (2000, 1000),
        rpn_samples: int = 256,
        roi_samples: int = 512,
        most_people: int = 100,
        anchors: tuple[int, ...] = (32, 64, 128, 256, 512),
        norm: Norm = "frozen",
        frozen_stages: int = 2,
        align: Align = "samples",
        mask: bool = False,
        optimizer: Literal["sgd", "adam"] = "sgd",
        lr: float = 0.02,
        weight_decay: float = 1e-4,
        warm_up: int = 500,
        lr_drops: tuple[float, ...] = (60 / 90, 80 / 90),
        pretrained: bool = True,
        backbone_weights: Path | None = None,
        weights: Path | None = None,
    ) -> None:
        """Build the network; weights are brought only before training.

        Args:
            skeleton: Whose joints to find.
            input_size: Height and width that the image is scaled to fit in; multiples of 32. The paper's images are
                800 high or wide on the short side and at most 1333 on the other.
            depth: Layers of the ResNet.
            width: Channels of its stem; the stages have 1, 2, 4 and 8 times as many.
            pyramid_width: Channels of every level of the pyramid.
            box_width: Channels of the box head's two layers.
            keypoint_width: Channels of the keypoint head's convolutions.
            keypoint_convs: How many those are.
            before_nms: Proposals of a level before non-maximum suppression, in training and at test time.
            proposals: Proposals of an image after it, in training and at test time.
            rpn_samples: Anchors of an image that the proposals are learnt on.
            roi_samples: Regions of an image that the heads are learnt on, a quarter of them people at most.
            most_people: Found in an image at test time.
            anchors: Size of the anchors at strides 4, 8, 16, 32 and 64, in pixels of the input.
            norm: ``frozen`` batch norms are part of the ResNet's ImageNet weights and do not learn; no more are added,
                and from random weights they would be no norms at all. ``batch`` norms learn, and stand in pyramid and
                keypoint head too: without them there two thirds of the box head's units died in the small preset.
            frozen_stages: Parts of the ResNet that do not learn: 1 the stem, 2 the first stage too, as Detectron.
            align: RoIAlign by torchvision's loop over samples, or by matrix ``products``: the same numbers, sooner
                where maps are small and there is no GPU.
            mask: Learn masks beside the keypoints; refused while no data set has segments.
            optimizer: The paper's is SGD with momentum.
            lr: Learning rate; SGD's is for 16 images a step and scaled in proportion.
            weight_decay: Of all weights.
            warm_up: Steps in which the learning rate grows from a third.
            lr_drops: Shares of the training after which the learning rate falls to a tenth.
            pretrained: Start from timm's copy of torchvision's ImageNet weights (brought from the hub).
            backbone_weights: Start from this ResNet state dict (torchvision's or timm's) instead.
            weights: Start from this state dict of torchvision's Keypoint R-CNN instead, heads included.

        Raises:
            DataError: for settings that cannot work together.
        """
        super().__init__(skeleton)
        self.hparams.update({"backbone_weights": backbone_weights and str(backbone_weights)})  # checkpoints: no paths
        self.hparams.update({"weights": weights and str(weights)})
        self.size, self.depth, self.proposals = input_size, depth, proposals
        self.pretrained, self.backbone_weights, self.weights = pretrained, backbone_weights, weights
        self.optimizer, self.lr, self.weight_decay = optimizer, lr, weight_decay
        self.warm_up, self.lr_drops = warm_up, lr_drops
        widths = Widths(depth, width, pyramid_width, box_width, keypoint_width, keypoint_convs)
        counts = Counts(before_nms, proposals, rpn_samples, roi_samples, most_people)
        self._refuse(asdict(widths) | asdict(counts), anchors, norm, frozen_stages, mask=mask)
        self.view = WholeImage(input_size, border=BORDER)
        net = KeypointRCNN(len(skeleton.joints), widths, norm, anchors, counts, align)
        net.freeze(frozen_stages)
        self.net = net.to(memory_format=torch.channels_last)

    def _refuse(
        self, numbers: dict[str, Any], anchors: tuple[int, ...], norm: Norm, frozen_stages: int, *, mask: bool
    ) -> None:
        """Raise DataError for settings that cannot work together."""
        h, w = self.size
        if mask:
            raise DataError("mask true: no data set here has segments of people to learn masks from; leave it false")
        if min(h, w) < 2 * STRIDE or h % STRIDE or w % STRIDE:
            raise DataError(f"input_size {h}x{w}: height and width must be multiples of {STRIDE}, from {2 * STRIDE}")
        if self.depth not in BLOCKS:
            raise DataError(f"depth {self.depth}: expected one of {', '.join(map(str, BLOCKS))}")
        for name, value in numbers.items():
            if min(value if isinstance(value, tuple | list) else (value,)) < 1:
                raise DataError(f"{name} {value}: expected 1 or more")
        if len(anchors) != LEVELS or min(anchors) <= 0:
            raise DataError(
                f"anchors {list(anchors)}: expected {LEVELS} sizes above 0, for strides 4, 8, 16, 32 and 64"
            )
        if not 0 <= frozen_stages <= LEVELS:
            raise DataError(f"frozen_stages {frozen_stages}: expected 0 to {LEVELS}: the stem and four stages")
        from_file = bool(self.backbone_weights or self.weights)
        if not (self.pretrained or from_file) and (norm == "frozen" or frozen_stages):
            found = f"norm {norm} and frozen_stages {frozen_stages} without weights to start from"
            raise DataError(f"{found}: random ones cannot stay as they are; set norm to batch and frozen_stages to 0")
        if self.pretrained and not from_file and numbers["width"] != IMAGENET_WIDTH:
            found = f"width {numbers['width']}: the ImageNet weights have {IMAGENET_WIDTH}"
            raise DataError(f"{found}; set pretrained to false or leave the width")

    def before_fit(self, data: PoseDataModule) -> None:
        """Start from a whole network's file, or the ResNet from a file or from ImageNet."""
        body = self.net.backbone.body
        if self.weights:
            load_weights(self.net, self.weights, self.skeleton, PER_JOINT, renamed=OLD_NAMES)
        elif self.backbone_weights:
            place(body, read_state(self.backbone_weights), str(self.backbone_weights), without=CLASSIFIER)
        elif self.pretrained:
            place(body, imagenet_weights(self.depth), f"ResNet-{self.depth} of the hub", without=CLASSIFIER)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Pass uint8 images (B, 3, h, w) through all parts, with as many regions for each whatever they show.

        The regions are the best answers of the step before, without non-maximum suppression; :meth:`predict` does more.

        Returns:
            (B N, 2) logits of the proposals, (B, K, 56, 56) of the first one's keypoints.
        """
        pyramid, answers = regions.look(self.net, normalise(images))
        count = min(self.proposals[1], answers.anchors.shape[0])
        best = answers.objectness.topk(count).indices
        boxes = list(answers.anchors[best])
        logits, _ = regions.say_boxes(self.net, pyramid, boxes, self.size)
        return logits, regions.say_keypoints(self.net, pyramid, [own[:COUNTED_PEOPLE] for own in boxes], self.size)

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        """The losses of the proposals, of the boxes and of the keypoints, every one with weight 1."""
        truth = regions.truths(batch)
        pyramid, answers = regions.look(self.net, normalise(batch.images))
        objectness, rpn_box = regions.proposal_losses(self.net, answers, truth)
        samples = regions.sample(self.net, regions.propose(self.net, answers, self.size), truth)
        said = regions.say_boxes(self.net, pyramid, [one.boxes for one in samples], self.size)
        classifier, box = regions.box_losses(self.net, *said, samples, truth)
        boxes, cells = regions.keypoint_regions(samples, truth)
        keypoints = pyramid["0"].sum() * 0
        if len(cells):
            keypoints = keypoint_targets.cross_entropy(
                regions.say_keypoints(self.net, pyramid, boxes, self.size), cells
            )
        return {
            "rpn_objectness": objectness,
            "rpn_box": rpn_box,
            "classifier": classifier,
            "box": box,
            "keypoints": keypoints,
        }

    def predict(self, batch: PoseBatch) -> list[PosePrediction]:
        """Find boxes, and the joints in each; a person's score is the box's."""
        pyramid, found = self._found(batch)
        boxes, scores = [own for own, _ in found], [own for _, own in found]
        logits = regions.say_keypoints(self.net, pyramid, boxes, self.size)
        counts = [len(own) for own in boxes]
        joints, peaks = keypoint_targets.decode(logits, torch.cat(boxes))
        parts = zip(torch.split(joints, counts), torch.split(peaks, counts), scores, boxes, batch.to_image, strict=True)
        return [PosePrediction(apply_affine(j.double(), a), p, s, _original(b, a)) for j, p, s, b, a in parts]

    def detect(self, batch: PoseBatch) -> list[tuple[Tensor, Tensor]]:
        """Find boxes alone, as :meth:`predict` does: each image's (N, 4) in original pixels and their scores (N,)."""
        _, found = self._found(batch)
        return [(_original(boxes, a), scores) for (boxes, scores), a in zip(found, batch.to_image, strict=True)]

    def _found(self, batch: PoseBatch) -> tuple[regions.Pyramid, list[tuple[Tensor, Tensor]]]:
        """Return the pyramid, and each image's boxes in input pixels with their scores."""
        pyramid, answers = regions.look(self.net, normalise(batch.images))
        proposals = regions.propose(self.net, answers, self.size)
        return pyramid, regions.find(self.net, pyramid, proposals, self.size)

    def inside(self, batch: PoseBatch) -> list[Panel]:
        """Show the best proposals, the boxes, the keypoints' maps and the people."""
        pyramid, answers = regions.look(self.net, normalise(batch.images))
        proposals = regions.propose(self.net, answers, self.size)
        found = regions.find(self.net, pyramid, proposals, self.size)
        sure = [boxes[scores >= min(SHOWN, float(scores.max()) if len(scores) else 0.0)] for boxes, scores in found]
        logits = regions.say_keypoints(self.net, pyramid, sure, self.size)
        counts = [len(boxes) for boxes in sure]
        joints, _ = keypoint_targets.decode(logits, torch.cat(sure))
        shares = torch.split(logits.flatten(2).softmax(-1).view_as(logits).amax(1), counts)
        maps = [keypoint_targets.paste(own, boxes, self.size) for own, boxes in zip(shares, sure, strict=True)]
        return [
            Panel("proposals", boxes=_stacked([own[:SHOWN_PROPOSALS] for own in proposals])),
            Panel("boxes", boxes=_stacked(sure)),
            Panel("keypoint maps", maps=torch.stack(maps)[:, None]),
            Panel("people", people=torch.split(joints, counts)),
        ]

    def configure_optimizers(self) -> Any:
        """SGD with momentum, linear warm-up and two drops; its learning rate goes with the images of a step."""
        learning = [p for p in self.parameters() if p.requires_grad]
        found: torch.optim.Optimizer
        if self.optimizer == "sgd":
            rate = self.lr * self._images_a_step() / IMAGES_A_STEP
            found = torch.optim.SGD(learning, rate, MOMENTUM, weight_decay=self.weight_decay)
        else:
            found = torch.optim.Adam(learning, self.lr, weight_decay=self.weight_decay, fused=True)
        schedule = LambdaLR(found, lambda step: self._warmth(step) * DROP ** self.passed(self.lr_drops))
        return {"optimizer": found, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _warmth(self, step: int) -> float:
        """Return the factor of the learning rate at a step of the warm-up, 1 after it."""
        return min(1.0, WARM_UP_FROM + (1 - WARM_UP_FROM) * step / max(1, self.warm_up)) if self.warm_up else 1.0

    def _images_a_step(self) -> int:
        """Return how many images a step of the optimiser learns from; the paper's where no trainer says."""
        data = self._trainer and getattr(self._trainer, "datamodule", None)
        if not isinstance(data, PoseDataModule):
            return IMAGES_A_STEP
        return data.batch_size * self.trainer.accumulate_grad_batches * self.trainer.world_size


def _original(boxes: Tensor, to_image: Tensor) -> Tensor:
    """Bring boxes (N, 4) of the input to original pixels."""
    return regions.around(apply_affine(regions.corners(boxes.double()), to_image))


def _stacked(boxes: list[Tensor]) -> Tensor:
    """Stack the corners of each input's boxes (N, 4) to (B, N max, 4, 2), NaN where there are fewer."""
    padded = torch.nn.utils.rnn.pad_sequence(boxes, batch_first=True, padding_value=torch.nan)
    return regions.corners(padded)
