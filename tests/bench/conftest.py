"""A cell small enough to run in a second or two, and a record."""

import pytest

from bench.config import resolve
from bench.record import RunRecord

TINY = [
    *("--method.input_size", "[32, 32]", "--method.width", "8", "--method.deconv_filters", "8"),
    *("--data.train_limit", "16", "--data.test_limit", "8", "--data.batch_size", "8", "--data.workers", "0"),
    *("--trainer.max_epochs", "3", "--trainer.accelerator", "cpu", "--trainer.check_val_every_n_epoch", "1"),
]


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No W&B, no key, no data folder of the machine's user."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def cell():
    return resolve("simplebaseline", "small", "synthetic", TINY)


@pytest.fixture
def record():
    metric = {"value": 50.0, "unit": "%", "n": 8, "ci95": [40.0, 60.0], "per_joint": {"head": 60.0, "wrist": None}}
    cost = {"parameters": 10, "gmacs": 0.1, "train_images_per_second": None, "test_images_per_second": 5.0}
    cost |= {"latency_ms": 1.0, "peak_memory_mb": 100.0, "train_seconds": 0.0, "device": "a processor"}
    environment = {"git_commit": None, "git_dirty": None, "python": "3.11", "torch": "2.15", "platform": "Linux"}
    file = {"path": "x.npz", "sha256": "0" * 64}
    return RunRecord.model_validate(
        {
            **{"schema_version": 1, "id": "m-small--synthetic--s0--00000000", "method": "m", "preset": "small"},
            **{"dataset": "synthetic", "split": "test", "boxes": "truth", "seed": 0, "config": {"convention": "pc"}},
            **{"metrics": {"pck@0.2": metric}, "cost": cost, "environment": {**environment, "packages": {}}},
            **{"predictions": file, "checkpoint": file, "wandb": {"mode": "disabled", "run_id": None, "path": None}},
            **{"started": "2026-01-01T00:00:00+00:00", "finished": "2026-01-01T00:01:00+00:00"},
        }
    )
