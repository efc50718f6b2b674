"""Whether predictions and people are in the same order: shifted rows or another split give plausible nonsense."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.types import FloatArray, Person, Skeleton

NEAR = 0.5  # default: of the torso; most joints of any method that works are nearer
GOOD = 0.5  # default: share of near joints from which the order is not questioned
POOR = 0.05  # default: share of near joints below which a warning is given
BETTER = 2.0  # default: another reading explains the file where it brings so many times as many joints near ...
GAIN = 0.1  # ... and so much more of all joints: one mean pose for everybody fits every order equally badly
PROBES = 64  # default: predictions that are looked for among all people
AGREEING = 0.5  # default: share of the probes that one and the same shift, or as many other people, must explain
FITTING = 0.8  # default: share of near joints with which a prediction fits somebody; a poor one fits nobody

OtherSplits = Callable[[], Mapping[str, Sequence[Person]]]


@dataclass(frozen=True)
class Doubt:
    """What is odd about a file."""

    reason: str
    certain: bool  # another order explains it, so its numbers would mean nothing


@dataclass(frozen=True, eq=False)
class _Truth:
    """N people, stacked."""

    joints: FloatArray  # (N, K, 2)
    labelled: NDArray[np.bool_]  # (N, K); nothing of a person without a torso
    limits: FloatArray  # (N, 1) pixels: what is near

    @classmethod
    def of(cls, people: Sequence[Person], skeleton: Skeleton) -> _Truth:
        joints = np.stack([person.joints for person in people])
        labelled = np.stack([person.visible for person in people]) > 0
        one, other = skeleton.torso
        torso = np.linalg.norm(joints[:, one] - joints[:, other], axis=-1)
        known = labelled[:, one] & labelled[:, other] & (torso > 0)
        return cls(joints, labelled & known[:, None], NEAR * torso[:, None])

    def near(self, found: FloatArray) -> NDArray[np.bool_]:
        """Say which labelled joints (N, K) have been found near; ``found`` is (N, K, 2), or (K, 2) for everybody."""
        return np.asarray(self.labelled & (np.linalg.norm(found - self.joints, axis=-1) <= self.limits))

    def share(self, found: FloatArray, shift: int = 0) -> float:
        """Return the share of near joints when row i is compared with person i + shift; NaN where nobody counts."""
        rows = np.arange(len(found)) + shift
        inside = (rows >= 0) & (rows < len(self.joints))
        placed = np.full_like(found, np.nan)
        placed[rows[inside]] = found[inside]
        return float(self.near(placed).sum() / self.labelled.sum()) if self.labelled.any() else float("nan")


@dataclass(frozen=True)
class _Places:
    """Whom some predictions fit best."""

    shift: int  # rows by which most of them miss that person; 0 where no shift stands out
    share: float  # of the joints near that person
    distinct: float  # persons a prediction; small where one person fits all


def doubt(
    found: FloatArray, people: Sequence[Person], skeleton: Skeleton, others: OtherSplits = lambda: {}
) -> Doubt | None:
    """Question the order of a file where most joints are far off.

    Args:
        found: (N, K, 2) pixels; NaN where nothing was found.
        people: N true people.
        skeleton: names the K joints and the torso.
        others: brings the people of other splits with N people each, by the name of the split.

    Returns:
        None where nothing is odd; a `Doubt` that is ``certain`` where another order fits far better, and one that is
        not where hardly a joint is near and no order explains it.
    """
    truth = _Truth.of(people, skeleton)
    own = truth.share(found)
    if not own < GOOD:  # so also where it is NaN
        return None
    if _explains(truth.share(found[..., ::-1]), own):
        return Doubt("x and y are swapped", certain=True)
    places = _find_rows(found, truth)
    if places.shift and _explains(truth.share(found, places.shift), own):
        return Doubt(f"row i fits person i{places.shift:+d}: the rows are shifted", certain=True)
    for split, strangers in others().items():
        if _explains(_Truth.of(strangers, skeleton).share(found), own):
            return Doubt(f"they fit the people of the split {split}", certain=True)
    told = f"only {own:.1%} of the joints lie within {NEAR} of the torso"
    if places.distinct > AGREEING and places.share >= FITTING and _explains(places.share, own):
        return Doubt(f"{told}, but {places.share:.1%} of the joints of some other person", certain=False)
    return Doubt(told, certain=False) if own < POOR else None


def _explains(other: float, own: float) -> bool:
    """Say whether another reading brings so many more joints near that it must be the right one."""
    return other >= max(BETTER * own, own + GAIN)


def _find_rows(found: FloatArray, truth: _Truth) -> _Places:
    """Look some predictions up among all people."""
    probes = np.unique(np.linspace(0, len(found) - 1, min(PROBES, len(found))).astype(int)).tolist()
    hits = np.stack([truth.near(found[row]).sum(1) for row in probes])  # (probes, N)
    best, some = hits.max(1), truth.labelled[probes].any(1)
    votes: Counter[int] = Counter()
    for row, line, most in zip(probes, hits, best, strict=True):
        votes.update((np.flatnonzero(line == most) - row).tolist() if most else [])
    shift, agreeing = max(votes.items(), key=lambda vote: vote[1], default=(0, 0))
    people = hits.argmax(1)
    labelled = truth.labelled[people].sum()
    return _Places(
        shift=shift if agreeing >= AGREEING * len(probes) else 0,
        share=float(best.sum() / labelled) if labelled else 0.0,
        distinct=len(np.unique(people[some])) / len(probes),
    )
