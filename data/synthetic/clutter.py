"""Things: clutter and loose limbs behind people, and objects in front of them."""

from __future__ import annotations

import cv2
import numpy as np

from data.synthetic.appearance import SKIN, Colour, cloth_colour
from data.synthetic.background import material
from data.synthetic.renderer import NOBODY, NOTHING, FaceBuffer
from data.types import FloatArray, UInt8Array

MAX_THINGS, MAX_LIMBS = 8, 3  # default: behind one picture's people
OCCLUDED_SHARE = 0.4  # default: of the pictures, with something in front
MOST_HIDDEN = 0.4  # of the people's pixels; an object that would hide more is left out


def _tree(rng: np.random.Generator, image: UInt8Array, x: int, y: int, size: int) -> None:
    trunk, base = cloth_colour(rng), np.array(cloth_colour(rng))
    cv2.line(image, (x, y), (x, y + 3 * size), trunk, max(2, size // 4))
    for _ in range(9):
        dx, dy = (int(d) for d in rng.integers(-size, size + 1, 2))
        colour = tuple(int(c) for c in np.clip(base + int(rng.integers(-30, 31)), 0, 255))
        cv2.circle(image, (x + dx, y + dy), max(3, size // 2), colour, -1)


def _box(rng: np.random.Generator, image: UInt8Array, x: int, y: int, size: int) -> None:
    """A box or cupboard with a lighter top and a darker side."""
    wide, high, deep = size, int(size * rng.uniform(0.5, 2.5)), size // 3
    colour = cloth_colour(rng)
    light, dark = (tuple(min(255, int(f * c)) for c in colour) for f in (1.3, 0.7))
    cv2.rectangle(image, (x, y), (x + wide, y + high), colour, -1)
    top = np.array([(x, y), (x + deep, y - deep), (x + wide + deep, y - deep), (x + wide, y)], np.int32)
    side = np.array(
        [(x + wide, y), (x + wide + deep, y - deep), (x + wide + deep, y + high - deep), (x + wide, y + high)], np.int32
    )
    cv2.fillConvexPoly(image, top, light)
    cv2.fillConvexPoly(image, side, dark)


def _chair(rng: np.random.Generator, image: UInt8Array, x: int, y: int, size: int) -> None:
    colour, thick = cloth_colour(rng), max(2, size // 8)
    dark = tuple(int(0.7 * c) for c in colour)
    for leg in (x, x + size):
        cv2.line(image, (leg, y), (leg, y + size), dark, thick)
    cv2.rectangle(image, (x, y - size // 8), (x + size, y + size // 8), colour, -1)
    cv2.line(image, (x, y), (x - size // 6, y - size), colour, thick)


def _panel(rng: np.random.Generator, image: UInt8Array, x: int, y: int, size: int) -> None:
    """A poster, window or curtain: a rectangle of another texture."""
    x, y = max(0, x), max(0, y)
    room = image[y : y + int(size * rng.uniform(0.6, 2.5)), x : x + int(size * rng.uniform(0.4, 2.0))]
    if room.size:
        room[:] = material(rng, room.shape[0], room.shape[1])


def _disc(rng: np.random.Generator, image: UInt8Array, x: int, y: int, size: int) -> None:
    axes = (max(2, int(size * rng.uniform(0.3, 1.0))), max(2, int(size * rng.uniform(0.3, 1.0))))
    angle = rng.uniform(0.0, 180.0)
    colour = cloth_colour(rng)
    cv2.ellipse(image, (x, y), axes, angle, 0, 360, tuple(int(0.7 * c) for c in colour), -1, cv2.LINE_AA)
    shift = max(1, size // 8)
    smaller = (max(1, axes[0] - shift), max(1, axes[1] - shift))
    cv2.ellipse(image, (x - shift // 2, y - shift // 2), smaller, angle, 0, 360, colour, -1, cv2.LINE_AA)


_THINGS = (_tree, _box, _chair, _panel, _disc, _panel)


def _loose_limb(rng: np.random.Generator, image: UInt8Array) -> None:
    """A shaded arm or leg that belongs to nobody, so that the colour of skin alone says little."""
    size = image.shape[0]
    start = rng.uniform(0.0, size, 2)
    middle, end = start + rng.normal(0.0, 0.12 * size, 2), start + rng.normal(0.0, 0.25 * size, 2)
    bare: Colour = SKIN[int(rng.integers(len(SKIN)))]
    thick = rng.uniform(6.0, 20.0)
    sleeve = cloth_colour(rng) if rng.random() < 0.5 else bare
    for first, last, colour, width in ((middle, end, bare, 0.75 * thick), (start, middle, sleeve, thick)):
        for inner, light in ((1.0, 0.6), (0.75, 0.8), (0.45, 1.0)):
            shade = tuple(min(255, int(light * c)) for c in colour)
            shift = (1.0 - inner) * 0.3 * width
            ends = [tuple(int(c - shift) for c in point) for point in (first, last)]
            cv2.line(image, ends[0], ends[1], shade, max(1, int(inner * width)), cv2.LINE_AA)


def add_clutter(rng: np.random.Generator, image: UInt8Array) -> UInt8Array:
    """Fill a background with things and loose limbs, and put it out of focus at times."""
    size = image.shape[0]
    for _ in range(int(rng.integers(MAX_THINGS + 1))):
        x, y = (int(c) for c in rng.integers(-size // 8, size, 2))
        thing = _THINGS[int(rng.integers(len(_THINGS)))]
        thing(rng, image, x, y, int(rng.integers(size // 20, size // 3)))
    for _ in range(int(rng.integers(MAX_LIMBS + 1))):
        _loose_limb(rng, image)
    if rng.random() < 0.5:
        side = 2 * int(rng.integers(1, 4)) + 1
        image = np.asarray(cv2.GaussianBlur(image, (side, side), 0.0), np.uint8)
    return image


def _bar(rng: np.random.Generator, mask: UInt8Array, x: int, y: int) -> None:
    """A pole or a rail from border to border."""
    size, thick = mask.shape[0], int(rng.integers(mask.shape[0] // 40, mask.shape[0] // 10))
    slant = int(rng.normal(0.0, 0.1 * size))
    upright = rng.random() < 0.6
    ends = ((x - slant, -9), (x + slant, size + 9)) if upright else ((-9, y - slant), (size + 9, y + slant))
    cv2.line(mask, ends[0], ends[1], 255, thick)


def _block(rng: np.random.Generator, mask: UInt8Array, x: int, y: int) -> None:
    """A table, a car, a wall: a slab that often reaches the lower border."""
    size = mask.shape[0]
    wide, high = (int(size * c) for c in rng.uniform(0.08, 0.4, 2))
    below = size if rng.random() < 0.4 else y + high
    cv2.rectangle(mask, (x - wide // 2, y), (x + wide // 2, below), 255, -1)


def _bush(rng: np.random.Generator, mask: UInt8Array, x: int, y: int) -> None:
    spread = 0.09 * mask.shape[0]
    for dx, dy, r in rng.normal(0.0, spread, (12, 3)):
        cv2.circle(mask, (int(x + dx), int(y + dy)), 3 + int(abs(r) * 0.5), 255, -1, cv2.LINE_8)


def _ball(rng: np.random.Generator, mask: UInt8Array, x: int, y: int) -> None:
    cv2.circle(mask, (x, y), int(mask.shape[0] * rng.uniform(0.04, 0.13)), 255, -1)


_OCCLUDERS = (_bar, _block, _bush, _ball)


def occlude(rng: np.random.Generator, image: UInt8Array, targets: FloatArray, buffer: FaceBuffer) -> None:
    """Put at most two objects before one picture's people, in place.

    Args:
        rng: decides what, where and whether.
        image: (H, W, 3), drawn on.
        targets: (N, 2) pixels that are worth hiding.
        buffer: what is seen at each pixel; nothing of it where an object stands.
    """
    if rng.random() >= OCCLUDED_SHARE:
        return
    mask = np.zeros(image.shape[:2], np.uint8)
    for _ in range(1 + int(rng.random() < 0.3)):
        x, y = (int(c) for c in targets[int(rng.integers(len(targets)))] + rng.normal(0.0, 8.0, 2))
        _OCCLUDERS[int(rng.integers(len(_OCCLUDERS)))](rng, mask, x, y)
    hidden, people = mask > 0, buffer.people() != NOBODY
    if np.count_nonzero(hidden & people) > MOST_HIDDEN * np.count_nonzero(people):
        return
    cv2.copyTo(material(rng, image.shape[0], image.shape[1]), mask, image)
    buffer.face[hidden] = NOTHING
