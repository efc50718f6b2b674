"""Settings of DeepCut that cannot work together, said in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.types import DataError
from methods.simplebaseline import BLOCKS, IMAGENET_WIDTH


def refuse(options: Mapping[str, Any], stride: int) -> None:
    """Check the arguments of the method, by name.

    Args:
        options: All of them.
        stride: Input pixels a cell; inputs are multiples of twice that.

    Raises:
        DataError: for the first that cannot work.
    """
    if options["depth"] not in BLOCKS:
        raise DataError(f"depth {options['depth']}: expected one of {', '.join(map(str, BLOCKS))}")
    for side in (*options["input_size"], options["size"]):
        if side < 2 * stride or side % (2 * stride):
            found = f"input_size {list(options['input_size'])}, size {options['size']}"
            raise DataError(f"{found}: multiples of {2 * stride} expected, {side} is none")
    for name in ("radius", "width", "per_class", "candidates", "fit_images", "logistic_c"):
        if options[name] <= 0:
            raise DataError(f"{name} {options[name]}: expected more than 0")
    if options["nms"] < 0 or not 0 < options["person_height"] <= 1 or not 0 < options["least_score"] < 1:
        found = f"nms {options['nms']}, person_height {options['person_height']}, least_score {options['least_score']}"
        raise DataError(f"{found}: expected cells from 0, a share up to 1 and one below 1")
    rates, ends = options["rates"], options["rate_ends"]
    if len(rates) != len(ends) + 1 or min(rates) <= 0:
        raise DataError(f"rates {list(rates)}, rate_ends {list(ends)}: expected rates above 0, one more than ends")
    if options["incremental"] and options["solver"] != "exact":
        raise DataError(f"incremental with solver {options['solver']}: its stages are solved exactly; leave one out")
    if options["paper"] == "deepcut" and options["pairwise"] == "regressed":
        raise DataError("pairwise regressed: DeepCut's VGG regresses no pairs; mean or none expected")
    _refuse_weights(options)


def _refuse_weights(options: Mapping[str, Any]) -> None:
    """Raise DataError where weights to start from do not go with the network, or are missing."""
    hub = options["pretrained"] and options["backbone_weights"] is None
    if hub and options["paper"] == "deepcut":
        raise DataError("pretrained true: no hub has VGG-16 for it; give backbone_weights or set it to false")
    if hub and options["width"] != IMAGENET_WIDTH:
        found = f"width {options['width']}: the ImageNet weights have {IMAGENET_WIDTH}"
        raise DataError(f"{found}; set pretrained to false or leave the width")
    if hub and options["stride_on"] == "1x1":
        raise DataError("stride_on 1x1: the hub's weights stride on the 3x3; leave it, or bring backbone_weights")
    frozen = options["paper"] == "deepercut" and options["norm"] == "frozen"
    if frozen and not options["pretrained"] and options["backbone_weights"] is None:
        raise DataError("norm frozen without weights to start from: random ones have no statistics; set it to batch")
