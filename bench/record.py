"""RunRecord: the one file a run leaves for good. Written atomically, read back through the same class."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.errors import UserError

SCHEMA_VERSION: Literal[1] = 1


class _Part(BaseModel):
    """A part of a record: frozen, complete, nothing unknown, no NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Metric(_Part):
    """One number with what is needed to trust it."""

    value: float
    unit: str
    n: int  # people (images for AP) that the number rests on
    ci95: tuple[float, float]
    per_joint: dict[str, float | None]  # None: no such joint is labelled


class Cost(_Part):
    """What the run took, on the device it names."""

    parameters: int
    gmacs: float
    train_images_per_second: float | None  # None: nothing was trained
    test_images_per_second: float
    latency_ms: float
    peak_memory_mb: float
    train_seconds: float
    device: str


class Environment(_Part):
    """Where the run happened."""

    git_commit: str | None
    git_dirty: bool | None
    python: str
    torch: str
    platform: str
    packages: dict[str, str]


class Artefact(_Part):
    """A file beside the record; the path is relative to the record's folder."""

    path: str
    sha256: str


class Wandb(_Part):
    """The mirror of this record."""

    mode: Literal["online", "offline", "disabled"]
    run_id: str | None
    path: str | None


class RunRecord(_Part):
    """Everything about one cell of the benchmark."""

    schema_version: Literal[1]
    id: str
    method: str
    preset: str
    dataset: str
    split: str
    boxes: str
    seed: int
    config: dict[str, Any]
    metrics: dict[str, Metric]
    cost: Cost
    environment: Environment
    predictions: Artefact
    checkpoint: Artefact
    wandb: Wandb
    started: str  # UTC, ISO 8601
    finished: str

    def write(self, folder: Path) -> Path:
        """Write ``<id>.json`` in one step; a reader sees the old file or the new one, never a part."""
        path = folder / f"{self.id}.json"
        with atomically(path) as temporary:
            temporary.write_text(json.dumps(self.model_dump(mode="json"), indent=1, allow_nan=False) + "\n")
        return path

    @classmethod
    def read(cls, path: Path) -> RunRecord:
        """Read a record.

        Raises:
            UserError: if the file is missing, not JSON, or has a field missing, unknown or of the wrong type.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); a record of `bench run` expected") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "file"
            raise UserError(f"{path}: not a record of schema {SCHEMA_VERSION}: {where}: {first['msg']}") from error


@contextlib.contextmanager
def atomically(path: Path) -> Iterator[Path]:
    """Give a temporary file beside ``path`` to write; it takes the name ``path`` only when it is whole and on disk."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def stored_predictions(path: Path, record: RunRecord) -> Path:
    """Return the file of a record's predictions, unchanged since the run.

    Args:
        path: where the record lies.
        record: it.

    Raises:
        UserError: if the file is not beside the record, or is another one.
    """
    missing = f"its predictions {record.predictions.path} are not beside it; bring them, or run it again"
    return _unchanged(path, record.predictions, missing, "file")


def stored_checkpoint(path: Path, record: RunRecord) -> Path:
    """Return the checkpoint of a record, unchanged since the run; arguments and errors as `stored_predictions`."""
    missing = f"its checkpoint {record.checkpoint.path} is not beside it; bring it, or run it again"
    return _unchanged(path, record.checkpoint, missing, "checkpoint")


def _unchanged(path: Path, described: Artefact, missing: str, kind: str) -> Path:
    file = path.parent / described.path
    if not file.is_file():
        raise UserError(f"{path}: {missing}")
    if artefact(file, path.parent).sha256 != described.sha256:
        raise UserError(f"{file}: not the {kind} that {path.name} describes (another SHA-256); run it again")
    return file


def artefact(path: Path, folder: Path) -> Artefact:
    """Describe a file by its path relative to ``folder`` and its SHA-256."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Artefact(path=path.relative_to(folder).as_posix(), sha256=digest)
