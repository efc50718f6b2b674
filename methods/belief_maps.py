"""Belief maps of CPM and OpenPose: a Gaussian a joint, all people in one map, a background; and test scales averaged.

Convolutional pose machines (arXiv:1602.00134) and their data layer. The cell (x, y) of a map of stride s stands for
the input pixel (s x + (s - 1) / 2, s y + (s - 1) / 2), the middle of its s x s pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

REACH = 4.6052  # a target ends where its exponent passes this, at a value of 0.01 (3.03 sigmas); CPM's data layer
KEYS = -0.5  # the free parameter of the cubic kernel; MATLAB's imresize (PyTorch's and OpenCV's own is -0.75)


def gaussians(joints: Tensor, visible: Tensor, size: tuple[int, int], sigma: float, *, stride: int) -> Tensor:
    """Draw a Gaussian of height 1 a joint, 0 beyond :data:`REACH`.

    Args:
        joints: (B, P, K, 2) input pixels, inside the input or not.
        visible: (B, P, K); joints > 0 are labelled, the maps of others are 0.
        size: (h, w) of the maps.
        sigma: Input pixels.
        stride: Input pixels a cell.

    Returns:
        (B, P, K, h, w): add the people and end at 1 (CPM), or take their maximum (OpenPose).
    """
    centre = joints.masked_fill((visible <= 0)[..., None], torch.inf)  # unlabelled is nowhere
    dx, dy = (pixels(n, stride, joints.device) - centre[..., i, None] for i, n in enumerate(size[::-1]))
    exponent = (dy.square()[..., :, None] + dx.square()[..., None, :]) / (2 * sigma**2)
    return torch.exp(-exponent) * (exponent <= REACH)


def pixels(cells: int, stride: int, device: torch.device) -> Tensor:
    """Return where in the input the cells of a line lie: (cells,)."""
    return torch.arange(cells, device=device) * stride + (stride - 1) / 2


def with_background(parts: Tensor) -> Tensor:
    """Add the background, 1 minus the highest of the parts (B, K, h, w), as the last map: (B, K + 1, h, w)."""
    return torch.cat([parts, (1 - parts.amax(1, keepdim=True)).clamp(min=0)], 1)


def cubic(places: Tensor, cells: int, zoom: float = 1.0) -> Tensor:
    """Weigh the cells of a line so that they give the values at ``places``: Keys' cubic, as MATLAB's imresize.

    Near the ends the cells that exist share the whole weight (imresize repeats the last one).

    Args:
        places: (N,) in cells, float64.
        cells: How many there are.
        zoom: Places a cell; below 1 the kernel widens, against aliasing.

    Returns:
        (N, cells) float32; a place beyond the outer edge of the outer cells gets no weight at all: 0 lies there.
    """
    distance = (places[:, None] - torch.arange(cells, device=places.device)).abs() * min(zoom, 1.0)
    near = (KEYS + 2) * distance**3 - (KEYS + 3) * distance**2 + 1
    far = KEYS * (distance**3 - 5 * distance**2 + 8 * distance - 4)
    weights = torch.where(distance <= 1, near, far * (distance < 2))
    inside = (places >= -0.5) & (places <= cells - 0.5)
    return (weights / weights.sum(1, keepdim=True) * inside[:, None]).nan_to_num(0.0).float()


def resample(maps: Tensor, weights: Tensor) -> Tensor:
    """Read square maps (B, K, n, n) with the weights (N, n) of :func:`cubic`, along both axes: (B, K, N, N)."""
    return weights @ maps @ weights.T


def zoomed(maps: Tensor, zoom: float) -> Tensor:
    """Resize maps (B, C, h, w) by a factor, cubic as MATLAB's imresize; edges stay on edges."""
    for _ in range(2):
        cells = maps.shape[-1]
        places = (torch.arange(round(cells * zoom), dtype=torch.float64, device=maps.device) + 0.5) / zoom - 0.5
        maps = (maps @ cubic(places.clamp(-0.5, cells - 0.5), cells, zoom).T).transpose(-1, -2)
    return maps
