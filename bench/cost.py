"""What a method costs: parameters, multiply-adds, latency."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from data.types import PoseBatch
from methods.base import PoseMethod

WARM_UP, REPEATS, PATIENCE = 3, 30, 3.0  # passes not timed, passes timed at most, seconds after which it is enough


@dataclass(frozen=True)
class NetworkCost:
    """Cost of one forward pass at the size the network is fed with."""

    parameters: int  # all weights used at test time; buffers are not counted
    gmacs: float  # multiply-adds / 1e9 of one forward pass; a transposed convolution at its true cost
    input_size: tuple[int, int]  # h, w

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {**asdict(self), "input_size": list(self.input_size)}


def network_cost(method: PoseMethod) -> NetworkCost:
    """Count the parameters, and the multiply-adds of one pass over one image."""
    counter = FlopCounterMode(display=False)
    was_training = method.training
    method.eval()
    with torch.inference_mode(), counter:
        method(empty_batch(method).to(method.device).images)
    method.train(was_training)
    macs = counter.get_total_flops() / 2  # PyTorch counts a multiply-add as two operations
    parameters = sum(p.numel() for module in method.tested() for p in module.parameters())
    return NetworkCost(parameters, macs / 1e9, method.input_size)


def empty_batch(method: PoseMethod, size: int = 1) -> PoseBatch:
    """Make a batch of noise of the shape that the method's view gives."""
    h, w = method.view.size
    k = len(method.skeleton.joints)
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (size, h, w, 3), np.uint8)).permute(0, 3, 1, 2)
    eye = torch.eye(2, 3, dtype=torch.float64).expand(size, 2, 3).clone()
    return PoseBatch(images, torch.zeros(size, 1, k, 2), torch.zeros(size, 1, k), eye, tuple(range(size)), ((),) * size)


def latency_ms(method: PoseMethod) -> float:
    """Return the median time of ``predict`` on a batch of one, flips and decoding included."""
    batch, times = empty_batch(method).to(method.device), []
    method.eval()
    stop = time.perf_counter() + PATIENCE
    with torch.inference_mode():
        for i in range(WARM_UP + REPEATS):
            start = time.perf_counter()
            method.predict(batch)[0].cpu()
            times.append(time.perf_counter() - start)
            if i >= WARM_UP and time.perf_counter() > stop:
                break
    return 1000 * statistics.median(times[WARM_UP:])
