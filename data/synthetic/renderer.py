"""Drawing surfaces in depth order: one buffer of face numbers, then shading of the pixels that are seen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from data.types import FloatArray, UInt8Array

SUBPIXEL = 4  # bits behind the point of OpenCV's drawing coordinates
NOTHING = -1  # in the face buffer
NOBODY = -1  # the person of a thing


@dataclass(frozen=True, eq=False)
class Faces:
    """The faces of one or more people that look at the camera, F in all."""

    quads: FloatArray  # (F, 4, 2) pixels
    depth: FloatArray  # (F,) metres
    light: FloatArray  # (F, 4) brightness of the corners
    texture: FloatArray  # (F, 2, 2) first and third corner in the texture
    part: NDArray[np.int64]  # (F,)
    person: NDArray[np.int64]  # (F,)


@dataclass(frozen=True, eq=False)
class FaceBuffer:
    """What is seen at each pixel."""

    face: NDArray[np.int32]  # (H, W) number of the face, or NOTHING
    faces: Faces

    def people(self) -> NDArray[np.int64]:
        """(H, W) who is seen at each pixel; NOBODY where none is."""
        return np.append(self.faces.person, NOBODY).take(self.face, mode="wrap")  # NOTHING takes the last entry


def join(groups: list[Faces]) -> Faces:
    """Put the faces of several people into one list."""
    names = ("quads", "depth", "light", "texture", "part", "person")
    quads, depth, light, texture, part, person = (np.concatenate([getattr(g, n) for g in groups]) for n in names)
    return Faces(quads, depth, light, texture, part, person)


def facing(quads: FloatArray, outward: FloatArray) -> NDArray[np.bool_]:
    """Which of the (F, 4, 2) quads turn their outside to the camera; ``outward`` (F,) is their winding."""
    one, two = quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1]
    return outward * (one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]) < 0.0


def rasterise(faces: Faces, size: int) -> FaceBuffer:
    """Paint the faces from far to near."""
    buffer = np.full((size, size), NOTHING, np.int32)
    fixed = np.rint(faces.quads * (1 << SUBPIXEL)).astype(np.int32)
    order = np.argsort(-faces.depth, kind="stable")
    fill = cv2.fillConvexPoly
    for number, quad in zip(order.tolist(), fixed[order], strict=True):
        fill(buffer, quad, number, cv2.LINE_8, SUBPIXEL)
    return FaceBuffer(buffer, faces)


def _plan(faces: Faces) -> NDArray[np.float32]:
    """(F, 14): how place (two affine maps), texture (two lines) and brightness (bilinear) follow from a pixel."""
    q = faces.quads
    across, down = 0.5 * (q[:, 1] - q[:, 0] + q[:, 2] - q[:, 3]), 0.5 * (q[:, 3] - q[:, 0] + q[:, 2] - q[:, 1])
    area = across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]
    area = np.where(np.abs(area) < 0.05, 0.05, area)  # square pixels; thinner faces only show as edges
    sx, sy = down[:, 1] / area, -down[:, 0] / area
    tx, ty = -across[:, 1] / area, across[:, 0] / area
    mx, my = (0.25 * (q[:, 0] + q[:, 1] + q[:, 2] + q[:, 3])).T
    a, b, c, d = faces.light.T
    first, third = faces.texture[:, 0], faces.texture[:, 1]
    span = third - first
    columns = [sx, sy, 0.5 - sx * mx - sy * my, tx, ty, 0.5 - tx * mx - ty * my]
    columns += [first[:, 0], span[:, 0], first[:, 1], span[:, 1], a, b - a, d - a, a - b + c - d]
    return np.stack(columns, 1).astype(np.float32)


@lru_cache(maxsize=4)
def _grid(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The x and the y of every pixel, row by row."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return x.reshape(-1), y.reshape(-1)


def shade(image: UInt8Array, buffer: FaceBuffer, texture: UInt8Array) -> None:
    """Colour the seen pixels of ``image`` (H, W, 3) in place from the people's ``texture``."""
    pixels = np.flatnonzero(buffer.face >= 0)
    if not len(pixels):
        return
    plan = _plan(buffer.faces).take(buffer.face.reshape(-1)[pixels], 0)
    x, y = (axis[pixels] for axis in _grid(image.shape[0], image.shape[1]))
    s = np.clip(plan[:, 0] * x + plan[:, 1] * y + plan[:, 2], 0.0, 1.0)
    t = np.clip(plan[:, 3] * x + plan[:, 4] * y + plan[:, 5], 0.0, 1.0)
    u, v = plan[:, 6] + plan[:, 7] * s, plan[:, 8] + plan[:, 9] * t
    light = plan[:, 10] + plan[:, 11] * s + (plan[:, 12] + plan[:, 13] * s) * t
    width = 8192  # of the strips that remap takes; its sides must stay below 32768
    lines = -(-len(u) // width)
    maps = [np.resize(m, lines * width).reshape(lines, width) for m in (u, v)]
    colour = cv2.remap(texture, maps[0], maps[1], cv2.INTER_LINEAR).reshape(-1, 3)[: len(u)]
    image.reshape(-1, 3)[pixels] = np.clip(colour * light[:, None], 0.0, 255.0)


def soften_edges(image: UInt8Array, buffer: FaceBuffer) -> UInt8Array:
    """Smooth the staircase where one part ends and another begins."""
    part = np.concatenate([buffer.faces.part * 16 + buffer.faces.person + 1, [0]])
    seen = part.take(buffer.face, mode="wrap").astype(np.float32)
    edge = cv2.morphologyEx(seen, cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8)) > 0
    return np.asarray(cv2.copyTo(cv2.GaussianBlur(image, (3, 3), 0.0), edge.astype(np.uint8), image.copy()), np.uint8)
