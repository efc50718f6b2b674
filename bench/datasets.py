"""``bench data``: check a data set, or look at it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench import draw
from bench.errors import UserError
from data import DATASETS, ReadOptions, data_root
from data.bring import bring
from data.check import CheckReport, check_samples
from data.coco_folder import NAME, is_coco_folder

Progress = Callable[[str], Callable[[int, int], None]]
PREVIEWED = 49  # samples of a contact sheet


def preview(dataset: str, split: str, path: Path, *, root: Path | None, joints: bool) -> None:
    """Write a contact sheet of samples evenly spaced through a split."""
    draw.require_picture_path(path, "--preview")
    entry = DATASETS.under(root)[dataset]
    samples = entry.read(split, root or data_root(), ReadOptions())
    shown = np.linspace(0, len(samples) - 1, min(PREVIEWED, len(samples))).astype(int)
    draw.write_picture(path, draw.truth_sheet([samples[i] for i in shown], entry.skeleton, joints=joints))


def bring_from(dataset: str, source: Path, *, root: Path | None) -> Path:
    """Put the data set where its reader looks for it; one of no known name is a folder in COCO's layout.

    Raises:
        UserError: if it is drawn, or the name cannot be a folder's.
        data.types.DataError: if the source is damaged or the place is taken.
    """
    entry = DATASETS.under(root).get(dataset)
    if entry is None and not NAME.fullmatch(dataset):
        raise UserError(f"no data set {dataset!r}: a name of letters, digits, . _ and - expected for a new one")
    if entry is None:
        return _bring_new(dataset, source, root or data_root())
    if not entry.folders:
        raise UserError(f"--from {source}: {dataset} is {entry.source}")
    return bring(source, root or data_root(), entry.folders[0])


def _bring_new(dataset: str, source: Path, root: Path) -> Path:
    brought = bring(source, root, dataset)
    if not is_coco_folder(brought):
        shutil.rmtree(brought)
        found = f"{source}: no annotations/*.json with train, val or test in a name"
        raise UserError(f"{found}; a new data set must be in COCO's layout, {dataset!r} is none of the known ones")
    return brought


def check(dataset: str, *, root: Path | None, progress: Progress) -> list[CheckReport]:
    """Decode every image of every split and count what is there.

    Raises:
        data.types.DataError: if the folder is not a copy of the data set.
    """
    entry = DATASETS.under(root)[dataset]
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
