"""Where the boxes of top-down methods come from: the truth, the truth with simulated detector noise, or a file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from data.detections import Detections
from data.types import DataError, FloatArray, PoseSample


class Box(NamedTuple):
    """One box to look at."""

    person: int | None  # index of whom it is the box; None: nobody knows
    corners: FloatArray  # (4,) x0, y0, x1, y1
    score: float  # how sure whoever found it was; 1 where nobody had to


@dataclass(frozen=True)
class BoxSource:
    """Boxes for the people of a sample.

    Attributes:
        jitter: standard deviation of the noise on the centre (as a share of the box's width and height) and on the
            logarithm of width and height; 0 is the truth. A stand-in for a detector, not a model of one.
        found: boxes of a file instead. They are for testing: training, and the curve of the validation split, use the
            truth, as published systems do.
    """

    jitter: float = 0.0
    found: Detections | None = None

    @classmethod
    def parse(cls, text: str) -> BoxSource:
        """Read ``truth`` or ``jitter:0.1``.

        Raises:
            DataError: for anything else.
        """
        kind, _, value = text.partition(":")
        if text == "truth":
            return cls()
        if kind == "jitter":
            try:
                amount = float(value)
            except ValueError:
                amount = -1.0
            if 0 < amount < 1:
                return cls(amount)
        raise DataError(f"--boxes {text}: expected truth, or jitter:SIGMA with 0 < SIGMA < 1 such as jitter:0.1")

    @property
    def label(self) -> str:
        """What a record says: truth, jitter:SIGMA, or which file."""
        if self.found is not None:
            return self.found.label
        return f"jitter:{self.jitter}" if self.jitter else "truth"

    def in_training(self) -> BoxSource:
        """Return the source of boxes outside the test."""
        return replace(self, found=None)

    def boxes(self, sample: PoseSample) -> list[Box]:
        """List the boxes of everybody who counts, or all that were found.

        The noise depends on the image id alone.
        """
        if self.found is not None:
            return [Box(None, row[:4], float(row[4])) for row in self.found.inside(sample)]
        people = [Box(i, person.box, 1.0) for i, person in enumerate(sample.people) if not person.ignore]
        if self.jitter == 0:
            return people
        rng = np.random.default_rng((0xB0C5, sample.image_id))
        return [box._replace(corners=self._move(box.corners, rng)) for box in people]

    def _move(self, box: FloatArray, rng: np.random.Generator) -> FloatArray:
        size = box[2:] - box[:2]
        centre = (box[:2] + box[2:]) / 2 + rng.normal(0, self.jitter, 2) * size
        half = size * np.exp(rng.normal(0, self.jitter, 2)) / 2
        return np.concatenate([centre - half, centre + half])
