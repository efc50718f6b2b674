"""The light AP is that of pycocotools, on drawn people with crowds, unlabelled ones and equal scores."""

import numpy as np
import pytest

from bench.metrics.coco_ap import evaluate
from bench.metrics.coco_truth import Results, truth_from_samples
from data.skeletons import COCO17
from data.types import ImageFile, Person, PoseSample
from methods.oks_ap import average_precision

SIGMAS = np.array(COCO17.sigmas)
K = len(SIGMAS)


def drawn_person(rng, odd):
    corner, size = rng.uniform(0, 400, 2), rng.uniform(20, 200, 2)
    visible = np.where(rng.random(K) < 0.7, 2, 0)
    visible[0] = 2
    unlabelled, ignore, crowd, areas = rng.random(4) < (odd, odd, odd, 0.5)
    return Person(
        corner + size * rng.random((K, 2)),
        visible * (not unlabelled),
        np.concatenate([corner, corner + size]),
        area=float("nan") if areas else float(0.6 * size.prod()),
        ignore=bool(ignore or crowd),
        crowd=bool(crowd),
    )


def drawn_found(rng, people, decimals):
    poses = [p.joints + rng.normal(0, 1, (K, 2)) * rng.uniform(0, 0.1) * (p.box[2] - p.box[0]) for p in people * 3]
    poses += [rng.uniform(0, 400, 2) + rng.uniform(0, 150, (K, 2)) for _ in range(rng.integers(0, 18))]
    poses = [pose for pose in poses if rng.random() < 0.8]
    return np.array(poses).reshape(-1, K, 2), rng.random(len(poses)).round(decimals)


def reference(found, truth):
    """AP of pycocotools, from 0 to 1."""
    where = ImageFile("none.jpg")
    samples = [PoseSample(i + 1, where, (480, 640), tuple(people)) for i, people in enumerate(truth)]
    joints = np.concatenate([one for one, _ in found])
    results = Results(
        np.repeat(np.arange(1, len(found) + 1), [len(one) for one, _ in found]),
        np.concatenate([joints, np.ones((*joints.shape[:2], 1))], -1),
        np.concatenate([scores for _, scores in found]),
        np.ones(len(joints)),
    )
    return evaluate(truth_from_samples(samples), results, engine="pycocotools").values["ap"] / 100


@pytest.mark.parametrize(
    ("seed", "odd", "decimals"), [(0, 0.0, 9), (1, 0.0, 1), (2, 0.15, 9), (3, 0.3, 2), (4, 0.3, 9)]
)
def test_the_number_is_that_of_pycocotools(seed, odd, decimals):
    rng = np.random.default_rng(seed)
    truth = [[drawn_person(rng, odd) for _ in range(rng.integers(0, 6))] for _ in range(25)]
    found = [drawn_found(rng, people, decimals) for people in truth]
    assert max(len(scores) for _, scores in found) > 20  # more than are looked at
    expected = reference(found, truth)
    assert 0.05 < expected < 0.95
    assert average_precision(found, truth, SIGMAS) == pytest.approx(expected, abs=1e-6)


def one_person(x=0.0, **options):
    return Person(np.full((K, 2), x), np.full(K, 2), np.array([x, x, x + 100, x + 100]), area=5_000.0, **options)


def at(*places):
    joints = np.array([np.full((K, 2), x) for x in places]).reshape(-1, K, 2)
    return joints, np.linspace(1, 0.5, len(places))


def test_one_found_exactly_is_1_and_nobody_found_0():
    assert average_precision([at(0.0)], [[one_person()]], SIGMAS) == pytest.approx(1)
    assert average_precision([at()], [[one_person()]], SIGMAS) == 0
    assert average_precision([at(5_000.0)], [[one_person()]], SIGMAS) == 0


def test_a_duplicate_above_a_person_found_later_costs_precision():
    # Right, wrong, right: precision 1 up to the recall 1/2 (51 places), 2/3 beyond (50).
    people = [one_person(), one_person(1_000.0)]
    expected = (51 + 50 * 2 / 3) / 101
    assert average_precision([at(0.0, 0.0, 1_000.0)], [people], SIGMAS) == pytest.approx(expected)


def test_who_is_ignored_is_no_mistake_and_may_be_found_again_where_marked():
    people = [one_person(), one_person(1_000.0, ignore=True)]
    assert average_precision([at(1_000.0, 1_000.0, 0.0)], [people], SIGMAS) == pytest.approx(1)


def test_a_missing_joint_is_as_far_away_as_can_be():
    joints, scores = at(0.0)
    joints[0, :9] = np.nan  # 8 of 17 are right: OKS .47
    assert average_precision([(joints, scores)], [[one_person()]], SIGMAS) == 0
    joints[0, 8] = 0.0  # 9 of 17: .53, right at the first of ten thresholds
    assert average_precision([(joints, scores)], [[one_person()]], SIGMAS) == pytest.approx(0.1)


def test_nobody_to_find_is_refused():
    with pytest.raises(ValueError, match="nobody to find in 2 images"):
        average_precision([at(0.0), at()], [[one_person(ignore=True)], []], SIGMAS)
