"""Mask R-CNN's regions: which anchors and proposals are whom, what the heads learn from them and say about them.

Functions over the parts of ``maskrcnn_nets.KeypointRCNN``. All inputs of a batch have one size, so they share anchors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_iou

from data.types import PoseBatch, apply_affine
from methods import keypoint_targets
from methods.maskrcnn_nets import KeypointRCNN

CORNERS = (0, 1, 2, 1, 2, 3, 0, 3)  # of x0, y0, x1, y1: clockwise
LEAST_SIDE = 1.0  # pixels of a person's box within the input; less is nobody
COVERED = 0.5  # share of a region within somebody to be ignored, from which it is no example of nobody
RPN_BETA = 1 / 9  # where the smooth L1 loss of proposals turns linear; Detectron
ROI_BETA = 0.5  # the same of boxes; detectron2's keypoint configuration, where a plain L1 loss costs keypoint AP

Pyramid = dict[str, Tensor]  # (B, C, h', w') by level


@dataclass(frozen=True)
class Truth:
    """The P people of one input to learn from, in pixels of the input."""

    boxes: Tensor  # (P, 4) x0, y0, x1, y1
    joints: Tensor  # (P, K, 2)
    visible: Tensor  # (P, K)
    ignored: Tensor  # (I, 4) boxes of those who are neither people nor nobody


class Answers(NamedTuple):
    """What is said about the A anchors of each of B images."""

    objectness: Tensor  # (B, A)
    deltas: Tensor  # (B, A, 4)
    anchors: Tensor  # (A, 4)
    levels: list[int]  # anchors of each level


class Sample(NamedTuple):
    """The R regions of one input that the heads learn from."""

    boxes: Tensor  # (R, 4)
    labels: Tensor  # (R,) 1 for a person, 0 for nobody
    people: Tensor  # (R,) index of the person


def corners(boxes: Tensor) -> Tensor:
    """Turn boxes (..., 4) into their corners (..., 4, 2)."""
    return boxes[..., CORNERS].reshape(*boxes.shape[:-1], 4, 2)


def around(points: Tensor) -> Tensor:
    """Return the box (..., 4) around points (..., N, 2)."""
    return torch.cat([points.amin(-2), points.amax(-2)], -1)


def truths(batch: PoseBatch) -> list[Truth]:
    """Bring everybody's box into the input and cut it to that; who is outside is left out."""
    h, w = batch.images.shape[-2:]
    device, counts = batch.images.device, [len(people) for people in batch.people]
    everyone = [person for people in batch.people for person in people]
    original = torch.from_numpy(np.array([p.box for p in everyone], np.float64).reshape(-1, 4))
    ignore = torch.tensor([p.ignore for p in everyone], dtype=torch.bool)
    inputs = torch.repeat_interleave(torch.tensor(counts)).to(device)
    linear = torch.linalg.inv(batch.to_image[:, :, :2])
    back = torch.cat([linear, -linear @ batch.to_image[:, :, 2:]], -1)[inputs]  # (N, 2, 3)
    moved = around(apply_affine(corners(original.to(device)), back))
    limits = moved.new_tensor([w, h, w, h])
    boxes = moved.clamp(min=0).minimum(limits).to(batch.joints.dtype)
    inside = ((boxes[:, 2:] - boxes[:, :2]) >= LEAST_SIDE).all(-1)
    ignored = ignore.to(device)
    found, start = [], 0
    for b, count in enumerate(counts):
        own, kept = slice(start, start + count), inside[start : start + count] & ~ignored[start : start + count]
        left_out = boxes[own][inside[own] & ignored[own]]
        found.append(Truth(boxes[own][kept], batch.joints[b, :count][kept], batch.visible[b, :count][kept], left_out))
        start += count
    return found


