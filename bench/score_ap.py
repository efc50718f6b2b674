"""Average precision of anybody's COCO results, by OKS or by MPII's heads, with intervals over images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from bench.metrics.ap_matches import NUMBERS, Matches
from bench.metrics.coco_ap import evaluate
from bench.metrics.coco_truth import (
    Areas,
    Results,
    Truth,
    nobody_found,
    read_results,
    read_truth,
    results_from_coco,
    truth_from_samples,
)
from bench.metrics.people import PeopleMetric
from bench.metrics.protocols import MetricValue
from bench.stats import FloatArray, bootstrap, interval
from data import DATASETS, coco_folder
from data.module import PoseDataModule
from data.types import DataError, PosePrediction, PoseSample, Skeleton, by_image

WORD_FOR_WORD: dict[str, Areas] = {"coco": "annotated", "crowdpose": "box"}  # where the areas are from
RESAMPLES = 200  # default: fewer than for people, since everybody found is ranked again each time


def read_official(dataset: str, split: str, root: Path, truth: Path | None = None) -> Truth:
    """Read the annotation file of a split, or the one given instead; no images are needed.

    COCO's and CrowdPose's files are taken word for word; those of a folder in COCO's layout as its reader takes them.

    Raises:
        data.types.DataError: if it is missing or damaged, or no AP could come of it.
    """
    find = DATASETS[dataset].annotation_file
    if find is None:
        raise DataError(f"{dataset}: has no annotation file in COCO's format")
    path = truth or find(split, root)
    if dataset in WORD_FOR_WORD:
        return read_truth(path, areas=WORD_FOR_WORD[dataset])
    return _truth(coco_folder.annotated(path, root, name=dataset), str(path))


def _truth(samples: Sequence[PoseSample], title: str) -> Truth:
    """Take everybody in the samples.

    Raises:
        data.types.DataError: if no AP could come of it.
    """
    try:
        return truth_from_samples(samples)
    except ValueError as error:
        raise DataError(f"{title}: {error}") from error


def score_oks(dataset: str, truth: Truth, path: Path, say: Callable[[str], None]) -> dict[str, MetricValue]:
    """Score a COCO results list.

    Args:
        dataset: whose sigmas and category; CrowdPose adds AP by crowding.
        truth: the people of the split.
        path: the results.
        say: told what the numbers take for granted.

    Returns:
        By metric id, as a record holds them; ``n`` counts the people to find.

    Raises:
        data.types.DataError: if the file is damaged or does not belong to the truth.
    """
    return oks_values(dataset, truth, read_results(path, truth, category=DATASETS[dataset].category), say)


def oks_values(dataset: str, truth: Truth, results: Results, say: Callable[[str], None]) -> dict[str, MetricValue]:
    """Score results that are already read; see `score_oks`."""
    sigmas, crowded = DATASETS[dataset].skeleton.sigmas, dataset == "crowdpose"
    found = evaluate(truth, results, sigmas=sigmas, crowding=crowded, keep_matches=True)
    for line in found.assumptions:
        say(line)
    if found.matches is None:
        raise ValueError("no matches kept; the intervals need them")
    ends = _intervals(found.matches, list(found.values))
    left_out = len(truth.owners) - found.people
    return {
        name: MetricValue(value, "%", _people(found.matches, name), ends[name], {}, left_out)
        for name, value in found.values.items()
    }


def average_precision(data: PoseDataModule, split: str, found: list[dict[str, object]]) -> dict[str, MetricValue]:
    """Score what was found in a split that a data module serves.

    The truth is the official annotation file, crowds and all; the samples themselves where a limit leaves some out, and
    of drawn people.
    """
    name = data.split(split)
    if data.entry.annotation_file and data.test_limit is None and name in data.entry.splits:
        truth = read_official(data.dataset, name, data.root_folder)
    else:
        truth = _truth(data.inputs(split).samples, f"{data.dataset} {split}")
    results = results_from_coco(found, truth, category=data.entry.category) if found else nobody_found(truth)
    return oks_values(data.dataset, truth, results, lambda line: None)


def score_groups(
    samples: Sequence[PoseSample], path: Path, skeleton: Skeleton, say: Callable[[str], None]
) -> dict[str, MetricValue]:
    """Score a COCO results list by MPII's multi-person AP; each image is one group.

    The third number of each joint is its score. Where all of these are equal they say nothing, and the person's score
    stands for them. A joint at 0 0 with a third number of 0 was not found.

    Args:
        samples: the images of the split.
        path: the results.
        skeleton: names the joints.
        say: told what the numbers take for granted.

    Raises:
        data.types.DataError: if the file is damaged or does not belong to the samples.
    """
    truth = truth_from_samples(samples)
    results = read_results(path, truth)
    for line in ("each image is one group of people: the list has none of its own", *results.assumptions):
        say(line)
    joints, scores = results.keypoints[..., :2].copy(), results.keypoints[..., 2].copy()
    joints[(results.keypoints == 0).all(-1)] = np.nan
    if np.ptp(scores) == 0:
        say("the third numbers of all joints are equal: each joint takes the score of its person")
        scores[:] = results.scores[:, None]
    metric = PeopleMetric("mpii-ap", skeleton)
    for sample in samples:
        rows = results.owners == sample.image_id
        parts = (torch.as_tensor(part[rows]) for part in (joints, scores, results.scores))
        metric.update([PosePrediction(*parts)], [sample.people])
    return {"mpii-ap": metric.compute()}


def of_groups(
    samples: Sequence[PoseSample], predictions: Sequence[PosePrediction], image_ids: Sequence[int], skeleton: Skeleton
) -> dict[str, MetricValue]:
    """Score what was found by MPII's multi-person AP; each image is one group, however many inputs it was cut into."""
    inputs = by_image(predictions, image_ids)
    metric, k = PeopleMetric("mpii-ap", skeleton), len(skeleton.joints)
    empty = PosePrediction(torch.zeros(0, k, 2), torch.zeros(0, k), torch.zeros(0))
    for sample in samples:
        here = inputs.get(sample.image_id, empty)
        parts = (here.joints.double(), here.joint_scores.double(), here.scores.double())
        metric.update([PosePrediction(*parts)], [sample.people])
    return {"mpii-ap": metric.compute()}


def _people(matches: Matches, name: str) -> int:
    """Count the people to find for a number: of its images, or of its range of areas."""
    if name in matches.classes:
        return int(matches.people[0] @ matches.classes[name])
    return int(matches.people[NUMBERS[name.replace("ar", "ap")][1]].sum())


def _intervals(matches: Matches, names: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Draw the images again and again; a number that a draw lacks (nobody of that size in it) skips that draw."""
    images = len(matches.image_ids)

    def statistic(drawn: FloatArray) -> FloatArray:
        scored = [matches.values(times.astype(np.int64)) for times in drawn]
        return np.array([[values.get(name, np.nan) for name in names] for values in scored])

    values = bootstrap(statistic, np.ones(images, np.int64), resamples=RESAMPLES)
    return {name: _ends(column, images) for name, column in zip(names, values.T, strict=True)}


def _ends(values: FloatArray, images: int) -> tuple[float, float]:
    low, high = interval(values[np.isfinite(values)], images)
    return float(low), float(high)
