"""What a picture is made of: people in a world, a camera, a light."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.synthetic.appearance import Outfit
from data.synthetic.body import Posed, Proportions
from data.synthetic.camera import Camera
from data.types import FloatArray


@dataclass(frozen=True, eq=False)
class Figure:
    """One person in the world."""

    body: Proportions
    posed: Posed
    outfit: Outfit
    kind: str  # of pose
    points: FloatArray  # (R * S, 3) metres: the surface
    used: NDArray[np.bool_]  # (R * S,) corners of faces that are drawn

    def moved(self, shift: FloatArray) -> Figure:
        """Put the figure elsewhere: ``shift`` (3,) metres."""
        posed = Posed(self.posed.rotation, self.posed.origin + shift)
        return replace(self, posed=posed, points=self.points + shift)


@dataclass(frozen=True, eq=False)
class Scene:
    """People before one camera, with the light that falls on them."""

    figures: tuple[Figure, ...]
    camera: Camera
    light: FloatArray  # (3,) camera axes, from the light
    ambient: float
    size: int
