"""Which protocol gives the number somebody printed: every variant that the data allows, nearest first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

from bench.errors import UserError, unknown
from bench.metrics import functional as F
from bench.metrics.conventions import SUFFIXES, Convention, Length, score_joints
from bench.metrics.protocols import PROTOCOLS, VARIANTS, Hits, PersonProtocol, value_of
from bench.prediction_files import read_found
from data import DATASETS, ReadOptions, data_root
from data.ahead import only_people
from data.types import FloatArray, Person, Skeleton

TOTAL = "total"
THRESHOLDS = (0.1, 0.11, 0.2, 0.5)  # that the field prints; those without a metric id are tried as well
ORIGINS = {  # pixels that are added to the predictions, and what that says about them
    0: "predictions as they are read",
    -1: "predictions moved by -1 px, as if they counted pixels from 1",
    1: "predictions moved by +1 px, as if 1 had been taken off once too often",
}
SIDES = {"pc": "left and right are the person's", "oc": "left and right are the observer's"}
DIGITS = 9  # default: values that differ by less are the same


@dataclass(frozen=True)
class Variant:
    """One way to score the predictions."""

    protocol: str  # metric id
    row: str  # of the table, or `total`
    convention: str  # of the labels
    origin: int  # pixels added to the predictions
    words: str
    value: float
    distance: float  # of the value, printed with as many decimals, to the number that was asked about

    @property
    def departures(self) -> int:
        """In how many ways it differs from the total of a plain metric id."""
        without_id = _stem(self.protocol) not in PROTOCOLS
        return _suffixes(self.protocol) + (self.row != TOTAL) + (self.origin != 0) + without_id

    def to_dict(self) -> dict[str, object]:
        """Return the form of the command's document."""
        return asdict(self)


def explain(
    value: float, predictions: Path, dataset: str, *, split: str = "test", say: Callable[[str], None]
) -> list[Variant]:
    """Score the predictions in every way and list the ways, nearest to ``value`` first.

    Ways that would be printed as ``value`` are equally near; of these the plainest comes first.

    Args:
        value: the printed number, in percent.
        predictions: a file with one pose a person, as `read_found` reads it.
        dataset: a name of `DATASETS`.
        split: test stands for val where the data set has no test.
        say: told how the file was understood, where it leaves that open.

    Raises:
        UserError: if the value is no number, the data set is unknown or has several people an image, or the file does
            not fit it.
        data.types.DataError: if the data set is not as it should be.
    """
    if not math.isfinite(value):
        raise UserError(f"--value {value}: the number that was printed expected, such as 37.7")
    if dataset not in DATASETS:
        raise unknown("data set", dataset, DATASETS)
    entry = DATASETS[dataset]
    if entry.people == "multi":
        raise UserError(f"--dataset {dataset}: several people an image; explain needs one pose a person")
    file = read_found(predictions, len(entry.skeleton.joints))
    if file.note:
        say(file.note)
    variants: list[Variant] = []
    for convention in entry.conventions:
        people = _people(dataset, split, convention)
        expected = (len(people), len(entry.skeleton.joints), 2)
        if file.joints.shape != expected:
            raise UserError(
                f"{predictions}: joints of shape {file.joints.shape}; {dataset} needs (N, K, 2) = {expected}"
            )
        variants += of_people(value, file.joints, people, entry.skeleton, convention=convention)
    return nearest(value, variants)


