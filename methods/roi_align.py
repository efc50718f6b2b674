"""RoIAlign as two matrix products a region, beside torchvision's loop over samples (He et al. 2017, section 3).

The mean of a cell's bilinear samples is a weighted sum over rows of weighted sums over columns. For maps of some 40x40
on a processor that is sooner done, above all backwards; the work grows with the map, so for large ones it is not.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

CANONICAL_SIDE, CANONICAL_LEVEL = (
    224,
    4,
)  # a region of this side is cut from this level; equation 1 of the pyramid's paper
LEVELS = (2, 5)  # the first and the last, strides 4 and 32
NUDGE = 1e-6  # so that a region of exactly that side is; torchvision


class ProductRoIAlign(nn.Module):
    """What ``torchvision.ops.MultiScaleRoIAlign`` does for strides 4 to 32, by matrix products."""

    def __init__(self, names: Sequence[str], cells: int, samples: int) -> None:
        """Cut ``cells`` along each side out of the levels ``names``, each the mean of ``samples`` squared."""
        super().__init__()
        self.names, self.output_size, self.samples = tuple(names), (cells, cells), samples

    def forward(self, pyramid: dict[str, Tensor], boxes: list[Tensor], sizes: list[tuple[int, int]]) -> Tensor:
        """Return (R, C, cells, cells) for the boxes (N, 4) of each image, one image after the other."""
        everything, counts = torch.cat(boxes), [len(own) for own in boxes]
        images = torch.repeat_interleave(torch.tensor(counts, device=everything.device))
        side = (everything[:, 2:] - everything[:, :2]).prod(-1).sqrt()
        level = (CANONICAL_LEVEL + (side / CANONICAL_SIDE).log2() + NUDGE).floor().clamp(*LEVELS) - LEVELS[0]
        parts, order = [], []
        for n, name in enumerate(self.names):
            for b in range(len(boxes)):
                index = ((level == n) & (images == b)).nonzero()[:, 0]
                if len(index):
                    parts.append(self._cut(pyramid[name][b], everything[index], sizes[b]))
                    order.append(index)
        if not parts:
            return pyramid[self.names[0]].new_zeros((0, pyramid[self.names[0]].shape[1], *self.output_size))
        return torch.cat(parts)[torch.cat(order).argsort()].permute(0, 3, 1, 2)

    def _cut(self, features: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
        """Cut boxes (R, 4) out of one image's map (C, h, w): (R, cells, cells, C)."""
        (c, h, w), cells = features.shape, self.output_size[0]
        across = axis_weights(boxes[:, 0] * w / size[1], boxes[:, 2] * w / size[1], w, cells, self.samples)
        down = axis_weights(boxes[:, 1] * h / size[0], boxes[:, 3] * h / size[0], h, cells, self.samples)
        rows = across.flatten(0, 1).to(features.dtype) @ features.permute(1, 2, 0)  # (h, R cells, C)
        rows = rows.view(h, len(boxes), cells * c).transpose(0, 1)
        return (down.to(features.dtype) @ rows).view(len(boxes), cells, cells, c)


def axis_weights(low: Tensor, high: Tensor, length: int, cells: int, samples: int) -> Tensor:
    """Return how much each place of a map's axis gives to each cell of the regions from ``low`` to ``high``.

    Places are whole numbers from 0; a sample beyond the first or last takes that one's value, more than 1 away none.

    Args:
        low: (R,) in places of the map.
        high: (R,) likewise; a region is at least one place long.
        length: Places.
        cells: Of a region.
        samples: Of a cell, of which the mean is taken.

    Returns:
        (R, cells, length).
    """
    steps = (torch.arange(cells * samples, device=low.device, dtype=low.dtype) + 0.5) / (cells * samples)
    at = low[:, None] + (high - low).clamp(min=1)[:, None] * steps  # (R, cells * samples)
    near = at.clamp(0, length - 1)[..., None] - torch.arange(length, device=low.device, dtype=low.dtype)
    weights = (1 - near.abs()).clamp(min=0) * ((at >= -1) & (at <= length))[..., None]
    return weights.view(-1, cells, samples, length).mean(2)
