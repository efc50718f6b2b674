"""How a method looks at an image: one input per person, or one per image. Sample -> input, and the way back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from data.boxes import BoxSource
from data.types import FloatArray, Person, PoseSample


@dataclass(frozen=True, eq=False)
class Look:
    """One network input before its pixels: which sample, whom to find, the region."""

    sample: int
    person: int | None  # None: everybody in the image; of a crop, somebody whom only its box tells
    box: FloatArray  # (4,) x0, y0, x1, y1 in original pixels
    score: float = 1.0  # of the box
    aim: FloatArray | None = None  # (4,) the box that it should have been, where training moved it; None: the person's


@dataclass(frozen=True)
class View(ABC):
    """Turns canonical samples into network inputs of ``size`` (h, w).

    Attributes:
        size: h, w of the input.
        border: RGB of what lies outside the image.
        aligned: the input reaches from the centre of its first to that of its last pixel, w - 1 and not w pixels wide,
            so that mirroring and maps of any stride fit without a remainder (UDP, arXiv:1911.07524).
    """

    size: tuple[int, int]
    border: tuple[int, int, int] = field(default=(0, 0, 0), kw_only=True)
    aligned: bool = field(default=False, kw_only=True)

    @property
    def extent(self) -> FloatArray:
        """Width and height of the input, in the unit in which its middle is half of them."""
        return np.array([self.size[1], self.size[0]], np.float64) - self.aligned

    @abstractmethod
    def looks(self, samples: Sequence[PoseSample], boxes: BoxSource) -> list[Look]:
        """List the network inputs."""

    @abstractmethod
    def to_input(self, look: Look) -> FloatArray:
        """Return the 2x3 affine from original pixels to input pixels."""

    def truth(self, sample: PoseSample, look: Look) -> tuple[Person, ...]:
        """Return the people this input must find."""
        return sample.people if look.person is None else (sample.people[look.person],)

    def labelled(self, sample: PoseSample, look: Look) -> tuple[Person, ...]:
        """Return the people whose joints the batch holds, those of :meth:`truth` first."""
        return self.truth(sample, look)

    def moved(self, sample: PoseSample, look: Look, rng: np.random.Generator) -> Look:
        """Return what a training input looks at instead, drawn anew each epoch; the same, but for views that err."""
        return look

    def ignored(self, sample: PoseSample) -> tuple[Person, ...]:
        """Return the people whose pixels do not count; a view of one person has none."""
        return ()


@dataclass(frozen=True)
class PersonCrop(View):
    """Top-down: one input per person, cut around a box.

    Attributes:
        padding: the box grows by this factor; 1.25 in the code of SimpleBaseline and HRNet.
        stretch: map width and height each onto the input (DeepPose) instead of keeping the aspect.
        whole: show each person the whole image instead of the box (DeepPose on LSP).
        others: the batch also holds the joints of everybody else in the image, after the person's (CPM).
    """

    padding: float = 1.25
    stretch: bool = False
    whole: bool = False
    others: bool = False

    def looks(self, samples: Sequence[PoseSample], boxes: BoxSource) -> list[Look]:
        """List one input per box."""
        found = [(i, box) for i, sample in enumerate(samples) for box in boxes.boxes(sample)]
        return [Look(i, b.person, _everything(samples[i]) if self.whole else b.corners, b.score) for i, b in found]

    def truth(self, sample: PoseSample, look: Look) -> tuple[Person, ...]:
        """Return the person of the box; nobody where that is not known."""
        return () if look.person is None else (sample.people[look.person],)

    def labelled(self, sample: PoseSample, look: Look) -> tuple[Person, ...]:
        """Return the person, and everybody else where ``others``."""
        found = self.truth(sample, look)
        return found + tuple(p for p in sample.people if p is not found[0]) if self.others and found else found

    def unpadded(self, box: FloatArray) -> FloatArray:
        """Return the box that this view's padding makes into ``box``."""
        middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 / self.padding
        return np.concatenate([middle - half, middle + half])

    def to_input(self, look: Look) -> FloatArray:
        """Map the box's centre to the input's middle and its padded sides onto the input, as the classic code does."""
        h, w = self.size
        side = np.maximum(look.box[2:] - look.box[:2], 1.0)  # a box of no width would blow up the scale
        if not self.stretch:
            width = max(side[0], side[1] * w / h)
            side = np.array([width, width * h / w])
        scale = self.extent / (side * self.padding)
        shift = self.extent / 2 - scale * (look.box[:2] + look.box[2:]) / 2
        return np.concatenate([np.diag(scale), shift[:, None]], axis=1)


