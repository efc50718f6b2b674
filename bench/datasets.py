"""``bench data``: check a data set, or look at it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench import draw
from bench.errors import UserError
from data import DATASETS, ReadOptions, data_root
from data.bring import bring
from data.check import CheckReport, check_samples

Progress = Callable[[str], Callable[[int, int], None]]
PREVIEWED = 49  # samples of a contact sheet


def preview(dataset: str, split: str, path: Path, *, root: Path | None, joints: bool) -> None:
    """Write a contact sheet of samples evenly spaced through a split."""
    if path.suffix.lower() not in {".png", ".jpg", ".jpeg"}:
        raise UserError(f"--preview {path}: a name that ends in .png or .jpg expected")
    if not path.parent.is_dir():
        raise UserError(f"--preview {path}: there is no folder {path.parent}; make it first")
    entry = DATASETS[dataset]
    samples = entry.read(split, root or data_root(), ReadOptions())
    shown = np.linspace(0, len(samples) - 1, min(PREVIEWED, len(samples))).astype(int)
    draw.write_picture(path, draw.truth_sheet([samples[i] for i in shown], entry.skeleton, joints=joints))


def bring_from(dataset: str, source: Path, *, root: Path | None) -> Path:
    """Put the data set where its reader looks for it.

    Raises:
        UserError: if it is drawn.
        data.types.DataError: if the source is damaged or the place is taken.
    """
    entry = DATASETS[dataset]
    if not entry.folders:
        raise UserError(f"--from {source}: {dataset} is {entry.source}")
    return bring(source, root or data_root(), entry.folders[0])


def check(dataset: str, *, root: Path | None, progress: Progress) -> list[CheckReport]:
    """Decode every image of every split and count what is there.

    Raises:
        data.types.DataError: if the folder is not a copy of the data set.
    """
    entry = DATASETS[dataset]
    if not entry.folders:
        return [_drawn(dataset, split) for split in entry.splits]
    reports = []
    for split in entry.splits:
        samples = entry.read(split, root or data_root(), ReadOptions())
        reports.append(check_samples(f"{dataset} {split}", samples, progress(f"{dataset} {split}")))
    return reports


def _drawn(dataset: str, split: str) -> CheckReport:
    """Nothing can be damaged in what is drawn; say how much there is."""
    entry = DATASETS[dataset]
    samples = entry.read(split, Path(), ReadOptions())
    facts = (("images", str(len(samples))), ("joints", str(len(entry.skeleton.joints))), ("source", entry.source))
    return CheckReport(f"{dataset} {split}", facts, ())
