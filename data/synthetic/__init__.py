"""Drawn people: the embedded default data set. Nothing to bring, nothing on disk, the same pixels everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.synthetic.scene import draw, draw_single
from data.synthetic.truth import Truth
from data.types import DataError, Person, PoseSample, Skeleton, UInt8Array

if TYPE_CHECKING:
    from data import Reader, ReadOptions

SIDE = 256  # pixels; default: the input side of most single-person methods
KEPT = 8  # pictures a process remembers, so that truth and pixels of one recipe are drawn once
SEED = 1490  # of the data set; changing it makes another one


@dataclass(frozen=True)
class Split:
    """A stream of recipes: ``stream`` keeps the splits apart."""

    stream: int
    count: int


SPLITS = {"train": Split(0, 8192), "val": Split(1, 256), "test": Split(2, 1000)}


@dataclass(frozen=True)
class Drawn:
    """The recipe of one picture; equal recipes are equal pictures."""

    stream: int
    index: int
    seed: int = SEED
    size: int = SIDE

    def load(self) -> UInt8Array:
        """Draw (size, size, 3) RGB."""
        return render(self)[0].copy()

    def people(self, skeleton: Skeleton) -> tuple[Person, ...]:
        """Say who is in the picture, in the joints of one data set."""
        return tuple(truth.person(skeleton) for truth in render(self)[1])


@lru_cache(maxsize=KEPT)
def render(recipe: Drawn) -> tuple[UInt8Array, tuple[Truth, ...]]:
    """Draw a recipe: (H, W, 3) RGB, not to be written to, and the truth about everyone in it."""
    rng = np.random.default_rng([recipe.seed, recipe.stream, recipe.index])
    image, _, truth = draw(rng, draw_single(rng, recipe.size))
    image.flags.writeable = False
    return image, truth


class DrawnSample(PoseSample):
    """A sample whose people are known once it is drawn: at the first look, because of who hides what."""

    drawn = True
    pixels: Drawn
    skeleton: Skeleton

    def __init__(
        self,
        image_id: int,
        pixels: Drawn,
        size: tuple[int, int],
        people: Sequence[Person] | None = None,
        *,
        skeleton: Skeleton | None = None,
    ) -> None:
        for name, value in (("image_id", image_id), ("pixels", pixels), ("size", size), ("skeleton", skeleton)):
            object.__setattr__(self, name, value)
        if people is not None:  # dataclasses.replace hands over what is known
            self.__dict__["people"] = tuple(people)

    @cached_property
    def people(self) -> tuple[Person, ...]:
        """Everyone in the picture."""
        return self.pixels.people(self.skeleton)


def reader(skeleton: Skeleton) -> Reader:
    """Return a reader of the drawn people in the joints of ``skeleton``."""

    def read(split: str, root: Path, options: ReadOptions) -> list[PoseSample]:
        if split not in SPLITS:
            raise DataError(f"synthetic has no split {split!r}; its splits are {', '.join(SPLITS)}")
        if options.convention != "pc":
            raise DataError(f"synthetic: left and right are the person's (pc), not {options.convention!r}; use pc")
        stream, count = SPLITS[split].stream, SPLITS[split].count
        return [DrawnSample(index, Drawn(stream, index), (SIDE, SIDE), skeleton=skeleton) for index in range(count)]

    return read
