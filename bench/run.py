"""One cell of the benchmark: fit, test, record. Interrupted at any moment, the same call goes on where it was."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl
import torch
from filelock import FileLock, Timeout

from bench import notes, outcome, stages
from bench.config import Cell
from bench.curves import Curves
from bench.errors import UserError
from bench.evaluate import Evaluate, test
from bench.parts import Parts, Say
from bench.quiet import quieten
from bench.record import RunRecord
from bench.tracker import Tracker
from bench.training import Clock, EpochLines, Keep, Reseed, WholeFile
from data.module import PoseDataModule
from data.views import PersonCrop

SPARE = 64 * 2**20  # bytes for predictions, pictures, curves and the record


@dataclass(frozen=True)
class Tracking:
    """How a run is mirrored to W&B."""

    mode: str = "auto"
    group: str | None = None
    tags: tuple[str, ...] = ()


def run(cell: Cell, out: Path, tracking: Tracking, *, say: Say, force: bool = False) -> Path:
    """Fit, test and record one cell; return the record's path.

    Args:
        cell: What to run.
        out: The results folder; the record goes to ``out/runs``.
        tracking: How to mirror the run.
        say: Where lines for people go.
        force: Do it again although the record exists.

    Raises:
        UserError: if another process runs the cell, or there is no room for its files.
        data.types.DataError: if the data set is not as it should be.
    """
    runs = out / "runs"
    record, folder = runs / f"{cell.id}.json", runs / cell.id
    _make(folder)
    with _alone(folder):
        if not force and _recorded(record, cell.id, say):
            say(f"{record} exists: nothing to do (--force runs the cell again)")
            return record
        parts = _assemble(cell, folder, say)
        if force:
            parts.keep.path.unlink(missing_ok=True)
        return _run(parts, tracking)


def _recorded(path: Path, cell: str, say: Say) -> bool:
    """Say whether the cell has its record; one that is broken or another's is set aside, never deleted."""
    if not path.is_file():
        return False
    try:
        found = RunRecord.read(path).id
        reason = "" if found == cell else f"{path}: the record of {found}"
    except UserError as error:
        reason = str(error)
    if reason:
        aside = path.with_name(f"{path.name}.{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.broken")
        path.replace(aside)
        say(f"{reason}; set aside as {aside.name}")
    return not reason


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made ({error.strerror}); choose another folder with --out") from error


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the cell's lock; the operating system lets go of it when the process dies, however it dies."""
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError(f"{folder.name} is being run by another process; wait for it, or change --seed") from error
    try:
        yield
    finally:
        lock.release()


def _assemble(cell: Cell, folder: Path, say: Say) -> Parts:
    """Build every part and look at the data, so that whatever is wrong shows before the first step."""
    quieten()
    pl.seed_everything(cell.seed, workers=True, verbose=False)
    method = cell.build_method().to(memory_format=torch.channels_last)
    data = cell.build_data(method)
    sizes = {split: len(data.inputs(split)) for split in ("train", "test")}
    weights = sum(p.numel() * p.element_size() for p in method.parameters())
    free, needed = shutil.disk_usage(folder).free, SPARE + 6 * weights  # weights and two moments, old and new file
    if free < needed:
        found = f"{folder}: {free / 2**20:.0f} MB free, about {needed / 2**20:.0f} MB needed"
        raise UserError(f"{found}; make room or choose another folder with --out")
    clock = Clock(cell.budget)
    say(f"{cell.id}: {sizes['train']} training and {sizes['test']} test inputs, {weights / 4e6:.2f} M parameters")
    _say_boxes(cell, data, say)
    keep = Keep(folder / "last.ckpt", cell)
    return Parts(
        cell, folder, method, data, clock, keep, Curves(clock), Evaluate(data.entry.protocols, data.entry.skeleton), say
    )


def _say_boxes(cell: Cell, data: PoseDataModule, say: Say) -> None:
    """Say how many boxes of a file are looked at; the others are of images that are not tested on."""
    found, inputs = cell.box_source.found, data.inputs("test")
    if found is not None and isinstance(data.view, PersonCrop):
        say(f"boxes of {found.label}: {len(inputs):,} of {len(found):,} lie in the {len(inputs.samples):,} test images")


