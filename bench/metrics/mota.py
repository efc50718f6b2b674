"""MOTA as PoseTrack has it: every joint type is tracked by itself, and py-motmetrics counts.

A found joint can belong to a true one at most half a head size away. In each frame those who were paired when last
seen stay a pair where they can, the rest are paired for the least distance (CLEAR MOT, Bernardin & Stiefelhagen 2008).
Counts are summed over sequences; a row of the table is the mean of its joints, the total the mean of all joints.

Source: PoseTrack (Andriluka et al., CVPR 2018), evaluation code leonid-pishchulin/poseval. Two of its habits are left
out: it skips the last frame of every sequence, and of a frame in which nobody was found it counts one miss and one
false positive a joint, whoever was there. Here each frame counts for what is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import motmetrics
import numpy as np
from numpy.typing import NDArray

from bench.metrics.arrays import lengths, within
from data.types import FloatArray, Person, Skeleton

THRESHOLD = 0.5  # of the head size, 0.6 of the head box's diagonal; poseval, `distThresh` and `getHeadSize`
EVENTS = (
    "num_objects",
    "num_misses",
    "num_false_positives",
    "num_switches",
)  # py-motmetrics' names for the fields of Counts
FAULTS = ("misses", "false_positives", "switches")
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Followed:
    """Who was found in one frame."""

    joints: FloatArray  # (N, K, 2) pixels; NaN where a joint was not found
    tracks: IntArray  # (N,) identities


@dataclass(frozen=True, eq=False)
class Counts:
    """What happened to each of K joint types."""

    truths: IntArray  # (K,) true joints
    misses: IntArray
    false_positives: IntArray
    switches: IntArray  # of identity

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def percent(self, fault: str) -> FloatArray:
        """Return ``misses``, ``false_positives`` or ``switches`` in percent of the true joints, (K,).

        NaN where there are none.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(self.truths > 0, 100 * getattr(self, fault) / self.truths, np.nan))

    def mota(self) -> FloatArray:
        """Return 100 (1 - (misses + false positives + switches) / truths), (K,); NaN where there is no truth.

        Example:
            Ten true joints, of which one was missed, and one too many found.

            >>> Counts(*(np.array([n]) for n in (10, 1, 1, 0))).mota()
            array([80.])
        """
        return np.asarray(100 - np.sum([self.percent(fault) for fault in FAULTS], axis=0))


def count(found: Sequence[Followed], truth: Sequence[Sequence[Person]]) -> Counts:
    """Count what happened in one sequence.

    Args:
        found: of each frame.
        truth: of each frame; everyone has an identity and a head size.

    Raises:
        ValueError: if there are no frames, the two have not as many, or two people of a frame share an identity.
    """
    if not found or len(found) != len(truth):
        raise ValueError(
            f"{len(found)} frames with found people, {len(truth)} with true ones; expected as many of both"
        )
    accumulators = [motmetrics.MOTAccumulator(auto_id=True) for _ in range(found[0].joints.shape[1])]
    for people, true in zip(found, truth, strict=True):
        _update(accumulators, people, true)
    return Counts(*np.array([_events(accumulator) for accumulator in accumulators], np.int64).T)


def by_row(values: FloatArray, skeleton: Skeleton) -> dict[str, float | None]:
    """Return the means over the joints of each row and over those of all rows, as poseval prints them.

    The head row is that of neck and head top where the skeleton has both, as in PoseTrack, which adds the nose.

    Args:
        values: (K,) NaN where there is no truth; those are left out.
        skeleton: names the rows.

    Returns:
        The means by row, and ``total``; None where no value is left.
    """
    rows = {**dict(skeleton.rows), **({"head": skeleton.head} if skeleton.head else {})}
    rows["total"] = tuple(joint for row in rows.values() for joint in row)
    kept = {name: values[list(row)][np.isfinite(values[list(row)])] for name, row in rows.items()}
    return {name: float(each.mean()) if len(each) else None for name, each in kept.items()}


def _update(accumulators: Sequence[Any], found: Followed, truth: Sequence[Person]) -> None:
    """Tell the accumulator of each joint type about the next frame."""
    tracks = np.array([-1 if person.track is None else person.track for person in truth], np.int64)
    for each in (tracks, found.tracks):
        if (each < 0).any() or len(np.unique(each)) < len(each):
            raise ValueError(
                f"identities {each.tolist()} in one frame; expected a different one, from 0, for everybody"
            )
    heads = lengths(np.array([person.head_size for person in truth]), len(truth))
    for k, accumulator in enumerate(accumulators):
        there = np.array([person.visible[k] > 0 for person in truth], bool)
        here = np.isfinite(found.joints[:, k]).all(-1)
        true = np.array([person.joints[k] for person in truth], np.float64).reshape(-1, 2)[there]
        apart = np.linalg.norm(true[:, None] - found.joints[None, here, k], axis=-1) / heads[there, None]  # (P, N)
        near = np.where(within(apart, THRESHOLD), apart, np.nan)
        accumulator.update(tracks[there], found.tracks[here], near)


def _events(accumulator: Any) -> list[int]:
    counted = _library().compute(accumulator, metrics=list(EVENTS), return_dataframe=False, name="")
    return [int(counted[name]) for name in EVENTS]


@lru_cache(maxsize=1)
def _library() -> Any:
    return motmetrics.metrics.create()
