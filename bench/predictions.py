"""Prediction files, written and scored: one person a sample as .npz, several people as a COCO results list."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import torch

from bench.errors import UserError
from bench.metrics.protocols import MetricValue, evaluate
from bench.prediction_files import read_found, read_joints
from bench.record import atomically
from bench.row_order import doubt
from data import DATASETS, Dataset, ReadOptions, data_root
from data.ahead import only_people
from data.coco_format import PERSON
from data.types import DataError, FloatArray, Person, PosePrediction

__all__ = ["best_person", "coco_results", "evaluate", "read_joints", "save", "score"]
Say = Callable[[str], None]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def best_person(predictions: Sequence[PosePrediction], k: int) -> tuple[FloatArray, FloatArray]:
    """Take the best-scoring person of each input.

    Returns:
        Joints (N, K, 2) in original pixels and their scores (N, K); NaN where nobody was found.
    """
    joints, scores = np.full((len(predictions), k, 2), np.nan), np.full((len(predictions), k), np.nan)
    for i, found in enumerate(predictions):
        if len(found.scores):
            best = int(found.scores.argmax())
            joints[i], scores[i] = found.joints[best].numpy(), found.joint_scores[best].numpy()
    return joints, scores


def coco_results(
    predictions: Sequence[PosePrediction], image_ids: Sequence[int], category: int = PERSON
) -> list[dict[str, object]]:
    """List everybody found as COCO results do: x, y, score of each joint, and the person's score.

    A joint that was not found is 0, 0, 0; a person of whom none was found is left out. The box of a method that finds
    people by boxes is ``box`` (x, y, width, height): COCO's evaluation takes ``bbox`` for results of another kind.
    """
    results: list[dict[str, object]] = []
    for image_id, found in zip(image_ids, predictions, strict=True):
        triples = torch.cat([found.joints.double(), found.joint_scores.double()[..., None]], -1)
        known = found.joints.isfinite().all(-1)
        rows = triples.where(known[..., None], 0.0).nan_to_num(nan=0.0).flatten(1).tolist()
        entries: list[dict[str, object]] = [
            {"image_id": image_id, "category_id": category, "keypoints": keypoints, "score": score}
            for keypoints, score in zip(rows, found.scores.tolist(), strict=True)
        ]
        if found.boxes is not None:
            sides = torch.cat([found.boxes[:, :2], found.boxes[:, 2:] - found.boxes[:, :2]], 1).double().tolist()
            entries = [{**entry, "box": box} for entry, box in zip(entries, sides, strict=True)]
        results += [entry for entry, anything in zip(entries, known.any(-1).tolist(), strict=True) if anything]
    return results


def save(stem: Path, dataset: str, predictions: Sequence[PosePrediction], image_ids: Sequence[int]) -> Path:
    """Write the predictions of a test beside its record; return the file."""
    if DATASETS[dataset].people == "multi":
        path = stem.with_name(f"{stem.name}.predictions.json")
        with atomically(path) as temporary:
            temporary.write_text(json.dumps(coco_results(predictions, image_ids, DATASETS[dataset].category)))
        return path
    joints, scores = best_person(predictions, len(DATASETS[dataset].skeleton.joints))
    path = stem.with_name(f"{stem.name}.npz")
    with atomically(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, joints=joints, joint_scores=scores)
    return path


def score(
    dataset: str,
    path: Path,
    *,
    split: str = "test",
    convention: str = "pc",
    truth: Path | None = None,
    say: Say = _say,
) -> dict[str, MetricValue]:
    """Score anybody's predictions.

    Args:
        dataset: a key of ``data.DATASETS``.
        path: the predictions: COCO results where there are several people an image; else as `read_found` takes them.
        split: test stands for val where the data set has no test.
        convention: whose left and right; pc stands for oc where the data set has no other, and that is said.
        truth: an annotation file to use instead of the split's, for data sets in COCO's format.
        say: told how the file was understood and what looks odd, line by line.

    Raises:
        UserError: if the file is not a prediction file, or not one for this split in its order.
        DataError: if the data set cannot be read, or a results list does not belong to it.
    """
    entry = DATASETS[dataset]
    chosen = entry.stands_for(split)
    if chosen not in entry.splits:
        raise UserError(f"--split {chosen}: {dataset} has {', '.join(entry.splits)}")
    if truth is not None and entry.annotation_file is None:
        raise UserError(f"--truth {truth}: only data sets in COCO's format take it; {dataset} has its own files")
    if entry.people == "multi":
        return _score_people(entry, path, chosen, truth, say)
    sides = entry.conventions[0] if (convention, len(entry.conventions)) == ("pc", 1) else convention
    if sides != convention:
        say(f"{dataset}: its labels have the observer's left and right ({sides}) only")
    return _score_person(entry, path, chosen, ReadOptions(convention=sides, extra=False), say)


def _score_people(entry: Dataset, path: Path, split: str, truth: Path | None, say: Say) -> dict[str, MetricValue]:
    """Score a results list by average precision; the evaluators are imported only for it."""
    from bench import score_ap

    if entry.annotation_file is not None:
        return score_ap.score_oks(entry.name, score_ap.read_official(entry.name, split, data_root(), truth), path, say)
    return score_ap.score_groups(entry.read(split, data_root(), ReadOptions()), path, entry.skeleton, say)


def _score_person(entry: Dataset, path: Path, split: str, options: ReadOptions, say: Say) -> dict[str, MetricValue]:
    found = read_found(path, len(entry.skeleton.joints))
    if found.note:
        say(found.note)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        people = _people(entry, split, options)
    for warning in told:
        say(f"warning: {warning.message}")
    expected = (len(people), len(entry.skeleton.joints), 2)
    if found.joints.shape != expected:
        shape = found.joints.shape
        hint = _whose(entry, shape, expected, split, options)
        raise UserError(f"{path}: joints of shape {shape}; {entry.name} {split} needs (N, K, 2) = {expected}{hint}")
    others = partial(_others, entry, split, options, len(people))
    question = doubt(found.joints, people, entry.skeleton, others)
    if question and question.certain:
        raise UserError(f"{path}: the joints are not those of {entry.name} {split} in its order: {question.reason}")
    if question:
        say(f"warning: {path}: {question.reason}; are they of {entry.name} {split}, in its order, in pixels?")
    return evaluate(entry.protocols, found.joints, people, entry.skeleton)


def _people(entry: Dataset, split: str, options: ReadOptions) -> list[Person]:
    return only_people(entry.read(split, data_root(), options), f"drawing {entry.name} {split}")


def _others(entry: Dataset, split: str, options: ReadOptions, count: int) -> dict[str, list[Person]]:
    """Read the other splits of so many people; one that is not there cannot be mistaken for this one."""
    found: dict[str, list[Person]] = {}
    for other in entry.splits if entry.folders else ():  # drawing a whole split again takes a minute
        with suppress(DataError):
            people = _people(entry, other, options) if other != split else []
            found |= {other: people} if len(people) == count else {}
    return found


def _whose(entry: Dataset, shape: tuple[int, ...], expected: tuple[int, ...], split: str, options: ReadOptions) -> str:
    """Say whose file of another shape may be."""
    if len(shape) != len(expected) or shape[2] != expected[2]:
        return ""
    if shape[1] != expected[1]:
        names = [other.name for other in DATASETS.values() if other.folders and len(other.skeleton.joints) == shape[1]]
        return f"; {shape[1]} joints are those of {' or '.join(names)}" if names else ""
    splits = _others(entry, split, options, shape[0])
    return f"; {shape[0]:,} people are those of {' or '.join(splits)}" if splits else ""