def _run(parts: Parts, tracking: Tracking) -> Path:
    cell, started = parts.cell, outcome.now()
    tracker = Tracker.open(
        tracking.mode,
        run_id=cell.id,
        name=cell.id,
        group=tracking.group or f"{cell.dataset}/{cell.preset}",
        tags=(cell.method, cell.preset, cell.dataset, *tracking.tags),
        config=_tracked(cell),
        folder=parts.folder,
        say=parts.say,
    )
    trainer = _fit(parts, tracker)
    _test(parts)
    noted = outcome.image_notes(parts)
    drawn = (outcome.picture(parts), outcome.inside(parts), parts.curves.write(parts.folder))
    outcome.stage_scores(parts)
    record = outcome.record(
        parts, started, trainer.strategy.root_device, outcome.mirror(tracker.info, parts.folder.parent)
    )
    path = record.write(parts.folder.parent)  # the truth first, its mirror after
    for picture in filter(None, drawn):
        tracker.picture(picture.stem, picture)
    if noted:
        tracker.table("images", list(noted), notes.rows(noted))
    tracker.finish({**outcome.summary(record), **stages.flat(parts.evaluate.stages), **notes.flat(noted)})
    return path


def _tracked(cell: Cell) -> dict[str, object]:
    names = {
        "method": cell.method,
        "preset": cell.preset,
        "dataset": cell.dataset,
        "seed": cell.seed,
        "boxes": cell.boxes,
    }
    return {"cell": names, **cell.config}


def _fit(parts: Parts, tracker: Tracker) -> pl.Trainer:
    """Train, from the last checkpoint where there is one."""
    options = parts.cell.trainer
    interactive = sys.stderr.isatty()
    bar = pl.callbacks.RichProgressBar(console_kwargs={"stderr": True}) if interactive else None
    lines = EpochLines(parts.clock, parts.data.entry.protocols[0], parts.say)
    own = [parts.clock, Reseed(parts.cell.seed), parts.evaluate, parts.curves, lines, parts.keep]
    trainer = pl.Trainer(
        max_epochs=options.max_epochs,
        precision=options.precision,
        accumulate_grad_batches=options.accumulate_grad_batches,
        gradient_clip_val=options.gradient_clip_val,
        check_val_every_n_epoch=options.check_val_every_n_epoch,
        accelerator=options.accelerator,
        devices=1,
        logger=tracker.logger or False,
        callbacks=[*own, *([bar] if bar else [])],
        enable_progress_bar=interactive,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=parts.folder,
        plugins=[WholeFile()],
        benchmark=torch.cuda.is_available(),
    )
    checkpoint = parts.keep.path if parts.keep.path.is_file() else None
    if checkpoint and _restore(parts, checkpoint, tracker):
        return trainer
    if checkpoint is None:
        parts.method.before_fit(parts.data)
    if options.compile:
        parts.method.compile()
    if any(p.requires_grad for p in parts.method.parameters()):
        if checkpoint:
            parts.say(f"going on from {checkpoint}")
        trainer.fit(parts.method, parts.data, ckpt_path=checkpoint, weights_only=True)
    else:
        trainer.strategy.connect(parts.method)
    parts.method.after_fit(parts.data)
    parts.keep.finished = True
    parts.keep.save(trainer)
    return trainer


def _restore(parts: Parts, checkpoint: Path, tracker: Tracker) -> bool:
    """Mirror the epochs of a checkpoint; take everything from it if the training was over, and say whether it was."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    callbacks = state["callbacks"]
    tracker.curve(parts.curves.logged(callbacks[parts.curves.state_key]["rows"]))
    if not callbacks[parts.keep.state_key]["finished"]:
        return False
    parts.method.load_state_dict(state["state_dict"])
    for callback in (parts.clock, parts.curves, parts.keep):
        callback.load_state_dict(callbacks[callback.state_key])
    parts.say("the training was over; testing")
    return True


def _test(parts: Parts) -> None:
    """Test on one device, the last weights: nothing was selected on the test set."""
    options = parts.cell.trainer
    test(parts.method, parts.data, parts.evaluate, accelerator=options.accelerator, precision=options.precision)
