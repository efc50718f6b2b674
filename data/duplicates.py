"""The same photograph in two splits, found by a perceptual hash: a test image that was trained on flatters a number.

The hash says which of the lowest frequencies of a small grey copy are above their median (pHash: Zauner 2010,
"Implementation and Benchmarking of Perceptual Image Hash Functions", there of 8 x 8 frequencies). It is taken of every
whole image, and of a square around every person, which is the same in two cuts of one photograph whose people are
labelled alike. Both are compared with the mirror image too: trainings flip their images.

A pair is a candidate to look at, not a proof: two frames of one film can be as close as two copies of one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from data.types import Person, PoseSample, UInt8Array

SIDE = 64  # default: pixels of the small copy; four of them a period of the highest frequency kept, as in pHash
FREQUENCIES = 16  # default: a direction; 256 bits tell more photographs apart than pHash's 64
WORD = 64  # bits of a machine word
BITS = 60  # default: of 256 that may differ. Of the pairs in LSP nine in ten up to here are one photograph or the next
MARGIN = 1.2  # default: side of the square around a person, over the longer side of the box
SMALLEST = 48  # default: pixels of that square; below it people look alike
FLAT = 6.0  # default: grey levels of standard deviation; below it there is nothing to recognise
BLOCK = 2**17  # default: pairs whose distances are held at a time

Hashes = NDArray[np.uint64]
Part = Literal["image", "person"]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, order=True)
class Pair:
    """Two samples that look alike, by the closest of their parts."""

    bits: int  # that differ
    test: int  # index of the sample in its split
    train: int
    part: Part
    mirrored: bool


@dataclass(frozen=True, eq=False)
class Prints:
    """The hashes of one kind of part of a split: U parts of W words."""

    owners: NDArray[np.int64]  # (U,) index of the sample
    hashes: Hashes  # (U, W)
    mirrored: Hashes  # (U, W) of the mirror images


def image_hash(image: UInt8Array) -> Hashes | None:
    """Return (W,) words of bits, alike for images that look alike; None for an image of hardly more than one grey.

    Args:
        image: (H, W, 3) RGB.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float64)
    if small.std() < FLAT:
        return None
    waves = np.asarray(cv2.dct(small))[:FREQUENCIES, :FREQUENCIES].ravel()
    bits = waves > np.median(waves[1:])  # the first is the mean grey
    return np.packbits(bits).view(np.uint64)


def square(image: UInt8Array, person: Person) -> UInt8Array | None:
    """Cut the square around a person, edges repeated where it leaves the image; None where it is too small."""
    low, high = person.box[:2], person.box[2:]
    side, middle = MARGIN * float((high - low).max()), (low + high) / 2
    if person.ignore or side < SMALLEST:
        return None
    rows, columns = (np.arange(round(c - side / 2), round(c + side / 2)) for c in middle[::-1])
    h, w = image.shape[:2]
    return np.ascontiguousarray(image[np.ix_(rows.clip(0, h - 1), columns.clip(0, w - 1))])


def prints(samples: Sequence[PoseSample], progress: Progress = lambda done, total: None) -> dict[Part, Prints]:
    """Hash every image and everybody in it.

    Args:
        samples: a split; each image is decoded once.
        progress: called with (images done, images in all).

    Raises:
        data.types.DataError: if an image cannot be read.
    """
    found: dict[Part, list[tuple[int, Hashes, Hashes]]] = {"image": [], "person": []}
    with ThreadPoolExecutor() as pool:  # OpenCV decodes outside Python's lock
        for index, parts in enumerate(pool.map(_hashed, samples)):
            for part, own, mirrored in parts:
                found[part].append((index, own, mirrored))
            progress(index + 1, len(samples))
    words = FREQUENCIES**2 // WORD
    return {
        part: Prints(
            np.array([index for index, _, _ in rows], np.int64),
            np.array([own for _, own, _ in rows], np.uint64).reshape(-1, words),
            np.array([mirrored for _, _, mirrored in rows], np.uint64).reshape(-1, words),
        )
        for part, rows in found.items()
    }


def _hashed(sample: PoseSample) -> list[tuple[Part, Hashes, Hashes]]:
    """Return (part, hash, hash of the mirror image) of what can be recognised in an image."""
    image = sample.pixels.load()
    cuts: list[tuple[Part, UInt8Array | None]] = [("image", image)]
    cuts += [("person", square(image, person)) for person in sample.people]
    hashed = [(part, image_hash(cut), image_hash(cut[:, ::-1])) for part, cut in cuts if cut is not None]
    return [(part, own, mirrored) for part, own, mirrored in hashed if own is not None and mirrored is not None]


def distances(a: Hashes, b: Hashes) -> NDArray[np.uint16]:
    """Count the bits that differ, (A, B), between hashes (A, W) and (B, W)."""
    total = np.zeros((len(a), len(b)), np.uint16)
    for word in range(a.shape[1]):
        total += np.bitwise_count(a[:, word, None] ^ b[None, :, word])
    return total


def near(train: dict[Part, Prints], test: dict[Part, Prints], bits: int = BITS) -> list[Pair]:
    """Return the pairs of samples of which a part is within so many bits, the closest first, each pair once."""
    found: dict[tuple[int, int], Pair] = {}
    for pair in sorted(_pairs(train, test, bits)):
        found.setdefault((pair.test, pair.train), pair)
    return list(found.values())


def _pairs(train: dict[Part, Prints], test: dict[Part, Prints], bits: int) -> Iterator[Pair]:
    for part, known in train.items():
        rows = max(1, BLOCK // max(1, len(known.hashes)))
        for mirrored in (False, True):
            asked = test[part].mirrored if mirrored else test[part].hashes
            for start in range(0, len(asked), rows):
                far = distances(asked[start : start + rows], known.hashes)
                for i, j in np.argwhere(far <= bits).tolist():
                    owner, other = int(test[part].owners[start + i]), int(known.owners[j])
                    yield Pair(int(far[i, j]), owner, other, part, mirrored)
