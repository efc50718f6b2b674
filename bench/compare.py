"""Two records on the same people: what differs, how surely, and what else differs between the two runs.

The numbers are computed again from the predictions of both, by the rules of today; a record that said another number
is named in a warning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.errors import UserError
from bench.metrics.coco_truth import Truth, read_results
from bench.metrics.protocols import PROTOCOLS, PeopleProtocol, PersonProtocol, lookup
from bench.paired import MetricDifference, ResampledAP, ap_differences, difference, resample_ap
from bench.prediction_files import read_joints
from bench.record import RunRecord, stored_predictions
from bench.score_ap import read_official
from data import DATASETS, ReadOptions, data_root
from data.ahead import only_people
from data.types import FloatArray, Person, PoseSample, Skeleton

AGREE = 0.005  # default: half of the last digit of a table with two decimals


@dataclass(frozen=True)
class Comparison:
    """Record ``b`` against record ``a``."""

    a: str
    b: str
    dataset: str
    split: str
    metrics: tuple[MetricDifference, ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the form of the command's document."""
        return asdict(self)


@dataclass(frozen=True)
class Side:
    """A record and where it is."""

    path: Path
    record: RunRecord

    @classmethod
    def read(cls, path: Path) -> Side:
        """Read a record."""
        return cls(path, RunRecord.read(path))

    @property
    def tested_on(self) -> dict[str, object]:
        """What decides which people a record is about."""
        config = self.record.config
        names = {
            "data set": self.record.dataset,
            "split": self.record.split,
            "convention": config.get("convention", "pc"),
        }
        return {**names, "test limit": config.get("data", {}).get("test_limit")}

    @property
    def split(self) -> str:
        """The split of the data set: val where it has no test, as the data module tests."""
        return DATASETS[self.record.dataset].stands_for(self.record.split)

    def samples(self) -> list[PoseSample]:
        """Read what was tested on, in its order."""
        options = ReadOptions(convention=str(self.tested_on["convention"]), extra=False)
        limit = self.tested_on["test limit"]
        samples = DATASETS[self.record.dataset].read(self.split, data_root(), options)
        return samples if limit is None else samples[: int(str(limit))]

    def predictions(self) -> Path:
        """Return the file of the predictions, unchanged since the run."""
        return stored_predictions(self.path, self.record)

    def people(self) -> list[Person]:
        """Read the people of the test, in its order."""
        return only_people(self.samples(), f"drawing {self.record.dataset} {self.split}")

    def joints(self, n: int, skeleton: Skeleton) -> FloatArray:
        """Read the poses of n people, (n, K, 2) pixels; NaN where nothing was found."""
        joints, expected = read_joints(self.predictions()), (n, len(skeleton.joints), 2)
        if joints.shape != expected:
            found = f"{self.path}: predictions of shape {joints.shape}"
            raise UserError(f"{found}, its people need {expected}; run it again")
        return joints


def compare(a: Path, b: Path) -> Comparison:
    """Compare two records of one data set, person by person, or image by image where the number is AP.

    Raises:
        UserError: if a record or its predictions are missing or changed, or the two are not about the same people.
        data.types.DataError: if the data set is not as it should be.
    """
    found = Same().compare(a, b)
    if not found.metrics:
        both = [f"{path} has {', '.join(RunRecord.read(path).metrics)}" for path in (a, b)]
        said = "; both must have one metric in common that their predictions can be compared by"
        raise UserError(f"{'; '.join(both)}{said}")
    return found


