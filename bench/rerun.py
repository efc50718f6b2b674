"""``bench rerun``: the configuration of a record once more, here and with the code of today."""

from __future__ import annotations

from pathlib import Path

from bench import repeat
from bench.config import Cell, resolve
from bench.errors import UserError
from bench.parts import Say
from bench.record import RunRecord
from bench.report.rows import leaves
from bench.run import Tracking, run


def cell_of(record: RunRecord) -> Cell:
    """Return the cell that a record was made by.

    Raises:
        UserError: if an option or name is not there any more, or the boxes are in a file that only the record knows.
    """
    words = repeat.words(record)
    pairs = list(zip(words[1::2], words[2::2], strict=True))
    given = {name.removeprefix("--"): value for name, value in pairs if "." not in name}
    if given["boxes"] != "truth" and not given["boxes"].startswith("jitter:"):
        raise UserError(f"{record.id}: its boxes came from {given['boxes']}; run it yourself with --boxes FILE")
    dotted = [word for pair in pairs if "." in pair[0] for word in pair]
    return resolve(
        given["method"], given["preset"], given["dataset"], dotted, seed=int(given["seed"]), boxes=given["boxes"],
        convention=given["convention"], budget=given.get("budget"),
    )  # fmt: skip


def rerun(path: Path, out: Path, *, wandb: str, say: Say) -> tuple[Path, list[str]]:
    """Run a record's cell again.

    Args:
        path: the record; nothing beside it is needed.
        out: the results folder of the new record.
        wandb: how to mirror it.
        say: takes lines for people.

    Returns:
        The new record's path, and what differs from the old one, a line each.

    Raises:
        UserError: as `cell_of`; if the new record would take the old one's place.
    """
    old = RunRecord.read(path)
    cell = cell_of(old)
    if (out / "runs").resolve() == path.parent.resolve():
        raise UserError(f"{out}: holds {path.name} itself; choose another folder with --out")
    made = run(cell, out, Tracking(wandb), say=say)
    return made, differences(old, RunRecord.read(made))


def differences(old: RunRecord, new: RunRecord) -> list[str]:
    """Say in what two records differ: configuration, environment, device, numbers."""
    told = []
    for name, one, other in (("config", old.config, new.config), ("environment", old.environment, new.environment)):
        then, now = (leaves(side if isinstance(side, dict) else side.model_dump()) for side in (one, other))
        for key in sorted(then.keys() | now.keys()):
            if then.get(key) != now.get(key):
                told.append(f"{name} {key}: {then.get(key)} then, {now.get(key)} now")
    if old.cost.device != new.cost.device:
        told.append(f"device: {old.cost.device} then, {new.cost.device} now")
    for metric in old.metrics.keys() & new.metrics.keys():
        before, after = old.metrics[metric].value, new.metrics[metric].value
        told.append(f"{metric}: {before:.2f} then, {after:.2f} now ({after - before:+.2f})")
    return told
