"""The samples of DeepCut's logistic regressions: pairs of cells of training images (arXiv:1605.03170).

Positive: both near the joints of one person. Negative, in three equal kinds: the first near and the second far, the
other way round, both far. Of the first two kinds half of the far cells are near somebody else's joint where there is
one, since at test time candidates are near joints; the release draws them from all cells. Of an image, one person is
drawn for every two classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.types import FloatArray
from methods.deepcut_targets import RADIUS
from methods.pairwise_terms import SAME_RADIUS, Detections, PairTerms, cross_features, same_features

POSITIVES, NEGATIVES_A_KIND = 100, 33  # of an image and two classes, at most; the authors' release

Indices = NDArray[np.intp]
Rows = tuple[FloatArray, NDArray[np.bool_]]  # features (N, F), of one person (N,)


class Samples:
    """What the regressions are fitted on, gathered image by image."""

    def __init__(self, terms: PairTerms, positives: int = POSITIVES, seed: int = 0) -> None:
        """Begin empty; at most so many positives of an image and two classes, and a third of that of each negative."""
        self.terms, self.most, self.rng = terms, positives, np.random.default_rng(seed)
        self.kind = max(1, positives * NEGATIVES_A_KIND // POSITIVES)
        self.cross: list[list[Rows]] = [[] for _ in terms.couples]
        self.same: list[list[Rows]] = [[] for _ in range(terms.joints)]

    def add(self, found: Detections, joints: FloatArray, visible: FloatArray) -> None:
        """Draw the samples of one image.

        Args:
            found: What its cells say.
            joints: (P, J, 2) input pixels.
            visible: (P, J); joints > 0 are labelled.
        """
        away = np.linalg.norm(found.middles[:, None, None] - joints, axis=-1)  # (N, P, J)
        away[:, visible <= 0] = np.inf
        radius, wide = self.terms.radius, self.terms.radius * SAME_RADIUS / RADIUS
        near, around = away <= radius, away <= wide
        for i, (a, b) in enumerate(self.terms.couples):
            one, other, same = self._pairs(near[..., a], near[..., b])
            if len(one):
                rows = cross_features(
                    found.places[b, other] - found.middles[one],
                    found.way(a, b, one),
                    found.places[a, one] - found.middles[other],
                    found.way(b, a, other),
                )
                self.cross[i].append((rows, same))
        for c in range(self.terms.joints):
            one, other, same = self._pairs(around[..., c], around[..., c])
            if len(one):
                self.same[c].append((same_features(found.places[c, one], found.places[c, other]), same))

    def _pairs(self, first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[Indices, Indices, NDArray[np.bool_]]:
        """Draw pairs of cells: which is near to whose joint is told by two (N, P)."""
        whole = np.flatnonzero(first.any(0) & second.any(0))
        if not len(whole):
            nothing = np.empty(0, np.intp)
            return nothing, nothing, np.empty(0, bool)
        person = int(self.rng.choice(whole))
        near = [np.flatnonzero(mask[:, person]) for mask in (first, second)]
        outside = [np.flatnonzero(~mask[:, person]) for mask in (first, second)]
        rivals = [
            np.concatenate([out, *self._rivals(m, person)]) for out, m in zip(outside, (first, second), strict=True)
        ]
        count = min(self.most, len(near[0]) * len(near[1]))
        drawn = [(near[0], near[1], count)]
        for one, other in ((near[0], rivals[1]), (rivals[0], near[1]), (outside[0], outside[1])):
            drawn.append((one, other, min(self.kind, count // 3 + 1) if len(one) and len(other) else 0))
        ones = np.concatenate([self.rng.choice(one, n) for one, _, n in drawn])
        others = np.concatenate([self.rng.choice(other, n) for _, other, n in drawn])
        return ones, others, np.arange(len(ones)) < count

    def _rivals(self, mask: NDArray[np.bool_], person: int) -> list[Indices]:
        """List cells near other people's joints alone, each so often that they are as many as there are cells."""
        others = np.flatnonzero(mask.any(1) & ~mask[:, person])
        return [np.resize(others, len(mask))] if len(others) else []

    def fit(self, c: float) -> None:
        """Fit all regressions, with ``c`` the inverse strength of their penalty."""
        for logistic, gathered in ((self.terms.cross, self.cross), (self.terms.same, self.same)):
            for which, parts in enumerate(gathered):
                if parts:
                    features, same = (np.concatenate(side) for side in zip(*parts, strict=True))
                    logistic.fit(which, features, same, c)
