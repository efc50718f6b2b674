"""What stands behind people: a bank of textures made once per process, and scenes pieced together from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from data.types import UInt8Array

TEXTURES, TEXTURE_SIDE = 28, 320  # default: enough that two pictures rarely show the same crop
BANK_SEED = 20240229  # of the bank alone; every process makes the same bank
GRAIN_SIDE = 512
# Sky, cloud, plaster, concrete, sand, wood, brick, soil, grass, leaves, dusk, carpet; by eye
PALETTE = (
    *((150, 190, 230), (222, 226, 230), (214, 204, 186), (140, 140, 138), (206, 182, 140), (142, 100, 64)),
    *((160, 92, 72), (96, 76, 58), (104, 138, 70), (56, 86, 48), (70, 76, 104), (124, 60, 66)),
)


@dataclass(frozen=True, eq=False)
class Bank:
    """Material for pictures."""

    textures: tuple[UInt8Array, ...]  # (320, 320, 3) each
    grain: UInt8Array  # (512, 512, 3) around 128: cloth, skin, paper
    noise: UInt8Array  # (512, 512, 3) around 128: the sensor


LEAVES = ((104, 138, 70), (56, 86, 48), (128, 132, 84), (150, 118, 66), (80, 104, 84))


def _natural(rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw (3,) a colour near one of `PALETTE`."""
    return np.clip(np.array(PALETTE[int(rng.integers(len(PALETTE)))]) + rng.integers(-25, 26, 3), 5, 250)


def _clouds(rng: np.random.Generator, side: int, octaves: tuple[int, ...]) -> UInt8Array:
    """(side, side) smooth noise, 0..255, the sum of blown-up random grids; coarse ones weigh more."""
    total = np.zeros((side, side), np.float32)
    for cells in octaves:
        grid = rng.random((cells, cells), dtype=np.float32)
        total += cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC) / np.sqrt(cells)
    return np.asarray(cv2.normalize(total, None, 0, 255, cv2.NORM_MINMAX, cv2.CV_8U), np.uint8)  # type: ignore[call-overload]


def _two_colours(rng: np.random.Generator, mask: UInt8Array) -> UInt8Array:
    low, high = _natural(rng).astype(np.float32), _natural(rng).astype(np.float32)
    share = mask[..., None].astype(np.float32) / 255.0
    return np.asarray(low + share * (high - low) * rng.uniform(0.2, 0.9), np.uint8)


def _foliage(rng: np.random.Generator, image: UInt8Array) -> None:
    base = np.array(LEAVES[int(rng.integers(len(LEAVES)))])
    for _ in range(500):
        x, y = (int(c) for c in rng.integers(0, TEXTURE_SIDE, 2))
        axes = (int(rng.integers(3, 14)), int(rng.integers(2, 7)))
        colour = tuple(int(c) for c in np.clip(base + rng.integers(-45, 60), 0, 255))
        cv2.ellipse(image, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)


def _masonry(rng: np.random.Generator, image: UInt8Array) -> None:
    high, wide = (int(c) for c in rng.integers(12, 60, 2))
    shift = wide // 2 if rng.random() < 0.5 else 0
    gap, base = int(rng.integers(1, 6)), _natural(rng)
    for row, y in enumerate(range(0, TEXTURE_SIDE, high)):
        for x in range(-(row % 2) * shift, TEXTURE_SIDE, wide):
            colour = tuple(int(c) for c in np.clip(base + rng.integers(-25, 25), 0, 255))
            cv2.rectangle(image, (x, y), (x + wide - gap, y + high - gap), colour, -1)


