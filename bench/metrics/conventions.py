"""The conventions in which two programs differ under one name, and how people are scored by them.

An id without a suffix follows the data set's own evaluation; each suffix (``pckh@0.5/plain-mean``) names one departure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.metrics import functional as F
from bench.metrics.arrays import Compare
from bench.metrics.values import Hits, Rows, Total
from data.types import FloatArray, Person, Skeleton

Measure = Callable[[FloatArray, FloatArray, NDArray[np.int64], FloatArray], NDArray[Any]]  # as `functional.pck`
BodyMeasure = Callable[[FloatArray, FloatArray, NDArray[np.bool_], list[int]], NDArray[Any]]  # as `functional.pck3d`
Length = Literal["torso", "other torso", "box", "head"]

SUFFIXES = {  # in this order in an id
    "hgt": "the torso from right shoulder to left hip, as the hourglass code on FLIC (for 968 of its 1,016 people)",
    "box": "the longer side of the box around the labelled joints instead of the torso, as in papers before 2014",
    "official-head": "Head row from upper neck and head top, and a row of the upper body, as the MPII evaluation",
    "all-joints": "also the joints that the data set's own evaluation leaves out (MPII: pelvis and thorax)",
    "plain-mean": "the total is the plain mean of the joints, not weighted by how often each is labelled",
    "strictly-less": "an error exactly at the limit is wrong",
}
UPPER_BODY = ("shoulder", "elbow", "wrist")  # rows of the official column UBody


@dataclass(frozen=True)
class Convention:
    """One choice of each kind; the defaults are those of the evaluation codes of LSP and MPII."""

    compare: Compare = "<="
    total: Total = "weighted"
    joints: Literal["scored", "all"] = "scored"
    head: Literal["skeleton", "official"] = "skeleton"
    torso: Length = "torso"

    @classmethod
    def named(cls, suffixes: Collection[str]) -> Convention:
        """Return the convention of the suffixes of an id."""
        torso: Length = "other torso" if "hgt" in suffixes else "torso"
        return cls(
            compare="<" if "strictly-less" in suffixes else "<=",
            total="plain mean" if "plain-mean" in suffixes else "weighted",
            joints="all" if "all-joints" in suffixes else "scored",
            head="official" if "official-head" in suffixes else "skeleton",
            torso="box" if "box" in suffixes else torso,
        )


def score_joints(
    found: FloatArray,
    people: Sequence[Person],
    skeleton: Skeleton,
    *,
    length: Length,
    measure: Measure,
    convention: Convention,
) -> Hits:
    """Score joints against a length of each person; who has none, and joints left out, are not counted.

    Args:
        found: (N, K, 2) pixels; NaN where nothing was found.
        people: N true people.
        skeleton: names the joints.
        length: what an error is divided by.
        measure: what a hit is.
        convention: which joints and rows count.

    Raises:
        ValueError: if the skeleton has no official Head row and the convention wants it.
    """
    truth, visible = _truth(people, skeleton)
    norm = _lengths(people, skeleton, length)
    usable = np.isfinite(norm) & (norm > 0)
    visible = np.where(usable[:, None], visible, 0)
    visible[:, _left_out(skeleton, convention)] = 0
    hits = measure(found, truth, visible, np.where(usable, norm, 1.0))
    return Hits(hits, visible > 0, joint_rows(skeleton, convention))


def score_sticks(
    found: FloatArray,
    people: Sequence[Person],
    skeleton: Skeleton,
    *,
    threshold: float,
    strict: bool,
    convention: Convention,
) -> Hits:
    """Score sticks against their own lengths; a stick without one of its joints is not counted.

    Args:
        found: (N, K, 2) pixels; NaN where nothing was found.
        people: N true people.
        skeleton: names the sticks.
        threshold: share of the length.
        strict: both ends, instead of their mean.
        convention: says whether the limit itself counts.

    Raises:
        ValueError: if the skeleton has no sticks.
    """
    truth, visible = _truth(people, skeleton)
    hits = F.pcp(found, truth, visible, skeleton.sticks, threshold, convention.compare, strict=strict)
    names = [name for name, _ in skeleton.sticks]
    rows = tuple((row, tuple(i for i, name in enumerate(names) if name == row)) for row in dict.fromkeys(names))
    return Hits(hits, F.labelled_sticks(visible, skeleton.sticks), rows)


def score_bodies(
    found: FloatArray,
    people: Sequence[Person],
    skeleton: Skeleton,
    *,
    measure: BodyMeasure,
    convention: Convention,
) -> Hits:
    """Score joints in space, relative to the root; a joint is labelled where its place is finite.

    Args:
        found: (N, K, 3) mm; NaN where nothing was found.
        people: N true people; those without `joints3d` or without a root are not counted.
        skeleton: names the joints; the root is the pelvis, or the middle of the hips.
        measure: what a hit, or an error, is.
        convention: which joints count.

    Raises:
        ValueError: if the skeleton has neither a pelvis nor two hips.
    """
    k = len(skeleton.joints)
    nowhere = np.full((k, 3), np.nan)
    truth = np.array([nowhere if p.joints3d is None else p.joints3d for p in people], np.float64).reshape(-1, k, 3)
    root = _root(skeleton)
    usable = np.asarray(np.isfinite(truth[:, root]).all((1, 2)))
    labelled = np.asarray(np.isfinite(truth).all(-1) & usable[:, None])
    labelled[:, _left_out(skeleton, convention)] = False
    values = np.zeros(labelled.shape)
    values[usable] = measure(found[usable], truth[usable], labelled[usable], root)
    return Hits(np.where(labelled, values, 0.0), labelled, joint_rows(skeleton, convention))


def joint_rows(skeleton: Skeleton, convention: Convention) -> Rows:
    """Return the rows of the table.

    Raises:
        ValueError: if the skeleton has no official Head row and the convention wants it.
    """
    if convention.head == "skeleton":
        return skeleton.rows
    if skeleton.head is None:
        raise ValueError(f"{skeleton.name} has no neck and head top; the official Head row is made of both")
    rows = {**dict(skeleton.rows), "head": skeleton.head}
    return (*rows.items(), ("upper body", tuple(joint for name in UPPER_BODY for joint in rows[name])))


def _left_out(skeleton: Skeleton, convention: Convention) -> list[int]:
    return [] if convention.joints == "all" else list(skeleton.unscored)


def _root(skeleton: Skeleton) -> list[int]:
    if "pelvis" in skeleton.joints:
        return [skeleton.joints.index("pelvis")]
    hips = [i for i, name in enumerate(skeleton.joints) if name in ("left_hip", "right_hip")]
    if len(hips) < 2:
        raise ValueError(f"{skeleton.name} has neither a pelvis nor two hips; a pose in space needs a root")
    return hips


def _truth(people: Sequence[Person], skeleton: Skeleton) -> tuple[FloatArray, NDArray[np.int64]]:
    """Stack the joints (N, K, 2) and what is labelled (N, K); N may be 0."""
    k = len(skeleton.joints)
    joints = np.array([p.joints for p in people], np.float64).reshape(-1, k, 2)
    return joints, np.array([p.visible for p in people], np.int64).reshape(-1, k)


def _lengths(people: Sequence[Person], skeleton: Skeleton, length: Length) -> FloatArray:
    """Return the length of each person (N,) in pixels; NaN where one has none."""
    if length == "head":
        return np.array([p.head_size for p in people], np.float64)
    truth, visible = _truth(people, skeleton)
    if length == "box":
        return _longer_sides(truth, visible > 0)
    one, other = skeleton.torso
    ends = (one, other) if length == "torso" else (skeleton.flip[one], skeleton.flip[other])
    return F.diagonal(truth, visible, ends)


def _longer_sides(truth: FloatArray, labelled: NDArray[np.bool_]) -> FloatArray:
    lowest = np.where(labelled[..., None], truth, np.inf).min(1, initial=np.inf)
    highest = np.where(labelled[..., None], truth, -np.inf).max(1, initial=-np.inf)
    return np.where(labelled.any(1), (highest - lowest).max(-1), np.nan)
