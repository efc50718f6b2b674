"""The single-person estimator inside AlphaPose: any method here whose network gives heat-maps on a grid."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from data.types import DataError, PoseBatch, Skeleton, apply_affine
from data.views import PersonCrop
from methods.hourglass import Hourglass
from methods.hourglass_nets import StackedHourglass
from methods.hrnet import HRNet
from methods.simplebaseline import SimpleBaseline

Estimator = Hourglass | HRNet | SimpleBaseline
ESTIMATORS: dict[str, type[Estimator]] = {"hourglass": Hourglass, "hrnet": HRNet, "simplebaseline": SimpleBaseline}


def build(name: str, skeleton: Skeleton, options: Mapping[str, Any]) -> Estimator:
    """Build an estimator.

    Raises:
        DataError: for a method that has no maps of one person, or an option that it does not have.
    """
    if name not in ESTIMATORS:
        raise DataError(f"estimator {name!r}: expected a method of one person's heat-maps: {', '.join(ESTIMATORS)}")
    try:
        return ESTIMATORS[name](skeleton, **options)
    except TypeError as error:
        raise DataError(f"estimator_options of {name}: {error}; `run --method {name} --help` lists them") from error


def frozen_copy(estimator: Estimator, stacks: int) -> Estimator:
    """Copy an estimator that never learns any more; of an hourglass with more stacks the first so many."""
    copied = copy.deepcopy(estimator)
    if isinstance(copied, Hourglass):
        keep_first(copied.net, stacks)
    return copied.requires_grad_(False).eval()


def keep_first(net: StackedHourglass, stacks: int) -> None:
    """Take the last stacks off a stacked hourglass; what feeds them goes with them."""
    for parts, count in ((net.hgs, stacks), (net.features, stacks), (net.outs, stacks)):
        del parts[count:]
    for parts in (net.merge_features, net.merge_preds):
        del parts[stacks - 1 :]


def take_over(frozen: nn.Module, estimator: nn.Module) -> None:
    """Give a frozen copy the estimator's weights; stacks that the copy does not have are left out."""
    theirs = estimator.state_dict()
    frozen.load_state_dict({key: theirs[key] for key in frozen.state_dict()})


def stacks_of(estimator: Estimator, images: Tensor) -> Tensor:
    """Return the maps (N, B, K, h', w') of an estimator's stacks for images (B, 3, h, w) with values from 0 to 255.

    N is 1 for an estimator without stacks.
    """
    maps: Tensor = estimator(images)
    return maps if maps.ndim == 5 else maps[None]


def centred(batch: PoseBatch, view: PersonCrop) -> Tensor:
    """Return where the joints (B, K, 2) would be in a crop of the right box, turned and mirrored like the input.

    In an input that shows a part on purpose they are where they are.
    """
    if batch.aims is None:
        return batch.joints[:, 0]
    back, aims = batch.to_image.double(), batch.aims.to(batch.to_image.device).double()
    linear = torch.linalg.inv(back[:, :, :2])
    turn = linear / linear.det().abs().sqrt()[:, None, None]
    low, high, extent = aims[:, :2], aims[:, 2:], back.new_tensor(view.extent)
    scale = (extent / (high - low).clamp(min=1.0)).amin(1) / view.padding
    joints = apply_affine(batch.joints[:, 0].double(), back) - (low + high)[:, None] / 2
    found: Tensor = scale[:, None, None] * joints @ turn.transpose(1, 2) + extent / 2
    return found.to(batch.joints.dtype)
