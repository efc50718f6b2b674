"""``--boxes``: the truth, the truth with noise, a file of detections, what another record found; and who needs none."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bench.errors import UserError
from bench.record import RunRecord, stored_predictions
from data import DATASETS
from data.annotations import read_json
from data.boxes import BoxSource
from data.detections import detections
from data.types import DataError
from methods import METHODS

DIGITS = 12  # of the SHA-256, enough to tell files apart


def box_source(text: str, dataset: str) -> BoxSource:
    """Read the option.

    A file is a list of detections, or a record of the same data set and split, whose stored predictions are meant.

    Args:
        text: truth, jitter:SIGMA or a file.
        dataset: whom the boxes are for.

    Raises:
        UserError: if the data set or the record does not allow it.
        data.types.DataError: if it is none of these, or the file is not as it should be.
    """
    path = Path(text)
    if text == "truth" or text.startswith("jitter:"):
        source = BoxSource.parse(text)
        if source.doubles and DATASETS[dataset].people == "single":
            raise UserError(
                f"--boxes {text}: {dataset} has one person a sample, whom nobody finds twice; jitter:SIGMA expected"
            )
        return source
    if not path.is_file():
        raise DataError(f"--boxes {text}: expected truth, or jitter:SIGMA such as jitter:0.1, or a file that is there")
    entry = DATASETS[dataset]
    if entry.people == "single":
        found = f"--boxes {text}: {dataset} has one person a sample, who is told apart by the box"
        raise UserError(f"{found}; truth or jitter:SIGMA expected")
    content = read_json(path)
    if isinstance(content, dict):
        file = stored_predictions(path, _record(path, dataset))
        content = read_json(file)
    else:
        file = path
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:DIGITS]
    return BoxSource(found=detections(content, f"{path.name} sha256:{digest}", entry.category))


def finds_everybody(record: RunRecord) -> bool:
    """Say whether a method looked at whole images, whatever boxes its record names."""
    method = METHODS.get(record.method)
    if method is None or method.boxed or record.config.get("method", {}).get("mode") == "single":
        return False
    return method.people == "multi"


def _record(path: Path, dataset: str) -> RunRecord:
    record = RunRecord.read(path)
    tested = DATASETS[dataset].stands_for("test")
    if (record.dataset, record.split) != (dataset, tested):
        found = f"--boxes {path}: a record of {record.dataset} {record.split}"
        raise UserError(f"{found}; boxes of {dataset} {tested} are needed")
    return record
