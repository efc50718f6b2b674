"""What a camera does to a picture: focus, exposure, sensor noise, compression."""

from __future__ import annotations

import cv2
import numpy as np

from data.synthetic.background import bank, crop
from data.types import UInt8Array

BLUR_SHARE, NOISE_SHARE, JPEG_SHARE = 0.35, 0.5, 0.45  # default: of the pictures
QUALITY = (25, 90)  # of the JPEG compression, as OpenCV counts it


def _focus(rng: np.random.Generator, image: UInt8Array) -> UInt8Array:
    """Out of focus, or moving along a line."""
    if rng.random() < 0.6:
        sigma = float(rng.uniform(0.4, 1.3))
        return np.asarray(cv2.GaussianBlur(image, (5, 5), sigma), np.uint8)
    kernel = np.zeros((7, 7), np.float32)
    turn, reach = rng.uniform(0.0, np.pi), rng.uniform(1.0, 3.0)
    step = np.array([np.cos(turn), np.sin(turn)]) * reach
    ends = [tuple(int(c) for c in np.rint(3.0 + sign * step)) for sign in (-1.0, 1.0)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def _expose(rng: np.random.Generator, image: UInt8Array) -> UInt8Array:
    """Gain, gamma and a colour cast, as one table."""
    gamma, gain, cast = rng.uniform(0.75, 1.2), rng.uniform(0.85, 1.15), rng.uniform(0.94, 1.06, 3)
    curve = 255.0 * gain * (np.arange(256) / 255.0) ** gamma
    table = np.clip(curve[:, None] * cast, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, np.ascontiguousarray(table[None])), np.uint8)


def _sensor(rng: np.random.Generator, image: UInt8Array) -> UInt8Array:
    grain = crop(rng, bank().noise, image.shape[:2])
    strength = float(rng.uniform(0.05, 0.5))
    return np.asarray(cv2.addWeighted(image, 1.0, grain, strength, -128.0 * strength), np.uint8)


def _compress(rng: np.random.Generator, image: UInt8Array) -> UInt8Array:
    quality = int(rng.integers(*QUALITY))
    _, code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)


def photograph(rng: np.random.Generator, image: UInt8Array) -> UInt8Array:
    """Return (H, W, 3) as a camera would have stored it."""
    image = _expose(rng, image)
    if rng.random() < BLUR_SHARE:
        image = _focus(rng, image)
    if rng.random() < NOISE_SHARE:
        image = _sensor(rng, image)
    return _compress(rng, image) if rng.random() < JPEG_SHARE else image
