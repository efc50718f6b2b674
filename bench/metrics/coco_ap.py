"""OKS average precision of COCO and CrowdPose, by pycocotools (the reference) or hotcoco (the same numbers, faster).

Rules: a found person takes the true person still free with the highest OKS above the threshold, best score first, 20 an
image; whoever is in a crowd, has no labelled joint or an area outside the range is ignored with whatever matches.
Source: https://cocodataset.org/#keypoints-eval; CrowdPose (Li et al., CVPR 2019), crowdposetools.
"""

from __future__ import annotations

import gc
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any, Literal

import hotcoco
import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from bench.metrics.ap_matches import AREAS, RANGES, Matches, ten_numbers
from bench.metrics.coco_truth import PERSON, Results, Truth
from data.skeletons import COCO17
from data.types import FloatArray

Engine = Literal["pycocotools", "hotcoco"]
EASY_BELOW, HARD_FROM = 0.2, 0.8  # crowdIndex; CrowdPose evaluation code, `get_type_result(first=0.2, second=0.8)`
CROWDED = ("ap-easy", "ap-medium", "ap-hard")


@dataclass(frozen=True, eq=False)
class AveragePrecision:
    """What an evaluation gives."""

    values: dict[str, float]  # percent by metric id: ap ap50 ap75 apm apl ar ar50 ar75 arm arl, and CrowdPose's three;
    # an id is absent where nobody could be found for it (no person of medium size, no image of that crowding)
    images: int
    people: int  # true people who have to be found
    assumptions: tuple[str, ...]  # what the numbers take for granted, for people
    matches: Matches | None  # to score resampled images again; None unless asked for


def evaluate(
    truth: Truth,
    results: Results,
    *,
    sigmas: Sequence[float] = COCO17.sigmas,
    engine: Engine = "hotcoco",
    crowding: bool = False,
    keep_matches: bool = False,
) -> AveragePrecision:
    """Compute the ten numbers of COCO, and AP by crowding as CrowdPose does.

    Args:
        truth: true people.
        results: found people of the same images.
        sigmas: (K,) OKS constants.
        engine: who computes.
        crowding: also AP of the images with little, medium and much crowding; needs the truth's crowd index.
        keep_matches: bring what `Matches.values` needs.

    Raises:
        ValueError: if the sigmas do not fit the joints, or there is no crowd index to divide by.
    """
    _require_sigmas(truth, sigmas)
    classes = _by_crowding(truth) if crowding else {}
    with _collection_paused():
        judged = _judge(truth, results, sigmas, engine, truth.image_ids)
        values = ten_numbers(*_curves(judged))
        matches = Matches.of(truth.image_ids, judged.evalImgs, classes) if keep_matches else None
        for name, chosen in classes.items():
            image_ids = truth.image_ids[chosen]
            if np.isin(truth.owners[truth.counted], image_ids).any():
                values[name] = ten_numbers(*_curves(_judge(truth, results, sigmas, engine, image_ids)))["ap"]
    told = truth.assumptions + results.assumptions + _assumed(truth, sigmas)
    return AveragePrecision(values, len(truth.image_ids), int(truth.counted.sum()), told, matches)


