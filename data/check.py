"""Look at every image and every person of a split once: counts, sizes, the first faults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from data.types import OCCLUDED, UNLABELLED, VISIBLE, DataError, PoseSample

FAULTS_SHOWN = 10  # of the faulty images, the first few are named
HALF = 0.5  # pixel centres are at integers: an image of width W spans -0.5 to W - 0.5


@dataclass(frozen=True)
class CheckReport:
    """What one split holds."""

    name: str
    facts: tuple[tuple[str, str], ...]  # label, value: in the order to show them
    faults: tuple[str, ...]  # one line per faulty image, the first `FAULTS_SHOWN`


def check_samples(
    name: str, samples: Sequence[PoseSample], progress: Callable[[int, int], None] | None = None
) -> CheckReport:
    """Decode every image and count its people and joints.

    Args:
        name: title of the report, such as ``lsp train``.
        samples: the split.
        progress: called with (images done, images in all) after each image.
    """
    sizes: list[tuple[int, int]] = []
    faults: list[str] = []
    outside = 0
    for done, sample in enumerate(samples, start=1):
        fault, size = _decode(sample)
        faults += [fault] if fault else []
        if size is not None:
            sizes.append(size)
            outside += _outside(sample, size)
        if progress is not None:
            progress(done, len(samples))
    facts = (
        ("images", f"{len(samples):,}"),
        ("faulty images", f"{len(faults):,}"),
        ("width x height", _range(sizes)),
        *_people(samples),
        ("joints outside the image", f"{outside:,}"),
    )
    return CheckReport(name, facts, tuple(faults[:FAULTS_SHOWN]))


def _decode(sample: PoseSample) -> tuple[str, tuple[int, int] | None]:
    """Return (what is wrong, size (H, W)); an empty string where nothing is."""
    try:
        image = sample.pixels.load()
    except DataError as error:
        return str(error), None
    size = (image.shape[0], image.shape[1])
    if size != sample.size:
        return f"image {sample.image_id}: {size} pixels (H, W) found, {sample.size} expected", size
    return "", size


def _outside(sample: PoseSample, size: tuple[int, int]) -> int:
    """Count the labelled joints beyond the edge of the image."""
    end = np.array([size[1], size[0]]) - HALF
    beyond = [((p.joints < -HALF) | (p.joints > end)).any(axis=1) & (p.visible != UNLABELLED) for p in sample.people]
    return int(sum(b.sum() for b in beyond))


def _range(sizes: Sequence[tuple[int, int]]) -> str:
    if not sizes:
        return "none"
    (h0, w0), (h1, w1) = np.min(sizes, axis=0), np.max(sizes, axis=0)
    return f"{w0}-{w1} x {h0}-{h1} pixels"


def _people(samples: Sequence[PoseSample]) -> tuple[tuple[str, str], ...]:
    """Count the people, and the joints of those who are not ignored."""
    people = [person for sample in samples for person in sample.people]
    counted = [person.visible for person in people if not person.ignore]
    flags = np.concatenate(counted) if counted else np.zeros(0, np.int64)
    names = (("visible joints", VISIBLE), ("occluded joints", OCCLUDED), ("missing joints", UNLABELLED))
    shares = tuple((label, _share(int((flags == flag).sum()), len(flags))) for label, flag in names)
    return (("people", f"{len(people):,}"), ("people ignored", f"{len(people) - len(counted):,}"), *shares)


def _share(count: int, total: int) -> str:
    return f"{count:,} ({count / total:.1%})" if total else "0"
