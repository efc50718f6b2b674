"""How much faster than pycocotools hotcoco is, on drawn truth and results of the size of COCO's val2017."""

from __future__ import annotations

import time

import numpy as np

from bench.metrics.coco_ap import Engine, evaluate
from bench.metrics.coco_truth import Results, Truth
from data.skeletons import COCO17

IMAGES, PEOPLE, FOUND = 5_000, 11_004, 104_000  # COCO val2017, and the people of the detector file that papers share
CROWDED_SHARE = 2_693 / 5_000  # of the images have people; COCO val2017
LABELLED_PEOPLE = 6_352 / 11_004  # have labelled joints; COCO val2017
LABELLED_JOINTS = 0.7  # default: of the joints of such a person
FOUND_SHARE = 0.9  # default: of the people are found by somebody, with errors of up to LARGEST_ERROR of their size
LARGEST_ERROR = 0.1  # default
ROUNDS = 2  # default
SIDES = (20.0, 300.0)  # pixels; default: smallest and largest box side


def drawn_problem(
    images: int = IMAGES, people: int = PEOPLE, found: int = FOUND, seed: int = 0
) -> tuple[Truth, Results]:
    """Draw true people, results near many of them and results anywhere else."""
    rng, joints = np.random.default_rng(seed), len(COCO17.joints)
    corners, sides = rng.uniform(0, 400, (people, 1, 2)), rng.uniform(*SIDES, (people, 1, 2))
    places = corners + sides * rng.random((people, joints, 2))
    visible = np.where(rng.random((people, joints)) < LABELLED_JOINTS, 2.0, 0.0)
    visible[rng.random(people) >= LABELLED_PEOPLE] = 0.0
    truth = Truth(
        image_ids=np.arange(1, images + 1),
        owners=rng.integers(1, round(CROWDED_SHARE * images) + 1, people),
        keypoints=np.concatenate([places, visible[..., None]], -1),
        labelled=(visible > 0).sum(1),
        areas=0.6 * sides.prod((1, 2)),
        boxes=np.concatenate([corners, sides], -1)[:, 0],
        crowds=rng.random(people) < 0.01,
        crowd_index=rng.random(images),
    )
    near = rng.permutation(people)[: min(int(FOUND_SHARE * people), found)]
    errors = sides[near] * rng.normal(size=(len(near), joints, 2)) * rng.uniform(0, LARGEST_ERROR, (len(near), 1, 1))
    stray = rng.uniform(0, 400, (found - len(near), 1, 2)) + rng.uniform(0, 150, (found - len(near), joints, 2))
    poses = np.concatenate([places[near] + errors, stray])
    extent = np.ptp(poses, axis=1)
    results = Results(
        owners=np.concatenate([truth.owners[near], rng.integers(1, images + 1, len(stray))]),
        keypoints=np.concatenate([poses, np.ones((found, joints, 1))], -1),
        scores=np.concatenate([rng.beta(4, 2, len(near)), rng.beta(2, 4, len(stray))]),
        areas=extent[:, 0] * extent[:, 1],
    )
    return truth, results


def compare_engines() -> dict[str, float]:
    """Time both engines on the same drawn problem, from arrays in memory to the ten numbers.

    Returns:
        Seconds of each (``pycocotools``, ``hotcoco``; the best of `ROUNDS`, taken in turn), how many times faster the
        second is (``ratio``), and the largest difference between their numbers in percent (``difference``).
    """
    problem = drawn_problem()
    slow: list[tuple[float, dict[str, float]]] = []
    fast: list[tuple[float, dict[str, float]]] = []
    for _ in range(ROUNDS):
        slow.append(_timed(problem, "pycocotools"))
        fast.append(_timed(problem, "hotcoco"))
    difference = max(abs(slow[0][1][name] - fast[0][1][name]) for name in slow[0][1])
    seconds = {"pycocotools": min(s for s, _ in slow), "hotcoco": min(s for s, _ in fast)}
    return {**seconds, "ratio": seconds["pycocotools"] / seconds["hotcoco"], "difference": difference}


def _timed(problem: tuple[Truth, Results], engine: Engine) -> tuple[float, dict[str, float]]:
    start = time.perf_counter()
    values = evaluate(*problem, engine=engine).values
    return time.perf_counter() - start, values
