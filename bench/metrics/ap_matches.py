"""Who matched whom at every OKS threshold: AP of any choice of the images without matching again, for the bootstrap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.types import FloatArray

PERCENT = 100.0  # records hold percent
THRESHOLDS = np.linspace(0.5, 0.95, 10)  # of OKS; COCO keypoint evaluation, pycocotools Params.setKpParams
RECALLS = np.linspace(0.0, 1.0, 101)  # where precision is read; the same
RANGES = ((0.0, 1e5**2), (32.0**2, 96.0**2), (96.0**2, 1e5**2))  # square pixels; the same
AREAS = ("all", "medium", "large")
AT_50, AT_75 = 0, 5  # indices into THRESHOLDS
EVERY = slice(None)
NUMBERS: dict[str, tuple[slice, int]] = {  # thresholds and range of areas that a number averages over
    "ap": (EVERY, 0),
    "ap50": (slice(AT_50, AT_50 + 1), 0),
    "ap75": (slice(AT_75, AT_75 + 1), 0),
    "apm": (EVERY, 1),
    "apl": (EVERY, 2),
}


def ten_numbers(precision: FloatArray, recall: FloatArray) -> dict[str, float]:
    """Average the curves as COCO does.

    Args:
        precision: (T, R, A) at each threshold, recall and range of areas; -1 where the range has nobody.
        recall: (T, A) the largest; -1 likewise.

    Returns:
        Percent by metric id; numbers of a range with nobody in it are absent.
    """
    values: dict[str, float] = {}
    for kind, curve in (("ap", precision), ("ar", recall)):
        for name, (thresholds, area) in NUMBERS.items():
            chosen = curve[thresholds, ..., area].ravel()
            if (chosen > -1).any():
                values[name.replace("ap", kind)] = PERCENT * float(np.mean(chosen[chosen > -1]))
    return values


@dataclass(frozen=True, eq=False)
class Ladder:
    """The found people of one threshold and range, best score first; those ignored are left out."""

    hits: NDArray[np.int64]  # (H,) index of the image of each hit
    misses: NDArray[np.int64]  # (M,) of each miss
    missed_before: NDArray[np.int64]  # (H,) misses with a better score than each hit

    @classmethod
    def of(cls, images: NDArray[np.int64], matched: NDArray[np.bool_], ignored: NDArray[np.bool_]) -> Ladder:
        """Divide the found people (D,), best score first, into hits and misses."""
        hit, miss = matched & ~ignored, ~matched & ~ignored
        return cls(images[hit], images[miss], np.cumsum(miss, dtype=np.int64)[hit])

    def curve(self, times: NDArray[np.int64], people: int) -> tuple[FloatArray, float]:
        """Precision at RECALLS and the largest recall, image i taken ``times[i]`` times.

        Only hits raise recall, and precision is largest at a hit: the misses between need no entry of their own.
        """
        misses = np.concatenate([[0], np.cumsum(times[self.misses])])[self.missed_before]
        misses = np.repeat(misses, times[self.hits])
        found = np.arange(1, len(misses) + 1)
        precision = found / (misses + found + np.spacing(1))  # the guard of pycocotools, kept for the last digit
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        at = np.searchsorted(found / people, RECALLS, side="left")
        reached = at < len(found)
        read = np.zeros(len(RECALLS))
        read[reached] = envelope[at[reached]]
        return read, len(found) / people


@dataclass(frozen=True, eq=False)
class Matches:
    """The matching of one evaluation over I images."""

    image_ids: NDArray[np.int64]  # (I,) ascending
    people: NDArray[np.int64]  # (A, I) true people to find in each image, by range of areas
    ladders: tuple[tuple[Ladder, ...], ...]  # (A)(T)
    classes: dict[str, NDArray[np.bool_]]  # (I,) which images an AP of their own averages over, by metric id

    @classmethod
    def of(
        cls,
        image_ids: NDArray[np.int64],
        judged: Sequence[dict[str, Any] | None],
        classes: dict[str, NDArray[np.bool_]],
    ) -> Matches:
        """Take over what either engine keeps for each range and image (``evalImgs``)."""
        index = {image_id: i for i, image_id in enumerate(image_ids.tolist())}
        areas: list[list[dict[str, Any]]] = [[] for _ in RANGES]
        for entry in judged:
            if entry is not None:
                areas[RANGES.index(tuple(map(float, entry["aRng"])))].append(entry)
        people = np.zeros((len(RANGES), len(image_ids)), np.int64)
        for area, entries in enumerate(areas):
            for entry in entries:
                people[area, index[entry["image_id"]]] = np.sum(np.asarray(entry["gtIgnore"]) == 0)
        return cls(image_ids, people, tuple(_ladders(entries, index) for entries in areas), classes)

    def values(self, times: NDArray[np.int64]) -> dict[str, float]:
        """Score again with image i taken ``times[i]`` times (0: left out); all ones gives the evaluation's own numbers.

        Args:
            times: (I,) counts, in the order of ``image_ids``.

        Returns:
            Percent by metric id, as `ten_numbers`, and AP of each class of images; absent where nobody could be found.
        """
        values = ten_numbers(*self._curves(times, AREAS))
        for name, chosen in self.classes.items():
            of_class = ten_numbers(*self._curves(times * chosen, AREAS[:1]))
            values |= {name: of_class["ap"]} if of_class else {}
        return values

    def _curves(self, times: NDArray[np.int64], areas: Sequence[str]) -> tuple[FloatArray, FloatArray]:
        """Precision (T, R, A) and largest recall (T, A); -1 for ranges with nobody, or not asked for."""
        precision = np.full((len(THRESHOLDS), len(RECALLS), len(RANGES)), -1.0)
        recall = np.full((len(THRESHOLDS), len(RANGES)), -1.0)
        for area in range(len(areas)):
            people = int(self.people[area] @ times)
            for threshold, ladder in enumerate(self.ladders[area] if people else ()):
                precision[threshold, :, area], recall[threshold, area] = ladder.curve(times, people)
        return precision, recall


def _ladders(entries: Sequence[dict[str, Any]], index: dict[int, int]) -> tuple[Ladder, ...]:
    """Rank the found people of all images by score; equal scores stay in the order of the images."""
    counts = [len(entry["dtScores"]) for entry in entries]
    scores = np.concatenate([np.zeros(0), *(np.asarray(entry["dtScores"], np.float64) for entry in entries)])
    order = np.argsort(-scores, kind="stable")
    images = np.repeat([index[entry["image_id"]] for entry in entries], counts).astype(np.int64)[order]
    matched, ignored = (_stacked(entries, name)[:, order] for name in ("dtMatches", "dtIgnore"))
    return tuple(Ladder.of(images, matched[t], ignored[t]) for t in range(len(THRESHOLDS)))


def _stacked(entries: Sequence[dict[str, Any]], name: str) -> NDArray[np.bool_]:
    """Join one flag of all images as (T, D)."""
    parts = [np.asarray(entry[name]).reshape(len(THRESHOLDS), -1) != 0 for entry in entries]
    return np.concatenate([np.zeros((len(THRESHOLDS), 0), bool), *parts], axis=1)