def _stripes(rng: np.random.Generator, image: UInt8Array) -> None:
    step = int(rng.integers(10, 50))
    slant = int(rng.integers(-60, 60))
    for x in range(-80, TEXTURE_SIDE + 80, step):
        colour = tuple(int(c) for c in _natural(rng))
        cv2.line(image, (x, 0), (x + slant, TEXTURE_SIDE), colour, max(2, step * 2 // 3), cv2.LINE_AA)


def _crowd(rng: np.random.Generator, image: UInt8Array) -> None:
    """Furniture seen from afar: boxes, discs and bars of all sizes."""
    for _ in range(70):
        x, y, w, h = (int(c) for c in rng.integers(0, (TEXTURE_SIDE, TEXTURE_SIDE, 90, 120)))
        colour = tuple(int(c) for c in _natural(rng))
        if rng.random() < 0.65:
            cv2.rectangle(image, (x, y), (x + w // 2 + 3, y + h // 2 + 3), colour, -1)
        else:
            cv2.ellipse(image, (x, y), (w // 3 + 2, h // 3 + 2), 0, 0, 360, colour, -1, cv2.LINE_AA)


def _texture(rng: np.random.Generator, number: int) -> UInt8Array:
    octaves = ((2, 5, 11), (3, 9, 27, 81), (20, 60, 160), (2, 4))[number % 4]
    image = _two_colours(rng, _clouds(rng, TEXTURE_SIDE, octaves))
    draw = (None, _foliage, _masonry, _stripes, _crowd, None, _foliage)[number % 7]
    if draw is not None:
        draw(rng, image)
        rough = cv2.merge([_clouds(rng, TEXTURE_SIDE, (4, 30, 160)) // 2 + 64] * 3)
        image = np.asarray(cv2.multiply(image, rough, scale=1.0 / 128.0), np.uint8)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.6))), np.uint8)


@lru_cache(maxsize=1)
def bank() -> Bank:
    """Make the bank; the same in every process."""
    rng = np.random.default_rng(BANK_SEED)
    textures = tuple(_texture(rng, number) for number in range(TEXTURES))
    grain = _clouds(rng, GRAIN_SIDE, (60, 150, 400)).astype(np.float32)
    grain = np.clip(128.0 + 0.4 * (grain - grain.mean()), 60.0, 200.0)
    noise = np.clip(rng.normal(128.0, 24.0, (GRAIN_SIDE, GRAIN_SIDE, 3)), 0, 255)
    return Bank(textures, np.asarray(np.repeat(grain[..., None], 3, 2), np.uint8), noise.astype(np.uint8))


def crop(rng: np.random.Generator, source: UInt8Array, size: tuple[int, int]) -> UInt8Array:
    """Cut a random window of ``size`` (H, W) out of ``source``, which is blown up where it is too small."""
    if source.shape[0] < size[0] or source.shape[1] < size[1]:
        return np.asarray(cv2.resize(source, (size[1], size[0]), interpolation=cv2.INTER_LINEAR), np.uint8)
    y = int(rng.integers(source.shape[0] - size[0] + 1))
    x = int(rng.integers(source.shape[1] - size[1] + 1))
    return source[y : y + size[0], x : x + size[1]]


def material(rng: np.random.Generator, height: int, width: int) -> UInt8Array:
    """Draw (height, width, 3): a magnified, mirrored, recoloured window of one texture."""
    textures = bank().textures
    side = int(rng.integers(60, TEXTURE_SIDE + 1))
    window = crop(rng, textures[int(rng.integers(len(textures)))], (side, side))
    image = cv2.resize(window, (width, height), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.5:
        image = cv2.flip(image, 1)
    gain = rng.uniform(0.6, 1.2) * rng.uniform(0.88, 1.12, 3)
    table = np.clip(np.arange(256)[:, None] * gain + rng.uniform(-20.0, 50.0), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, np.ascontiguousarray(table[None])), np.uint8)


def draw_background(rng: np.random.Generator, size: int) -> UInt8Array:
    """Draw (size, size, 3): wall or sky, floor, and light from one side."""
    image = material(rng, size, size)
    if rng.random() < 0.7:
        horizon = int(size * np.clip(rng.normal(0.62, 0.15), 0.2, 0.95))
        image[horizon:] = material(rng, size - horizon, size)
        if rng.random() < 0.5:
            colour = tuple(int(c) for c in _natural(rng))
            cv2.line(image, (0, horizon), (size, horizon), colour, int(rng.integers(1, 7)))
    return image
