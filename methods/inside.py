"""What a method shows of its inside: maps, fields, boxes, candidates and poses on the way. Drawn by the bench."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Panel:
    """One view of the inside over each of B inputs, all in pixels of the input.

    What an input has a number of its own of is a sequence of B tensors.
    """

    title: str
    joints: Tensor | None = None  # (B, K, 2) the skeleton's joints; NaN is left out
    maps: Tensor | None = None  # (B, N, h', w') over the whole input at any resolution; the highest of N, in [0, 1]
    boxes: Tensor | None = None  # (B, N, 4, 2) corners
    images: Tensor | None = None  # (B, 3, h, w) uint8: what is seen instead of the input
    people: Sequence[Tensor] | None = None  # B of (N, K, 2) everybody, each in a colour; NaN is left out
    arrows: Tensor | None = None  # (B, 2, h', w') a field over the whole input: x and y, of length 1 at most
    points: Sequence[Tensor] | None = None  # B of (N, 2)
    groups: Sequence[Tensor] | None = None  # B of (N,) to which of several colours each point belongs; grey below 0
    segments: Sequence[Tensor] | None = None  # B of (N, 2, 2) from one point to another
