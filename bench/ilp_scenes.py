"""Candidates such as a part detector finds around real people, for timing DeepCut's program.

Nothing here is tuned to the program. A candidate stands near an annotated joint, beside one (a duplicate that survived
non-maximum suppression), or anywhere (a false alarm); left and right are mixed up now and then; each candidate predicts
where the other joints of its person are, worse for the far ones and now and then of a neighbour. What two candidates
are worth together comes from logistic regressions of the errors of those predictions, one a pair of classes, fitted
to other images with known truth, as DeeperCut does (specification, section 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from data.types import FloatArray, PoseSample

FROM_MPII = (0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 8, 9)  # the 14 classes in DeepCut's order
MIRROR = (5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6, 12, 13)
CLASSES = 14
HEAD = 0.8453 * 400 / 8  # pixels of MPII's head size at the scale of DeeperCut: a person stands about 340 px high
NMS = 24.0  # px, 3 cells of stride 8
NEAR = 17.0  # px, a candidate this near to a joint is that joint
KEPT = 0.2  # smaller class probabilities become 0
MOST = 150  # candidates an image
SAME = 0.2, 7.5  # same class: p = 1 / (1 + exp(0.2 dist - 7.5))
STRENGTH = 1e-3 * 4000 * 200  # C times samples: DeeperCut's C, images, and most samples an image for a pair of classes

FOUND, DUPLICATES, FALSE_ALARMS = 0.95, 0.5, 3.0  # share of joints; means for a joint and for a person
JITTER = 5.0  # px, of a detection about its joint
MIXED_UP = 0.12  # share of candidates that may be of the other side too
OFFSET_NOISE = 6.0, 0.12  # px, and share of the distance
STRAYS = 0.05  # share of predicted offsets that point at a neighbour's joint
LOST = 60.0  # px, noise of an offset to a joint that is not annotated, or from a false alarm


@dataclass(frozen=True)
class Candidates:
    """D candidates of an image: what is seen of them, and whose they truly are (-1: a false alarm or a duplicate)."""

    positions: FloatArray  # (D, 2) px
    unary: FloatArray  # (D, C)
    offsets: FloatArray  # (D, C, 2) predicted, to each joint of the person
    person: NDArray[np.int64]  # (D,)
    people: int


def draw_candidates(sample: PoseSample, rng: np.random.Generator, people: int | None = None) -> Candidates:
    """Draw what a detector finds in an image, or around its ``people`` persons nearest to each other."""
    joints, seen = _people(sample, people)
    position, unary, owner, truth = [], [], [], []
    for p, c in np.argwhere(seen):
        if rng.random() < FOUND:
            position.append(joints[p, c] + rng.normal(0, JITTER, 2))
            unary.append(_classes(c, rng.beta(6, 1.5), rng))
            owner.append(p)
            truth.append(p)
        for _ in range(rng.poisson(DUPLICATES)):
            angle, apart = rng.uniform(0, 2 * np.pi), rng.uniform(NMS, 2 * NMS)
            position.append(joints[p, c] + apart * np.array([np.cos(angle), np.sin(angle)]))
            unary.append(_classes(c, rng.beta(2.5, 3), rng))
            owner.append(p)
            truth.append(-1)
    low, high = joints[seen].min(0) - 2 * NMS, joints[seen].max(0) + 2 * NMS
    for _ in range(rng.poisson(FALSE_ALARMS * len(joints))):
        position.append(rng.uniform(low, high))
        unary.append(_classes(int(rng.integers(CLASSES)), rng.uniform(KEPT, 0.6), rng))
        owner.append(-1)
        truth.append(-1)
    where, probability = np.array(position), np.array(unary)
    kept = np.sort(np.argsort(-probability.max(1), kind="stable")[:MOST])
    kept = kept[probability[kept].max(1) > 0]
    offsets = _predict(where[kept], np.array(owner)[kept], joints, seen, rng)
    return Candidates(where[kept], probability[kept], offsets, np.array(truth)[kept], len(joints))


def _people(sample: PoseSample, people: int | None) -> tuple[FloatArray, np.ndarray]:
    """Return joints (P, 14, 2) at DeeperCut's scale and which are annotated."""
    crowd = [person for person in sample.people if not person.ignore]
    joints = np.array([person.joints for person in crowd])[:, FROM_MPII]
    seen = np.array([person.visible for person in crowd])[:, FROM_MPII] > 0
    joints = joints * HEAD / np.mean([person.head_size for person in crowd])
    if people is None:
        return joints, seen
    middle = np.array([j[s].mean(0) for j, s in zip(joints, seen, strict=True)])
    nearest = np.argsort(np.linalg.norm(middle - middle[seen.sum(1).argmax()], axis=1), kind="stable")[:people]
    return joints[nearest], seen[nearest]


def _classes(c: int, probability: float, rng: np.random.Generator) -> FloatArray:
    row = np.zeros(CLASSES)
    row[c] = probability
    if rng.random() < MIXED_UP:
        row[MIRROR[c]] = max(row[MIRROR[c]], rng.uniform(0, probability))
    return np.where(row >= KEPT, row, 0.0)


