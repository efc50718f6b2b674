"""Resampled images are scored as if they had been matched again."""

import numpy as np
import pytest

from bench.metrics.ap_speed import drawn_problem
from bench.metrics.coco_ap import evaluate
from bench.metrics.coco_truth import Results, Truth

PROBLEM = drawn_problem(images=30, people=60, found=220, seed=5)
ENGINES = ("pycocotools", "hotcoco")


def copies(truth: Truth, results: Results, times: np.ndarray) -> tuple[Truth, Results]:
    """Image i ``times[i]`` times under new ids, with its people and results."""
    new = np.repeat(truth.image_ids, times)
    people = [np.flatnonzero(truth.owners == image) for image in new]
    found = [np.flatnonzero(results.owners == image) for image in new]
    p, f = np.concatenate(people), np.concatenate(found)
    ids = np.arange(1, len(new) + 1)
    drawn = Truth(
        image_ids=ids,
        owners=np.repeat(ids, [len(rows) for rows in people]),
        keypoints=truth.keypoints[p],
        labelled=truth.labelled[p],
        areas=truth.areas[p],
        boxes=truth.boxes[p],
        crowds=truth.crowds[p],
        crowd_index=np.repeat(truth.crowd_index, times),
    )
    owners = np.repeat(ids, [len(rows) for rows in found])
    return drawn, Results(owners, results.keypoints[f], results.scores[f], results.areas[f])


@pytest.mark.parametrize("engine", ENGINES)
def test_every_image_once_gives_the_numbers_of_the_evaluation(engine):
    result = evaluate(*PROBLEM, engine=engine, crowding=True, keep_matches=True)
    assert result.matches.values(np.ones(30, int)) == result.values
    assert len(result.values) == 13


@pytest.mark.parametrize("seed", range(4))
def test_drawn_images_give_the_numbers_of_matching_them_again(seed):
    times = np.bincount(np.random.default_rng(seed).integers(30, size=30), minlength=30)
    matches = evaluate(*PROBLEM, crowding=True, keep_matches=True).matches
    again = evaluate(*copies(*PROBLEM, times), crowding=True).values
    values = matches.values(times)
    assert values.keys() == again.keys()
    for name, value in again.items():
        assert values[name] == pytest.approx(value, abs=1e-9), name


def test_numbers_of_nobody_are_absent():
    matches = evaluate(*PROBLEM, keep_matches=True).matches
    assert matches.values(np.zeros(30, int)) == {}


def test_matches_are_kept_only_when_asked_for():
    assert evaluate(*PROBLEM).matches is None
