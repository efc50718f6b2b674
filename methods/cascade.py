"""DeepPose's cascade without its networks: boxes, what is cut from them, and errors measured and simulated.

A box is a centre and a size (x, y). In-box coordinates are (0, 0) at its centre and +-0.5 at its sides.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

DIAGONAL = ("left_shoulder", "right_hip")  # whose distance is the pose's diameter
SIDES = {"flic11": 1.0}  # box sides in diameters, chosen in the paper on 50 held-out images ...
OTHER_SIDE = 2.0  # ... 2 on LSP, and by us on whatever else
LEAST_DIAMETER = 0.15  # of the region's longer side (unknown -> our choice): boxes do not follow a torso seen end on
DETECTED = 0.2  # diameters: the distance by which the paper chooses the number of stages, and the size of the boxes


def into_box(points: Tensor, centre: Tensor, size: Tensor) -> Tensor:
    """Normalise points (..., 2) by a box: N(y; b) of the paper."""
    return (points - centre) / size


def out_of_box(points: Tensor, centre: Tensor, size: Tensor) -> Tensor:
    """Bring in-box points (..., 2) back to pixels: the inverse of :func:`into_box`."""
    return points * size + centre


def pixel_size(to_image: Tensor) -> Tensor:
    """Return the width and height (B, 2) of an input's pixel, in original pixels.

    An input that was stretched has oblong pixels; one that was moved in training has turned or mirrored ones. A square
    of the cascade is parallel to the input's sides and as long on both as the original's pixels say: where nothing was
    turned it is a true square of the original, and a mirrored input stays mirrored in it.

    Args:
        to_image: (B, 2, 3) affine, input pixels -> original pixels.
    """
    pixel: Tensor = to_image[:, :, :2].norm(dim=1).float()
    return pixel


def diameter(pose: Tensor, pixel: Tensor, diagonal: Sequence[int], least: Tensor) -> Tensor:
    """Return the length of a pose's torso from one end of a diagonal to the other: the unit of boxes and errors.

    Args:
        pose: (B, K, 2) input pixels.
        pixel: (B, 2) as :func:`pixel_size` gives it.
        diagonal: The two joints at its ends.
        least: (B,) original pixels; what a pose collapsed to a point, or a torso seen from its end, is given.

    Returns:
        (B, 1, 2): the same length of original pixels, in input pixels along x and along y.
    """
    one, other = (pose[:, joint] * pixel for joint in diagonal)
    length: Tensor = (one - other).norm(dim=-1).maximum(least)
    return (length[:, None] / pixel)[:, None]


def corners(centre: Tensor, size: Tensor) -> Tensor:
    """Return the four corners (..., 4, 2) of boxes (..., 2), clockwise on the screen."""
    signs = centre.new_tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    return centre[..., None, :] + signs * size[..., None, :] / 2


def cut(pixels: Tensor, centre: Tensor, size: Tensor, side: int) -> Tensor:
    """Cut boxes out of images, bilinear; beyond the image lies 0, which is the mean colour of normalised pixels.

    Args:
        pixels: (B, 3, h, w) normalised.
        centre: (B, N, 2) input pixels, pixel centres at integers.
        size: (B, N, 2), or broadcast to it.
        side: Pixels of a piece's side; its pixels are evenly spaced and centred in the box.

    Returns:
        (B * N, 3, side, side), channels_last.
    """
    b, n, _ = centre.shape
    steps = (torch.arange(side, device=pixels.device) + 0.5) / side - 0.5  # in-box coordinates of the piece's pixels
    size = size.expand_as(centre)
    x = centre[..., :1] + size[..., :1] * steps  # (B, N, side)
    y = centre[..., 1:] + size[..., 1:] * steps
    h, w = pixels.shape[-2:]
    x, y = (2 * x + 1) / w - 1, (2 * y + 1) / h - 1  # grid_sample's units: -1 and 1 are the outer edges
    grid = torch.stack([x[:, :, None].expand(b, n, side, side), y[..., None].expand(b, n, side, side)], -1)
    pieces = F.grid_sample(pixels, grid.flatten(1, 2), align_corners=False)  # (B, 3, N * side, side): one tall piece
    pieces = pieces.view(b, -1, n, side, side).transpose(1, 2).flatten(0, 1)
    return pieces.contiguous(memory_format=torch.channels_last)


def taught(
    truth: Tensor, labelled: Tensor, joints: Tensor, centre: Tensor, size: Tensor, *, inside: bool
) -> tuple[Tensor, Tensor]:
    """Say where all joints are in each box, and which of them the box teaches.

    Args:
        truth: (B, K, 2) input pixels.
        labelled: (B, K).
        joints: (B, N) whose boxes these are.
        centre: (B, N, 2) of the boxes.
        size: (B, N, 2).
        inside: A box also teaches the other joints in it.

    Returns:
        (B, N, K, 2) in-box coordinates, and (B, N, K) bool.
    """
    where = into_box(truth[:, None], centre[:, :, None], size[:, :, None])
    which = F.one_hot(joints, truth.shape[1]).bool()
    if inside:
        which = which | (where.abs() <= 0.5).all(-1)
    return where, which & labelled[:, None]


class Residuals:
    """Mean and 2x2 covariance of each joint's error, gathered a batch at a time in double precision."""

    def __init__(self, joints: int) -> None:
        """Begin with nothing counted."""
        self.count = torch.zeros(joints, dtype=torch.float64)
        self.total = torch.zeros(joints, 2, dtype=torch.float64)
        self.squares = torch.zeros(joints, 2, 2, dtype=torch.float64)

    def add(self, errors: Tensor, labelled: Tensor) -> None:
        """Count errors (B, K, 2) where ``labelled`` (B, K)."""
        known = errors.detach().cpu().double().where(labelled.cpu()[..., None], 0.0)
        self.count += labelled.cpu().sum(0)
        self.total += known.sum(0)
        self.squares += torch.einsum("bki,bkj->kij", known, known)

    @property
    def mean(self) -> Tensor:
        """(K, 2); 0 for a joint that nobody labels."""
        return self.total / self.count.clamp(min=1)[:, None]

    @property
    def covariance(self) -> Tensor:
        """(K, 2, 2), of the sample itself (divided by the count); 0 for a joint that nobody labels."""
        squares = self.squares / self.count.clamp(min=1)[:, None, None]
        return squares - self.mean[:, :, None] * self.mean[:, None, :]


