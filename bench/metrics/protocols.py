"""The metric ids: what each one measures, over whom, and how it becomes the numbers of a record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bench.metrics import functional as F
from bench.stats import bootstrap_ci
from data.types import FloatArray, Person, Skeleton

PERCENT = 100.0  # records hold percent


@dataclass(frozen=True, eq=False)
class Hits:
    """Who hit what: N people, J items (joints or sticks)."""

    hits: NDArray[Any]  # (N, J) bool, or a part of a hit in [0, 1]
    counted: NDArray[np.bool_]  # (N, J)
    rows: tuple[tuple[str, tuple[int, ...]], ...]  # (row of the table, the items averaged in it)


Score = Callable[[FloatArray, Sequence[Person], Skeleton], Hits]
Lengths = Callable[[Sequence[Person], Skeleton], FloatArray]  # (N,) pixels; NaN where a person has none
Measure = Callable[[FloatArray, FloatArray, NDArray[np.int64], FloatArray], NDArray[Any]]  # as `functional.pck`


@dataclass(frozen=True)
class Protocol:
    """One metric id. A new id is one more definition in `PROTOCOLS`."""

    id: str
    title: str
    source: str
    score: Score  # (found (N, K, 2) pixels, N people, skeleton) -> hits; NaN where nothing was found
    needs: str  # what a person must have to be counted, for the message when nobody has it
    unit: str = "%"
    higher_is_better: bool = True
    version: int = 1  # raised when the numbers of an id change


class MetricValue(NamedTuple):
    """A metric as a record holds it. A NamedTuple: torchmetrics refuses a frozen dataclass as a result."""

    value: float
    unit: str
    n: int  # people counted
    ci95: tuple[float, float]
    per_joint: dict[str, float]  # by row of the skeleton; a row without a counted item is absent
    left_out: int  # people who could not be counted: no length to divide by, or nothing labelled

    def to_dict(self) -> dict[str, object]:
        """Return the form of the record."""
        return {
            "value": self.value,
            "unit": self.unit,
            "n": self.n,
            "ci95": list(self.ci95),
            "per_joint": dict(self.per_joint),
        }


def lookup(metric: str) -> Protocol:
    """Return the protocol of an id.

    Raises:
        ValueError: if there is none of that name; the message says the nearest.
    """
    if metric in PROTOCOLS:
        return PROTOCOLS[metric]
    near = get_close_matches(metric, PROTOCOLS, n=3) or sorted(PROTOCOLS)
    raise ValueError(f"no metric {metric!r}; use one of {', '.join(near)}")


def evaluate(
    ids: Sequence[str], found: NDArray[Any] | Tensor, people: Sequence[Person], skeleton: Skeleton
) -> dict[str, MetricValue]:
    """Score one found pose for each true person.

    Args:
        ids: metric ids.
        found: (N, K, 2) pixels of the original image; NaN where nothing was found.
        people: N true people; those to ignore are not scored.
        skeleton: names the K joints.

    Returns:
        One value for each id, in the order of ``ids``.

    Raises:
        ValueError: if an id is unknown, the shape is not (N, K, 2), or nobody can be counted.
    """
    protocols = [lookup(metric) for metric in ids]
    joints = np.asarray(found.detach().cpu().double() if isinstance(found, Tensor) else found, np.float64)
    expected = (len(people), len(skeleton.joints), 2)
    if joints.shape != expected:
        raise ValueError(f"found joints of shape {joints.shape}; {skeleton.name} and its people need {expected}")
    keep = [i for i, person in enumerate(people) if not person.ignore]
    scored = [people[i] for i in keep]
    return {p.id: summarise(p, p.score(joints[keep], scored, skeleton)) for p in protocols}


def summarise(protocol: Protocol, hits: Hits) -> MetricValue:
    """Pool the hits: every counted item weighs the same in the value.

    A row is the plain mean of its items' shares, so left and right weigh the same however many of each are labelled.
    Both are the way of the MPII and LSP evaluation codes.

    Raises:
        ValueError: if nobody can be counted.
    """
    n = int(hits.counted.any(1).sum())
    if not n:
        people = len(hits.counted)
        raise ValueError(
            f"{protocol.id}: 0 of {people} people have {protocol.needs}; use a metric that this data allows"
        )
    items = np.flatnonzero(hits.counted.any(0))
    shares = {int(j): PERCENT * F.share(hits.hits[:, j], hits.counted[:, j]) for j in items}
    rows = {name: [shares[j] for j in columns if j in shares] for name, columns in hits.rows}
    per_joint = {name: float(np.mean(parts)) for name, parts in rows.items() if parts}
    value = PERCENT * F.share(hits.hits, hits.counted)
    interval = bootstrap_ci(hits.hits, hits.counted)
    return MetricValue(value, protocol.unit, n, interval, per_joint, left_out=len(hits.counted) - n)


def _truth(people: Sequence[Person], skeleton: Skeleton) -> tuple[FloatArray, NDArray[np.int64]]:
    """Stack the joints (N, K, 2) and what is labelled (N, K); N may be 0."""
    k = len(skeleton.joints)
    joints = np.array([p.joints for p in people], np.float64).reshape(-1, k, 2)
    return joints, np.array([p.visible for p in people], np.int64).reshape(-1, k)


def _torsos(people: Sequence[Person], skeleton: Skeleton) -> FloatArray:
    """Length of each torso (N,); NaN where one of its ends is unlabelled."""
    joints, visible = _truth(people, skeleton)
    one, other = skeleton.torso
    lengths = np.linalg.norm(joints[:, one] - joints[:, other], axis=-1)
    return np.where((visible[:, [one, other]] > 0).all(1), lengths, np.nan)


def _heads(people: Sequence[Person], skeleton: Skeleton) -> FloatArray:
    return np.array([p.head_size for p in people], np.float64)


def _joints(
    found: FloatArray, people: Sequence[Person], skeleton: Skeleton, *, lengths: Lengths, measure: Measure
) -> Hits:
    """Score joints against a length of each person; who has none, and unscored joints, are not counted."""
    truth, visible = _truth(people, skeleton)
    norm = lengths(people, skeleton)
    usable = np.isfinite(norm) & (norm > 0)
    visible = np.where(usable[:, None], visible, 0)
    visible[:, list(skeleton.unscored)] = 0
    hits = measure(found, truth, visible, np.where(usable, norm, 1.0))
    return Hits(hits, visible > 0, skeleton.rows)


def _sticks(found: FloatArray, people: Sequence[Person], skeleton: Skeleton, *, threshold: float, strict: bool) -> Hits:
    """Score sticks against their own lengths."""
    truth, visible = _truth(people, skeleton)
    hits = F.pcp(found, truth, visible, skeleton.sticks, threshold, strict=strict)
    names = [name for name, _ in skeleton.sticks]
    rows = tuple((row, tuple(i for i, name in enumerate(names) if name == row)) for row in dict.fromkeys(names))
    return Hits(hits, F.labelled_sticks(visible, skeleton.sticks), rows)


def _pck(threshold: float, source: str = "Yang & Ramanan, TPAMI 2013") -> Protocol:
    title = f"joints within {threshold} of the torso (left shoulder to right hip)"
    score = partial(_joints, lengths=_torsos, measure=partial(F.pck, threshold=threshold))
    return Protocol(f"pck@{threshold}", title, source, score, "a labelled torso")


def _pckh(threshold: float, source: str = "Andriluka et al., CVPR 2014") -> Protocol:
    title = f"joints within {threshold} of the head size"
    score = partial(_joints, lengths=_heads, measure=partial(F.pckh, threshold=threshold))
    return Protocol(f"pckh@{threshold}", title, source, score, "a head size: the data set has no head sizes")


def _pcp(threshold: float, form: str, title: str, source: str) -> Protocol:
    score = partial(_sticks, threshold=threshold, strict=form == "strict")
    return Protocol(f"pcp@{threshold}/{form}", title, source, score, "a stick with all its joints labelled")


_DEFINITIONS = (
    _pck(0.2),
    _pck(0.1),
    Protocol(
        "pck-auc@0.2",
        "area under PCK from 0 to 0.2 of the torso",
        "LSP evaluation code: thresholds 0:0.01:0.2, trapezoids, divided by the range",
        partial(_joints, lengths=_torsos, measure=F.pck_auc),
        "a labelled torso",
    ),
    _pckh(0.5),
    _pckh(0.1),
    _pckh(0.11, source="the 'Mean@0.1' that the SimpleBaseline and HRNet code prints: index 11 of 0:0.01:0.5"),
    _pcp(0.5, "strict", "sticks with both ends within 0.5 of their length", "LSP evaluation code by Pishchulin"),
    _pcp(0.5, "loose", "sticks with a mean end error within 0.5 of their length", "Ferrari et al., CVPR 2008"),
)
PROTOCOLS: dict[str, Protocol] = {protocol.id: protocol for protocol in _DEFINITIONS}
