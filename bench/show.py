"""``bench show``: what several records found in the same images, side by side with the truth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench import draw
from bench.compare import Side, require_same_people
from bench.prediction_files import read_joints
from bench.record import RunRecord
from data import DATASETS
from data.types import FloatArray, PoseSample, Skeleton
from methods import METHODS

LEAST_SHARE = 0.3  # default: of the best score in an image; who has less is not drawn, or everything is full of people


def show(records: Sequence[Path], out: Path, *, images: int = 6, size: int = 320) -> Path:
    """Draw a row an image: the truth, and whom each record found there; return the picture's path.

    Args:
        records: Records about the same people, their predictions beside them.
        out: The picture, .png or .jpg.
        images: How many, evenly spaced over the split.
        size: Pixels of a tile's side.

    Raises:
        UserError: if records or predictions are missing, changed or not about the same people.
        data.types.DataError: if the data set is not as it should be.
    """
    sides = [Side.read(path) for path in records]
    for other in sides[1:]:
        require_same_people(sides[0], other)
    entry, samples = DATASETS[sides[0].record.dataset], sides[0].samples()
    chosen = np.linspace(0, len(samples) - 1, min(images, len(samples))).round().astype(int).tolist()
    found = [_found(side, samples, chosen) for side in sides]
    tiles = [
        draw.people_tile(
            samples[i], entry.skeleton, None if column == 0 else found[column - 1][row], size=size, truth=False
        )
        for row, i in enumerate(chosen)
        for column in range(1 + len(sides))
    ]
    sheet = draw.grid(tiles, 1 + len(sides))
    names = ["truth", *(title(side.record) for side in sides)]
    draw.write_picture(out, np.concatenate([draw.titles(names, sheet.shape[1]), sheet]))
    return out


def title(record: RunRecord) -> str:
    """Name a record's column: a method that finds everybody in an image is given no boxes."""
    method = METHODS.get(record.method)
    everybody = method is not None and method.people == "multi" and not method.boxed
    return record.method if everybody else f"{record.method}, boxes: {record.boxes}"


def _found(side: Side, samples: Sequence[PoseSample], chosen: Sequence[int]) -> list[FloatArray]:
    """Return whom a record found in the chosen images: (N, K, 2) each, NaN for a joint that was not found."""
    path, entry = side.predictions(), DATASETS[side.record.dataset]
    if entry.people == "single":
        joints = read_joints(path)
        return [joints[i][None] for i in chosen]
    people: dict[int, list[tuple[float, FloatArray]]] = {}
    for one in json.loads(path.read_bytes()):
        triples = np.array(one["keypoints"], np.float64).reshape(-1, 3)
        joints = np.where((triples == 0).all(-1, keepdims=True), np.nan, triples[:, :2])
        people.setdefault(one["image_id"], []).append((one["score"], joints))
    return [_best(people.get(samples[i].image_id, []), entry.skeleton) for i in chosen]


def _best(people: list[tuple[float, FloatArray]], skeleton: Skeleton) -> FloatArray:
    """Return those whose score is not far below the best one's."""
    least = LEAST_SHARE * max((score for score, _ in people), default=0.0)
    return np.array([joints for score, joints in people if score >= least]).reshape(-1, len(skeleton.joints), 2)
