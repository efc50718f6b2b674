"""Where the boxes of top-down methods come from: the truth, the truth with simulated detector noise, or a file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from data.detections import Detections
from data.types import DataError, FloatArray, PoseSample

MOST_DOUBLES = 9  # of a person; more is a misprint rather than a detector


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
        doubles: further boxes of each person, each with its own noise, as a detector that finds people twice.
        found: boxes of a file instead. They are for testing: training, and the curve of the validation split, use the
            truth, as published systems do.
    """

    jitter: float = 0.0
    found: Detections | None = None
    doubles: int = 0

    @classmethod
    def parse(cls, text: str) -> BoxSource:
        """Read ``truth``, ``jitter:0.1``, or ``jitter:0.1:2`` with two doubles of each box.

        Raises:
            DataError: for anything else.
        """
        if text == "truth":
            return cls()
        kind, _, value = text.partition(":")
        number, _, more = value.partition(":")
        if kind == "jitter":
            try:
                amount, doubles = float(number), int(more or 0)
            except ValueError:
                amount, doubles = -1.0, 0
            if (0 < amount < 1 and doubles == 0) or (0 <= amount < 1 and 0 < doubles <= MOST_DOUBLES):
                return cls(amount, doubles=doubles)
        expected = "truth, or jitter:SIGMA with 0 < SIGMA < 1 such as jitter:0.1"
        raise DataError(f"--boxes {text}: expected {expected}, or with 1 to {MOST_DOUBLES} doubles jitter:0.1:2")

    @property
    def label(self) -> str:
        """What a record says: truth, jitter:SIGMA, or which file."""
        if self.found is not None:
            return self.found.label
        doubles = f":{self.doubles}" if self.doubles else ""
        return f"jitter:{self.jitter}{doubles}" if self.jitter or self.doubles else "truth"

    def in_training(self) -> BoxSource:
        """Return the source of boxes outside the test: nobody twice, and none of a file."""
        return replace(self, found=None, doubles=0)

    def boxes(self, sample: PoseSample) -> list[Box]:
        """List the boxes of everybody who counts, or all that were found.

        The noise depends on the image id alone; with more doubles the boxes before them stay.
        """
        if self.found is not None:
            return [Box(None, row[:4], float(row[4])) for row in self.found.inside(sample)]
        people = [Box(i, person.box, 1.0) for i, person in enumerate(sample.people) if not person.ignore]
        people *= 1 + self.doubles
        if self.jitter == 0:
            return people
        rng = np.random.default_rng((0xB0C5, sample.image_id))
        return [box._replace(corners=self._move(box.corners, rng)) for box in people]

    def _move(self, box: FloatArray, rng: np.random.Generator) -> FloatArray:
        size = box[2:] - box[:2]
        centre = (box[:2] + box[2:]) / 2 + rng.normal(0, self.jitter, 2) * size
        half = size * np.exp(rng.normal(0, self.jitter, 2)) / 2
        return np.concatenate([centre - half, centre + half])
