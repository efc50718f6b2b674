"""One metric of two methods over the same people: the difference, its interval, and how likely it is by chance.

Poses of single people: the interval resamples people, p flips the signs of their differences. AP ranks everybody found
in all images, so that no person has a difference: images are resampled, the same for both, for interval and p.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.metrics.coco_ap import AveragePrecision, evaluate
from bench.metrics.coco_truth import Results, Truth
from bench.metrics.protocols import PERCENT, PersonProtocol, lookup, value_of
from bench.metrics.values import Total
from bench.stats import bootstrap, interval, interval_p, ratio_interval, sign_flip_p
from data.types import FloatArray, Person, Skeleton

AP_RESAMPLES = 500  # default: half of those for people, since everybody found is ranked again each time


@dataclass(frozen=True)
class MetricDifference:
    """One metric of both records, over the same people."""

    metric: str
    unit: str
    higher_is_better: bool
    a: float
    b: float
    difference: float  # b - a
    ci95: tuple[float, float]  # of the difference
    p: float  # two-sided, of no difference
    n: int  # people counted


def difference(
    protocol: PersonProtocol, a: FloatArray, b: FloatArray, people: Sequence[Person], skeleton: Skeleton
) -> MetricDifference:
    """Compare two sets of poses by one metric.

    Args:
        protocol: the metric.
        a: (N, K, 2) pixels; NaN where nothing was found.
        b: the same, of the other method.
        people: N true people; those to ignore are not scored.
        skeleton: names the K joints.

    Raises:
        ValueError: if nobody can be counted.
    """
    kept = [i for i, person in enumerate(people) if not person.ignore]
    scored = [people[i] for i in kept]
    one, other = (protocol.score(found[kept], scored, skeleton) for found in (a, b))
    values = value_of(protocol, one), value_of(protocol, other)
    present = one.counted.any(1)
    counted = one.counted[present].astype(np.float64)
    gains = np.where(counted > 0, other.hits[present].astype(np.float64) - one.hits[present], 0.0)
    tops, counts = _per_person(gains, counted, protocol.total)
    low, high = ratio_interval(tops, counts, np.ones(len(tops), np.int64))
    scale = PERCENT if protocol.unit == "%" else 1.0
    return MetricDifference(
        metric=protocol.id,
        unit=protocol.unit,
        higher_is_better=protocol.higher_is_better,
        a=values[0],
        b=values[1],
        difference=values[1] - values[0],
        ci95=(scale * float(low), scale * float(high)),
        p=sign_flip_p(_contributions(gains, counted, protocol.total)),
        n=len(counted),
    )


def _per_person(gains: FloatArray, counted: FloatArray, total: Total) -> tuple[FloatArray, FloatArray]:
    """Return two numbers a person (N,), whose sums have the total gain as their ratio.

    The plain mean of joints is not a ratio of sums: it is replaced by its linear form, whose spread is the same.

    Args:
        gains: (N, J), 0 where not counted.
        counted: (N, J) 0 or 1.
        total: how the protocol pools them.
    """
    if total == "weighted":
        return gains.sum(1), counted.sum(1)
    counts = counted.sum(0)
    items, counts = np.count_nonzero(counts), np.maximum(counts, 1)
    each = gains.sum(0) / counts  # (J,)
    linear = ((gains - each * counted) / counts).sum(1) / items
    return len(gains) * linear + each.sum() / items, np.ones(len(gains))


def _contributions(gains: FloatArray, counted: FloatArray, total: Total) -> FloatArray:
    """Return what each person (N,) adds to the difference, up to a common factor."""
    weights = np.ones(gains.shape[1]) if total == "weighted" else 1 / np.maximum(counted.sum(0), 1)
    return np.asarray(gains @ weights)


@dataclass(frozen=True, eq=False)
class ResampledAP:
    """The numbers of OKS-AP of one set of found people, of all images and of resamples of them."""

    whole: AveragePrecision
    drawn: dict[str, FloatArray]  # (R,) by metric id; NaN where a draw has nobody to find


def resample_ap(truth: Truth, found: Results, sigmas: Sequence[float]) -> ResampledAP:
    """Score resampled images; the same truth draws the same images, whoever was found.

    Args:
        truth: true people of I images.
        found: found people of the same images.
        sigmas: (K,) OKS constants.
    """
    whole = evaluate(truth, found, sigmas=sigmas, keep_matches=True)
    if whole.matches is None:
        raise ValueError("no matches kept; the intervals need them")
    score, names = whole.matches.values, list(whole.values)

    def numbers(drawn: FloatArray) -> FloatArray:
        scored = [score(times.astype(np.int64)) for times in drawn]
        return np.array([[one.get(name, np.nan) for name in names] for one in scored])

    values = bootstrap(numbers, np.ones(whole.images, np.int64), resamples=AP_RESAMPLES)
    return ResampledAP(whole, dict(zip(names, values.T, strict=True)))


def ap_differences(metrics: Sequence[str], one: ResampledAP, other: ResampledAP) -> list[MetricDifference]:
    """Compare two sets of found people by OKS-AP, over the same draws of images.

    Args:
        metrics: ids, those of the ten numbers.
        one: what `resample_ap` gives.
        other: the same, of the other method and the same truth.

    Returns:
        One for each id that the truth allows; ``n`` counts the people to find.
    """
    a, b = one.whole, other.whole
    made = []
    for name in (name for name in metrics if name in a.values and name in b.values):
        gains, protocol = other.drawn[name] - one.drawn[name], lookup(name)
        known = gains[np.isfinite(gains)]
        low, high = interval(known, a.images)
        made.append(
            MetricDifference(
                metric=name,
                unit=protocol.unit,
                higher_is_better=protocol.higher_is_better,
                a=a.values[name],
                b=b.values[name],
                difference=b.values[name] - a.values[name],
                ci95=(float(low), float(high)),
                p=interval_p(known, a.images),
                n=a.people,
            )
        )
    return made
