"""Heat-maps, one Gaussian a joint: encode and decode side by side.

"Classic" is the code of SimpleBaseline and HRNet (arXiv:1804.06208, 1902.09212); DARK is arXiv:1910.06278.
Maps are (B, K, h, w); the cell (x, y) of a map of stride s stands for the input pixel (s x, s y).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import torch
from torch import Tensor
from torch.nn import functional as F

REACH = 3  # a target ends this many sigmas from its centre: 13x13 cells at sigma 2, 19x19 at sigma 3
QUARTER = 0.25  # of a cell: the classic step towards the higher neighbour
DARK_KERNEL = 11  # cells; DARK's configurations for 256x192 and 384x288 (3 for 128x96)
DARK_FLOOR = 1e-10  # blurred maps are raised to this before the logarithm; DARK's code


def encode(
    joints: Tensor, visible: Tensor, size: tuple[int, int], sigma: float, *, stride: float
) -> tuple[Tensor, Tensor]:
    """Draw the classic targets: the centre on a cell, 1 there, 0 beyond three sigmas.

    The classic code keeps the weight of a joint whose window ends exactly one cell before the map; here every window
    that lies outside has weight 0.

    Args:
        joints: (B, K, 2) input pixels.
        visible: (B, K); joints > 0 are labelled.
        size: (h, w) of the maps.
        sigma: Cells.
        stride: Input pixels a cell.

    Returns:
        Targets (B, K, h, w) and weights (B, K): 0 where unlabelled or wholly outside, else 1.
    """
    centre = (joints / stride + 0.5).trunc()  # towards zero, as Python's int()
    return _draw(centre, visible, size, sigma, window=True)


def encode_unbiased(
    joints: Tensor, visible: Tensor, size: tuple[int, int], sigma: float, *, stride: float
) -> tuple[Tensor, Tensor]:
    """Draw DARK's targets: the centre between cells, the whole Gaussian. Arguments and result as in :func:`encode`."""
    return _draw(joints / stride, visible, size, sigma, window=False)


def _draw(
    centre: Tensor, visible: Tensor, size: tuple[int, int], sigma: float, *, window: bool
) -> tuple[Tensor, Tensor]:
    """Draw Gaussians around ``centre`` (B, K, 2) in cells: the product of one along x and one along y."""
    centre = centre.masked_fill((visible <= 0)[..., None], torch.inf)  # unlabelled is nowhere
    h, w = size
    last = centre.new_tensor([w - 1, h - 1])
    inside = ((centre + REACH * sigma >= 0) & (centre - REACH * sigma <= last)).all(-1)
    dx = torch.arange(w, device=centre.device) - centre[..., :1]  # (B, K, w)
    dy = torch.arange(h, device=centre.device) - centre[..., 1:]
    gx, gy = (torch.exp(d.square() / (-2 * sigma**2)) for d in (dx, dy))
    if window:
        gx, gy = gx * (dx.abs() <= REACH * sigma), gy * (dy.abs() <= REACH * sigma)
    weights = inside.to(gx.dtype)
    return (gy * weights[..., None])[..., :, None] * gx[..., None, :], weights


