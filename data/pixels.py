"""Decoded images in one bounded block of memory that all loader processes share."""

from __future__ import annotations

import mmap
from collections.abc import Sequence

import numpy as np

from data.types import DataError, PoseSample, UInt8Array


class PixelStore:
    """Load each image once, keep it as uint8.

    The block is anonymous shared memory: processes forked after construction fill and read the same pages, no file and
    no /dev/shm quota is involved. Two processes that fill one slot at once write the same bytes. Images beyond the
    bound are loaded each time.
    """

    def __init__(self, samples: Sequence[PoseSample], max_bytes: int) -> None:
        """Lay out the block; nothing is loaded yet."""
        self.samples = samples
        sizes = np.array([3 * h * w for h, w in (s.size for s in samples)], np.int64)
        ends = np.cumsum(sizes)
        self.kept = int(np.searchsorted(ends, max_bytes, side="right"))
        self.starts = ends - sizes
        total = int(ends[self.kept - 1]) if self.kept else 0
        self.block = np.frombuffer(mmap.mmap(-1, total + self.kept + 1), np.uint8)
        self.filled = self.block[total : total + self.kept]

    def load(self, index: int) -> UInt8Array:
        """Return image ``index`` as (H, W, 3) RGB; do not write to it.

        Raises:
            DataError: if the image has not the size that its sample says.
        """
        if index >= self.kept:
            return self._read(index)
        if not self.filled[index]:
            self.put(index, self._read(index))
        return self._slot(index)

    def put(self, index: int, image: UInt8Array) -> None:
        """Keep an image that is already loaded, if there is room for it."""
        if index < self.kept:
            self._slot(index)[:] = image
            self.filled[index] = 1

    def _slot(self, index: int) -> UInt8Array:
        h, w = self.samples[index].size
        return self.block[self.starts[index] : self.starts[index] + 3 * h * w].reshape(h, w, 3)

    def _read(self, index: int) -> UInt8Array:
        sample = self.samples[index]
        image = sample.pixels.load()
        if image.shape[:2] != sample.size:
            found, expected = image.shape[:2], sample.size
            raise DataError(f"image {sample.image_id}: {found} pixels (H, W) found, {expected} expected")
        return image
