"""Part affinity fields: a limb as a field of unit vectors, drawn and read (Cao et al., CVPR 2017, arXiv:1611.08050).

"Paper" is the article; "code" is what the authors' label code draws, quirks included. With the stride of 8 the cell
(x, y) stands for the input pixel (3.5 + 8 x, 3.5 + 8 y), and so for others. Which candidates make people is decided in
:mod:`methods.people`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.types import FloatArray
from methods.belief_maps import gaussians, with_background

STRIDE = 8  # input pixels a cell
SIGMA = 7.0  # pixels, of exp(-d^2 / 2 sigma^2); label code. The paper's exp(-d^2 / sigma^2) with 7 sqrt(2) is the same
LIMB_WIDTH = 1.0  # cells on either side of a limb; label code
SAMPLES = 10  # points along a pair of candidates, both ends included; the authors' evaluation
LEAST_ALONG = 0.05  # a point agrees where the field along the pair is above this; the authors' evaluation on COCO
LEAST_AGREEING = 0.8  # more than this share of the points must agree; the same
SAME = 1e-9  # so that 0.7 of 10 points are 7


@dataclass(frozen=True)
class Limbs:
    """Pairs of joints that fields connect.

    Attributes:
        pairs: parent and child of each, in the order in which people are assembled.
        channels: where the field of each lies: x in map 2 c, y in map 2 c + 1.
        redundant: how many at the end only fill gaps of people that exist already.
    """

    pairs: tuple[tuple[int, int], ...]
    channels: tuple[int, ...]
    redundant: int = 0

    @property
    def in_channel_order(self) -> tuple[tuple[int, int], ...]:
        """The pairs as their fields are stacked."""
        return tuple(pair for _, pair in sorted(zip(self.channels, self.pairs, strict=True)))


# OpenPose's 18 joints; training stacks the fields in another order than the one in which people are assembled.
OPENPOSE_LIMBS = Limbs(
    pairs=(
        (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0),
        (0, 14), (14, 16), (0, 15), (15, 17), (2, 16), (5, 17),
    ),
    channels=(6, 10, 7, 8, 11, 12, 0, 1, 2, 3, 4, 5, 14, 15, 17, 16, 18, 9, 13),
    redundant=2,
)  # fmt: skip


def in_view(joints: Tensor, visible: Tensor, size: tuple[int, int], reach: float) -> tuple[Tensor, Tensor]:
    """Leave out whoever cannot be seen in any map of a batch, so that less is drawn.

    Args:
        joints: (B, P, K, 2) input pixels.
        visible: (B, P, K).
        size: (h, w) of the input.
        reach: Pixels from a joint or limb within which it draws.

    Returns:
        The same of the people (B, P', K) whose labelled joints' extent comes that near; order kept, padded as before.
    """
    labelled = (visible > 0)[..., None]
    low = joints.masked_fill(~labelled, torch.inf).amin(2) - reach  # (B, P, 2); infinite where nothing is labelled
    high = joints.masked_fill(~labelled, -torch.inf).amax(2) + reach
    near = ((low < low.new_tensor(size[::-1])) & (high > 0)).all(-1)
    first = (~near).int().argsort(dim=1, stable=True)[:, : max(1, int(near.sum(1).max()))]
    chosen = visible.gather(1, first[..., None].expand(-1, -1, visible.shape[2]))
    chosen = chosen * near.gather(1, first)[..., None]
    return joints.gather(1, first[..., None, None].expand(-1, -1, *joints.shape[2:])), chosen


def draw_parts(
    joints: Tensor,
    visible: Tensor,
    size: tuple[int, int],
    overlap: Literal["max", "sum"] = "max",
    sigma: float = SIGMA,
    *,
    stride: int = STRIDE,
) -> Tensor:
    """Draw one Gaussian a person and joint, and last the background.

    Args:
        joints: (B, P, K, 2) input pixels.
        visible: (B, P, K); joints > 0 are drawn, occluded ones too.
        size: (h, w) of the maps.
        overlap: Of several people: the paper's maximum, or the label code's sum, cut at 1.
        sigma: Input pixels.
        stride: Input pixels a cell.

    Returns:
        (B, K + 1, h, w).
    """
    drawn = gaussians(joints, visible, size, sigma, stride=stride)
    return with_background(drawn.amax(1) if overlap == "max" else drawn.sum(1).clamp(max=1))


def draw_fields(
    joints: Tensor,
    visible: Tensor,
    size: tuple[int, int],
    limbs: Limbs,
    overlap: Literal["mean", "last"] = "mean",
    width: float = LIMB_WIDTH,
    *,
    stride: int = STRIDE,
) -> Tensor:
    """Draw unit vectors from parent to child around every limb whose ends are both labelled.

    With ``mean`` as in the paper: within ``width`` of the segment and between its ends, people who overlap averaged.
    With ``last`` as the label code: no half cell of offset, a limb's box grown by ``width`` and no end across it, a
    later person over an earlier. A limb of no length draws nothing in either.

    Args:
        joints: (B, P, K, 2) input pixels.
        visible: (B, P, K).
        size: (h, w) of the fields.
        limbs: Which pairs.
        overlap: Which of the two.
        width: Cells.
        stride: Input pixels a cell.

    Returns:
        (B, 2 L, h, w) in the order of the channels.
    """
    h, w = size
    cells = (joints - (stride - 1) / 2) / stride if overlap == "mean" else joints / stride
    parent, child = (list(ends) for ends in zip(*limbs.in_channel_order, strict=True))
    start, way = cells[:, :, parent], cells[:, :, child] - cells[:, :, parent]  # (B, P, L, 2)
    length = way.norm(dim=-1)
    unit = way / length.clamp(min=torch.finfo(way.dtype).tiny)[..., None]
    x, y = (torch.arange(n, device=joints.device, dtype=joints.dtype) for n in (w, h))
    dx = (x - start[..., :1])[..., None, :]  # (B, P, L, 1, w)
    dy = (y - start[..., 1:])[..., None]  # (B, P, L, h, 1)
    ux, uy = unit[..., 0, None, None], unit[..., 1, None, None]
    near = (dx * uy - dy * ux).abs() <= width
    if overlap == "mean":
        along = dx * ux + dy * uy
        near &= (along >= 0) & (along <= length[..., None, None])
    else:
        end = start + way
        low = (torch.minimum(start, end) - width).round()
        high = (torch.maximum(start, end) + width).round()
        near &= ((x >= low[..., :1]) & (x < high[..., :1]))[..., None, :]
        near &= ((y >= low[..., 1:]) & (y < high[..., 1:]))[..., None]
    drawn = (visible[:, :, parent] > 0) & (visible[:, :, child] > 0) & (length > 0)
    near &= drawn[..., None, None]
    if overlap == "mean":
        total = torch.einsum("bplhw,bplc->blchw", near.to(unit), unit)
        mean: Tensor = total / near.sum(1)[:, :, None].clamp(min=1)
        return mean.flatten(1, 2)
    field = joints.new_zeros(len(joints), len(parent), 2, h, w)
    for person in range(joints.shape[1]):
        field = torch.where(near[:, person, :, None], unit[:, person, ..., None, None], field)
    return field.flatten(1, 2)


def score_pairs(
    fields: FloatArray,
    starts: FloatArray,
    ends: FloatArray,
    channels: NDArray[np.intp],
    reach: float,
    least: tuple[float, float] = (LEAST_ALONG, LEAST_AGREEING),
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Integrate the fields along pairs of candidates.

    Args:
        fields: (2 L, h, w).
        starts: (N, 2) cells, one end of each pair.
        ends: (N, 2) cells, the other.
        channels: (N,) which field each pair is read from.
        reach: Cells; longer pairs lose reach / length - 1 (half the image's height in the authors' code).
        least: Of the field along the pair, for a point to agree; and the share of the points that must exceed it.

    Returns:
        Scores (N,), and which are accepted: above 0, with enough points that agree. A pair in which too many of a few
        points disagree is not looked at further and has a score of 0.
    """
    way = ends - starts
    length = np.maximum(np.sqrt((way * way).sum(-1)), 1e-9)
    unit = way / length[:, None]
    may_disagree = SAMPLES - int(np.floor(least[1] * SAMPLES + SAME)) - 1
    few = np.linspace(0.0, 1.0, SAMPLES)[1 : -1 : max(1, (SAMPLES - 2) // (may_disagree + 2))]
    agreeing = _along(fields, starts, way, unit, channels, few) > least[0]
    left = np.flatnonzero((~agreeing).sum(-1) <= may_disagree)  # a look at a few points spares the others of most pairs
    way, unit, channels = way[left], unit[left], channels[left]
    along = _along(fields, starts[left], way, unit, channels, np.linspace(0.0, 1.0, SAMPLES))
    agree = along > least[0]
    count = agree.sum(-1)
    mean = np.where(agree, along, 0.0).sum(-1) / np.maximum(count, 1)
    score, accepted = np.zeros(len(length)), np.zeros(len(length), bool)
    score[left] = mean + np.minimum(reach / length[left] - 1.0, 0.0)
    accepted[left] = (score[left] > 0) & (count >= SAMPLES - may_disagree)
    return score, accepted


def _along(
    fields: FloatArray,
    starts: FloatArray,
    way: FloatArray,
    unit: FloatArray,
    channels: NDArray[np.intp],
    shares: FloatArray,
) -> FloatArray:
    """Return the field along pairs (N) at shares (S) of their way: (N, S).

    It is read between the cells, linearly; at the border what lies there goes on. The authors enlarge the fields to the
    size of the image and read the nearest pixel, which comes to the same.
    """
    h, w = fields.shape[1:]
    x = np.clip(starts[:, :1] + way[:, :1] * shares, 0, w - 1)
    y = np.clip(starts[:, 1:] + way[:, 1:] * shares, 0, h - 1)
    left, top = np.minimum(x.astype(np.intp), max(w - 2, 0)), np.minimum(y.astype(np.intp), max(h - 2, 0))
    fx, fy = x - left, y - top
    right, below = min(1, w - 1), min(1, h - 1) * w  # steps to the next column and row
    at, flat, size = (2 * channels[:, None] * h + top) * w + left, fields.reshape(-1), h * w
    ux, uy = unit[:, :1], unit[:, 1:]

    def projected(corner: NDArray[np.intp]) -> FloatArray:
        return np.asarray(flat[corner] * ux + flat[corner + size] * uy)

    upper = projected(at) * (1 - fx) + projected(at + right) * fx
    lower = projected(at + below) * (1 - fx) + projected(at + below + right) * fx
    return np.asarray(upper * (1 - fy) + lower * fy)


def strongest(fields: Tensor) -> Tensor:
    """Of fields (B, 2 L, h, w), return the longest vector of each cell: (B, 2, h, w)."""
    vectors = fields.view(len(fields), -1, 2, *fields.shape[2:])
    longest = torch.linalg.vector_norm(vectors, dim=2).argmax(1)[:, None, None]
    return vectors.gather(1, longest.expand(-1, -1, 2, -1, -1))[:, 0]
