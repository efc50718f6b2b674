"""``bench track``: follow drawn people through short sequences with a trained method, and count MOTA."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.table import Table

from bench import draw
from bench.errors import UserError
from bench.metrics.mota import FAULTS, Counts, Followed, by_row, count
from bench.predict import load_method
from data.boxes import BoxSource
from data.synthetic.sequence import draw_sequence
from data.types import FloatArray, PoseSample, Skeleton, UInt8Array
from methods.base import PoseMethod
from methods.tracking import Similarity, Tracked, Tracker, estimator, iou

Progress = Callable[[int, int], None]  # told how many of how many are done
DRAWN = ("mpii16", "lsp14", "coco17", "crowdpose14")  # not flic11, whose left and right are the observer's
COLOURS = ((230, 159, 0), (86, 180, 233), (240, 228, 66), (0, 158, 115), (213, 94, 0), (204, 121, 167))  # Okabe & Ito
MISSED = 0x3155  # keeps these random numbers apart from others of the same seed


@dataclass(frozen=True)
class Settings:
    """What the command is told; `bench.options` has the defaults, `Tracker` says what its own mean."""

    sequences: int
    frames: int
    seed: int  # of the sequences and of who is missed
    boxes: str  # truth, or jitter:SIGMA
    miss: float
    similarity: Similarity
    propagate: bool
    box_score: float
    joint_score: float
    overlap: float
    least: float
    queue: int

    def __post_init__(self) -> None:
        if self.sequences < 1 or self.frames < 1:
            raise UserError(f"--sequences {self.sequences} --frames {self.frames}: expected at least 1 of both")
        if not 0 <= self.miss < 1:
            raise UserError(f"--miss {self.miss}: expected a share from 0 to less than 1")

    def tracker(self, method: PoseMethod) -> Tracker:
        """Return a tracker before the first frame."""
        return Tracker(
            estimator(method),
            method.skeleton.sigmas,
            similarity=self.similarity,
            propagate=self.propagate,
            box_score=self.box_score,
            joint_score=self.joint_score,
            overlap=self.overlap,
            least=self.least,
            queue=self.queue,
        )


@dataclass(frozen=True, eq=False)
class Report:
    """What the command answers."""

    method: str
    settings: Settings
    counts: Counts
    skeleton: Skeleton

    def rows(self) -> dict[str, dict[str, float | None]]:
        """Return MOTA and what it is made of, in percent of the true joints, by row of joints."""
        faults = {fault: by_row(self.counts.percent(fault), self.skeleton) for fault in FAULTS}
        return {"mota": by_row(self.counts.mota(), self.skeleton), **faults}

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {"method": self.method, "settings": asdict(self.settings), "unit": "%", **self.rows()}

    def table(self) -> Table:
        """Lay it out for people."""
        s, rows = self.settings, self.rows()
        boxes = f"boxes {s.boxes}, {100 * s.miss:g} % missed, {'' if s.propagate else 'not '}propagated"
        title = f"{self.method}: {s.sequences} drawn sequences of {s.frames} frames, {boxes}, similarity {s.similarity}"
        table = Table(title=f"{title}\nMOTA = 100 - misses - false positives - switches", title_justify="left")
        for column in ("%", *rows["mota"]):
            table.add_column(column, justify="left" if column == "%" else "right")
        for name, values in rows.items():
            cells = ("" if v is None else f"{v:.1f}" for v in values.values())
            table.add_row("MOTA" if name == "mota" else name.replace("_", " "), *cells)
        return table


def track(run: Path, settings: Settings, *, out: Path | None = None, progress: Progress | None = None) -> Report:
    """Follow the people of drawn sequences and count.

    Args:
        run: a checkpoint, or the folder or the record of a run.
        settings: what is drawn, seen and compared.
        out: folder for a picture of each sequence.
        progress: told how many sequences are done.

    Raises:
        UserError: if there is no checkpoint, or drawn people do not have the joints it was trained on.
    """
    method = load_method(_checkpoint(run))
    if method.skeleton.name not in DRAWN:
        raise UserError(f"{run}: trained on {method.skeleton.name}; drawn people are annotated as {', '.join(DRAWN)}")
    total: Counts | None = None
    for number in range(settings.sequences):
        frames = draw_sequence(number, method.skeleton, frames=settings.frames, seed=settings.seed)
        found = follow(method, frames, settings)
        counts = count([_followed(people, method.skeleton) for people in found], [frame.people for frame in frames])
        total = counts if total is None else total + counts
        if out:
            out.mkdir(parents=True, exist_ok=True)
            draw.write_picture(out / f"{number:03d}.jpg", _sheet(frames, found, method.skeleton))
        if progress:
            progress(number + 1, settings.sequences)
    assert total is not None  # at least one sequence
    return Report(method.title, settings, total, method.skeleton)


def _checkpoint(run: Path) -> Path:
    """Return the checkpoint of a run."""
    folder = run.with_suffix("") if run.suffix == ".json" else run
    return folder / "last.ckpt" if folder.is_dir() else folder


def follow(method: PoseMethod, frames: Sequence[PoseSample], settings: Settings) -> list[list[Tracked]]:
    """Return who was found in each frame."""
    tracker = settings.tracker(method)
    return [tracker.follow(frame.pixels.load(), *detect(frame, settings)) for frame in frames]


def detect(frame: PoseSample, settings: Settings) -> tuple[FloatArray, FloatArray]:
    """Stand in for a detector: the true boxes with noise, some left out.

    Returns:
        Boxes (N, 4), and as their scores (N,) the overlap with the true ones.
    """
    rng = np.random.default_rng([MISSED, settings.seed, frame.image_id])
    noisy = BoxSource.parse(settings.boxes).boxes(frame)
    chosen = [(box.person, box.corners) for box in noisy if rng.random() >= settings.miss]
    boxes = np.array([box for _, box in chosen]).reshape(-1, 4)
    true = np.array([frame.people[i].box for i, _ in chosen if i is not None]).reshape(-1, 4)
    return boxes, iou(boxes, true).diagonal()


def _followed(people: Sequence[Tracked], skeleton: Skeleton) -> Followed:
    """Leave out the joints that are not believed."""
    joints = [np.where(person.seen[:, None], person.joints, np.nan) for person in people]
    tracks = np.array([person.track for person in people], np.int64)
    return Followed(np.array(joints, np.float64).reshape(-1, len(skeleton.joints), 2), tracks)


def _sheet(frames: Sequence[PoseSample], found: Sequence[Sequence[Tracked]], skeleton: Skeleton) -> UInt8Array:
    """Draw all frames with the boxes and poses found in them, one colour for each identity."""
    tiles = []
    for frame, people in zip(frames, found, strict=True):
        picture = frame.pixels.load().copy()
        for person in people:
            colour = COLOURS[person.track % len(COLOURS)]
            x0, y0, x1, y1 = person.box.round().astype(int).tolist()
            cv2.rectangle(picture, (x0, y0), (x1, y1), colour, 1)
            draw.draw_pose(picture, person.joints, person.seen, skeleton, colour=colour)
        tiles.append(picture)
    return draw.grid(tiles)
