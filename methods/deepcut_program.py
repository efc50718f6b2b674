"""The programs of DeepCut's images: solved one by one, counted, and none of them able to end a run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from data.types import FloatArray
from methods import ilp
from methods.deepcut_candidates import NOBODY, Indices
from methods.ilp_stages import solve_stages

Solver = Literal["exact", "greedy", "local"]
WORTH = 0.5  # a lower probability costs

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Decision:
    """Class and person of D candidates, NOBODY where suppressed."""

    labels: Indices  # (D,)
    persons: Indices  # (D,)


@dataclass(frozen=True)
class Solved:
    """What is kept of one image's program; NaN where it failed."""

    image: int
    candidates: int
    objective: float
    bound: float
    seconds: float


def stages_of(classes: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Return the classes of each stage: head and shoulders, the arms too, all (DeeperCut, section 4)."""
    lower, arms = ("hip", "knee", "ankle", "pelvis"), ("elbow", "wrist")
    groups = [[i for i, name in enumerate(classes) if not name.endswith((*lower, *arms))]]
    groups.append([i for i, name in enumerate(classes) if not name.endswith(lower)])
    return tuple(tuple(group) for group in (*groups, range(len(classes))))


class Programs:
    """Decide image by image, and remember how well."""

    def __init__(
        self,
        classes: Sequence[str],
        mode: Literal["multi", "single"],
        solver: Solver | Literal["none"],
        time_limit: float | None,
        *,
        incremental: bool,
    ) -> None:
        """Begin with nothing solved.

        Args:
            classes: Their names.
            mode: Whether all that is kept of an image is one person.
            solver: ``none`` keeps what is worth it alone, and joins nothing that the mode does not.
            time_limit: Seconds of one program.
            incremental: In stages of classes.
        """
        self.mode, self.solver, self.time_limit, self.incremental = mode, solver, time_limit, incremental
        self.classes = tuple(classes)
        self.solved: list[Solved] = []

    def reset(self) -> None:
        """Forget what was solved."""
        self.solved = []

    def decide(self, unary: FloatArray, pairwise: FloatArray, image: int) -> Decision:
        """Decide the candidates of an image; where the program fails nobody is found, and it is told.

        Args:
            unary: (D, J) probabilities.
            pairwise: (D, D, J, J) probabilities.
            image: Its id.
        """
        if self.solver == "none":
            return self._alone(unary)
        try:
            found = self._solve(unary, pairwise)
        except (ilp.SolverError, ValueError) as error:
            log.warning("image %d: its program of %d candidates failed, nobody found: %s", image, len(unary), error)
            self.solved.append(Solved(image, len(unary), np.nan, np.nan, np.nan))
            nothing = np.full(len(unary), NOBODY)
            return Decision(nothing, nothing)
        self.solved.append(Solved(image, len(unary), found.objective, found.bound, found.seconds))
        return Decision(found.labels, found.persons)

    def _solve(self, unary: FloatArray, pairwise: FloatArray) -> ilp.Solution:
        if self.incremental:
            stages = stages_of(self.classes)
            return solve_stages(unary, pairwise, stages=stages, mode=self.mode, time_limit=self.time_limit)
        if self.solver == "greedy":
            return ilp.solve_greedy(unary, pairwise, mode=self.mode)
        if self.solver == "local":
            return ilp.solve_local(unary, pairwise, mode=self.mode)
        return ilp.solve(unary, pairwise, mode=self.mode, time_limit=self.time_limit)

    def _alone(self, unary: FloatArray) -> Decision:
        """Keep what is likelier than not as its best class."""
        labels = np.where(unary.max(1, initial=0) > WORTH, unary.argmax(1) if len(unary) else 0, NOBODY)
        persons = np.arange(len(unary)) if self.mode == "multi" else np.zeros(len(unary), np.intp)
        return Decision(labels, np.where(labels == NOBODY, NOBODY, persons))

    def notes(self) -> dict[str, list[float]]:
        """Return columns with a number an image, NaN where its program failed."""
        if not self.solved:
            return {}
        return {
            "image": [float(one.image) for one in self.solved],
            "candidates": [float(one.candidates) for one in self.solved],
            "objective": [one.objective for one in self.solved],
            "bound": [one.bound for one in self.solved],
            "gap": [one.objective - one.bound for one in self.solved],
            "seconds": [one.seconds for one in self.solved],
        }
