"""Parameters of pose NMS from data (Fang et al., ICCV 2017, arXiv:1612.00137, section 3.3).

The paper searches two of its four numbers at a time, the others fixed, for the highest mAP on the validation set, and
goes on until nothing changes. Which two, and in which steps, it does not say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from data.types import FloatArray, Person, PosePrediction
from methods.oks_ap import average_precision
from methods.pose_nms import PAPER, Kept, PoseNMS, pose_nms

Found = tuple[FloatArray, FloatArray, FloatArray | None]  # joints (N, K, 2), joint scores (N, K), scores (N,) or None
Numbers = tuple[float, float, float, float]  # sigma1, sigma2, lambda, eta

PAIRS = ((1, 3), (0, 2))  # default: how far poses are alike with how alike is one; scores with what they weigh
ROUNDS = 3  # default
STEP = 2.0  # default: the first round tries a quarter, half, twice and four times, each later one half as far
STEPS = sorted(product((-2, -1, 0, 1, 2), repeat=2), key=lambda s: abs(s[0]) + abs(s[1]))  # of equals the nearest


@dataclass(frozen=True)
class Fitted:
    """What was found."""

    parameters: PoseNMS
    history: tuple[float, ...]  # the objective at the start and after each round; never falls


def fit(
    images: Sequence[Found],
    objective: Callable[[Sequence[Kept]], float],
    start: PoseNMS = PAPER,
    boxes: Sequence[FloatArray | None] | None = None,
    rounds: int = ROUNDS,
) -> Fitted:
    """Search sigma1, sigma2, lambda and eta; the conventions stay those of ``start``.

    Each round tries 24 settings of either pair, multiples of the best so far, and moves only to a higher objective.

    Args:
        images: The poses of each, before NMS.
        objective: The higher the better, of the poses kept in each image, in this order: mAP.
        start: The first setting, and the conventions.
        boxes: Of each image as in `pose_nms`; None are the extents of the joints.
        rounds: How many.
    """
    around = [None] * len(images) if boxes is None else boxes

    def value(tried: Numbers) -> float:
        parameters = with_numbers(start, tried)
        return objective([pose_nms(*image, parameters, box) for image, box in zip(images, around, strict=True)])

    best = numbers(start)
    history = [value(best)]
    for turn in range(rounds):
        highest, step = history[-1], STEP ** (0.5**turn)
        for first, second in PAIRS:
            centre = best
            for a, b in STEPS[1:]:
                tried = _times(_times(centre, first, step**a), second, step**b)
                reached = value(tried)
                if reached > highest:
                    best, highest = tried, reached
        history.append(highest)
    return Fitted(with_numbers(start, best), tuple(history))


def fit_to_people(
    found: Mapping[int, PosePrediction],
    truth: Mapping[int, Sequence[Person]],
    sigmas: Sequence[float],
    start: PoseNMS,
) -> PoseNMS:
    """Fit to the highest AP by OKS of what was found in some images.

    Args:
        found: By image.
        truth: Everybody in these images, and perhaps in others.
        sigmas: (K,) OKS constants.
        start: As in :func:`fit`.
    """
    images = [tuple(t.double().numpy() for t in (p.joints, p.joint_scores, p.scores)) for p in found.values()]
    true = [truth[image] for image in found]

    def objective(kept: Sequence[Kept]) -> float:
        return average_precision([(one.joints, one.scores) for one in kept], true, sigmas)

    return fit([(j, s, total) for j, s, total in images], objective, start).parameters


def numbers(parameters: PoseNMS) -> Numbers:
    """Return what is fitted: sigma1, sigma2, lambda, eta."""
    return parameters.sigma1, parameters.sigma2, parameters.balance, parameters.eta


def with_numbers(start: PoseNMS, numbers: Sequence[float]) -> PoseNMS:
    """Return parameters with other numbers, sigma1, sigma2, lambda, eta, and the same conventions."""
    sigma1, sigma2, balance, eta = numbers
    return replace(start, sigma1=sigma1, sigma2=sigma2, balance=balance, eta=eta)


def _times(numbers: Numbers, which: int, factor: float) -> Numbers:
    first, second, third, fourth = (n * factor if i == which else n for i, n in enumerate(numbers))
    return first, second, third, fourth
