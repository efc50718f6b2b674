"""Where the boxes of top-down methods come from: the truth, or the truth with simulated detector noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.types import DataError, FloatArray, PoseSample


@dataclass(frozen=True)
class BoxSource:
    """Boxes for the people of a sample.

    Attributes:
        jitter: standard deviation of the noise on the centre (as a share of the box's width and height) and on the
            logarithm of width and height; 0 is the truth. A stand-in for a detector, not a model of one.
    """

    jitter: float = 0.0

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

    def boxes(self, sample: PoseSample) -> list[tuple[int, FloatArray]]:
        """List (person index, x0 y0 x1 y1) of everybody who counts; the noise depends on the image id alone."""
        people = [(i, person.box) for i, person in enumerate(sample.people) if not person.ignore]
        if self.jitter == 0:
            return people
        rng = np.random.default_rng((0xB0C5, sample.image_id))
        return [(i, self._move(box, rng)) for i, box in people]

    def _move(self, box: FloatArray, rng: np.random.Generator) -> FloatArray:
        size = box[2:] - box[:2]
        centre = (box[:2] + box[2:]) / 2 + rng.normal(0, self.jitter, 2) * size
        half = size * np.exp(rng.normal(0, self.jitter, 2)) / 2
        return np.concatenate([centre - half, centre + half])
