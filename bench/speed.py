"""``bench speed``: images/s of loading, training and testing, and what the framework costs beside a bare loop."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import cv2
import pytorch_lightning as pl
import torch
from rich.table import Table

from bench.config import Cell, resolve
from bench.environment import device_name, environment
from bench.errors import unknown
from bench.metrics.ap_speed import compare_engines
from bench.quiet import quieten
from bench.record import atomically
from bench.speed_grouping import grouping_ms, pose_nms_ms
from bench.speed_ilp import ProgramReport, draw_growth, measure_program
from bench.speed_network import NetworkSpeed, measure_networks
from bench.training import Clock, Reseed
from data import DATASETS, ReadOptions, data_root
from data.module import PoseDataModule
from data.types import PoseBatch
from methods import METHODS
from methods.base import PoseMethod

STEPS = 16  # training steps in one timed piece
DRAWN = 400  # pictures
ROUNDS = 5  # pieces of each kind, taken in turn so that a drifting machine hurts all alike; medians are reported


@dataclass(frozen=True)
class Speed:
    """Images a second of one method; None where a method has nothing to train."""

    method: str
    batch_size: int
    input_size: tuple[int, int]
    loading: float  # the loader alone, pixels in memory
    first_loading: float  # the loader alone, every picture decoded or drawn by it
    bare: float | None  # a plain PyTorch loop over batches in memory
    framework: float | None  # Lightning, callbacks and logging over the same batches
    training: float | None  # the same, fed by the loader
    testing: float  # loader and ``predict``

    @property
    def overhead(self) -> float | None:
        """What the framework adds to the time of the bare loop, in percent."""
        return 100 * (self.bare / self.framework - 1) if self.bare and self.framework else None


@dataclass(frozen=True)
class SpeedReport:
    """All methods on one machine."""

    date: str
    device: str
    torch: str
    git_commit: str | None
    dataset: str
    preset: str
    methods: tuple[Speed, ...]
    networks: tuple[NetworkSpeed, ...]
    drawing: float  # single-person 256x256 pictures a second, with their truth, on one core
    grouping_ms: float  # of 10 people, by OpenPose's peaks, pairs and assembly, on one core
    pose_nms_ms: float  # of 100 poses, by AlphaPose's NMS, on one core
    average_precision: dict[str, float]  # seconds of each evaluator on 5,000 drawn images, their ratio and difference
    program: ProgramReport  # DeepCut's, on realistic candidates

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        methods = [{**asdict(speed), "overhead_percent": speed.overhead} for speed in self.methods]
        return {**asdict(self), "methods": methods, "networks": [speed.to_dict() for speed in self.networks]}

    def table(self) -> Table:
        """Lay it out for people."""
        title = f"images/s on {self.dataset}, preset {self.preset}; {self.device}; {self.date[:10]}"
        table = Table(title=title, title_justify="left")
        for column in ("method", "batch", "input"):
            table.add_column(column)
        for column in ("first load", "load", "bare loop", "framework", "overhead", "with loading", "test"):
            table.add_column(column, justify="right")
        for s in self.methods:
            rates = (s.first_loading, s.loading, s.bare, s.framework)
            numbers = ["" if rate is None else f"{rate:.0f}" for rate in rates]
            overhead = "" if s.overhead is None else f"{s.overhead:+.1f} %"
            last = ["" if rate is None else f"{rate:.0f}" for rate in (s.training, s.testing)]
            table.add_row(s.method, str(s.batch_size), "x".join(map(str, s.input_size)), *numbers, overhead, *last)
        return table

    def lines(self) -> tuple[str, ...]:
        """Say what drawing, grouping, pose NMS and average precision cost."""
        ap = self.average_precision
        drawn = f"drawing people: {self.drawing:.0f} pictures/s on one core"
        seconds = (
            f"pycocotools {ap['pycocotools']:.2f} s, hotcoco {ap['hotcoco']:.2f} s: {ap['ratio']:.1f} times faster"
        )
        problem = "AP of 5,000 images with 104,000 detections"
        grouped = f"grouping 10 people of maps of 46x82: {self.grouping_ms:.1f} ms"
        merged = f"pose NMS of 100 poses of 17 joints: {self.pose_nms_ms:.1f} ms"
        compared = f"{problem}: {seconds}, largest difference {ap['difference']:g}"
        return drawn, grouped, merged, compared, *self.program.lines()


def measure(
    dataset: str, preset: str, names: Sequence[str], out: Path, *, compile: bool, say: Callable[[str], None]
) -> tuple[SpeedReport, Path]:
    """Time methods, all where none is named, and their networks; store the report under ``out/speed``.

    Raises:
        UserError: for a method that does not exist.
    """
    if wrong := [name for name in names if name not in METHODS]:
        raise unknown("method", wrong[0], METHODS)
    quieten()
    speeds = []
    for name in names or METHODS:
        say(f"timing {name} ...")
        speeds.append(_time_method(resolve(name, preset, dataset)))
    networks = measure_networks(names or METHODS, ("small", "paper"), dataset, _device(), compile=compile, say=say)
    say("timing the drawing of people, their grouping, and average precision ...")
    about = environment()
    report = SpeedReport(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        device=device_name(_device()),
        torch=about.torch,
        git_commit=about.git_commit,
        dataset=dataset,
        preset=preset,
        methods=tuple(speeds),
        networks=tuple(networks),
        drawing=_drawing(),
        grouping_ms=grouping_ms(),
        pose_nms_ms=pose_nms_ms(),
        average_precision=compare_engines(),
        program=measure_program(data_root(), say),
    )
    folder = out / "speed"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{dataset}-{preset}--{report.date[:10]}.json"
    with atomically(path) as temporary:
        temporary.write_text(json.dumps(report.to_dict(), indent=1) + "\n")
    draw_growth(report.program, path.with_name(f"{path.stem}-program.svg"))
    return report, path


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _time_method(cell: Cell) -> Speed:
    method = cell.build_method().to(memory_format=torch.channels_last)
    size = cell.data_options["batch_size"]
    options = {**cell.data_options, "train_limit": size * STEPS, "test_limit": size * STEPS}
    data = PoseDataModule(method.view, cell.dataset, train_view=method.train_view, **options)
    data.samples("train")  # annotations are read before the clock starts
    first = _loading(data)
    method.before_fit(data)
    rounds: dict[str, list[float]] = {"loading": [], "bare": [], "framework": [], "training": [], "testing": []}
    batches = list(islice(data.train_dataloader(), STEPS))
    trains = any(p.requires_grad for p in method.parameters())
    _testing(method, data)
    for _ in range(ROUNDS):
        rounds["loading"].append(_loading(data))
        rounds["testing"].append(_testing(method, data))
        if trains:
            rounds["bare"].append(_bare(method, batches))
            rounds["framework"].append(_framework(method, _InMemory(batches)))
            rounds["training"].append(_framework(method, data.train_dataloader()))
    middle = {name: statistics.median(values) if values else None for name, values in rounds.items()}
    return Speed(
        cell.method,
        size,
        method.input_size,
        loading=middle["loading"] or 0.0,
        first_loading=first,
        bare=middle["bare"],
        framework=middle["framework"],
        training=middle["training"],
        testing=middle["testing"] or 0.0,
    )


@dataclass(frozen=True)
class _InMemory:
    """Batches as a loader; Lightning would take a bare list for several loaders."""

    batches: list[PoseBatch]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[PoseBatch]:
        return iter(self.batches)


def _drawing() -> float:
    """Draw people one after the other, with one thread of OpenCV."""
    threads, samples = cv2.getNumThreads(), DATASETS["synthetic"].read("train", Path(), ReadOptions())
    cv2.setNumThreads(1)
    samples[0].pixels.load()  # the texture bank is drawn once a process
    start = time.perf_counter()
    for sample in samples[1 : DRAWN + 1]:
        sample.pixels.load()
        len(sample.people)
    cv2.setNumThreads(threads)
    return DRAWN / (time.perf_counter() - start)


def _loading(data: PoseDataModule) -> float:
    start, images = time.perf_counter(), 0
    for batch in data.train_dataloader():
        images += len(batch)
    return images / (time.perf_counter() - start)


def _bare(method: PoseMethod, batches: list[PoseBatch]) -> float:
    """Train with nothing but PyTorch: forward, backward, step."""
    device = _device()
    method.trainer = None  # one that has finished would put methods of several phases into their last
    method.to(device).train()
    optimizer = torch.optim.Adam(method.parameters(), lr=1e-4)
    start = time.perf_counter()
    for batch in batches:
        loss = torch.stack(list(method.loss(batch.to(device)).values())).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    _wait(device)
    return sum(map(len, batches)) / (time.perf_counter() - start)


def _framework(method: PoseMethod, loader: Iterable[PoseBatch]) -> float:
    """Train the same with Lightning and the callbacks of a run."""
    clock = Clock(None)
    trainer = pl.Trainer(
        max_epochs=1,
        logger=False,
        callbacks=[clock, Reseed(0)],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        devices=1,
    )
    trainer.fit(method, loader)
    _wait(_device())
    return clock.images_per_second or 0.0


def _testing(method: PoseMethod, data: PoseDataModule) -> float:
    device, images = _device(), 0
    method.to(device).eval()
    start = time.perf_counter()
    with torch.inference_mode():
        for batch in data.test_dataloader():
            images += len(method.predict(batch.to(device)))
    _wait(device)
    return images / (time.perf_counter() - start)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