def simulate(mean: Tensor, covariance: Tensor) -> Tensor:
    """Draw one error of each normal distribution.

    Args:
        mean: (..., 2).
        covariance: (..., 2, 2), possibly singular or zero.

    Returns:
        (..., 2).
    """
    x, xy, y = covariance[..., 0, 0], covariance[..., 0, 1], covariance[..., 1, 1]
    a = x.clamp(min=0).sqrt()  # the lower triangle of Cholesky's factor, [[a, 0], [b, c]]
    b = torch.where(a > 0, xy / a, 0.0)
    c = (y - b.square()).clamp(min=0).sqrt()
    noise = torch.randn_like(mean)
    return mean + torch.stack([a * noise[..., 0], b * noise[..., 0] + c * noise[..., 1]], -1)


def detected(poses: Tensor, truth: Tensor, labelled: Tensor, pixel: Tensor, diagonal: Sequence[int]) -> Tensor:
    """Count joints found by each of some stages, by the paper's rate of detected joints: PDJ at 0.2.

    Args:
        poses: (S, B, K, 2) input pixels.
        truth: (B, K, 2) the same.
        labelled: (B, K); people without both ends of the torso are left out.
        pixel: (B, 2) as :func:`pixel_size` gives it.
        diagonal: The two joints at the ends of the torso.

    Returns:
        (S,) joints at most 0.2 diameters of the true torso from the truth.
    """
    one, other = (truth[:, joint] for joint in diagonal)
    reach = DETECTED * ((one - other) * pixel).norm(dim=-1)
    counted = labelled & labelled[:, list(diagonal)].all(-1, keepdim=True)
    near = ((poses - truth) * pixel[:, None]).norm(dim=-1) <= reach[:, None]
    found: Tensor = (near & counted).sum((1, 2))
    return found


def improving(found: Sequence[float]) -> int:
    """Count the stages before the first that finds no more than its predecessor; the first is always kept."""
    stops = (stage for stage in range(1, len(found)) if found[stage] <= found[stage - 1])
    return next(stops, len(found))
