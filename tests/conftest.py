"""Data drawn in memory: no downloads, no image files."""

from dataclasses import dataclass

import numpy as np
import pytest

from data.skeletons import LSP14
from data.types import Person, PoseSample


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels that are already there."""

    array: np.ndarray

    def load(self):
        return self.array


def make_person(seed: int, *, low: float = 20, high: float = 180, skeleton=LSP14) -> Person:
    """A person whose joints lie anywhere in a square, some of them occluded or unlabelled."""
    rng = np.random.default_rng(seed)
    joints = rng.uniform(low, high, (len(skeleton.joints), 2))
    visible = rng.choice([0, 1, 2, 2, 2], len(skeleton.joints))
    visible[list(skeleton.torso)] = 2
    kept = joints[visible > 0]
    return Person(joints, visible, np.concatenate([kept.min(0), kept.max(0)]), head_size=20.0)


def make_sample(image_id: int, people: int = 1) -> PoseSample:
    """A picture of smooth noise, 200 high and 240 wide."""
    rng = np.random.default_rng(image_id)
    coarse = rng.integers(0, 256, (5, 6, 3), np.uint8)
    picture = np.kron(coarse, np.ones((40, 40, 1), np.uint8))
    crowd = tuple(make_person(100 * image_id + i) for i in range(people))
    return PoseSample(image_id, Picture(picture), (200, 240), crowd)


@pytest.fixture
def samples():
    return [make_sample(i) for i in range(12)]


@pytest.fixture
def crowds():
    return [make_sample(i, people=i) for i in range(4)]
