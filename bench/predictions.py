"""Prediction files: one person a sample as .npz, several people as a COCO results list; and their scores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch

from bench.errors import UserError
from bench.metrics.protocols import MetricValue, evaluate
from bench.record import atomically
from data import DATASETS, ReadOptions, data_root
from data.types import FloatArray, PosePrediction


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


def coco_results(predictions: Sequence[PosePrediction], image_ids: Sequence[int]) -> list[dict[str, object]]:
    """List everybody found as COCO results do: x, y, score of each joint, and the person's score."""
    results: list[dict[str, object]] = []
    for image_id, found in zip(image_ids, predictions, strict=True):
        triples = torch.cat([found.joints.double(), found.joint_scores.double()[..., None]], -1).flatten(1)
        for keypoints, score in zip(triples.tolist(), found.scores.tolist(), strict=True):
            entry = {"image_id": image_id, "category_id": 1, "keypoints": keypoints, "score": score}
            results.append(entry)
    return results


def save(stem: Path, dataset: str, predictions: Sequence[PosePrediction], image_ids: Sequence[int]) -> Path:
    """Write the predictions of a test beside its record; return the file."""
    if DATASETS[dataset].people == "multi":
        path = stem.with_name(f"{stem.name}.predictions.json")
        with atomically(path) as temporary:
            temporary.write_text(json.dumps(coco_results(predictions, image_ids)))
        return path
    joints, scores = best_person(predictions, len(DATASETS[dataset].skeleton.joints))
    path = stem.with_name(f"{stem.name}.npz")
    with atomically(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, joints=joints, joint_scores=scores)
    return path


def score(dataset: str, path: Path, *, split: str = "test", convention: str = "pc") -> dict[str, MetricValue]:
    """Score anybody's predictions for a single-person data set.

    Raises:
        UserError: if the file is not a prediction file, or not one for this split.
    """
    entry = DATASETS[dataset]
    if entry.people == "multi":
        raise UserError(f"--dataset {dataset}: its metric is AP, which comes with the metrics for several people")
    if split not in entry.splits:
        raise UserError(f"--split {split}: {dataset} has {', '.join(entry.splits)}")
    found = read_joints(path)
    samples = entry.read(split, data_root(), ReadOptions(convention=convention, extra=False))
    expected = (len(samples), len(entry.skeleton.joints), 2)
    if found.shape != expected:
        raise UserError(f"{path}: joints of shape {found.shape}; {dataset} {split} needs (N, K, 2) = {expected}")
    return evaluate(entry.protocols, found, [sample.people[0] for sample in samples], entry.skeleton)


def read_joints(path: Path) -> FloatArray:
    """Read ``joints`` (N, K, 2) of an .npz file, without executing anything in it.

    Raises:
        UserError: if the file is missing, damaged, or has no such array.
    """
    wanted = "an .npz file with joints (N, K, 2) expected"
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile) or "joints" not in archive:
                held = list(getattr(archive, "files", ["one bare array"]))
                raise UserError(f"{path}: holds {held}; {wanted}")
            return np.asarray(archive["joints"], np.float64)
    except (OSError, ValueError, BadZipFile, EOFError) as error:
        raise UserError(f"{path}: cannot be read ({type(error).__name__}); {wanted}") from error
