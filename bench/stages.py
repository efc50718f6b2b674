"""What each stage of a method reached in the test: the same metrics, stage by stage, in ``stages.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.metrics.person import PersonMetric
from bench.metrics.protocols import lookup
from bench.metrics.values import PeopleProtocol
from bench.record import Metric, atomically
from data.types import Person, PosePrediction, Skeleton

Scores = dict[str, dict[str, Metric]]  # by stage, then by protocol id


class StageScores:
    """Collect the answers of every stage; protocols of several people are left out."""

    def __init__(self, protocols: Sequence[str], skeleton: Skeleton) -> None:
        """Give the protocols of the data set."""
        self.protocols = [name for name in protocols if not isinstance(lookup(name), PeopleProtocol)]
        self.skeleton = skeleton
        self.metrics: dict[str, dict[str, PersonMetric]] = {}

    def reset(self) -> None:
        """Forget everything."""
        self.metrics = {}

    def update(self, stages: Mapping[str, Sequence[PosePrediction]], people: tuple[tuple[Person, ...], ...]) -> None:
        """Count one batch: for every stage, one prediction an input."""
        for stage, found in stages.items():
            if stage not in self.metrics:
                self.metrics[stage] = {name: PersonMetric(name, self.skeleton) for name in self.protocols}
            for metric in self.metrics[stage].values():
                metric.update([one.cpu() for one in found], people)

    def compute(self) -> Scores:
        """Return the metrics of every stage, in the order of the stages."""
        return {
            stage: {name: Metric.model_validate(metric.compute().to_dict()) for name, metric in metrics.items()}
            for stage, metrics in self.metrics.items()
        }


def write(path: Path, scores: Scores) -> None:
    """Write the scores as JSON, whole or not at all."""
    plain = {stage: {name: m.model_dump(mode="json") for name, m in row.items()} for stage, row in scores.items()}
    with atomically(path) as temporary:
        temporary.write_text(json.dumps(plain, indent=1, allow_nan=False) + "\n")


def lines(scores: Scores, names: Sequence[str]) -> list[str]:
    """Write one line a stage with the metrics ``names``."""
    width = max(map(len, scores), default=0)
    return [
        f"{stage:{width}}  " + "  ".join(f"{name} {row[name].value:.1f}" for name in names if name in row)
        for stage, row in scores.items()
    ]


def flat(scores: Scores) -> dict[str, float]:
    """Name every number for W&B's summary: ``stages/<stage>/<metric>``."""
    return {f"stages/{stage}/{name}": m.value for stage, row in scores.items() for name, m in row.items()}
