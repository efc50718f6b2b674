"""Images a second of the networks alone, one at a time and 32 at a time, in each memory format and precision."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass

import torch
from rich.table import Table
from torch import Tensor

from bench.config import preset_names, resolve
from bench.cost import empty_batch, network_cost
from methods.base import PoseMethod

BATCHES = (1, 32)
PATIENCE = 1.0  # seconds after which a variant has been timed often enough
PASSES = 2, 10  # at least, of which the first is not counted, and at most
SLOW = 8.0  # seconds; a network whose first pass takes longer is timed by that pass alone, in no other variant


@dataclass(frozen=True)
class NetworkSpeed:
    """Images a second of one pass of one network; None where a variant was not asked for or does not run in time."""

    method: str
    preset: str
    batch_size: int
    input_size: tuple[int, int]
    gmacs: float
    contiguous: float | None
    channels_last: float | None  # what every method here uses
    bf16: float | None  # channels_last, under autocast
    compiled: float | None  # channels_last, by torch.compile

    @property
    def gflops(self) -> float | None:
        """Rate of computing in channels_last, two operations a multiply-add."""
        return 2 * self.gmacs * self.channels_last if self.channels_last else None

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {**asdict(self), "gflops": self.gflops}


def measure_networks(
    names: Iterable[str],
    presets: Iterable[str],
    dataset: str,
    device: torch.device,
    *,
    compile: bool,
    say: Callable[[str], None],
) -> list[NetworkSpeed]:
    """Time one pass of every network that has weights.

    Args:
        names: Methods.
        presets: Of these, those that a method has.
        dataset: Whose joints the heads find.
        device: Where.
        compile: Time ``torch.compile`` too; compiling takes a minute or more for large networks.
        say: Takes progress.
    """
    found = []
    for name in names:
        for preset in presets:
            if preset not in preset_names(name):
                continue
            method = resolve(name, preset, dataset).build_method()
            if not any(True for _ in method.parameters()):
                continue
            gmacs = network_cost(method).gmacs
            for size in BATCHES:
                say(f"timing the network of {name}, preset {preset}, {size} at a time ...")
                found.append(_time_network(name, preset, method, gmacs, size, device, compile=compile))
    return found


def _time_network(
    name: str, preset: str, method: PoseMethod, gmacs: float, size: int, device: torch.device, *, compile: bool
) -> NetworkSpeed:
    images = empty_batch(method, size).images.to(device)
    method = method.to(device).eval()
    plain = copy.deepcopy(method).to(memory_format=torch.contiguous_format)
    last = method.to(memory_format=torch.channels_last)
    autocast = torch.autocast(device.type, torch.bfloat16)
    rate = _rate(last, images, nullcontext())
    quick = rate is not None and size / rate <= SLOW
    return NetworkSpeed(
        name,
        preset,
        size,
        method.input_size,
        gmacs,
        contiguous=_rate(plain, images.contiguous(), nullcontext()) if quick else None,
        channels_last=rate,
        bf16=_rate(last, images, autocast) if quick else None,
        compiled=_rate(torch.compile(last), images, nullcontext(), compiles=True) if quick and compile else None,
    )


def _rate(
    network: Callable[[Tensor], object],
    images: Tensor,
    context: AbstractContextManager[object],
    *,
    compiles: bool = False,
) -> float | None:
    """Return images a second, or None where the variant does not run on this machine.

    A network that ``compiles`` at its first pass has that one for free.
    """
    times: list[float] = []
    try:
        with torch.inference_mode(), context:
            if compiles:
                _seconds(network, images)
            while not _enough(times):
                times.append(_seconds(network, images))
    except RuntimeError:  # NotImplementedError is one
        return None
    return len(images) / statistics.median(times[1:] or times)


def _enough(times: list[float]) -> bool:
    """Say whether a variant has been timed often enough."""
    if len(times) < PASSES[0]:
        return bool(times) and times[0] > SLOW
    return len(times) >= PASSES[1] or sum(times) >= PATIENCE


def _seconds(network: Callable[[Tensor], object], images: Tensor) -> float:
    """Return how long one pass takes."""
    start = time.perf_counter()
    network(images)
    if images.device.type == "cuda":
        torch.cuda.synchronize(images.device)
    return time.perf_counter() - start


def network_table(speeds: Iterable[NetworkSpeed]) -> Table:
    """Lay the speeds out for people, the gain of each variant beside channels_last."""
    table = Table(title="one pass of the network, images/s", title_justify="left")
    for column in ("method", "preset", "input"):
        table.add_column(column)
    for column in ("batch", "GMACs", "channels_last", "GFLOP/s", "contiguous", "bf16", "torch.compile"):
        table.add_column(column, justify="right")
    for s in speeds:
        rate = f"{s.channels_last:.1f}" if s.channels_last else ""
        gflops = f"{s.gflops:.0f}" if s.gflops else ""
        others = [_beside(other, s.channels_last) for other in (s.contiguous, s.bf16, s.compiled)]
        size = "x".join(map(str, s.input_size))
        table.add_row(s.method, s.preset, size, str(s.batch_size), f"{s.gmacs:.2f}", rate, gflops, *others)
    return table


def _beside(rate: float | None, reference: float | None) -> str:
    return f"{rate:.1f} ({100 * (rate / reference - 1):+.0f} %)" if rate and reference else ""