def weighted_mse(maps: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Half the squared error, averaged over batch, joints and cells; a weight of 0 leaves the denominator alone."""
    return 0.5 * ((maps - targets) * weights[..., None, None]).square().mean()


def argmax(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Find the highest cell of each map.

    Returns:
        Joints (B, K, 2) x, y in cells, at (0, 0) where no cell is positive; their peaks (B, K).
    """
    peaks, index = maps.flatten(2).max(-1)
    w = maps.shape[-1]
    cells = torch.stack([index % w, index // w], -1).to(maps.dtype)
    return cells * (peaks > 0)[..., None], peaks


def quarter(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Move each peak a quarter cell towards its higher neighbour along x and y. Result as in :func:`argmax`."""
    cells, peaks = argmax(maps)
    near = _around(maps, cells, 1)
    slope = torch.stack([near[..., 1, 2] - near[..., 1, 0], near[..., 2, 1] - near[..., 0, 1]], -1)
    return cells + QUARTER * slope.sign() * _between(cells, 1, maps, 1), peaks


def dark(maps: Tensor, kernel: int = DARK_KERNEL) -> tuple[Tensor, Tensor]:
    """Move each peak to the maximum of a parabola through the logarithm of the blurred map (DARK).

    Args:
        maps: (B, K, h, w).
        kernel: Width of the blur in cells, odd.

    Returns:
        As :func:`argmax`; the peaks are those before the blur.
    """
    cells, peaks = argmax(maps)
    smooth = blur(maps, kernel)
    smooth = smooth * (peaks / smooth.amax((-2, -1)).clamp(min=DARK_FLOOR))[..., None, None]
    log = _around(smooth, cells, 2).clamp(min=DARK_FLOOR).log()  # (B, K, 5, 5)
    gx, gy = (log[..., 2, 3] - log[..., 2, 1]) / 2, (log[..., 3, 2] - log[..., 1, 2]) / 2
    hxx = (log[..., 2, 4] - 2 * log[..., 2, 2] + log[..., 2, 0]) / 4
    hyy = (log[..., 4, 2] - 2 * log[..., 2, 2] + log[..., 0, 2]) / 4
    hxy = (log[..., 3, 3] - log[..., 1, 3] - log[..., 3, 1] + log[..., 1, 1]) / 4
    determinant = hxx * hyy - hxy * hxy
    usable = _between(cells, 1, maps, 2) & (determinant != 0)[..., None]
    step = torch.stack([hxy * gy - hyy * gx, hxy * gx - hxx * gy], -1)  # -(adjugate of the Hessian) @ gradient
    return cells + torch.where(usable, step / determinant[..., None], 0), peaks


DECODERS: dict[str, Callable[[Tensor], tuple[Tensor, Tensor]]] = {"argmax": argmax, "quarter": quarter, "dark": dark}


def blur(maps: Tensor, kernel: int) -> Tensor:
    """Blur each map with OpenCV's Gaussian of ``kernel`` cells; zeros lie beyond the border."""
    line = torch.from_numpy(cv2.getGaussianKernel(kernel, 0)).to(maps).flatten()  # sigma 0: OpenCV derives it
    flat = maps.reshape(-1, 1, *maps.shape[-2:])
    flat = F.conv2d(flat, line.view(1, 1, 1, -1), padding=(0, kernel // 2))
    return F.conv2d(flat, line.view(1, 1, -1, 1), padding=(kernel // 2, 0)).view_as(maps)


def _around(maps: Tensor, cells: Tensor, reach: int) -> Tensor:
    """Cut the (2 reach + 1) squared neighbours of each cell, rows first; beyond the border stands its nearest cell."""
    h, w = maps.shape[-2:]
    steps = torch.arange(-reach, reach + 1, device=maps.device)
    x = (cells[..., :1].long() + steps).clamp(0, w - 1)  # (B, K, 2 reach + 1)
    y = (cells[..., 1:].long() + steps).clamp(0, h - 1)
    index = y[..., :, None] * w + x[..., None, :]
    return maps.flatten(2).gather(-1, index.flatten(2)).view_as(index)


def _between(cells: Tensor, low: int, maps: Tensor, margin: int) -> Tensor:
    """Whether low < x < w - margin and low < y < h - margin: (B, K, 1)."""
    h, w = maps.shape[-2:]
    return ((cells > low) & (cells < cells.new_tensor([w - margin, h - margin]))).all(-1, keepdim=True)


def flip_average(maps: Tensor, mirrored: Tensor, flip: Sequence[int], *, shift: int) -> Tensor:
    """Average the maps of an image with those of its mirror image.

    Args:
        maps: (B, K, h, w).
        mirrored: (B, K, h, w) of the mirrored images.
        flip: (K,) index of each joint's mirror image.
        shift: Cells that the maps move right once mirrored back, 1 in the classic code: cells of stride s sample the
            pixels 0, s, 2s, so maps mirrored back lie (s - 1) / s cells too far left. The first ``shift`` columns stay.

    Returns:
        (B, K, h, w).
    """
    back = mirrored.flip(-1)[:, list(flip)]
    moved = torch.cat([back[..., :shift], back[..., : back.shape[-1] - shift]], -1)
    return (maps + moved) / 2