@dataclass(frozen=True)
class WholeImage(View):
    """Bottom-up and single-shot: one input per image, everyone in it; aspect kept, the rest is border."""

    def looks(self, samples: Sequence[PoseSample], boxes: BoxSource) -> list[Look]:
        """List one input per image; boxes play no part."""
        return [Look(i, None, _everything(sample)) for i, sample in enumerate(samples)]

    def ignored(self, sample: PoseSample) -> tuple[Person, ...]:
        """Return whoever is ignored in the image."""
        return tuple(person for person in sample.people if person.ignore)

    def to_input(self, look: Look) -> FloatArray:
        """Scale the image to fit, its centre onto the input's centre."""
        scale = (self.extent / look.box[2:]).min()
        shift = self.extent / 2 - scale * look.box[2:] / 2
        return np.concatenate([np.eye(2) * scale, shift[:, None]], axis=1)


@dataclass(frozen=True)
class SceneCrop(WholeImage):
    """Training of bottom-up methods: one input per person worth it, scaled by their height, with everyone in it.

    The defaults choose people as OpenPose's code does.

    Attributes:
        height: share of the input's height that the person's box takes.
        least_joints: labelled joints that a person needs.
        least_area: of the segment, in square pixels of the image; of the box where the data set has no segments.
        apart: a person whose box's centre is nearer to that of one chosen before than this share of the earlier box's
            longer side is in that one's input already.
    """

    height: float = 0.6
    least_joints: int = 5
    least_area: float = 32.0**2
    apart: float = 0.3

    def looks(self, samples: Sequence[PoseSample], boxes: BoxSource) -> list[Look]:
        """List one input per person who is large enough, labelled enough and apart from those before; true boxes."""
        return [Look(i, None, person.box) for i, sample in enumerate(samples) for person in self._centres(sample)]

    def _centres(self, sample: PoseSample) -> list[Person]:
        chosen: list[Person] = []
        for person in sample.people:
            size = person.box[2:] - person.box[:2]
            area = person.area if np.isfinite(person.area) else size.prod()
            worth = not person.ignore and (person.visible > 0).sum() >= self.least_joints and area >= self.least_area
            if worth and all(_distance(other, person) >= self.apart for other in chosen):
                chosen.append(person)
        return chosen

    def to_input(self, look: Look) -> FloatArray:
        """Map the box's centre to the input's middle and its height to the share of the input's."""
        scale = self.height * self.extent[1] / max(look.box[3] - look.box[1], 1.0)
        shift = self.extent / 2 - scale * (look.box[:2] + look.box[2:]) / 2
        return np.concatenate([np.eye(2) * scale, shift[:, None]], axis=1)


def _distance(one: Person, other: Person) -> float:
    """Return how far the centres of two boxes are apart, in longer sides of the first."""
    apart = (one.box[:2] + one.box[2:] - other.box[:2] - other.box[2:]) / 2
    return float(np.linalg.norm(apart) / max(*(one.box[2:] - one.box[:2]), 1.0))


def _everything(sample: PoseSample) -> FloatArray:
    """Return the box of the whole image."""
    return np.array([0.0, 0.0, sample.size[1], sample.size[0]])
