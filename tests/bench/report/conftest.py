"""Records made by hand."""

import pytest

from bench.record import Metric
from bench.report.records import Entry


@pytest.fixture
def entry(record, tmp_path):
    """Make a record whose numbers are given; nothing of it need be on disk."""

    def make(method="cpm", seed=0, metrics=None, *, digest="00000000", folder=tmp_path, cost=None, **changes):
        metrics = metrics or {"pck@0.2": (50.0, 2.0)}
        made = {
            name: Metric(value=value, unit="mm" if "mpjpe" in name else "%", n=100, ci95=(value - half, value + half),
                         per_joint={"head": value, "wrist": None})
            for name, (value, half) in metrics.items()
        }  # fmt: skip
        preset, dataset = changes.pop("preset", "small"), changes.pop("dataset", "synthetic")
        name = f"{method}-{preset}--{dataset}--s{seed}--{digest}"
        config = {"convention": "pc", "protocols": dict.fromkeys(made, 1), **changes.pop("config", {})}
        fields = {"id": name, "method": method, "preset": preset, "dataset": dataset, "seed": seed, "metrics": made}
        fields |= {"config": config, "cost": record.cost.model_copy(update=cost or {}), **changes}
        return Entry(folder / f"{name}.json", record.model_copy(update=fields))

    return make