def label(boxes: Tensor, truth: Truth, matcher: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Say whom regions (R, 4) show: (R,) 1 person, 0 nobody, -1 not to be learnt; and (R,) the person's index."""
    labels = match = boxes.new_zeros(len(boxes), dtype=torch.long)
    if len(truth.boxes):
        match = matcher(box_iou(truth.boxes, boxes))  # an index, or -1 for nobody and -2 for neither
        labels, match = (match + 1).clamp(max=1), match.clamp(min=0)
    if len(truth.ignored):
        labels = torch.where((labels == 0) & (_covered(boxes, truth.ignored) >= COVERED), -1, labels)
    return labels, match


def _covered(boxes: Tensor, others: Tensor) -> Tensor:
    """Return the largest share of each box (R, 4) that lies in one of the others (N, 4)."""
    low = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    common = (high - low).clamp(min=0).prod(-1).amax(1)
    return common / (boxes[:, 2:] - boxes[:, :2]).prod(-1).clamp(min=1e-9)


def look(net: KeypointRCNN, pixels: Tensor) -> tuple[Pyramid, Answers]:
    """Pass normalised images (B, 3, h, w) through everything that comes before regions."""
    pyramid: Pyramid = net.backbone(pixels)
    maps = list(pyramid.values())
    objectness, deltas = net.rpn.head(maps)
    levels = [level[0].numel() for level in objectness]
    flat = torch.cat([level.permute(0, 2, 3, 1).flatten(1) for level in objectness], 1)
    moves = torch.cat(
        [level.unflatten(1, (-1, 4)).permute(0, 3, 4, 1, 2).flatten(1, 3) for level in deltas], 1
    )  # (B, A, 4): rows, columns, aspects
    (anchors,) = net.rpn.anchor_generator(ImageList(pixels[:1], [_size(pixels)]), maps)
    return pyramid, Answers(flat.float(), moves.float(), anchors, levels)


def propose(net: KeypointRCNN, answers: Answers, size: tuple[int, int]) -> list[Tensor]:
    """Return the proposals (N, 4) of each image, the most promising first."""
    count = len(answers.objectness)
    boxes = net.rpn.box_coder.decode_single(
        answers.deltas.detach().flatten(0, 1), answers.anchors.repeat(count, 1)
    ).unflatten(0, (count, -1))
    found: list[Tensor] = net.rpn.filter_proposals(boxes, answers.objectness, [size] * count, answers.levels)[0]
    return found


def proposal_losses(net: KeypointRCNN, answers: Answers, truth: Sequence[Truth]) -> tuple[Tensor, Tensor]:
    """Return the losses of objectness and of the boxes, both averaged over the anchors drawn."""
    labelled = [label(answers.anchors, one, net.rpn.proposal_matcher) for one in truth]
    people, nobody = (torch.stack(part).bool() for part in net.rpn.fg_bg_sampler([labels for labels, _ in labelled]))
    drawn = people | nobody
    count = drawn.sum().clamp(min=1)
    objectness = F.binary_cross_entropy_with_logits(
        answers.objectness[drawn], people[drawn].to(answers.objectness.dtype), reduction="sum"
    )
    goals = torch.cat([one.boxes[match[p]] for one, (_, match), p in zip(truth, labelled, people, strict=True)])
    at = answers.anchors.expand(len(truth), -1, -1)[people]
    moves = F.smooth_l1_loss(
        answers.deltas[people], net.rpn.box_coder.encode_single(goals, at), beta=RPN_BETA, reduction="sum"
    )
    return objectness / count, moves / count


def sample(net: KeypointRCNN, proposals: Sequence[Tensor], truth: Sequence[Truth]) -> list[Sample]:
    """Draw the regions that the heads learn from, out of the proposals and the true boxes."""
    boxes = [torch.cat([own, one.boxes]) for own, one in zip(proposals, truth, strict=True)]
    labelled = [label(own, one, net.roi_heads.proposal_matcher) for own, one in zip(boxes, truth, strict=True)]
    drawn = net.roi_heads.subsample([labels for labels, _ in labelled])
    return [
        Sample(own[index], labels[index], match[index])
        for own, (labels, match), index in zip(boxes, labelled, drawn, strict=True)
    ]


def say_boxes(net: KeypointRCNN, pyramid: Pyramid, boxes: list[Tensor], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return logits (R, 2) and moves (R, 8) of regions (N, 4) of each image, one image after the other."""
    heads = net.roi_heads
    cut = heads.box_roi_pool(pyramid, boxes, [size] * len(boxes))
    logits, moves = heads.box_predictor(heads.box_head(cut))
    return logits.float(), moves.float()


def box_losses(
    net: KeypointRCNN, logits: Tensor, moves: Tensor, samples: Sequence[Sample], truth: Sequence[Truth]
) -> tuple[Tensor, Tensor]:
    """Return the losses of the classes and of the people's boxes, both averaged over the regions drawn."""
    labels, boxes = torch.cat([one.labels for one in samples]), torch.cat([one.boxes for one in samples])
    people = labels > 0
    goals = torch.cat([one.boxes[own.people[own.labels > 0]] for own, one in zip(samples, truth, strict=True)])
    classes = F.cross_entropy(logits, labels, reduction="sum")
    at = net.roi_heads.box_coder.encode_single(goals, boxes[people])
    places = F.smooth_l1_loss(moves[people, 4:], at, beta=ROI_BETA, reduction="sum")  # the four of a person
    count = max(1, len(labels))
    return classes / count, places / count


def say_keypoints(net: KeypointRCNN, pyramid: Pyramid, boxes: list[Tensor], size: tuple[int, int]) -> Tensor:
    """Return logits (R, K, 56, 56) of regions (N, 4) of each image, one image after the other."""
    heads = net.roi_heads
    cut = heads.keypoint_roi_pool(pyramid, boxes, [size] * len(boxes)).contiguous(memory_format=torch.channels_last)
    logits: Tensor = heads.keypoint_predictor(heads.keypoint_head(cut))
    return logits.float()


def keypoint_regions(samples: Sequence[Sample], truth: Sequence[Truth]) -> tuple[list[Tensor], Tensor]:
    """Return the regions (N, 4) of each image whose keypoints are learnt, and their cells (R, K).

    They are the drawn regions of people that hold a labelled joint.
    """
    boxes, cells = [], []
    for own, one in zip(samples, truth, strict=True):
        people = own.people[own.labels > 0]
        at = own.boxes[own.labels > 0]
        labels = keypoint_targets.encode(one.joints[people], one.visible[people], at)
        kept = (labels != keypoint_targets.NOWHERE).any(1)
        boxes.append(at[kept])
        cells.append(labels[kept])
    return boxes, torch.cat(cells)


def find(
    net: KeypointRCNN, pyramid: Pyramid, proposals: list[Tensor], size: tuple[int, int]
) -> list[tuple[Tensor, Tensor]]:
    """Return the boxes (N, 4) of the people found in each image and their scores (N,), the highest first."""
    logits, moves = say_boxes(net, pyramid, proposals, size)
    boxes, scores, _ = net.roi_heads.postprocess_detections(logits, moves, proposals, [size] * len(proposals))
    return list(zip(boxes, scores, strict=True))


def _size(pixels: Tensor) -> tuple[int, int]:
    """Return height and width of images."""
    return pixels.shape[-2], pixels.shape[-1]
