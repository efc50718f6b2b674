"""The structures that flow: truth in, batch through, prediction out. Everything else is a view of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FloatArray = NDArray[np.float64]
UInt8Array = NDArray[np.uint8]

UNLABELLED, OCCLUDED, VISIBLE = 0, 1, 2  # Person.visible, COCO's `v`


class DataError(Exception):
    """A data set, file or option is not what it should be; the message says found, expected, what to do."""

    exit_code = 2  # of the command line: the user's mistake


@dataclass(frozen=True)
class Skeleton:
    """What a data set calls a body: K named joints. Constants in ``data.skeletons``."""

    name: str
    joints: tuple[str, ...]
    flip: tuple[int, ...]  # (K,) index of each joint's mirror image
    limbs: tuple[tuple[int, int], ...]  # pairs of joints to draw and to associate
    sigmas: tuple[float, ...]  # (K,) OKS constants
    torso: tuple[int, int]  # the diagonal that PCK divides by: left shoulder, right hip
    head: tuple[int, int] | None  # the segment from neck to head top, where both are joints
    rows: tuple[tuple[str, tuple[int, ...]], ...]  # table rows: (name, joints averaged in it)
    sticks: tuple[tuple[str, tuple[tuple[int, ...], tuple[int, ...]]], ...] = ()
    # PCP: (row, (joints whose mean is one end, joints whose mean is the other))
    unscored: tuple[int, ...] = ()  # joints that no total counts (MPII: pelvis and thorax)


class Pixels(Protocol):
    """Where an image comes from: a file, or a recipe that draws it."""

    def load(self) -> UInt8Array:
        """Return (H, W, 3) RGB; the same array each time."""


@dataclass(frozen=True)
class ImageFile:
    """A photograph on disk."""

    path: Path

    def load(self) -> UInt8Array:
        """Decode the file as (H, W, 3) RGB.

        Raises:
            DataError: if the file is missing, truncated or not an image.
        """
        try:
            raw = np.frombuffer(self.path.read_bytes(), np.uint8)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read ({error.strerror}); check the data set folder") from error
        _refuse_truncated(self.path, raw)
        as_stored = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION  # annotations know nothing of EXIF turns
        image = cv2.imdecode(raw, as_stored) if raw.size else None
        if image is None:
            raise DataError(f"{self.path}: {raw.size} bytes that are not an image; bring the file again")
        return np.asarray(image, np.uint8)


def _refuse_truncated(path: Path, raw: NDArray[np.uint8]) -> None:
    """OpenCV decodes half a JPEG to grey without a word; a JPEG must hold its end marker FF D9."""
    if raw[:2].tobytes() == b"\xff\xd8" and b"\xff\xd9" not in raw[-64:].tobytes():
        raise DataError(f"{path}: the JPEG ends after {raw.size} bytes without its end marker; bring the file again")


@dataclass(frozen=True, eq=False)
class Person:
    """One annotated person, in 0-based pixels of the original image (pixel centres at integers)."""

    joints: FloatArray  # (K, 2) x, y; meaningless where visible is 0
    visible: NDArray[np.int64]  # (K,) 0 unlabelled, 1 occluded, 2 visible
    box: FloatArray  # (4,) x0, y0, x1, y1
    area: float = float("nan")  # segment area in square pixels; NaN where the data set has none
    head_size: float = float("nan")  # the length that PCKh divides by; NaN where the data set has none
    ignore: bool = False  # a crowd, or too small to count
    crowd: bool = False  # a region of many people, all ignored: it may be found any number of times
    region: tuple[FloatArray, ...] = ()
    # polygons (N, 2) in original pixels that show an ignored person or crowd; () where only the box is known
    joints3d: FloatArray | None = None  # (K, 3) mm, camera axes, where the data set has them
    track: int | None = None  # identity across the frames of a sequence


@dataclass(frozen=True, eq=False)
class PoseSample:
    """One image and everyone in it. No pixels: ``pixels.load()`` brings them."""

    drawn: ClassVar[bool] = False  # a recipe: even its people are known only once it is drawn
    image_id: int
    pixels: Pixels
    size: tuple[int, int]  # H, W
    people: tuple[Person, ...]


@dataclass(frozen=True)
class PoseBatch:
    """What every method sees. A crop is an image with P = 1."""

    images: Tensor  # (B, 3, h, w); uint8 until the method normalises it on its device
    joints: Tensor  # (B, P, K, 2) pixels of the network input
    visible: Tensor  # (B, P, K); padding people are all 0
    to_image: Tensor  # (B, 2, 3) affine, input pixels -> original pixels, float64
    image_ids: tuple[int, ...]
    people: tuple[tuple[Person, ...], ...] = field(repr=False)  # (B) whom this input was asked to find
    counted: Tensor | None = None  # (B, h, w) bool, False where an ignored person is; None where nobody is ignored
    box_scores: Tensor | None = None  # (B,) of the boxes of crops; None where they have none
    aims: Tensor | None = None  # (B, 4) x0, y0, x1, y1 in original pixels: the boxes that should have been looked at

    def to(self, device: torch.device, non_blocking: bool = False) -> PoseBatch:
        """Move the tensors; the truth stays on the CPU."""
        return replace(self, **{n: t.to(device, non_blocking=non_blocking) for n, t in self._tensors().items()})

    def pin_memory(self) -> PoseBatch:
        """Page-lock the tensors, so that the copy to a GPU overlaps with work."""
        return replace(self, **{n: t.pin_memory() for n, t in self._tensors().items()})

    def _tensors(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class PosePrediction:
    """N people found in one network input, in pixels of the original image."""

    joints: Tensor  # (N, K, 2)
    joint_scores: Tensor  # (N, K)
    scores: Tensor  # (N,)
    boxes: Tensor | None = None  # (N, 4) x0, y0, x1, y1, of methods that find people by their boxes

    def cpu(self) -> PosePrediction:
        """Bring the result to the host."""
        boxes = None if self.boxes is None else self.boxes.cpu()
        return PosePrediction(self.joints.cpu(), self.joint_scores.cpu(), self.scores.cpu(), boxes)


def join_people(found: Sequence[PosePrediction]) -> PosePrediction:
    """Put everybody together who was found in one image by one input or more; boxes only where all have some."""
    boxes = [one.boxes for one in found if one.boxes is not None]
    joints, scores, sums = (torch.cat([getattr(one, n) for one in found]) for n in ("joints", "joint_scores", "scores"))
    return PosePrediction(joints, scores, sums, torch.cat(boxes) if len(boxes) == len(found) else None)


def by_image(predictions: Sequence[PosePrediction], image_ids: Sequence[int]) -> dict[int, PosePrediction]:
    """Put together who was found in each image, however many inputs it was cut into."""
    inputs: dict[int, list[PosePrediction]] = {}
    for image_id, one in zip(image_ids, predictions, strict=True):
        inputs.setdefault(image_id, []).append(one)
    return {image_id: join_people(found) for image_id, found in inputs.items()}


def apply_affine(points: Any, affine: Any) -> Any:
    """Map points (..., 2) through one affine (2, 3), or (B, ..., 2) through (B, 2, 3); arrays or tensors."""
    if affine.ndim == 2:
        return points @ affine[:, :2].T + affine[:, 2]
    lead = (len(affine),) + (1,) * (points.ndim - 2)
    rows = [
        points[..., 0] * affine[:, i, 0].reshape(lead) + points[..., 1] * affine[:, i, 1].reshape(lead) for i in (0, 1)
    ]
    stack = torch.stack if isinstance(points, Tensor) else np.stack
    return stack([rows[i] + affine[:, i, 2].reshape(lead) for i in (0, 1)], -1)


def invert_affine(affine: FloatArray) -> FloatArray:
    """Return the 2x3 affine that undoes this one.

    Raises:
        ValueError: if it is singular.
    """
    linear = np.asarray(affine, np.float64)[:, :2]
    if abs(np.linalg.det(linear)) < 1e-12:
        raise ValueError(f"the affine {affine.tolist()} cannot be undone: its determinant is 0")
    back = np.linalg.inv(linear)
    return np.concatenate([back, -back @ affine[:, 2:]], axis=1)


def compose_affine(second: FloatArray, first: FloatArray) -> FloatArray:
    """Return the 2x3 affine that does ``first``, then ``second``."""
    return np.concatenate([second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2:] + second[:, 2:]], axis=1)