def _predict(
    position: FloatArray, owner: NDArray[np.int64], joints: FloatArray, seen: np.ndarray, rng: np.random.Generator
) -> FloatArray:
    """Predict the offsets from candidates to all joints of their persons: (D, C, 2)."""
    target = np.empty((len(position), CLASSES, 2))
    for d, p in enumerate(owner):
        for c in range(CLASSES):
            others = np.flatnonzero(seen[:, c])
            known = p >= 0 and seen[p, c]
            whose = p if known and (rng.random() >= STRAYS or len(others) < 2) else -1
            if known and whose < 0:
                others = others[others != p]
                whose = others[np.linalg.norm(joints[others, c] - joints[p, c], axis=1).argmin()]
            if whose >= 0:
                delta = joints[whose, c] - position[d]
                noise = OFFSET_NOISE[0] + OFFSET_NOISE[1] * np.linalg.norm(delta)
                target[d, c] = delta + rng.normal(0, noise, 2)
            else:
                middle = joints[p][seen[p]].mean(0) - position[d] if p >= 0 else np.zeros(2)
                target[d, c] = middle + rng.normal(0, LOST, 2)
    return target


def _features(
    found: Candidates,
    d: NDArray[np.int64],
    e: NDArray[np.int64],
    c: NDArray[np.int64] | int,
    k: NDArray[np.int64] | int,
) -> FloatArray:
    """Return DeeperCut's eight features of pairs (d as class c, e as class k): errors in pixels and radians, exps."""
    parts = []
    for one, other, aim in ((d, e, k), (e, d, c)):
        true, guess = found.positions[other] - found.positions[one], found.offsets[one, aim]
        turn = np.arctan2(true[..., 1], true[..., 0]) - np.arctan2(guess[..., 1], guess[..., 0])
        parts += [np.linalg.norm(true - guess, axis=-1), np.abs((turn + np.pi) % (2 * np.pi) - np.pi)]
    errors = np.stack(parts, -1)
    return np.concatenate([errors, np.exp(-errors)], -1)


@dataclass(frozen=True)
class PairModel:
    """One logistic regression for each pair of classes c < k."""

    weight: FloatArray  # (C, C, 8)
    bias: FloatArray  # (C, C)
    low: FloatArray  # (C, C, 8) the range of the features in training
    high: FloatArray

    def pairwise(self, found: Candidates) -> FloatArray:
        """Return (D, D, C, C) probabilities that d as c and e > d as k are of one person; 0 where neither can be."""
        count = len(found.positions)
        pairwise = np.zeros((count, count, CLASSES, CLASSES))
        d, e = np.triu_indices(count, 1)
        dist = np.linalg.norm(found.positions[d] - found.positions[e], axis=1)
        for c in range(CLASSES):
            for k in range(CLASSES):
                if c == k:
                    pairwise[d, e, c, k] = 1 / (1 + np.exp(SAME[0] * dist - SAME[1]))
                    continue
                possible = (found.unary[d, c] > 0) & (found.unary[e, k] > 0)
                one, other = d[possible], e[possible]
                first, second = (one, other) if c < k else (other, one)
                pairwise[one, other, c, k] = self._probability(found, first, second, min(c, k), max(c, k))
        return pairwise

    def _probability(self, found: Candidates, d: NDArray[np.int64], e: NDArray[np.int64], c: int, k: int) -> FloatArray:
        x = (_features(found, d, e, c, k) - self.low[c, k]) / (self.high[c, k] - self.low[c, k])
        probability: FloatArray = 1 / (1 + np.exp(-(x @ self.weight[c, k] + self.bias[c, k])))
        return probability


def fit_pairs(images: Sequence[Candidates], rng: np.random.Generator) -> PairModel:
    """Fit the regressions to candidates with known persons: pairs of one person, and as many others."""
    shape = CLASSES, CLASSES
    weight, bias = np.zeros((*shape, 8)), np.zeros(shape)
    low, high = np.zeros((*shape, 8)), np.ones((*shape, 8))
    for c in range(CLASSES):
        for k in range(c + 1, CLASSES):
            x, y = _pairs(images, c, k, rng)
            low[c, k], high[c, k] = x.min(0), x.max(0)
            model = LogisticRegression(C=STRENGTH / len(y), max_iter=200)
            model.fit((x - low[c, k]) / (high[c, k] - low[c, k]), y)
            weight[c, k], bias[c, k] = model.coef_[0], model.intercept_[0]
    return PairModel(weight, bias, low, high)


def _pairs(images: Sequence[Candidates], c: int, k: int, rng: np.random.Generator) -> tuple[FloatArray, np.ndarray]:
    features, truths = [], []
    for found in images:
        d, e = (a.ravel() for a in np.meshgrid(found.unary[:, c].nonzero()[0], found.unary[:, k].nonzero()[0]))
        d, e = d[d != e], e[d != e]
        same = (found.person[d] >= 0) & (found.person[d] == found.person[e])
        features.append(_features(found, d, e, c, k))
        truths.append(same)
    x, y = np.concatenate(features), np.concatenate(truths)
    others = np.flatnonzero(~y)
    fair = np.concatenate([y.nonzero()[0], rng.permutation(others)[: y.sum()]])
    return x[fair], y[fair]
