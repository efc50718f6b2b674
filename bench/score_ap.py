"""Average precision of anybody's COCO results, by OKS or by MPII's heads, with intervals over images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench.metrics.ap_matches import NUMBERS, Matches
from bench.metrics.coco_ap import CROWDED, EASY_BELOW, HARD_FROM, evaluate
from bench.metrics.coco_truth import Results, Truth, read_results, read_truth, results_from_coco, truth_from_samples
from bench.metrics.people import PeopleMetric
from bench.metrics.protocols import MetricValue
from bench.stats import FloatArray, bootstrap, interval
from data import coco, crowdpose
from data.annotations import find_folder
from data.module import PoseDataModule
from data.skeletons import COCO17, CROWDPOSE14
from data.types import PosePrediction, PoseSample, Skeleton

_Part = tuple[str, int, NDArray[np.bool_]]  # number, range of areas, (I,) images
RESAMPLES = 200  # default: fewer than for people, since everybody found is ranked again each time


def read_official(dataset: str, split: str, root: Path, truth: Path | None = None) -> Truth:
    """Read the annotation file of a COCO or CrowdPose split, or the one given instead; no images are needed.

    Raises:
        data.types.DataError: if it is missing or damaged.
    """
    if dataset == "crowdpose":
        return read_truth(truth or crowdpose.annotation_file(split, root), areas="box")
    if truth is not None:
        return read_truth(truth)
    folder = find_folder(root, coco.FOLDERS) / "annotations"
    paths = [folder / name.format(split) for name in coco.FILES]
    return read_truth(next((path for path in paths if path.is_file()), paths[0]))


def score_oks(dataset: str, truth: Truth, path: Path, say: Callable[[str], None]) -> dict[str, MetricValue]:
    """Score a COCO results list.

    Args:
        dataset: coco or crowdpose: whose sigmas; CrowdPose adds AP by crowding.
        truth: the people of the split.
        path: the results.
        say: told what the numbers take for granted.

    Returns:
        By metric id, as a record holds them; ``n`` counts the people to find.

    Raises:
        data.types.DataError: if the file is damaged or does not belong to the truth.
    """
    return oks_values(dataset, truth, read_results(path, truth), say)


def oks_values(dataset: str, truth: Truth, results: Results, say: Callable[[str], None]) -> dict[str, MetricValue]:
    """Score results that are already read; see `score_oks`."""
    crowded = dataset == "crowdpose"
    sigmas: Sequence[float] = (CROWDPOSE14 if crowded else COCO17).sigmas
    found = evaluate(truth, results, sigmas=sigmas, crowding=crowded, keep_matches=True)
    for line in found.assumptions:
        say(line)
    if found.matches is None:
        raise ValueError("no matches kept; the intervals need them")
    parts = _parts(truth, list(found.values))
    ends = _intervals(found.matches, parts)
    left_out = len(truth.owners) - found.people
    people = {name: int((found.matches.people[area] * images).sum()) for name, (_, area, images) in parts.items()}
    return {
        name: MetricValue(value, "%", people[name], ends[name], {}, left_out) for name, value in found.values.items()
    }


def average_precision(data: PoseDataModule, split: str, found: list[dict[str, object]]) -> dict[str, MetricValue]:
    """Score what was found in a split that a data module serves.

    The truth is the official annotation file, crowds and all; the samples themselves where a limit leaves some out.
    """
    name = data.tested if split == "test" else split
    whole = data.test_limit is None and name in data.entry.splits
    truth = read_official(data.dataset, name, data.root_folder) if whole else truth_from_samples(data.samples(split))
    return oks_values(data.dataset, truth, results_from_coco(found, truth), lambda line: None)


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


def _parts(truth: Truth, names: Sequence[str]) -> dict[str, _Part]:
    """Say over whom each number is: as which number of `Matches.values`, of what area, in which images."""
    index, every = truth.crowd_index, np.ones(len(truth.image_ids), np.bool_)
    classes = (index < EASY_BELOW, (index >= EASY_BELOW) & (index < HARD_FROM), index >= HARD_FROM)
    crowded = {name: ("ap", 0, images) for name, images in zip(CROWDED, classes, strict=True)}
    plain = {name: (name, NUMBERS[name.replace("ar", "ap")][1], every) for name in names if name not in CROWDED}
    return {name: crowded[name] if name in crowded else plain[name] for name in names}


def _intervals(matches: Matches, parts: dict[str, _Part]) -> dict[str, tuple[float, float]]:
    """Draw the images again and again; a number that a draw lacks (nobody of that size in it) skips that draw."""
    images = len(matches.image_ids)

    def statistic(drawn: FloatArray) -> FloatArray:
        return np.array([_numbers(matches, times.astype(np.int64), parts) for times in drawn])

    values = bootstrap(statistic, np.ones(images, np.int64), resamples=RESAMPLES)
    return {name: _ends(values[:, column], images) for column, name in enumerate(parts)}


def _numbers(matches: Matches, times: NDArray[np.int64], parts: dict[str, _Part]) -> list[float]:
    """Score one draw."""
    everywhere = matches.values(times)
    drawn = {
        name: everywhere if images.all() else matches.values(times * images) for name, (_, _, images) in parts.items()
    }
    return [drawn[name].get(number, float("nan")) for name, (number, _, _) in parts.items()]


def _ends(values: FloatArray, images: int) -> tuple[float, float]:
    low, high = interval(values[np.isfinite(values)], images)
    return float(low), float(high)
