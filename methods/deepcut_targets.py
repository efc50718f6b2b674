"""What DeepCut's detectors learn: discs, the way to the joint, the ways to the other joints (arXiv:1605.03170).

After the authors' pose-tensorflow. Cell i of a stride s has its middle at pixel s i + s / 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

RADIUS = 17.0  # pixels around a joint that are its part, where a person is 340 pixels high
OFFSET_STD = 7.2801  # pixels, the square root of 53: unit of the way to the joint
OFFSET_WEIGHT = PAIR_WEIGHT = 0.05  # of their losses
EARLY_WEIGHT = 1.0  # of intermediate supervision
LEAST_STD = 1.0  # pixels: joints that never move against each other are no reason to divide by nothing


@dataclass(frozen=True)
class PartTargets:
    """Targets of B inputs with J joints.

    Attributes:
        parts: (B, J, h, w) 1 on the cells of a joint.
        offsets: (B, J, 2, h, w) pixels from a cell to the nearest person's joint; counts where ``parts`` is 1.
        owner: (B, J, h, w) whose joint that is.
    """

    parts: Tensor
    offsets: Tensor
    owner: Tensor


@dataclass(frozen=True)
class Cells:
    """M cells that have a joint, by joint."""

    joint: Tensor  # (M,) ascending
    image: Tensor
    y: Tensor
    x: Tensor

    @classmethod
    def of(cls, parts: Tensor) -> Cells:
        """List those of parts (B, J, h, w)."""
        return cls(*parts.transpose(0, 1).nonzero(as_tuple=True))


def pair_index(a: int, b: int, joints: int) -> int:
    """Return the place of the ordered pair (a, b), a and b different, among the J (J - 1) of ``joints``."""
    return (joints - 1) * a + b - (a < b)


def cell_middles(size: tuple[int, int], stride: int, device: torch.device | None = None) -> Tensor:
    """Return where in the input the middles of h x w cells lie: (h, w, 2) pixels, x first."""
    y, x = (torch.arange(n, device=device) * stride + stride / 2 for n in size)
    return torch.stack([x.expand(size), y[:, None].expand(size)], -1)


def draw_targets(
    joints: Tensor, visible: Tensor, size: tuple[int, int], stride: int, radius: float = RADIUS
) -> PartTargets:
    """Mark the cells within ``radius`` pixels of each joint; where several people claim a cell, the nearer joint wins.

    Args:
        joints: (B, P, J, 2) input pixels.
        visible: (B, P, J); joints > 0 are labelled.
        size: h, w in cells.
        stride: Input pixels a cell.
        radius: Input pixels.
    """
    where = joints.masked_fill((visible <= 0)[..., None], torch.inf)  # unlabelled is nowhere
    middles = cell_middles(size, stride, joints.device)
    dx, dy = (where[..., i, None] - line for i, line in enumerate((middles[0, :, 0], middles[:, 0, 1])))
    distance = dx.square()[..., None, :] + dy.square()[..., :, None]  # (B, P, J, h, w)
    nearest, owner = distance.min(1)
    way = joints.transpose(1, 2).gather(2, owner.flatten(2)[..., None].expand(-1, -1, -1, 2))
    offsets = way.reshape(*owner.shape, 2) - middles
    return PartTargets((nearest <= radius**2).float(), offsets.movedim(-1, 2), owner)


def counted_cells(counted: Tensor | None, like: Tensor) -> Tensor:
    """Weigh the cells of maps ``like`` (B, J, h, w): 0 where most pixels of (B, H, W) do not count; (B, 1, h, w)."""
    if counted is None:
        return torch.ones_like(like[:, :1])
    shares = F.interpolate(counted[:, None].float(), like.shape[-2:], mode="area")
    return (shares > 0.5).float()


def part_loss(logits: Tensor, parts: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy of every class by itself, the mean of the cells that count."""
    each = F.binary_cross_entropy_with_logits(logits.float(), parts, reduction="none") * weight
    return each.sum() / (weight.sum() * parts.shape[1]).clamp(min=1)


def offset_loss(offsets: Tensor, targets: PartTargets) -> Tensor:
    """Huber loss of the ways to the joint, in deviations, the mean of the cells that have one."""
    mask = targets.parts[:, :, None].expand_as(offsets)
    wanted = torch.where(mask > 0, targets.offsets / OFFSET_STD, 0)
    each = F.huber_loss(offsets.float(), wanted, reduction="none") * mask
    return each.sum() / mask.sum().clamp(min=1)


def pair_loss(
    found: Tensor,
    cells: Cells,
    targets: PartTargets,
    joints: Tensor,
    visible: Tensor,
    stride: int,
    mean: Tensor,
    std: Tensor,
) -> Tensor:
    """Huber loss of the ways from the cells of a joint to its owner's other joints, in deviations from their mean.

    Args:
        found: (M, J - 1, 2).
        cells: M cells that have a joint.
        targets: Of the parts.
        joints: (B, P, J, 2) input pixels.
        visible: (B, P, J).
        stride: Input pixels a cell.
        mean: (J, J - 1, 2) pixels.
        std: (J, J - 1, 2) pixels.
    """
    a, b = cells.joint, cells.image[:, None]
    owner, others = targets.owner[cells.image, a, cells.y, cells.x][:, None], other_joints(len(mean), mean.device)[a]
    h, w = targets.parts.shape[-2:]
    middles = cell_middles((h, w), stride, mean.device)[cells.y, cells.x]
    way, known = joints[b, owner, others] - middles[:, None], visible[b, owner, others] > 0
    wanted = torch.where(known[..., None], (way - mean[a]) / std[a], 0)
    each = F.huber_loss(found.float(), wanted, reduction="none") * known[..., None]
    return each.sum() / (2 * known.sum()).clamp(min=1)


def other_joints(joints: int, device: torch.device | None = None) -> Tensor:
    """List for each of J joints the others in their order: (J, J - 1), the order of :func:`pair_index`."""
    rest = torch.arange(joints - 1, device=device).expand(joints, -1)
    return rest + (rest >= torch.arange(joints, device=device)[:, None])


def with_mirrored(joints: Tensor, visible: Tensor, flip: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Add to N people (N, K, 2), labelled (N, K), their mirror images about x = 0, left and right swapped."""
    order = list(flip)
    mirrored = joints[:, order] * torch.tensor([-1.0, 1.0])
    return torch.cat([joints, mirrored]), torch.cat([visible, visible[:, order]])


def pair_statistics(joints: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of the ways between the joints of N people, each (J, J - 1, 2); 0 and 1 where unknown.

    Args:
        joints: (N, J, 2) input pixels.
        visible: (N, J).
    """
    j = joints.shape[1]
    others = other_joints(j)
    known = (visible[:, :, None] > 0) & (visible[:, others] > 0)  # (N, J, J - 1)
    way = torch.where(known[..., None], (joints[:, others] - joints[:, :, None]).double(), 0)
    count = known.sum(0).clamp(min=1)[..., None]
    mean = way.sum(0) / count
    square = torch.where(known[..., None], (way - mean).square(), 0).sum(0) / count
    std = torch.where(known.any(0)[..., None], square.sqrt().clamp(min=LEAST_STD), 1)
    return mean.float(), std.float()
