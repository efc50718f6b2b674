"""``bench test``: a trained method on another data set, with other boxes or test options, as a record of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import notes, predictions
from bench.boxes import box_source
from bench.config import plain, resolve_options
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


def retest(
    path: Path,
    dataset: str | None,
    boxes: str,
    changes: Sequence[str] = (),
    *,
    split: str = "test",
    limit: int | None,
    batch_size: int,
    say: Say,
) -> Path:
    """Test what a run has trained; write a record beside its own, which says what it was trained on.

    Args:
        path: The record of the run, its checkpoint beside it.
        dataset: To test on; that of the run where None. Its joints must be those of the training.
        boxes: Where the boxes of crops come from.
        changes: Dotted options of the method that the test has in place of those of the run, such as a solver.
        split: To test on: of the training images too, for methods that learn from what others find there.
        limit: Test on the first so many samples only.
        batch_size: Inputs at a time.
        say: Takes lines for people.

    Raises:
        UserError: if the checkpoint is missing or another one, the data set's joints are others, or an option does not
            exist or asks for another network.
        data.types.DataError: if the data set is not as it should be.
    """
    started, trained = now(), RunRecord.read(path)
    name = dataset or trained.dataset
    if name not in DATASETS:
        raise unknown("data set", name, DATASETS)
    entry = DATASETS[name]
    if split not in entry.splits and split != "test":
        raise unknown(f"split of {name}", split, entry.splits)
    changed = options_of(trained.method, trained.preset, changes)
    method = load_method(stored_checkpoint(path, trained), changed)
    if method.skeleton.joints != entry.skeleton.joints:
        raise UserError(f"{path}: trained on {method.skeleton.name}, {name} has the joints of {entry.skeleton.name}")
    quieten()
    data = PoseDataModule(
        method.view, name, boxes=box_source(boxes, name), test_limit=limit, test_batch_size=batch_size, tested=split
    )
    evaluate = Evaluate(entry.protocols, entry.skeleton)
    words = "".join(f", {key} {value}" for key, value in changed.items())
    say(f"testing {trained.id} on {name}, boxes {data.boxes.label}{words}: {len(data.inputs('test')):,} inputs")
    precision = trained.config.get("trainer", {}).get("precision", "32-true")
    test(method, data, evaluate, precision=precision)
    record = _record(path, trained, data, evaluate, started, changed)
    if noted := method.notes():
        folder = path.parent / record.id
        folder.mkdir(exist_ok=True)
        notes.write(folder / "images.json", noted)
        say(notes.line(noted))
    return record.write(path.parent)


def options_of(method: str, preset: str, words: Sequence[str]) -> dict[str, Any]:
    """Read dotted options of a method, such as ``--method.solver greedy``; only those that are given.

    Raises:
        UserError: for an option or value that does not exist, or an option of the data or the trainer.
    """
    names = [word.split("=")[0].removeprefix("--") for word in words if word.startswith("--")]
    other = [name for name in names if not name.startswith("method.")]
    if other:
        raise UserError(f"--{other[0]}: a test takes options of the method alone, --method.NAME VALUE")
    if not words:
        return {}
    options = resolve_options(method, preset, words).groups
    return {key: plain(options.method[key]) for key in (name.split(".")[1] for name in names)}


def _record(
    path: Path,
    trained: RunRecord,
    data: PoseDataModule,
    evaluate: Evaluate,
    started: str,
    changed: Mapping[str, object],
) -> RunRecord:
    """Put the record together; only what the test makes differs from that of the run."""
    split = data.split("test")
    tested: dict[str, object] = {
        "trained": trained.id,
        "dataset": data.dataset,
        "boxes": data.boxes.label,
        "test_limit": data.test_limit,
    }
    tested |= {"changed": changed} if changed else {}
    tested |= {"split": split} if split != data.entry.stands_for("test") else {}
    digest = hashlib.sha256(json.dumps(tested, sort_keys=True).encode()).hexdigest()[:8]
    name = f"{trained.method}-{trained.preset}--{data.dataset}--s{trained.seed}--{digest}"
    saved = predictions.save(path.parent / name, data.dataset, evaluate.people, evaluate.people_ids)
    config = {
        **trained.config,
        "method": {**trained.config.get("method", {}), **changed},
        "data": {**trained.config.get("data", {}), "test_limit": data.test_limit},
        "trained": {"id": trained.id, "dataset": trained.dataset, "boxes": trained.boxes, "changed": dict(changed)},
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
