"""Drawn people: the embedded default data set. Nothing to bring, nothing on disk, the same pixels everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.synthetic.crowd import annotated, draw_crowd
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
# Scenes of several people; stream 3 are the sequences.
MULTI_SPLITS = {"train": Split(4, 3072), "val": Split(5, 128), "test": Split(6, 500)}
MULTI_SIDE = 320  # pixels; default: eight people need more room than one


@dataclass(frozen=True)
class Drawn:
    """The recipe of one picture; equal recipes are equal pictures."""

    stream: int
    index: int
    seed: int = SEED
    size: int = SIDE
    crowd: bool = False  # one to eight people

    def load(self) -> UInt8Array:
        """Draw (size, size, 3) RGB."""
        return render(self)[0].copy()

    def people(self, skeleton: Skeleton) -> tuple[Person, ...]:
        """Say who is in the picture, in the joints of one data set."""
        people = tuple(truth.person(skeleton) for truth in render(self)[1])
        return annotated(people, self.size) if self.crowd else people


@lru_cache(maxsize=KEPT)
def render(recipe: Drawn) -> tuple[UInt8Array, tuple[Truth, ...]]:
    """Draw a recipe: (H, W, 3) RGB, not to be written to, and the truth about everyone in it."""
    rng = np.random.default_rng([recipe.seed, recipe.stream, recipe.index])
    image, _, truth = draw(rng, (draw_crowd if recipe.crowd else draw_single)(rng, recipe.size))
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


def reader(skeleton: Skeleton, *, crowd: bool = False) -> Reader:
    """Return a reader of drawn people, or of drawn crowds, in the joints of ``skeleton``."""
    name, splits, side = ("synthetic-multi", MULTI_SPLITS, MULTI_SIDE) if crowd else ("synthetic", SPLITS, SIDE)

    def read(split: str, root: Path, options: ReadOptions) -> list[PoseSample]:
        if split not in splits:
            raise DataError(f"{name} has no split {split!r}; its splits are {', '.join(splits)}")
        if options.convention != "pc":
            raise DataError(f"{name}: left and right are the person's (pc), not {options.convention!r}; use pc")
        stream, count = splits[split].stream, splits[split].count
        recipes = [Drawn(stream, index, size=side, crowd=crowd) for index in range(count)]
        return [DrawnSample(index, recipe, (side, side), skeleton=skeleton) for index, recipe in enumerate(recipes)]

    return read