def of_people(
    value: float, found: FloatArray, people: Sequence[Person], skeleton: Skeleton, *, convention: str = "pc"
) -> list[Variant]:
    """Score in every way that needs no other labels.

    Args:
        value: the printed number, in percent.
        found: (N, K, 2) 0-based pixels; NaN where nothing was found.
        people: N true people; those to ignore are not scored.
        skeleton: names the K joints.
        convention: of these labels, for the words.
    """
    kept = [i for i, person in enumerate(people) if not person.ignore]
    scored, decimals = [people[i] for i in kept], len(repr(float(value)).partition(".")[2])
    listed: dict[tuple[str, str, int, float], Variant] = {}
    for protocol, origin in _ways():
        for row, number in _numbers(protocol, found[kept] + origin, scored, skeleton):
            title = protocol.title if row == TOTAL else f"{protocol.title}; row {row} alone"
            words = f"{title}; {SIDES.get(convention, convention)}; {ORIGINS[origin]}"
            distance = round(abs(round(number, decimals) - value), decimals)
            variant = Variant(protocol.id, row, convention, origin, words, number, distance)
            name = protocol.id if row == TOTAL else _stem(protocol.id)
            listed.setdefault((name, row, origin, number), variant)  # a suffix that leaves a row as it is says nothing
    return list(listed.values())


def nearest(value: float, variants: Sequence[Variant]) -> list[Variant]:
    """Put the nearest first; of equally near ones the plainest, then the nearest before rounding."""
    return sorted(variants, key=lambda v: (v.distance, v.departures, round(abs(v.value - value), DIGITS)))


def _ways() -> list[tuple[PersonProtocol, int]]:
    """Pair protocols with origins; two departures and a moved origin at once would explain any number."""
    return [(p, origin) for p in protocols() for origin in ORIGINS if origin == 0 or _suffixes(p.id) < 2]


def protocols() -> list[PersonProtocol]:
    """List all ways to score one pose a person: ids, their variants, and thresholds that have no id."""
    named = [protocol for protocol in VARIANTS.values() if protocol.kind == "person"]
    lengths: dict[str, tuple[Length, str]] = {"pck": ("torso", "torso"), "pckh": ("head", "head size")}
    pairs = [(name, t) for name, t in product(lengths, THRESHOLDS) if f"{name}@{t}" not in VARIANTS]
    return named + [_at(name, t, *lengths[name], suffix) for (name, t), suffix in product(pairs, ("", "plain-mean"))]


def _at(name: str, threshold: float, length: Length, words: str, suffix: str) -> PersonProtocol:
    convention = Convention.named([suffix])
    title = f"joints within {threshold} of the {words}"
    return PersonProtocol(
        id="/".join((f"{name}@{threshold}", *([suffix] if suffix else []))),
        title="; ".join((title, *([SUFFIXES[suffix]] if suffix else []))),
        source="no published protocol",
        kind="person",
        score=partial(score_joints, length=length, measure=partial(F.pck, threshold=threshold), convention=convention),
        needs=f"a {words}",
        total=convention.total,
    )


def _numbers(
    protocol: PersonProtocol, found: FloatArray, people: Sequence[Person], skeleton: Skeleton
) -> Iterator[tuple[str, float]]:
    """Give the total and the rows; nothing where the skeleton or the truth does not allow the protocol."""
    try:
        hits = protocol.score(found, people, skeleton)
        total = value_of(protocol, hits)
    except ValueError:  # it says what is missing: no sticks, no head sizes, no neck
        return
    yield TOTAL, total
    for row, items in hits.rows:
        columns = list(items)
        part = Hits(hits.hits[:, columns], hits.counted[:, columns], ())
        if part.counted.any():
            yield row, value_of(replace(protocol, total="plain mean"), part)


def _stem(metric: str) -> str:
    """Return an id without the suffixes of conventions."""
    return "/".join(part for part in metric.split("/") if part not in SUFFIXES)


def _suffixes(metric: str) -> int:
    """Count the conventions in an id that differ from the usual ones."""
    return sum(part in SUFFIXES for part in metric.split("/"))


def _people(dataset: str, split: str, convention: str) -> list[Person]:
    """Read the people of a split, in its order."""
    entry = DATASETS[dataset]
    wanted = entry.stands_for(split)
    if wanted not in entry.splits:
        raise UserError(f"--split {split}: {dataset} has {', '.join(entry.splits)}")
    samples = entry.read(wanted, data_root(), ReadOptions(convention=convention, extra=False))
    return only_people(samples, f"drawing {dataset} {wanted}")
