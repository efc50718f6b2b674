"""Methods that learn a part of a skeleton's joints: which, their mirror images, and the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from data.types import Skeleton


def kept(skeleton: Skeleton, left_out: Mapping[str, tuple[str, ...]]) -> tuple[int, ...]:
    """Return the indices of the joints that are learnt.

    Args:
        skeleton: All joints.
        left_out: Names of the joints that a paper leaves out, by the skeleton's name.
    """
    absent = left_out.get(skeleton.name, ())
    return tuple(i for i, name in enumerate(skeleton.joints) if name not in absent)


def mirror(skeleton: Skeleton, chosen: Sequence[int]) -> tuple[int, ...]:
    """Return the place, among the chosen joints, of each one's mirror image.

    Raises:
        ValueError: if a joint was chosen without its mirror image.
    """
    return tuple(list(chosen).index(skeleton.flip[i]) for i in chosen)


def spread(values: Tensor, chosen: Sequence[int], joints: int) -> Tensor:
    """Put values (B, len(chosen), ...) back among all joints: (B, joints, ...), NaN for those that were left out."""
    everything = torch.full(
        (len(values), joints, *values.shape[2:]), torch.nan, dtype=values.dtype, device=values.device
    )
    everything[:, list(chosen)] = values
    return everything
