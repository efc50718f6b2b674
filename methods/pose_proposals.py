"""Pose-guided proposals: boxes that err as a detector does (RMPE, Fang et al., ICCV 2017, arXiv:1612.00137).

Training poses are clustered into atomic poses; how a detector's boxes miss the true ones is a Gaussian for each; in
training every person is seen in a box drawn from that of their pose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from data.boxes import BoxSource
from data.types import FloatArray, Person, PoseSample, Skeleton
from data.views import Look, PersonCrop
from methods.tracking import iou

# Mean and deviation of what is added to x0, y0, x1, y1, in widths and heights: the authors' released code.
RELEASED = ((-0.0142, 0.1158), (0.0043, 0.068), (0.0154, 0.1337), (-0.0013, 0.0711))
LEAST_OVERLAP = 0.5  # IoU from which a box is of a person; default
LEAST_SIDE = 2.0  # pixels of a box; the released code
LEAST_MATCHES = 10  # of an atomic pose with a Gaussian of its own; default
RUNS, SEED = 4, 0  # of k-means

Indices = NDArray[np.intp]


def aligned(joints: FloatArray, visible: FloatArray, skeleton: Skeleton) -> FloatArray:
    """Bring poses to one place and size: the torso's middle at the origin, its length 1; joints unknown are NaN.

    Args:
        joints: (N, K, 2) pixels.
        visible: (N, K).
        skeleton: Names the torso.

    Returns:
        (N, K, 2); all NaN for a pose whose torso is not labelled or has no length.
    """
    a, b = skeleton.torso
    known = np.where(visible[..., None] > 0, joints, np.nan)
    length = np.linalg.norm(known[:, a] - known[:, b], axis=-1)
    length[length == 0] = np.nan
    found: FloatArray = (known - (known[:, [a]] + known[:, [b]]) / 2) / length[:, None, None]
    return found


def misses(true: FloatArray, boxes: FloatArray) -> tuple[Indices, FloatArray]:
    """Find how a detector's boxes miss true ones: each of them belongs to the true box that it overlaps most.

    Args:
        true: (P, 4) x0, y0, x1, y1.
        boxes: (N, 4).

    Returns:
        Whose each box is (M,), and by how much it misses (M, 4) in widths and heights; boxes of nobody are left out.
    """
    if not len(true) or not len(boxes):
        return np.zeros(0, np.intp), np.zeros((0, 4))
    overlap = iou(boxes, true)
    owner = overlap.argmax(1)
    kept = overlap.max(1) >= LEAST_OVERLAP
    owner = owner[kept]
    size = np.maximum(true[:, 2:] - true[:, :2], LEAST_SIDE)
    return owner, (boxes[kept] - true[owner]) / np.tile(size, 2)[owner]


class Proposals(nn.Module):
    """A Gaussian of misses for each of A atomic poses, and one for poses that cannot be told."""

    atoms: Tensor
    mean: Tensor
    std: Tensor
    fitted: Tensor

    def __init__(self, skeleton: Skeleton, atoms: int) -> None:
        """Begin with the released constants for every pose.

        Args:
            skeleton: Of the poses.
            atoms: A; 0 knows no poses.
        """
        super().__init__()
        self.skeleton = skeleton
        mean, std = torch.tensor(RELEASED, dtype=torch.float64).T
        self.register_buffer("atoms", torch.zeros(atoms, len(skeleton.joints), 2, dtype=torch.float64))
        self.register_buffer("mean", mean.repeat(atoms + 1, 1))  # the last is that of poses that cannot be told
        self.register_buffer("std", std.repeat(atoms + 1, 1))
        self.register_buffer("fitted", torch.tensor(False))

    def fit(self, samples: Sequence[PoseSample], boxes: BoxSource) -> int:
        """Cluster the poses of samples and fit the misses of a box source; return how many boxes were matched."""
        from sklearn.cluster import KMeans  # takes a second

        people = [p for sample in samples for p in sample.people if not p.ignore]
        poses = self._poses(people)
        whole = np.flatnonzero(np.isfinite(poses).any((1, 2)))
        atoms = min(len(self.atoms), len(whole))
        if atoms:
            filled = _fill(poses[whole])
            found = KMeans(atoms, n_init=RUNS, random_state=SEED).fit(filled.reshape(len(filled), -1))
            self.atoms[:] = torch.from_numpy(found.cluster_centers_[np.arange(len(self.atoms)) % atoms]).view_as(
                self.atoms
            )
            self.fitted.fill_(True)
        owners, missed = self._misses(samples, boxes)
        which = self.atom(poses)[owners]
        for atom in range(len(self.mean)):
            here = missed[which == atom] if atom < len(self.atoms) else missed
            here = here if len(here) >= LEAST_MATCHES else missed
            if len(here) >= LEAST_MATCHES:
                self.mean[atom] = torch.from_numpy(here.mean(0))
                self.std[atom] = torch.from_numpy(here.std(0))
        return len(missed)

    def _poses(self, people: Sequence[Person]) -> FloatArray:
        k = len(self.skeleton.joints)
        joints = np.array([p.joints for p in people], np.float64).reshape(-1, k, 2)
        visible = np.array([p.visible for p in people], np.float64).reshape(-1, k)
        return aligned(joints, visible, self.skeleton)

    @staticmethod
    def _misses(samples: Sequence[PoseSample], boxes: BoxSource) -> tuple[Indices, FloatArray]:
        """Return which person of all that count each matched box is of, and how it misses."""
        owners: list[Indices] = [np.zeros(0, np.intp)]
        missed, before = [np.zeros((0, 4))], 0
        for sample in samples:
            true = np.array([p.box for p in sample.people if not p.ignore]).reshape(-1, 4)
            found = np.array([box.corners for box in boxes.boxes(sample)]).reshape(-1, 4)
            owner, miss = misses(true, found)
            owners.append(before + owner)
            missed.append(miss)
            before += len(true)
        return np.concatenate(owners), np.concatenate(missed)

    def atom(self, poses: FloatArray) -> Indices:
        """Return the nearest atomic pose of aligned poses (N, K, 2), by the joints that are known; A where none is."""
        if not self.fitted or not len(poses):
            return np.full(len(poses), len(self.atoms))
        away = np.square(poses[:, None] - self.atoms.cpu().numpy())  # (N, A, K, 2)
        known = np.isfinite(away)
        mean = np.where(known, away, 0).sum((2, 3)) / np.maximum(known.sum((2, 3)), 1)
        return np.where(known.any((1, 2, 3)), mean.argmin(1), len(self.atoms))

    def draw(self, person: Person, count: int, rng: np.random.Generator) -> FloatArray:
        """Draw boxes (N, 4) of a person."""
        atom = int(self.atom(self._poses([person]))[0])
        size = np.tile(np.maximum(person.box[2:] - person.box[:2], LEAST_SIDE), 2)
        miss = rng.normal(self.mean[atom].cpu().numpy(), self.std[atom].cpu().numpy(), (count, 4))
        return np.asarray(person.box + miss * size)


def _fill(poses: FloatArray) -> FloatArray:
    """Put the mean over all poses where a joint is not known."""
    with np.errstate(invalid="ignore"):
        known = np.isfinite(poses)
        mean = np.where(known, poses, 0).sum(0) / np.maximum(known.sum(0), 1)
    return np.where(known, poses, mean)


def inside(box: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Cut a box to an image of H, W, and keep it at least LEAST_SIDE wide and high."""
    last = np.array([size[1], size[0]], np.float64)
    low = np.clip(box[:2], 0, np.maximum(last - LEAST_SIDE, 0))
    return np.concatenate([low, np.maximum(np.minimum(box[2:], last), low + LEAST_SIDE)])


def part_of(box: FloatArray, tau: float, rng: np.random.Generator) -> FloatArray:
    """Draw a part of a box, of its shape and of tau to 1 of its sides."""
    size, share = box[2:] - box[:2], rng.uniform(tau, 1)
    low = box[:2] + rng.random(2) * (1 - share) * size
    return np.concatenate([low, low + share * size])


@dataclass(frozen=True)
class ProposalCrop(PersonCrop):
    """Training of AlphaPose: each person in a box that errs, or, in some inputs, a part of their box.

    Attributes:
        proposals: draws the boxes; None leaves them as they are given.
        tau: so many inputs are whole boxes; the others a part of at least tau of its sides.
    """

    proposals: Proposals | None = None
    tau: float = 1.0

    def moved(self, sample: PoseSample, look: Look, rng: np.random.Generator) -> Look:
        """Draw the box of a known person; a part of a box is what it should be, so that nobody asks for the rest."""
        if look.person is None:
            return look
        person = sample.people[look.person]
        if rng.random() >= self.tau:
            part = inside(part_of(look.box, self.tau, rng), sample.size)
            return replace(look, box=part, aim=part)
        if self.proposals is None:
            return look
        return replace(look, box=inside(self.proposals.draw(person, 1, rng)[0], sample.size))
