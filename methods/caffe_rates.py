"""How the Caffe code of CPM and OpenPose trains: rates by layer, biases at twice the rate and without decay, drops."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

MOMENTUM = 0.9
BIAS_RATE = 2.0  # the learning rate of biases, in that of their weights; biases do not decay
DROP = 0.333  # the learning rate's factor at each drop


def parameter_groups(
    net: nn.Module, special: Iterable[nn.Parameter], lr: float, rate: float, weight_decay: float, *, first: bool
) -> list[dict[str, Any]]:
    """Divide the parameters: some at a rate of their own and the others, each into weights and biases.

    Args:
        net: Whose.
        special: Those at ``rate``.
        lr: Learning rate of the others' weights.
        rate: Learning rate of the special ones, in that.
        weight_decay: Of the weights.
        first: Whether the special ones' groups come before the others'.

    Returns:
        Groups in which there is something.
    """
    chosen = {id(parameter) for parameter in special}
    groups = []
    for mine in (first, not first):
        part = [parameter for parameter in net.parameters() if (id(parameter) in chosen) == mine]
        weights, biases = [p for p in part if p.ndim > 1], [p for p in part if p.ndim == 1]
        own = lr * rate if mine else lr
        groups.append({"params": weights, "lr": own, "weight_decay": weight_decay})
        groups.append({"params": biases, "lr": own * BIAS_RATE, "weight_decay": 0.0})
    return [group for group in groups if group["params"]]


def dropping(groups: list[dict[str, Any]], optimizer: Literal["sgd", "adam"], drops: Callable[[], int]) -> Any:
    """Return what Lightning's ``configure_optimizers`` wants: the rates fall to a third at each of so many drops."""
    found: torch.optim.Optimizer
    sgd = optimizer == "sgd"
    found = torch.optim.SGD(groups, momentum=MOMENTUM) if sgd else torch.optim.Adam(groups, fused=True)
    schedule = LambdaLR(found, lambda _: DROP ** drops())
    return {"optimizer": found, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
