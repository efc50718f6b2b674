"""The metric ids: what each one measures, over whom, by whose rules; and how found poses are scored by them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bench.metrics import functional as F
from bench.metrics.conventions import (
    SUFFIXES,
    BodyMeasure,
    Convention,
    score_bodies,
    score_joints,
    score_sticks,
)
from bench.metrics.values import (
    PERCENT,
    Family,
    Hits,
    Kind,
    MetricValue,
    PeopleProtocol,
    PersonProtocol,
    Protocol,
    Score,
    summarise,
    value_of,
)
from data.types import FloatArray, Person, Skeleton

__all__ = [
    "PERCENT",
    "PROTOCOLS",
    "VARIANTS",
    "Hits",
    "MetricValue",
    "PeopleProtocol",
    "PersonProtocol",
    "Protocol",
    "evaluate",
    "lookup",
    "pck_at",
    "person_protocol",
    "summarise",
    "value_of",
]


def lookup(metric: str) -> Protocol:
    """Return the protocol of an id, or of a variant of one.

    Raises:
        ValueError: if there is none of that name; the message says the nearest.
    """
    known = {**VARIANTS, **PROTOCOLS}
    if metric in known:
        return known[metric]
    near = get_close_matches(metric, known if "/" in metric else PROTOCOLS, n=3) or sorted(PROTOCOLS)
    raise ValueError(f"no metric {metric!r}; use one of {', '.join(near)}")


def person_protocol(metric: str) -> PersonProtocol:
    """Return the protocol of an id that scores one pose for each person.

    Raises:
        ValueError: if there is none of that name, or it ranks everybody found in an image.
    """
    protocol = lookup(metric)
    if not isinstance(protocol, PersonProtocol):
        raise ValueError(f"{metric} ranks everybody found in an image; it cannot score one pose for each person")
    return protocol


def evaluate(
    ids: Sequence[str], found: NDArray[Any] | Tensor, people: Sequence[Person], skeleton: Skeleton
) -> dict[str, MetricValue]:
    """Score one found pose for each true person.

    Args:
        ids: metric ids.
        found: (N, K, 2) pixels of the original image, or (N, K, 3) mm for metrics in space; NaN where nothing was
            found.
        people: N true people; those to ignore are not scored.
        skeleton: names the K joints.

    Returns:
        One value for each id, in the order of ``ids``.

    Raises:
        ValueError: if an id is unknown or ranks everybody in an image, the shape is another, or nobody can be counted.
    """
    protocols = [person_protocol(metric) for metric in ids]
    joints = np.asarray(found.detach().cpu().double() if isinstance(found, Tensor) else found, np.float64)
    keep = [i for i, person in enumerate(people) if not person.ignore]
    scored = [people[i] for i in keep]
    for protocol in protocols:
        expected = (len(people), len(skeleton.joints), protocol.dims)
        if joints.shape != expected:
            raise ValueError(f"found joints of shape {joints.shape}; {skeleton.name} and its people need {expected}")
    return {p.id: summarise(p, p.score(joints[keep], scored, skeleton)) for p in protocols}


# One choice of each kind may be made in an id, in this order; see `conventions.SUFFIXES`.
TORSOS, OTHER_TORSO = ("hgt", "box"), ("hgt",)
HEADS, JOINTS, TOTALS, LIMITS = ("official-head",), ("all-joints",), ("plain-mean",), ("strictly-less",)

LSP_CODE = "LSP evaluation code by Pishchulin"
INF_3DHP = "Mehta et al., 3DV 2017; evaluation code of MPI-INF-3DHP"
H36M = "Ionescu et al., Human3.6M, TPAMI 2014"
COCO = "cocodataset.org/#keypoints-eval, as pycocotools"
CROWDPOSE = "Li et al., CrowdPose, CVPR 2019, as crowdposetools"

Scorer = Callable[[Convention], Score]
Measure = Callable[..., NDArray[Any]]


def _torso(measure: Measure) -> Scorer:
    return lambda choice: partial(
        score_joints, length=choice.torso, measure=partial(measure, compare=choice.compare), convention=choice
    )


def _head(threshold: float) -> Scorer:
    return lambda choice: partial(
        score_joints,
        length="head",
        measure=partial(F.pckh, threshold=threshold, compare=choice.compare),
        convention=choice,
    )


def _stick(threshold: float, *, strict: bool) -> Scorer:
    return lambda choice: partial(score_sticks, threshold=threshold, strict=strict, convention=choice)


def _body(measure: BodyMeasure) -> Scorer:
    return lambda choice: partial(score_bodies, measure=measure, convention=choice)


def _aligned(found: FloatArray, truth: FloatArray, labelled: NDArray[np.bool_], _root: list[int]) -> NDArray[Any]:
    return F.pa_mpjpe(found, truth, labelled)


def _person(
    stem: str,
    title: str,
    source: str,
    needs: str,
    scorer: Scorer,
    *choices: tuple[str, ...],
    kind: Kind = "person",
    unit: str = "%",
) -> list[PersonProtocol]:
    """Define an id, and its variants: at most one suffix of each of the choices."""
    made = []
    for chosen in product(*(("", *choice) for choice in choices)):
        suffixes = tuple(suffix for suffix in chosen if suffix)
        convention = Convention.named(suffixes)
        protocol = PersonProtocol(
            id="/".join((stem, *suffixes)),
            title="; ".join((title, *(SUFFIXES[suffix] for suffix in suffixes))),
            source=source,
            kind=kind,
            unit=unit,
            higher_is_better=unit == "%",
            score=scorer(convention),
            needs=needs,
            total=convention.total,
        )
        made.append(protocol)
    return made


def _pck(threshold: float) -> list[PersonProtocol]:
    title = f"joints within {threshold} of the torso (left shoulder to right hip)"
    scorer, source = _torso(partial(F.pck, threshold=threshold)), "Yang & Ramanan, TPAMI 2013"
    return _person(f"pck@{threshold}", title, source, "a labelled torso", scorer, TORSOS, JOINTS, TOTALS, LIMITS)


def pck_at(threshold: float) -> PersonProtocol:
    """Return PCK at any threshold, by the rules of `pck@0.2`; for curves."""
    return _pck(threshold)[0]


def _pckh(threshold: float, source: str = "Andriluka et al., CVPR 2014") -> list[PersonProtocol]:
    title, needs = f"joints within {threshold} of the head size", "a head size: the data set has no head sizes"
    return _person(f"pckh@{threshold}", title, source, needs, _head(threshold), HEADS, JOINTS, TOTALS, LIMITS)


def _pdj(threshold: float) -> list[PersonProtocol]:
    title = f"joints within {threshold} of the torso diameter (left shoulder to right hip), as drawn for FLIC"
    scorer, source = _torso(partial(F.pdj, threshold=threshold)), "Sapp & Taskar, MODEC, CVPR 2013"
    return _person(f"pdj@{threshold}", title, source, "a labelled torso", scorer, OTHER_TORSO, TOTALS, LIMITS)


def _pcp(threshold: float, form: str, title: str, source: str) -> list[PersonProtocol]:
    needs, scorer = "a stick with all its joints labelled", _stick(threshold, strict=form == "strict")
    return _person(f"pcp@{threshold}/{form}", title, source, needs, scorer, TOTALS, LIMITS)


def _space(stem: str, title: str, source: str, measure: BodyMeasure, unit: str = "%") -> list[PersonProtocol]:
    needs, scorer = "joints in space with a root", _body(measure)
    return _person(stem, title, source, needs, scorer, JOINTS, TOTALS, kind="body3d", unit=unit)


def _people(stem: str, title: str, source: str = COCO, family: Family = "oks-ap") -> PeopleProtocol:
    return PeopleProtocol(id=stem, title=title, source=source, kind="people", family=family)


_SINGLE = (
    _pck(0.2),
    _pck(0.1),
    _person(
        "pck-auc@0.2",
        "area under PCK from 0 to 0.2 of the torso (left shoulder to right hip)",
        f"{LSP_CODE}: thresholds 0:0.01:0.2, trapezoids, divided by the range",
        "a labelled torso",
        _torso(F.pck_auc),
        *(TORSOS, JOINTS, TOTALS, LIMITS),
    ),
    _pckh(0.5),
    _pckh(0.1),
    _pckh(0.11, source="the 'Mean@0.1' that the SimpleBaseline and HRNet code prints: index 11 of 0:0.01:0.5"),
    _pcp(0.5, "strict", "sticks with both ends within 0.5 of their length", LSP_CODE),
    _pcp(0.5, "loose", "sticks with a mean end error within 0.5 of their length", "Ferrari et al., CVPR 2008"),
    _pdj(0.2),
    _pdj(0.1),
    _pdj(0.05),
    _space("pck3d@150mm", "joints less than 150 mm away, relative to the root", INF_3DHP, F.pck3d),
    _space("auc3d", "mean of PCK3D at 0, 5, ..., 150 mm, relative to the root", INF_3DHP, F.auc3d),
    _space("mpjpe", "mean distance of the joints, relative to the root", H36M, F.mpjpe, "mm"),
    _space("pa-mpjpe", "mean distance of the joints after Procrustes alignment with scale", H36M, _aligned, "mm"),
)
_MULTIPLE = (
    _people("ap", "mean AP at OKS 0.50:0.05:0.95, 20 found people an image"),
    _people("ap50", "AP at OKS 0.50"),
    _people("ap75", "AP at OKS 0.75"),
    _people("apm", "mean AP of people of 32^2 to 96^2 square pixels"),
    _people("apl", "mean AP of people of more than 96^2 square pixels"),
    _people("ar", "mean largest recall at OKS 0.50:0.05:0.95"),
    _people("ar50", "largest recall at OKS 0.50"),
    _people("ar75", "largest recall at OKS 0.75"),
    _people("arm", "mean largest recall of people of 32^2 to 96^2 square pixels"),
    _people("arl", "mean largest recall of people of more than 96^2 square pixels"),
    _people("ap-easy", "mean AP of images with a crowd index below 0.2", CROWDPOSE),
    _people("ap-medium", "mean AP of images with a crowd index from 0.2 to 0.8", CROWDPOSE),
    _people("ap-hard", "mean AP of images with a crowd index of 0.8 and more", CROWDPOSE),
    _people(
        "mpii-ap",
        "plain mean over 14 joints of AP, people matched at PCKh 0.5",
        "Pishchulin et al., DeepCut, CVPR 2016; its script averages 15 numbers, papers since the 14",
        "mpii-ap",
    ),
)
VARIANTS: dict[str, PersonProtocol] = {protocol.id: protocol for made in _SINGLE for protocol in made}
_SHOWN = [made[0].id for made in _SINGLE[:4]] + ["pckh@0.5/official-head"] + [made[0].id for made in _SINGLE[4:]]
PROTOCOLS: dict[str, Protocol] = {
    **{metric: VARIANTS[metric] for metric in _SHOWN},
    **{protocol.id: protocol for protocol in _MULTIPLE},
}
