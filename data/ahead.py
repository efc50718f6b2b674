"""Drawn samples, drawn before they are needed: by all cores, once, so that no training step waits for a picture."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context

import cv2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from data.pixels import PixelStore
from data.types import Person, PoseSample, UInt8Array

CHUNK = 16  # samples handed to a process at a time
FEW = 64  # samples that are not worth starting processes for


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def needs_drawing(samples: Sequence[PoseSample]) -> bool:
    """Say whether pixels and people come from recipes."""
    return bool(samples) and samples[0].drawn


def draw_ahead(samples: Sequence[PoseSample], max_bytes: int, title: str) -> tuple[list[PoseSample], PixelStore]:
    """Draw samples into a store, and their truth into the samples.

    Args:
        samples: Recipes; each is drawn once.
        max_bytes: Bound of the store; what does not fit is drawn again when it is asked for.
        title: What the progress bar says.

    Returns:
        The samples with their people known, and the store.
    """
    store, known = PixelStore(samples, max_bytes), []
    with _progress(title, len(samples)) as advance:
        for index, (pixels, people) in enumerate(_drawn(samples)):
            store.put(index, pixels)
            known.append(replace(samples[index], people=people))
            advance.advance(advance.task_ids[0])
    store.samples = known
    return known, store


def only_people(samples: Sequence[PoseSample], title: str) -> list[Person]:
    """Return the one person of each sample; what must be drawn for it is drawn by all cores."""
    if needs_drawing(samples):
        samples, _ = draw_ahead(samples, 0, title)
    return [sample.people[0] for sample in samples]


def _draw(sample: PoseSample) -> tuple[UInt8Array, tuple[Person, ...]]:
    return sample.pixels.load(), sample.people


def _begin() -> None:
    """Make a forked process one that draws with one thread and that can be ended.

    During a test Lightning catches SIGTERM; a child that inherits this never leaves, and its pool waits for it.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    cv2.setNumThreads(0)


def _drawn(samples: Sequence[PoseSample]) -> Iterator[tuple[UInt8Array, tuple[Person, ...]]]:
    if len(samples) < FEW or cores() == 1:
        yield from map(_draw, samples)
        return
    with get_context("fork").Pool(cores(), initializer=_begin) as pool:
        yield from pool.imap(_draw, samples, chunksize=CHUNK)


@contextmanager
def _progress(title: str, total: int) -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        progress.add_task(title, total=total)
        yield progress
