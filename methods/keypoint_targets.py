"""Keypoints as one cell of a box's grid: the targets, the loss and the decoding of Mask R-CNN (He et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SIDE = 56  # cells of a box along each side; section 5 of the paper
NOWHERE = -100  # the label of a joint that is not learnt, which cross-entropy leaves out


def encode(joints: Tensor, visible: Tensor, boxes: Tensor, side: int = SIDE) -> Tensor:
    """Return the cell of each joint in its box: row * side + column, or NOWHERE.

    A joint outside its box is not learnt, one that is occluded is. The box's far edges belong to the last cells.

    Args:
        joints: (R, K, 2) pixels.
        visible: (R, K); only joints > 0 are learnt.
        boxes: (R, 4) x0, y0, x1, y1 in the same pixels.
        side: Cells along each side.

    Returns:
        (R, K) int64.
    """
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    cells = ((joints - low) * side / (high - low)).floor()
    cells = torch.where(joints == high, side - 1, cells)
    learnt = ((cells >= 0) & (cells < side)).all(-1) & (visible > 0)
    cells = cells.where(learnt[..., None], 0).long()
    return torch.where(learnt, cells[..., 1] * side + cells[..., 0], NOWHERE)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean over the learnt joints of the cross-entropy over all cells; 0 where no joint is learnt.

    Args:
        logits: (R, K, side, side).
        labels: (R, K) from :func:`encode`.
    """
    total = F.cross_entropy(logits.flatten(2).flatten(0, 1), labels.flatten(), ignore_index=NOWHERE, reduction="sum")
    return total / (labels != NOWHERE).sum().clamp(min=1)


def decode(logits: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Find the highest place of each map, resized to its box by cubic interpolation.

    Args:
        logits: (R, K, side, side).
        boxes: (R, 4) x0, y0, x1, y1 in pixels; sides below one pixel count as one.

    Returns:
        (R, K, 2) pixels, and (R, K) the softmax's value there, normalised over the cells before the resizing as in
        detectron2; at most 1.
    """
    sizes = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1)
    whole = sizes.ceil()
    cells, peaks = logits.new_zeros((*logits.shape[:2], 2)), logits.new_zeros(logits.shape[:2])
    for r, (width, height) in enumerate(whole.long().tolist()):
        large = F.interpolate(logits[r, None], (height, width), mode="bicubic", align_corners=False)
        peaks[r], index = large[0].flatten(1).max(-1)
        cells[r] = torch.stack([index % width, index // width], -1).to(cells.dtype)
    joints = (cells + 0.5) * (sizes / whole)[:, None] + boxes[:, None, :2]
    scores = (peaks - logits.flatten(2).logsumexp(-1)).exp().clamp(max=1)
    return joints, scores


def paste(maps: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Lay maps over the image, each into its box and stretched to a peak of 1; where they overlap the higher is seen.

    Args:
        maps: (R, side, side), none negative.
        boxes: (R, 4) x0, y0, x1, y1 in pixels.
        size: Height and width of the image.

    Returns:
        (height, width) in [0, 1].
    """
    canvas = maps.new_zeros(size)
    for own, box in zip(maps, boxes.round().long().tolist(), strict=True):
        left, top, right, bottom = box[0], box[1], max(box[2], box[0] + 1), max(box[3], box[1] + 1)
        part = canvas[top:bottom, left:right]
        large = F.interpolate(own[None, None], (bottom - top, right - left), mode="bilinear", align_corners=False)[0, 0]
        torch.maximum(
            part, (large / own.max().clamp(min=1e-12)).clamp(max=1)[: part.shape[0], : part.shape[1]], out=part
        )
    return canvas
