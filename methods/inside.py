"""What a method shows of its inside: maps, boxes and poses on the way to its answer. Drawn by the bench."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Panel:
    """One view of the inside over each of B inputs, all in pixels of the input."""

    title: str
    joints: Tensor | None = None  # (B, K, 2) the skeleton's joints; NaN is left out
    maps: Tensor | None = None  # (B, N, h', w') over the whole input at any resolution; the highest of N, in [0, 1]
    boxes: Tensor | None = None  # (B, N, 4, 2) corners
