"""Heat-maps, one Gaussian a joint: encode and decode side by side.

"Classic" is the code of SimpleBaseline and HRNet (arXiv:1804.06208, 1902.09212); DARK is arXiv:1910.06278, UDP is
arXiv:1911.07524.
Maps are (B, K, h, w); the cell (x, y) of a map of stride s stands for the input pixel (s x, s y).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import torch
from torch import Tensor
from torch.nn import functional as F

from data.views import View

REACH = 3  # a target ends this many sigmas from its centre: 13x13 cells at sigma 2, 19x19 at sigma 3
QUARTER = 0.25  # of a cell: the classic step towards the higher neighbour
DARK_KERNEL = 11  # cells; DARK's configurations for 256x192 and 384x288 (3 for 128x96)
DARK_FLOOR = 1e-10  # blurred maps are raised to this before the logarithm; DARK's code
UDP_RANGE = 1e-3, 50.0  # blurred maps are clipped to this before the logarithm; UDP's code


@dataclass(frozen=True)
class Grid:
    """Where the cells of maps lie in the network input: cell (x, y) at the pixel stride * (x + offset, y + offset).

    Attributes:
        size: h, w of the maps.
        stride: input pixels a cell, along x and along y.
        offset: cells; 0.5 where a cell stands for the middle of its pixels (the hourglass's code).
    """

    size: tuple[int, int]
    stride: tuple[float, float]
    offset: float = 0.0

    @classmethod
    def of(cls, view: View, stride: int, offset: float = 0.0) -> Grid:
        """Return the grid of maps 1/stride as large as the view's input; an aligned view has UDP's grid.

        There the first and the last cell lie on the first and the last pixel: the stride is (W - 1) / (w - 1).
        """
        size = view.size[0] // stride, view.size[1] // stride
        if not view.aligned:
            return cls(size, (stride, stride), offset)
        return cls(size, ((view.size[1] - 1) / (size[1] - 1), (view.size[0] - 1) / (size[0] - 1)))

    def cells(self, joints: Tensor) -> Tensor:
        """Turn input pixels (..., 2) into cells."""
        return joints / joints.new_tensor(self.stride) - self.offset

    def pixels(self, cells: Tensor) -> Tensor:
        """Turn cells (..., 2) into input pixels, in float64."""
        return (cells.double() + self.offset) * cells.new_tensor(self.stride, dtype=torch.float64)


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
    return _draw(centre, visible, size, sigma, window=centre)


def encode_unbiased(
    joints: Tensor, visible: Tensor, size: tuple[int, int], sigma: float, *, stride: float
) -> tuple[Tensor, Tensor]:
    """Draw DARK's targets: the centre between cells, the whole Gaussian. Arguments and result as in :func:`encode`."""
    return _draw(joints / stride, visible, size, sigma)


def encode_udp(
    joints: Tensor, visible: Tensor, size: tuple[int, int], sigma: float, *, stride: float
) -> tuple[Tensor, Tensor]:
    """Draw UDP's targets: the centre between cells, the classic window. Arguments and result as in :func:`encode`."""
    centre = joints / stride
    return _draw(centre, visible, size, sigma, window=(centre + 0.5).trunc())


def _draw(
    centre: Tensor, visible: Tensor, size: tuple[int, int], sigma: float, *, window: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Draw Gaussians around ``centre`` (B, K, 2) in cells: the product of one along x and one along y.

    Beyond three sigmas from ``window`` (B, K, 2) there is nothing.
    """
    centre = centre.masked_fill((visible <= 0)[..., None], torch.inf)  # unlabelled is nowhere
    h, w = size
    last = centre.new_tensor([w - 1, h - 1])
    middle = centre if window is None else window.masked_fill((visible <= 0)[..., None], torch.inf)
    inside = ((middle + REACH * sigma >= 0) & (middle - REACH * sigma <= last)).all(-1)
    x, y = torch.arange(w, device=centre.device), torch.arange(h, device=centre.device)
    gx = torch.exp((x - centre[..., :1]).square() / (-2 * sigma**2))  # (B, K, w)
    gy = torch.exp((y - centre[..., 1:]).square() / (-2 * sigma**2))
    if window is not None:
        gx = gx * ((x - middle[..., :1]).abs() <= REACH * sigma)
        gy = gy * ((y - middle[..., 1:]).abs() <= REACH * sigma)
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


def quarter(maps: Tensor, margin: int = 1) -> tuple[Tensor, Tensor]:
    """Move each peak a quarter cell towards its higher neighbour along x and y.

    Args:
        maps: (B, K, h, w).
        margin: Peaks in the first ``margin`` + 1 rows and columns, and in the last, stay; the hourglass's code has 0.

    Returns:
        As :func:`argmax`.
    """
    cells, peaks = argmax(maps)
    near = _around(maps, cells, 1)
    slope = torch.stack([near[..., 1, 2] - near[..., 1, 0], near[..., 2, 1] - near[..., 0, 1]], -1)
    return cells + QUARTER * slope.sign() * _between(cells, margin, maps, 1), peaks


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
    return cells + _newton(gx, gy, hxx, hyy, hxy) * _between(cells, 1, maps, 2), peaks


def udp(maps: Tensor, kernel: int = DARK_KERNEL) -> tuple[Tensor, Tensor]:
    """Do as :func:`dark` with differences of neighbouring cells, up to the border (UDP's code).

    Args:
        maps: (B, K, h, w).
        kernel: Width of the blur in cells, odd.

    Returns:
        As :func:`argmax`; the peaks are those before the blur.
    """
    cells, peaks = argmax(maps)
    log = _around(blur(maps, kernel, reflect=True), cells, 1).clamp(*UDP_RANGE).log()  # (B, K, 3, 3)
    middle, left, right, above, below = (log[..., r, c] for r, c in ((1, 1), (1, 0), (1, 2), (0, 1), (2, 1)))
    sides = left + right + above + below
    hxy = (log[..., 0, 0] + log[..., 2, 2] + 2 * middle - sides) / 2
    step = _newton((right - left) / 2, (below - above) / 2, left + right - 2 * middle, above + below - 2 * middle, hxy)
    return cells + step * (peaks > 0)[..., None], peaks


def _newton(gx: Tensor, gy: Tensor, hxx: Tensor, hyy: Tensor, hxy: Tensor) -> Tensor:
    """Return the step to the top of a parabola of this gradient and Hessian (..., 2); none where it is flat."""
    determinant = (hxx * hyy - hxy * hxy)[..., None]
    step = torch.stack([hxy * gy - hyy * gx, hxy * gx - hxx * gy], -1)  # -(adjugate of the Hessian) @ gradient
    return torch.where(determinant == 0, 0, step / determinant)


Decoder = Callable[[Tensor], tuple[Tensor, Tensor]]
DECODERS: dict[str, Decoder] = {"argmax": argmax, "quarter": quarter, "dark": dark, "udp": udp}
ENCODERS = {"classic": encode, "unbiased": encode_unbiased, "udp": encode_udp}


def blur(maps: Tensor, kernel: int, *, reflect: bool = False) -> Tensor:
    """Blur each map with OpenCV's Gaussian of ``kernel`` cells; zeros, or the map's mirror, lie beyond the border."""
    line = torch.from_numpy(cv2.getGaussianKernel(kernel, 0)).to(maps).flatten()  # sigma 0: OpenCV derives it
    flat, edge = maps.reshape(-1, 1, *maps.shape[-2:]), kernel // 2
    flat = F.pad(flat, (edge, edge, edge, edge), mode="reflect" if reflect else "constant")
    return F.conv2d(F.conv2d(flat, line.view(1, 1, 1, -1)), line.view(1, 1, -1, 1)).view_as(maps)


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
