"""A pinhole camera: x right, y down, z away from it; pixel centres at integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.synthetic.body import rotations
from data.types import FloatArray

TRUNCATED_SHARE = 0.2  # default: of the pictures, where the frame cuts the person


@dataclass(frozen=True, eq=False)
class Camera:
    """World metres to pixels: ``seen = rotation @ world + translation``, ``pixel = focal * seen / depth + centre``."""

    rotation: FloatArray  # (3, 3)
    translation: FloatArray  # (3,) metres
    focal: float  # pixels
    centre: FloatArray  # (2,) pixels: where the axis meets the image

    def see(self, world: FloatArray) -> FloatArray:
        """World (N, 3) to camera axes (N, 3), metres."""
        return world @ self.rotation.T + self.translation

    def project(self, seen: FloatArray) -> FloatArray:
        """Camera axes (N, 3) to pixels (N, 2)."""
        return self.focal * seen[:, :2] / seen[:, 2:] + self.centre


def extent(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the least and greatest coordinates of (N, D) points."""
    columns = np.ascontiguousarray(points.T)  # numpy reduces long rows many times faster than short ones
    return columns.min(1), columns.max(1)


def draw_direction(rng: np.random.Generator) -> FloatArray:
    """Draw (3, 3) world -> camera axes: any azimuth, mostly near eye level, a little roll."""
    azimuth = rng.uniform(0.0, 2.0 * np.pi)
    elevation = np.radians(np.clip(rng.normal(8.0, 14.0), -20.0, 50.0))
    roll = np.radians(rng.normal(0.0, 4.0))
    turn = rotations(np.array([[0.0, 0.0, azimuth], [elevation, 0.0, 0.0], [0.0, roll, 0.0]]))
    to_image = np.diag([1.0, -1.0, -1.0])  # y up, towards us -> y down, away
    return np.asarray(to_image @ turn[2] @ turn[1] @ turn[0])


def frame_person(rng: np.random.Generator, points: FloatArray, size: int) -> Camera:
    """Place a camera so that the points (N, 3) fill a drawn part of a square image, sometimes beyond its border."""
    rotation = draw_direction(rng)
    middle = 0.5 * np.add(*extent(points))
    away = rng.uniform(2.4, 9.0)  # metres; near cameras foreshorten
    translation = np.array([0.0, 0.0, away]) - rotation @ middle
    seen = points @ rotation.T + translation
    flat = seen[:, :2] / seen[:, 2:]
    low, high = extent(flat)
    cut = rng.random() < TRUNCATED_SHARE
    fill = rng.uniform(0.95, 1.5) if cut else rng.uniform(0.6, 0.95)
    focal = fill * size / float((high - low).max())
    room = size - focal * (high - low)
    place = 0.5 + rng.uniform(-0.5, 0.5, 2) * np.where(room > 0, 0.9, 0.7)
    centre = room * place - focal * low - 0.5
    return Camera(rotation, translation, focal, centre)
