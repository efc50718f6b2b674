"""How long DeepCut's program takes, and how far greedy answers are from its optimum: 1 to 6 people, drawn as a curve.

Images are those of MPII with several people, where the annotations are there, else drawn ones; candidates are drawn
around their joints (``bench.ilp_scenes``). Pairs are fitted to the first half of the images, timed is the second.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bench.ilp_scenes import Candidates, PairModel, draw_candidates, fit_pairs
from bench.record import atomically
from data import DATASETS, ReadOptions
from data.types import DataError, FloatArray, PoseSample
from methods.ilp import SolverError, solve, solve_greedy, solve_local
from methods.ilp_full import solve_full

PEOPLE = 1, 2, 3, 4, 6
INSTANCES = 20  # for each number of people
DRAWS = 2  # of candidates, an image that is fitted
LIMIT = 60.0  # s
NAIVE, NAIVE_LIMIT = 2, 30.0  # instances of each number of people for the program written out, and seconds for each
CROWD, CROWD_LIMIT = 400, 5.0  # candidates with random probabilities, and seconds
DRAWN_IMAGES = 500
RSS_EVERY = 0.005  # s


@dataclass(frozen=True)
class ProgramSpeed:
    """Medians over the instances of one number of people; seconds, and units of the objective."""

    people: int
    instances: int
    candidates: tuple[int, float, int]  # least, median, most
    seconds: float
    slowest: float
    proven: float  # share
    rounds: float
    peak_memory_mb: float | None  # above what the process had before; the most of all instances
    greedy_seconds: float
    local_seconds: float
    greedy_gap_percent: float  # mean, of the optimum
    local_gap_percent: float
    greedy_optimal: float  # share
    local_optimal: float
    naive_seconds: float | None  # the program written out, on the first instances; HiGHS ends at ``NAIVE_LIMIT``
    naive_proven: float | None


@dataclass(frozen=True)
class ProgramReport:
    """All of them, and an instance that is too large."""

    images: str
    sizes: tuple[ProgramSpeed, ...]
    points: tuple[tuple[int, int, float], ...]  # people, candidates, seconds of each instance
    crowd: dict[str, float]  # candidates, limit, seconds, objective, gap

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return asdict(self)

    def lines(self) -> tuple[str, ...]:
        """Say it for people."""
        lines = []
        for s in self.sizes:
            naive = "" if s.naive_seconds is None else f"; written out {s.naive_seconds:.1f} s"
            size = f"{s.people} people, {s.candidates[1]:.0f} candidates"
            exact = f"program {s.seconds:.2f} s (slowest {s.slowest:.2f}), {100 * s.proven:.0f} % proven"
            gaps = f"greedy {s.greedy_gap_percent:.2f} % off, local search {s.local_gap_percent:.3f} %"
            lines.append(f"{size}: {exact}; {gaps}{naive}")
        c = self.crowd
        crowd = f"{c['candidates']:.0f} candidates with a limit of {c['limit']:.0f} s: {c['seconds']:.1f} s"
        return (*lines, f"{crowd}, gap {c['gap']:.0f}")


def measure_program(
    root: Path, say: Callable[[str], None], people: Sequence[int] = PEOPLE, instances: int = INSTANCES
) -> ProgramReport:
    """Time the exact program, greedy, local search, and the program written out."""
    images, samples = _samples(root)
    rng = np.random.default_rng(0)
    model = fit_pairs([draw_candidates(s, rng) for s in samples[: len(samples) // 2] for _ in range(DRAWS)], rng)
    sizes, points = [], []
    for count in people:
        say(f"timing DeepCut's program, {count} people ...")
        fitting = [s for s in samples[len(samples) // 2 :] if _annotated(s) == count or _annotated(s) >= count == 1]
        if not fitting:
            continue
        rng = np.random.default_rng(count)
        found = [draw_candidates(fitting[k % len(fitting)], rng, count) for k in range(instances)]
        size, seconds = _measure_size(count, found, model)
        sizes.append(size)
        points += [(count, len(f.positions), s) for f, s in zip(found, seconds, strict=True)]
    return ProgramReport(images, tuple(sizes), tuple(points), _measure_crowd())


def _samples(root: Path) -> tuple[str, list[PoseSample]]:
    real, drawn = "mpii-multi", "synthetic-multi-mpii"
    try:
        name, samples = real, DATASETS[real].read("val", root, ReadOptions())
    except DataError:
        name, samples = drawn, DATASETS[drawn].read("train", root, ReadOptions())[:DRAWN_IMAGES]
    return name, [sample for sample in samples if _annotated(sample)]


def _annotated(sample: PoseSample) -> int:
    return sum(not person.ignore for person in sample.people)


def _measure_size(count: int, found: Sequence[Candidates], model: PairModel) -> tuple[ProgramSpeed, list[float]]:
    inputs = [(f.unary, model.pairwise(f)) for f in found]
    with _Memory() as memory:
        exact = [solve(*pair, time_limit=LIMIT) for pair in inputs]
    greedy = [solve_greedy(*pair, bound=e.bound) for pair, e in zip(inputs, exact, strict=True)]
    local = [solve_local(*pair, bound=e.bound) for pair, e in zip(inputs, exact, strict=True)]
    naive = [_written_out(*pair) for pair in inputs[:NAIVE]]
    candidates = [len(unary) for unary, _ in inputs]
    seconds = [e.seconds for e in exact]
    off = [[100 * h.gap / max(abs(h.bound), 1e-9) for h in answers] for answers in (greedy, local)]
    return ProgramSpeed(
        people=count,
        instances=len(exact),
        candidates=(min(candidates), statistics.median(candidates), max(candidates)),
        seconds=statistics.median(seconds),
        slowest=max(seconds),
        proven=statistics.mean(e.status == "optimal" for e in exact),
        rounds=statistics.median(e.rounds for e in exact),
        peak_memory_mb=memory.peak_mb,
        greedy_seconds=statistics.median(g.seconds for g in greedy),
        local_seconds=statistics.median(h.seconds for h in local),
        greedy_gap_percent=statistics.mean(off[0]),
        local_gap_percent=statistics.mean(off[1]),
        greedy_optimal=statistics.mean(gap < 1e-6 for gap in off[0]),
        local_optimal=statistics.mean(gap < 1e-6 for gap in off[1]),
        naive_seconds=statistics.median(s for s, _ in naive),
        naive_proven=statistics.mean(proven for _, proven in naive),
    ), seconds


def _written_out(unary: FloatArray, pairwise: FloatArray) -> tuple[float, bool]:
    """Return seconds, and whether the optimum was proven in time."""
    start = time.perf_counter()
    try:
        proven = solve_full(unary, pairwise, time_limit=NAIVE_LIMIT).status == "optimal"
    except SolverError:  # no answer in time
        proven = False
    return time.perf_counter() - start, proven


def _measure_crowd() -> dict[str, float]:
    rng = np.random.default_rng(0)
    unary = np.eye(14)[rng.integers(0, 14, CROWD)] * rng.uniform(0.2, 0.95, (CROWD, 1))
    found = solve(unary, rng.random((CROWD, CROWD, 14, 14)), time_limit=CROWD_LIMIT)
    numbers = {"seconds": found.seconds, "objective": found.objective, "bound": found.bound, "gap": found.gap}
    return {"candidates": CROWD, "limit": CROWD_LIMIT, **numbers}


class _Memory:
    """The most resident memory while it is open, above that before, where Linux tells; None elsewhere."""

    def __init__(self) -> None:
        self.peak_mb: float | None = None
        self.done = threading.Event()

    def __enter__(self) -> _Memory:
        self.before = _resident_mb()
        self.peak_mb = None if self.before is None else 0.0
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()

    def _watch(self) -> None:
        while not self.done.wait(RSS_EVERY):
            now = _resident_mb()
            if now is None or self.before is None or self.peak_mb is None:
                return
            self.peak_mb = max(self.peak_mb, now - self.before)


def _resident_mb() -> float | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return float(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def draw_growth(report: ProgramReport, path: Path) -> None:
    """Draw seconds by candidates: every instance, and the medians of each number of people."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    _, candidates, seconds = (np.array(column) for column in zip(*report.points, strict=True))
    axes.scatter(candidates, seconds, s=10, alpha=0.4, label="exact program, each instance")
    middle = [s.candidates[1] for s in report.sizes]
    axes.plot(middle, [s.seconds for s in report.sizes], "o-", label="exact program, median")
    axes.plot(middle, [s.local_seconds for s in report.sizes], "s--", label="local search, median")
    axes.plot(middle, [s.greedy_seconds for s in report.sizes], "v--", label="greedy, median")
    naive = [(m, s.naive_seconds) for m, s in zip(middle, report.sizes, strict=True) if s.naive_seconds is not None]
    axes.plot(*zip(*naive, strict=True), "x-", label=f"all rows at once (HiGHS ends at {NAIVE_LIMIT:.0f} s)")
    for m, s in zip(middle, report.sizes, strict=True):
        axes.annotate(f"{s.people} people", (m, s.seconds), (0, -14), textcoords="offset points", ha="center")
    axes.set(xlabel="candidates", ylabel="seconds", yscale="log", title=f"DeepCut's program on {report.images}")
    axes.legend(fontsize=8)
    with atomically(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:])
    plt.close(figure)
