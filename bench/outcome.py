"""What a finished run leaves: a picture, its predictions, the record."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from bench import draw, notes, predictions, stages
from bench.cost import latency_ms, network_cost
from bench.environment import device_name, environment, peak_memory_mb
from bench.inside import inside_sheet
from bench.metrics.protocols import PROTOCOLS
from bench.parts import Parts
from bench.record import SCHEMA_VERSION, Cost, RunRecord, Wandb, artefact
from bench.tracker import TrackerInfo
from data.inputs import Inputs
from data.types import Person, PoseSample
from data.views import Look, PersonCrop

SHOWN = 16  # test people in the picture of a run
OPENED = 4  # of them in the picture of the method's inside


def picture(parts: Parts) -> Path:
    """Draw some test people, or images where everybody was looked for, evenly spaced, with prediction and truth."""
    inputs, skeleton = parts.data.inputs("test"), parts.data.entry.skeleton
    shown = _spread(len(inputs), SHOWN)
    predicted = [parts.evaluate.predictions[i] for i in shown]
    if isinstance(inputs.view, PersonCrop):
        found, _ = predictions.best_person(predicted, len(skeleton.joints))
        sheet = draw.result_sheet([_whom(inputs, inputs.looks[i]) for i in shown], list(found), skeleton)
    else:
        images = [inputs.samples[inputs.looks[i].sample] for i in shown]
        everybody = [one.joints.double().numpy() for one in predicted]
        pairs = zip(images, everybody, strict=True)
        sheet = draw.grid([draw.people_tile(image, skeleton, found) for image, found in pairs])
    path = parts.folder / "people.jpg"
    draw.write_picture(path, sheet)
    return path


def _whom(inputs: Inputs, look: Look) -> tuple[PoseSample, Person]:
    """Return an image and who is looked at; where only a box is known, somebody of whom nothing is labelled."""
    sample, k = inputs.samples[look.sample], len(inputs.skeleton.joints)
    if look.person is not None:
        return sample, sample.people[look.person]
    return sample, Person(np.zeros((k, 2)), np.zeros(k, np.int64), look.box)


def _spread(length: int, wanted: int) -> list[int]:
    """Choose evenly spaced positions."""
    return [int(i) for i in np.linspace(0, length - 1, min(wanted, length))]


def inside(parts: Parts) -> Path | None:
    """Draw the method's own view of some test people, where it has one."""
    inputs = parts.data.inputs("test")
    sheet = inside_sheet(parts.method, inputs, _spread(len(inputs), OPENED))
    if sheet is None:
        return None
    path = parts.folder / "inside.jpg"
    draw.write_picture(path, sheet)
    return path


def stage_scores(parts: Parts) -> None:
    """Write and say what each stage reached, where a method has stages."""
    scores = parts.evaluate.stages
    if scores:
        stages.write(parts.folder / "stages.json", scores)
        for line in stages.lines(scores, parts.data.entry.protocols[:2]):
            parts.say(line)


def image_notes(parts: Parts) -> notes.Notes:
    """Write, say and return what the method noted about the test's images, before it sees any others."""
    noted = parts.method.notes()
    if noted:
        notes.write(parts.folder / "images.json", noted)
        parts.say(notes.line(noted))
    return noted


def record(parts: Parts, started: str, device: torch.device, wandb: Wandb) -> RunRecord:
    """Measure the cost, write the predictions and put the record together; nothing of it is on disk yet."""
    cell, runs = parts.cell, parts.folder.parent
    network = network_cost(parts.method)
    parts.method.to(device)
    stem = runs / cell.id
    saved = predictions.save(stem, cell.dataset, parts.evaluate.people, parts.evaluate.people_ids)
    cost = Cost(
        parameters=network.parameters,
        gmacs=network.gmacs,
        train_images_per_second=parts.clock.images_per_second,
        test_images_per_second=parts.evaluate.test_images_per_second,
        latency_ms=latency_ms(parts.method),
        peak_memory_mb=peak_memory_mb(device),
        train_seconds=parts.clock.wall,
        device=device_name(device),
    )
    return RunRecord(
        schema_version=SCHEMA_VERSION,
        id=cell.id,
        method=cell.method,
        preset=cell.preset,
        dataset=cell.dataset,
        split=parts.data.entry.stands_for("test"),
        boxes=cell.boxes,
        seed=cell.seed,
        config={**cell.config, "protocols": {name: PROTOCOLS[name].version for name in parts.evaluate.results}},
        metrics=parts.evaluate.results,
        cost=cost,
        environment=environment(),
        predictions=artefact(saved, runs),
        checkpoint=artefact(parts.keep.path, runs),
        wandb=wandb,
        started=started,
        finished=now(),
    )


def mirror(info: TrackerInfo, runs: Path) -> Wandb:
    """Say where the W&B run is, relative to the record, so that the record holds no path of this machine."""
    inside = Path(info.path).relative_to(runs.resolve()).as_posix() if info.path else None
    return Wandb.model_validate({"mode": info.mode, "run_id": info.run_id, "path": inside})


def summary(record: RunRecord) -> dict[str, float | str | int]:
    """Flatten a record for W&B's summary."""
    flat: dict[str, float | str | int] = {"record": record.id}
    for name, metric in record.metrics.items():
        flat[f"test/{name}"] = metric.value
        flat |= {f"test/{name}/{row}": value for row, value in metric.per_joint.items() if value is not None}
    flat |= {f"cost/{key}": value for key, value in record.cost.model_dump().items() if value is not None}
    return flat


def now() -> str:
    """Return the time as a record holds it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
