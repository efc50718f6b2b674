"""DeepCut's pairwise probabilities, that two candidates of these classes are of one person (arXiv:1605.03170).

Different classes: how far the way between them is from the way that the detector says, from either end. The same class:
how far apart they are. Logistic regressions, fitted on cells of the training images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from data.types import FloatArray
from methods.deepcut_nets import Answers
from methods.deepcut_targets import OFFSET_STD, RADIUS, cell_middles, pair_index

SAME_SLOPE, SAME_SHIFT = 0.2, 7.5  # a pixel, and log-odds at 0: one half at 37.5 pixels; the authors' release
SAME_RADIUS = 25.0  # pixels within which two cells are of one joint, where a person is 340 pixels high
CROSS_FEATURES, SAME_FEATURES = 8, 2
LOGISTIC_C = 1e-3  # inverse strength of the L2 penalty, of the shift too; the authors' release
LEAST_SPAN = 1e-9  # of a feature that is always the same


@dataclass(frozen=True)
class Detections:
    """What one image's cells say, N cells in the order of the rows, all in input pixels.

    Attributes:
        middles: (N, 2) of the cells.
        places: (J, N, 2) where each cell sees the joint.
        ways: (J, J - 1, N, 2) from the cell to the other joints.
    """

    middles: FloatArray
    places: FloatArray
    ways: FloatArray

    def way(self, a: int, b: int, cells: NDArray[np.intp]) -> FloatArray:
        """Return the ways (M, 2) from cells of joint ``a`` to joint ``b``."""
        joints = len(self.places)
        return np.asarray(self.ways[a, pair_index(a, b, joints) - (joints - 1) * a, cells])


def cross_features(way: FloatArray, said: FloatArray, back: FloatArray, said_back: FloatArray) -> FloatArray:
    """Compare ways with what was said: distance and angle, there and back, and exp(-) of the four.

    Args:
        way: (..., 2) from the first cell to where the second sees its joint.
        said: (..., 2) what the first cell says of that.
        back: (..., 2) from the second cell to where the first sees its joint.
        said_back: (..., 2).

    Returns:
        (..., 8); a perfect detector's are 0, 0, 0, 0, 1, 1, 1, 1.
    """
    four = []
    for true, guess in ((way, said), (back, said_back)):
        turn = np.arctan2(true[..., 1], true[..., 0]) - np.arctan2(guess[..., 1], guess[..., 0])
        four += [np.linalg.norm(true - guess, axis=-1), np.abs((turn + np.pi) % (2 * np.pi) - np.pi)]
    return np.stack(four + [np.exp(-one) for one in four], -1)


def same_features(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return distance and squared distance (..., 2) of two places (..., 2)."""
    distance = np.linalg.norm(one - other, axis=-1)
    return np.stack([distance, distance**2], -1)


def same_probability(distance: FloatArray, radius: float = RADIUS) -> FloatArray:
    """Return how likely two candidates of one class are one joint, by the release's formula.

    Args:
        distance: Pixels.
        radius: Of the parts; the formula's pixels are those in which it is 17.
    """
    return np.asarray(1 / (1 + np.exp(SAME_SLOPE * distance * (RADIUS / radius) - SAME_SHIFT)))


class Logistic(nn.Module):
    """N logistic regressions on F features brought to [0, 1]; before any fit all say one half."""

    low: Tensor
    span: Tensor
    weight: Tensor
    shift: Tensor

    def __init__(self, count: int, features: int) -> None:
        """Begin at one half."""
        super().__init__()
        self.register_buffer("low", torch.zeros(count, features, dtype=torch.float64))
        self.register_buffer("span", torch.ones(count, features, dtype=torch.float64))
        self.register_buffer("weight", torch.zeros(count, features, dtype=torch.float64))
        self.register_buffer("shift", torch.zeros(count, dtype=torch.float64))

    def fit(self, which: int, features: FloatArray, same: NDArray[np.bool_], c: float = LOGISTIC_C) -> None:
        """Fit one; where all samples are of one kind it stays as it was.

        Args:
            which: Its number.
            features: (N, F).
            same: (N,).
            c: Inverse strength of the penalty.
        """
        if same.all() or not same.any():
            return
        from sklearn.linear_model import LogisticRegression  # takes a second

        low, span = features.min(0), np.maximum(np.ptp(features, axis=0), LEAST_SPAN)
        found = LogisticRegression(C=c, solver="liblinear", intercept_scaling=1).fit((features - low) / span, same)
        for buffer, value in (
            (self.low, low),
            (self.span, span),
            (self.weight, found.coef_[0]),
            (self.shift, found.intercept_[0]),
        ):
            buffer[which] = torch.as_tensor(value, dtype=torch.float64)

    def probability(self, which: int | NDArray[np.intp], features: FloatArray) -> FloatArray:
        """Return the probabilities (...) of features (..., F)."""
        low, span, weight, shift = (t[which].cpu().numpy() for t in (self.low, self.span, self.weight, self.shift))
        return np.asarray(1 / (1 + np.exp(-(((features - low) / span * weight).sum(-1) + shift))))


