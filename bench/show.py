"""``bench show``: what several records found in the same images, side by side with the truth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench import draw
from bench.boxes import finds_everybody
from bench.compare import Side, require_same_people
from bench.errors import UserError
from bench.prediction_files import read_joints
from bench.record import RunRecord
from data import DATASETS
from data.types import FloatArray, PoseSample, Skeleton, UInt8Array

LEAST_SHARE = 0.3  # default: of the best score in an image; who has less is not drawn, or everything is full of people


def show(
    records: Sequence[Path], out: Path, *, images: int = 6, image: int | None = None, columns: int = 5, size: int = 320
) -> Path:
    """Draw a row an image: the truth, and whom each record found there; return the picture's path.

    Args:
        records: Records about the same people, their predictions beside them.
        out: The picture, .png or .jpg.
        images: How many, evenly spaced over the split.
        image: Only this one, counted from 0, its tiles in rows of ``columns``.
        columns: With ``image``.
        size: Pixels of a tile's side.

    Raises:
        UserError: if records or predictions are missing, changed or not about the same people.
        data.types.DataError: if the data set is not as it should be.
    """
    sides = [Side.read(path) for path in records]
    for other in sides[1:]:
        require_same_people(sides[0], other)
    entry, samples = DATASETS[sides[0].record.dataset], sides[0].samples()
    last = len(samples) - 1
    if image is not None and not 0 <= image <= last:
        raise UserError(f"--image {image}: the records are about {last + 1} images; expected 0 to {last}")
    evenly = np.linspace(0, last, min(images, last + 1)).round().astype(int).tolist()
    chosen = evenly if image is None else [image]
    found = [_found(side, samples, chosen) for side in sides]
    one = entry.people == "single"
    tiles = [
        draw.people_tile(samples[i], entry.skeleton, people, size=size, truth=False, sides=one)
        for row, i in enumerate(chosen)
        for people in (None, *(mine[row] for mine in found))
    ]
    if image is None:
        sheet = _titled(["truth", *(title(side.record) for side in sides)], tiles)
    else:
        sheet = _wrapped(["truth", *(side.record.method for side in sides)], tiles, columns)
    draw.write_picture(out, sheet)
    return out


def _titled(names: Sequence[str], tiles: Sequence[UInt8Array]) -> UInt8Array:
    """Lay tiles out below the names of their columns."""
    sheet = draw.grid(tiles, len(names))
    return np.concatenate([draw.titles(names, sheet.shape[1]), sheet])


def _wrapped(names: Sequence[str], tiles: Sequence[UInt8Array], columns: int) -> UInt8Array:
    """Lay tiles out in rows, each tile below its own name."""
    width = min(columns, len(tiles))
    short = -len(tiles) % width
    names, tiles = [*names, *[""] * short], [*tiles, *[np.full_like(tiles[0], draw.BACKGROUND)] * short]
    rows = [_titled(names[at : at + width], tiles[at : at + width]) for at in range(0, len(tiles), width)]
    return np.concatenate(rows)


def title(record: RunRecord) -> str:
    """Name a record's column: a method that finds everybody in an image is given no boxes."""
    return record.method if finds_everybody(record) else f"{record.method}, boxes: {record.boxes}"


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