@contextmanager
def _collection_paused() -> Iterator[None]:
    """Hold the garbage collector: with a list for each of 100,000 people it takes more time than the matching."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _require_sigmas(truth: Truth, sigmas: Sequence[float]) -> None:
    if len(sigmas) != truth.joints:
        raise ValueError(f"{len(sigmas)} sigmas; the annotations have {truth.joints} joints; name the right skeleton")
    if not (np.isfinite(sigmas).all() and min(sigmas) > 0):
        raise ValueError(f"sigmas {list(sigmas)}; each must be a positive number")


def _assumed(truth: Truth, sigmas: Sequence[float]) -> tuple[str, ...]:
    """Say what the number takes for granted about sigmas and sizes."""
    told = [] if tuple(sigmas) == COCO17.sigmas else [f"sigmas, not COCO's: {' '.join(map(str, sigmas))}"]
    areas = truth.areas[truth.counted]
    for (low, high), label in zip(RANGES[1:], AREAS[1:], strict=True):
        if not ((areas >= low) & (areas <= high)).any():
            told.append(f"nobody has a {label} area: no numbers for that range")
    return tuple(told)


def _by_crowding(truth: Truth) -> dict[str, NDArray[np.bool_]]:
    """Which images (I,) are in each class of crowding."""
    index = truth.crowd_index
    if np.isnan(index).any():
        known = f"{np.isfinite(index).sum():,} of {len(index):,} images"
        raise ValueError(f"{known} have a crowdIndex; easy, medium and hard need CrowdPose's own annotation file")
    classes = (index < EASY_BELOW, (index >= EASY_BELOW) & (index < HARD_FROM), index >= HARD_FROM)
    return dict(zip(CROWDED, classes, strict=True))


def _judge(
    truth: Truth, results: Results, sigmas: Sequence[float], engine: Engine, image_ids: NDArray[np.int64]
) -> Any:
    """Match and accumulate over these images; both engines answer with the same attributes."""
    images = [{"id": i} for i in image_ids.tolist()]
    head = {"images": images, "categories": [{"id": PERSON, "name": "person"}]}
    true = {**head, "annotations": _true_records(truth, np.isin(truth.owners, image_ids))}
    found = {**head, "annotations": _found_records(results, np.isin(results.owners, image_ids))}
    with redirect_stdout(io.StringIO()):
        if engine == "hotcoco":
            judged: Any = hotcoco.COCOeval(hotcoco.COCO(true), hotcoco.COCO(found), "keypoints")
            judged.params.kpt_oks_sigmas = list(sigmas)
        else:
            judged = COCOeval(_indexed(true), _indexed(found), "keypoints")
            judged.params.kpt_oks_sigmas = np.array(sigmas)
        judged.evaluate()
        judged.accumulate()
    return judged


def _indexed(dataset: Mapping[str, object]) -> Any:
    coco = COCO()
    coco.dataset = dataset
    coco.createIndex()
    return coco


def _true_records(truth: Truth, chosen: NDArray[np.bool_]) -> list[dict[str, object]]:
    """List the people as annotations, numbered from 1: id 0 means "unmatched" to pycocotools."""
    rows = zip(
        truth.owners[chosen].tolist(),
        truth.keypoints[chosen].reshape(chosen.sum(), -1).tolist(),
        truth.labelled[chosen].tolist(),
        truth.areas[chosen].tolist(),
        truth.boxes[chosen].tolist(),
        truth.crowds[chosen].astype(int).tolist(),
        strict=True,
    )
    names = ("image_id", "keypoints", "num_keypoints", "area", "bbox", "iscrowd")
    return [{"id": i, "category_id": PERSON, **dict(zip(names, row, strict=True))} for i, row in enumerate(rows, 1)]


def _found_records(results: Results, chosen: NDArray[np.bool_]) -> list[dict[str, object]]:
    rows = zip(
        results.owners[chosen].tolist(),
        results.keypoints[chosen].reshape(chosen.sum(), 3 * results.keypoints.shape[1]).tolist(),
        results.scores[chosen].tolist(),
        results.areas[chosen].tolist(),
        strict=True,
    )
    return [
        {"id": i, "category_id": PERSON, "image_id": owner, "keypoints": keypoints, "score": score, "area": area}
        for i, (owner, keypoints, score, area) in enumerate(rows, 1)
    ]


def _curves(judged: Any) -> tuple[FloatArray, FloatArray]:
    """Precision (T, R, A) and largest recall (T, A); -1 where a range of areas has nobody."""
    precision, recall = np.asarray(judged.eval["precision"]), np.asarray(judged.eval["recall"])
    return precision[:, :, 0, :, 0], recall[:, 0, :, 0]