class PairTerms(nn.Module):
    """All probabilities of pairs of J classes: a regression for every two classes, and one for each by itself.

    Attributes:
        mean: (J, J - 1, 2) of the ways from a joint to the others, in input pixels.
        std: (J, J - 1, 2) of those.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, joints: int, radius: float = RADIUS, same: Literal["fixed", "learned"] = "fixed") -> None:
        """Begin without knowledge.

        Args:
            joints: J.
            radius: Of the parts, in input pixels.
            same: Whether two of one class are judged by the release's formula or by the regression.
        """
        super().__init__()
        self.joints, self.radius, self.how_same = joints, radius, same
        self.couples = [(a, b) for a in range(joints) for b in range(a + 1, joints)]
        self.cross, self.same = Logistic(len(self.couples), CROSS_FEATURES), Logistic(joints, SAME_FEATURES)

        self.register_buffer("mean", torch.zeros(joints, joints - 1, 2))
        self.register_buffer("std", torch.ones(joints, joints - 1, 2))

    def detections(self, answers: Answers, image: int, stride: int, *, regressed: bool) -> Detections:
        """Bring what is said of one image of a batch to input pixels.

        Args:
            answers: Of the network.
            image: Which one.
            stride: Input pixels a cell.
            regressed: Whether the network's ways to the other joints count; if not, all that is said is their mean.
        """
        h, w = answers.parts.shape[-2:]
        middles = cell_middles((h, w), stride).reshape(-1, 2)
        offsets = answers.offsets[image].float().cpu().flatten(2).movedim(1, 2) * OFFSET_STD  # (J, N, 2)
        ways = self.mean.cpu()[:, :, None].expand(-1, -1, h * w, -1)
        if regressed and answers.pairs is not None:
            ways = ways + answers.pairs[image].float().cpu().flatten(3).movedim(2, 3) * self.std.cpu()[:, :, None]
        return Detections(*(part.double().numpy() for part in (middles, middles + offsets, ways)))

    def couple(self, a: NDArray[np.intp], b: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the number of the regression of classes a < b."""
        return np.asarray(a * (2 * self.joints - a - 1) // 2 + b - a - 1)

    def probabilities(self, found: Detections, cell: NDArray[np.intp], unary: FloatArray) -> FloatArray:
        """Return the probability of every two candidates as every two classes.

        Args:
            found: What the cells say.
            cell: (D,) that each candidate is.
            unary: (D, J); what has probability 0 is not asked for.

        Returns:
            (D, D, J, J) with [d, d', c, c'], filled for d < d' and 0 where nothing was asked.
        """
        d, j = unary.shape
        answer = np.zeros((d, d, j, j))
        who, what = np.nonzero(unary > 0)
        one, other = np.nonzero(who[:, None] < who)  # pairs of states, ordered by candidate
        a, b = what[one], what[other]
        place = found.places[what, cell[who]]
        value = np.empty(len(one))
        equal = a == b
        apart = same_features(place[one[equal]], place[other[equal]])
        learned = self.how_same == "learned"
        value[equal] = self.same.probability(a[equal], apart) if learned else same_probability(apart[:, 0], self.radius)
        swap = (a > b)[~equal]
        first = np.where(swap, other[~equal], one[~equal])
        second = np.where(swap, one[~equal], other[~equal])
        ways = found.ways[what[:, None], np.arange(j - 1), cell[who][:, None]]  # (states, J - 1, 2)
        rows = cross_features(
            place[second] - found.middles[cell[who[first]]],
            ways[first, what[second] - (what[second] > what[first])],
            place[first] - found.middles[cell[who[second]]],
            ways[second, what[first] - (what[first] > what[second])],
        )
        value[~equal] = self.cross.probability(self.couple(what[first], what[second]), rows)
        answer[who[one], who[other], a, b] = value
        return answer
