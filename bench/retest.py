"""``bench test``: a trained method on another data set or with other boxes, as a record of its own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from bench import predictions
from bench.boxes import box_source
from bench.environment import environment
from bench.errors import UserError, unknown
from bench.evaluate import Evaluate, test
from bench.metrics.protocols import PROTOCOLS
from bench.outcome import now
from bench.parts import Say
from bench.predict import load_method
from bench.quiet import quieten
from bench.record import RunRecord, artefact, stored_checkpoint
from data import DATASETS
from data.module import PoseDataModule


def retest(path: Path, dataset: str | None, boxes: str, *, limit: int | None, batch_size: int, say: Say) -> Path:
    """Test what a run has trained; write a record beside its own, which says what it was trained on.

    Args:
        path: The record of the run, its checkpoint beside it.
        dataset: To test on; that of the run where None. Its joints must be those of the training.
        boxes: Where the boxes of crops come from.
        limit: Test on the first so many samples only.
        batch_size: Inputs at a time.
        say: Takes lines for people.

    Raises:
        UserError: if the checkpoint is missing or another one, or the data set's joints are others.
        data.types.DataError: if the data set is not as it should be.
    """
    started, trained = now(), RunRecord.read(path)
    name = dataset or trained.dataset
    if name not in DATASETS:
        raise unknown("data set", name, DATASETS)
    entry = DATASETS[name]
    method = load_method(stored_checkpoint(path, trained))
    if method.skeleton.joints != entry.skeleton.joints:
        raise UserError(f"{path}: trained on {method.skeleton.name}, {name} has the joints of {entry.skeleton.name}")
    quieten()
    data = PoseDataModule(
        method.view, name, boxes=box_source(boxes, name), test_limit=limit, test_batch_size=batch_size
    )
    evaluate = Evaluate(entry.protocols, entry.skeleton)
    say(f"testing {trained.id} on {name}, boxes {data.boxes.label}: {len(data.inputs('test')):,} inputs")
    precision = trained.config.get("trainer", {}).get("precision", "32-true")
    test(method, data, evaluate, precision=precision)
    return _record(path, trained, data, evaluate, started).write(path.parent)


def _record(path: Path, trained: RunRecord, data: PoseDataModule, evaluate: Evaluate, started: str) -> RunRecord:
    """Put the record together; only what the test makes differs from that of the run."""
    split = data.entry.stands_for("test")
    tested = {"trained": trained.id, "dataset": data.dataset, "boxes": data.boxes.label, "test_limit": data.test_limit}
    digest = hashlib.sha256(json.dumps(tested, sort_keys=True).encode()).hexdigest()[:8]
    name = f"{trained.method}-{trained.preset}--{data.dataset}--s{trained.seed}--{digest}"
    saved = predictions.save(path.parent / name, data.dataset, evaluate.predictions, evaluate.image_ids)
    config = {
        **trained.config,
        "data": {**trained.config.get("data", {}), "test_limit": data.test_limit},
        "trained": {"id": trained.id, "dataset": trained.dataset, "boxes": trained.boxes},
        "protocols": {metric: PROTOCOLS[metric].version for metric in evaluate.results},
    }
    return trained.model_copy(
        update={
            "id": name,
            "dataset": data.dataset,
            "split": split,
            "boxes": data.boxes.label,
            "config": config,
            "metrics": evaluate.results,
            "cost": trained.cost.model_copy(update={"test_images_per_second": evaluate.test_images_per_second}),
            "environment": environment(),
            "predictions": artefact(saved, path.parent),
            "wandb": trained.wandb.model_copy(update={"mode": "disabled", "run_id": None, "path": None}),
            "started": started,
            "finished": now(),
        }
    )
