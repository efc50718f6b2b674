"""Average precision by OKS, light enough to fit parameters to; https://cocodataset.org/#keypoints-eval.

The number of pycocotools for all areas. Results are scored by `bench.metrics.coco_ap`, with the reference itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.types import FloatArray, Person
from methods.tracking import keypoint_similarity

Found = tuple[FloatArray, FloatArray]  # joints (N, K, 2) in pixels, scores (N,)
Flags = NDArray[np.bool_]

THRESHOLDS = np.linspace(0.5, 0.95, 10)  # of OKS; COCO
RECALLS = np.linspace(0, 1, 101)  # where precision is read; COCO
MOST = 20  # found people an image; COCO, `maxDets`
BOX_TO_AREA = 0.53  # segment area over box area; CrowdPose evaluation code, `tmparea`
EPSILON = np.spacing(1.0)  # pycocotools adds it to areas and to counts
ALMOST = 1 - 1e-10  # the highest OKS that pycocotools asks for


@dataclass(frozen=True, eq=False)
class _Judged:
    """N found people of one image, best first."""

    scores: FloatArray  # (N,)
    right: Flags  # (T, N) took a true person who counts
    wrong: Flags  # (T, N) took nobody; neither: took somebody ignored


def average_precision(
    found: Sequence[Found], truth: Sequence[Sequence[Person]], sigmas: Sequence[float] | FloatArray
) -> float:
    """Return the mean AP at OKS .50, .55, ... .95.

    Whoever is marked to be ignored or has no labelled joint is neither to be found nor a mistake; a crowd, or a marked
    person, may be found any number of times. Where there is no segment area, 0.53 of the box stands for it.

    Example:
        One person of two is found exactly; the precision is 1 up to the recall .50, 51 of 101 places.

        >>> seen, box = np.array([2, 2]), np.array([0.0, 0.0, 9.0, 9.0])
        >>> people = [Person(np.full((2, 2), x), seen, box) for x in (3.0, 60.0)]
        >>> found = np.full((1, 2, 2), 3.0), np.ones(1)
        >>> round(average_precision([found], [people], (0.1, 0.1)), 6), round(51 / 101, 6)
        (0.50495, 0.50495)

    Args:
        found: Of each image; a joint that is NaN is as far away as can be.
        truth: The people of the same images.
        sigmas: (K,) OKS constants.

    Returns:
        From 0 to 1.

    Raises:
        ValueError: if nobody is to be found.
    """
    counted = sum(int(not _ignored(person)) for people in truth for person in people)
    if not counted:
        raise ValueError(f"nobody to find in {len(truth)} images; fit to images with labelled people")
    spreads = np.asarray(sigmas, np.float64)
    judged = [_judge(*one, people, spreads) for one, people in zip(found, truth, strict=True)]
    order = np.argsort(-np.concatenate([one.scores for one in judged]), kind="stable")
    right = np.concatenate([one.right for one in judged], 1)[:, order].cumsum(1)
    wrong = np.concatenate([one.wrong for one in judged], 1)[:, order].cumsum(1)
    precision = right / (right + wrong + EPSILON)
    highest = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]  # at this recall or a later one
    curves = np.concatenate([highest, np.zeros((len(THRESHOLDS), 1))], 1)  # beyond the last: 0
    places = [np.searchsorted(recall, RECALLS) for recall in right / counted]
    return float(np.mean([curve[place] for curve, place in zip(curves, places, strict=True)]))


def _ignored(person: Person) -> bool:
    return person.ignore or person.crowd or not _labelled(person)


def _labelled(person: Person) -> bool:
    return bool((person.visible > 0).any())


def _judge(joints: FloatArray, scores: FloatArray, people: Sequence[Person], sigmas: FloatArray) -> _Judged:
    """Give each found person, best first, the free true one with the highest OKS, rather one who counts."""
    order = np.argsort(-scores, kind="stable")[:MOST]
    people = sorted(people, key=_ignored)
    counts = sum(not _ignored(person) for person in people)
    again = np.array([p.crowd or (p.ignore and _labelled(p)) for p in people], bool)
    similarity = _similarity(joints[order], people, sigmas)
    taken = np.zeros((len(THRESHOLDS), len(people)), bool)
    right = np.zeros((len(THRESHOLDS), len(order)), bool)
    least, rows = np.minimum(THRESHOLDS, ALMOST)[:, None], np.arange(len(THRESHOLDS))
    wrong = np.ones_like(right)
    for i in np.flatnonzero((similarity >= THRESHOLDS[0]).any(0)).tolist():
        open_to = np.where((similarity[:, i] >= least) & ~(taken & ~again), similarity[:, i], -1.0)  # (T, P)
        open_to[(open_to[:, :counts] >= 0).any(1), counts:] = -1.0
        best = len(people) - 1 - open_to[:, ::-1].argmax(1)  # of equals the last
        hit = open_to[rows, best] >= 0
        taken[rows[hit], best[hit]] = True
        right[:, i], wrong[:, i] = hit & (best < counts), ~hit
    return _Judged(scores[order], right, wrong)


def _similarity(joints: FloatArray, people: Sequence[Person], sigmas: FloatArray) -> FloatArray:
    """Compare true and found people (P, N); one without a labelled joint by the distance to a box thrice its own."""
    if not len(people) or not len(joints):
        return np.zeros((len(people), len(joints)))
    found = np.where(np.isfinite(joints), joints, np.inf)
    labelled = np.stack([person.visible > 0 for person in people])
    true = np.where(labelled[..., None], np.stack([person.joints for person in people]), 0.0)
    boxes = np.stack([np.asarray(person.box, np.float64) for person in people])
    areas = np.array([person.area for person in people], np.float64)
    areas = np.where(np.isnan(areas), BOX_TO_AREA * (boxes[:, 2:] - boxes[:, :2]).prod(-1), areas) + EPSILON
    values = keypoint_similarity(true, found, labelled[:, None], areas[:, None], sigmas)
    for i in np.flatnonzero(~labelled.any(1)).tolist():
        side = boxes[i, 2:] - boxes[i, :2]
        nearest = np.clip(found, boxes[i, :2] - side, boxes[i, 2:] + side)  # (N, K, 2)
        all_of_it = np.ones((1, *found.shape[:2]), bool)
        off = np.where(np.isfinite(found), found - nearest, np.inf)
        values[i] = keypoint_similarity(np.zeros_like(true[i : i + 1]), off, all_of_it, areas[i : i + 1, None], sigmas)
    return values