class Same:
    """Compares records about the same people, who are read once; the first call says whom all later ones are about."""

    def __init__(self) -> None:
        self._people: list[Person] | None = None
        self._truth: Truth | None = None
        self._resampled: dict[Path, ResampledAP] = {}

    def compare(self, a: Path, b: Path) -> Comparison:
        """Compare two records by every metric that their predictions give, if any; other errors as `compare`."""
        one, other = Side.read(a), Side.read(b)
        require_same_people(one, other)
        metrics = self._of(one, other)
        left = set(one.record.metrics) & set(other.record.metrics) - {metric.metric for metric in metrics}
        told = [f"{name}: not compared, the stored predictions do not give it" for name in sorted(left)]
        told += _unlike(one.record, other.record)
        told += [line for metric in metrics for line in _recomputed(one, metric, metric.a)]
        told += [line for metric in metrics for line in _recomputed(other, metric, metric.b)]
        tested = one.record.dataset, one.record.split
        return Comparison(one.record.id, other.record.id, *tested, tuple(metrics), tuple(told))

    def _of(self, one: Side, other: Side) -> list[MetricDifference]:
        """Compare two sides by what both have."""
        several = DATASETS[one.record.dataset].people == "multi"
        names = [name for name in one.record.metrics if name in other.record.metrics and name in PROTOCOLS]
        return self._of_images(one, other, names) if several else self._of_people(one, other, names)

    def _of_people(self, one: Side, other: Side, names: Sequence[str]) -> list[MetricDifference]:
        """Compare by the metrics that score one pose a person."""
        protocols = [p for p in map(lookup, names) if isinstance(p, PersonProtocol) and p.kind == "person"]
        people = self._people = self._people or one.people()
        skeleton = DATASETS[one.record.dataset].skeleton
        a, b = (side.joints(len(people), skeleton) for side in (one, other))
        return [difference(protocol, a, b, people, skeleton) for protocol in protocols]

    def _of_images(self, one: Side, other: Side, names: Sequence[str]) -> list[MetricDifference]:
        """Compare by the numbers of OKS-AP."""
        ranked = [p.id for p in map(lookup, names) if isinstance(p, PeopleProtocol) and p.family == "oks-ap"]
        limit, entry = one.tested_on["test limit"], DATASETS[one.record.dataset]
        if not ranked or entry.annotation_file is None:
            return []
        if limit is not None:
            raise UserError(f"{one.path}: AP of the first {limit} images only; compare records of the whole split")
        return ap_differences(ranked, self._ap(one), self._ap(other))

    def _ap(self, side: Side) -> ResampledAP:
        if side.path not in self._resampled:
            dataset, entry = side.record.dataset, DATASETS[side.record.dataset]
            truth = self._truth = self._truth or read_official(dataset, side.split, data_root())
            found = read_results(side.predictions(), truth, category=entry.category)
            self._resampled[side.path] = resample_ap(truth, found, entry.skeleton.sigmas)
        return self._resampled[side.path]


def require_same_people(one: Side, other: Side) -> None:
    """Raise UserError for two records that are not about the same people of a data set that is known here."""
    for name, value in one.tested_on.items():
        if other.tested_on[name] != value:
            found = f"{one.path} has {name} {value}, {other.path} {other.tested_on[name]}"
            raise UserError(f"{found}; only records about the same people can be compared")
    if one.record.dataset not in DATASETS:
        raise UserError(
            f"{one.path}: no data set {one.record.dataset!r} here; `python -m bench list` shows what there is"
        )


def _unlike(one: RunRecord, other: RunRecord) -> list[str]:
    """Say what else differs than the methods."""
    told = []
    pairs = {
        "boxes": (one.boxes, other.boxes),
        "training budgets": (one.config.get("budget_seconds"), other.config.get("budget_seconds")),
        "commits": (one.environment.git_commit, other.environment.git_commit),
    }
    told += [f"different {name}: {a} and {b}" for name, (a, b) in pairs.items() if a != b]
    told += [f"{r.id}: run from uncommitted changes" for r in (one, other) if r.environment.git_dirty]
    if one.predictions.sha256 == other.predictions.sha256:
        told.append("both records point to the same predictions")
    return told


def _recomputed(side: Side, metric: MetricDifference, value: float) -> list[str]:
    """Say where a record holds another number than its predictions give today."""
    record, stored = side.record, side.record.metrics[metric.metric].value
    made = record.config.get("protocols", {}).get(metric.metric)
    now = PROTOCOLS[metric.metric].version
    if made not in (None, now):
        return [f"{record.id}: {metric.metric} {stored:.2f} by rules of version {made}, {value:.2f} by version {now}"]
    if abs(stored - value) > AGREE:
        return [f"{record.id}: {metric.metric} says {stored:.2f}, its predictions give {value:.2f}"]
    return []
