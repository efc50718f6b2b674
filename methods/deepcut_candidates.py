"""From DeepCut's score maps to candidates, and from labelled clusters of candidates to people (arXiv:1605.03170).

After the authors' MPII multi-person release.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.types import FloatArray

NMS = 3.0  # cells between two candidates of a class
LEAST_SCORE = 0.2  # a lower class probability is 0
SPLIT_SCORE = 0.4  # two classes from here make a candidate two
MOST_PER_CLASS, MOST = 20, 150  # candidates of a class, of an image
NOBODY = -1  # label and person of a suppressed candidate

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Candidates:
    """D candidates of an image.

    Attributes:
        cell: (D,) in the order of the rows.
        unary: (D, J) class probabilities; each candidate has one above 0.
        places: (D, J, 2) where it is if it is of that class, in input pixels.
    """

    cell: Indices
    unary: FloatArray
    places: FloatArray

    def __len__(self) -> int:
        return len(self.cell)


def suppress(points: FloatArray, scores: FloatArray, apart: float, most: int | None = None) -> Indices:
    """Choose points by falling score, none within ``apart`` of one before.

    Args:
        points: (N, 2).
        scores: (N,); of equal ones the earlier point is better.
        apart: In the unit of the points.
        most: At most so many.

    Returns:
        Indices of the chosen, best first.
    """
    left = np.argsort(-scores, kind="stable")
    chosen: list[int] = []
    while len(left) and (most is None or len(chosen) < most):
        best = left[0]
        chosen.append(int(best))
        left = left[np.linalg.norm(points[left] - points[best], axis=1) > apart]
    return np.array(chosen, np.intp)


def find_candidates(
    scores: FloatArray,
    places: FloatArray,
    stride: int,
    nms: float = NMS,
    least: float = LEAST_SCORE,
    per_class: int = MOST_PER_CLASS,
    most: int = MOST,
) -> Candidates:
    """Find the peaks of all classes, first among the cells, then where they say that their joint is.

    The release goes on to peaks of 0.001 and takes away those below 0.2 later; here the search ends at 0.2. It
    compares refined places of all classes at once; here those whose best class is the same, since eyes and nose of a
    small person are nearer than that.

    Args:
        scores: (J, h, w) probabilities.
        places: (J, h w, 2) where each cell sees the joint, in input pixels.
        stride: Input pixels a cell.
        nms: Cells within which only the best candidate of a class stays.
        least: Lower probabilities are 0.
        per_class: At most so many whose best class is the same.
        most: At most so many in all, those of the highest probability.
    """
    j, _, width = scores.shape
    flat = scores.reshape(j, -1).astype(np.float64)
    peaks = [_peaks(flat[c], width, nms, least, per_class) for c in range(j)]
    cell = np.unique(np.concatenate(peaks))
    unary = flat[:, cell].T * (least <= flat[:, cell].T)
    cell, unary = _split(cell, unary)
    best, score = unary.argmax(1), unary.max(1, initial=0)
    kept = []
    for c in range(j):
        mine = np.flatnonzero((best == c) & (score > 0))
        kept.append(mine[suppress(places[c, cell[mine]], score[mine], nms * stride, per_class)])
    chosen = np.concatenate(kept)
    chosen = np.sort(chosen[np.argsort(-score[chosen], kind="stable")[:most]])
    cell = cell[chosen]
    return Candidates(cell, unary[chosen], places[:, cell].transpose(1, 0, 2))


def _peaks(row: FloatArray, width: int, nms: float, least: float, most: int) -> Indices:
    """Choose the cells of one class."""
    high = np.flatnonzero(row >= least)
    points = np.stack([high % width, high // width], -1).astype(np.float64)
    return high[suppress(points, row[high], nms, most)]


def _split(cell: Indices, unary: FloatArray) -> tuple[Indices, FloatArray]:
    """Make one candidate a class of those that are likely to be of several, without the other likely ones."""
    likely = unary >= SPLIT_SCORE
    copies = np.maximum(likely.sum(1), 1)
    source = np.repeat(np.arange(len(cell)), copies)
    rank = np.arange(len(source)) - np.repeat(np.cumsum(copies) - copies, copies)
    own = likely[source] & (likely[source].cumsum(1) == rank[:, None] + 1)
    return cell[source], np.where(likely[source] & ~own, 0.0, unary[source])


def people_of(candidates: Candidates, labels: Indices, persons: Indices) -> tuple[FloatArray, FloatArray]:
    """Make people of clusters: a joint is the mean of its candidates, weighted by their probabilities.

    Args:
        candidates: D of them.
        labels: (D,) class, NOBODY where suppressed.
        persons: (D,) cluster, NOBODY where suppressed.

    Returns:
        (N, J, 2) input pixels, NaN where a person has no candidate, and (N, J) the highest probability, 0 there.
    """
    kept = np.flatnonzero(persons != NOBODY)
    _, person = np.unique(persons[kept], return_inverse=True)
    label, count, joints = labels[kept], int(person.max(initial=-1)) + 1, candidates.unary.shape[1]
    weight = candidates.unary[kept, label]
    total, best, where = np.zeros((count, joints)), np.zeros((count, joints)), np.zeros((count, joints, 2))
    np.add.at(total, (person, label), weight)
    np.maximum.at(best, (person, label), weight)
    np.add.at(where, (person, label), weight[:, None] * candidates.places[kept, label])
    with np.errstate(invalid="ignore"):
        return where / total[..., None], best


def complete(
    joints: FloatArray, sure: FloatArray, scores: FloatArray, places: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Give the one person of an image the joints that no candidate is: where the highest cells of the maps see them.

    Args:
        joints: (N, J, 2) with N at most 1, NaN where missing.
        sure: (N, J) their probabilities.
        scores: (J, h, w).
        places: (J, h w, 2).

    Returns:
        (1, J, 2) and (1, J).
    """
    flat, every = scores.reshape(len(scores), -1), np.arange(len(scores))
    highest = flat.argmax(1)
    where, peak = places[every, highest][None], flat[every, highest].astype(np.float64)[None]
    if not len(joints):
        return where, peak
    missing = np.isnan(joints[..., 0])
    return np.where(missing[..., None], where, joints), np.where(missing, peak, sure)
