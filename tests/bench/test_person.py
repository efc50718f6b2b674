"""One tally of people: any batches, any processes, any number of people found."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.metrics.person import PersonMetric
from bench.metrics.protocols import PROTOCOLS, evaluate
from data.skeletons import COCO17, LSP14, MPII16
from data.types import Person, PosePrediction


def person(joints, visible=None, head=30.0, ignore=False):
    joints = np.asarray(joints, np.float64)
    seen = np.full(len(joints), 2) if visible is None else np.asarray(visible)
    return Person(joints, seen.astype(np.int64), np.zeros(4), head_size=head, ignore=ignore)


PERSON_IDS = [p.id for p in PROTOCOLS.values() if p.kind == "person"]
BODY_IDS = [p.id for p in PROTOCOLS.values() if p.kind == "body3d"]
VARIANT_IDS = ["pck@0.2/hgt", "pckh@0.5/official-head/all-joints/plain-mean/strictly-less", "pcp@0.5/loose/plain-mean"]


def crowd(skeleton, n, seed=0, noise=12.0):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 200, (n, len(skeleton.joints), 2))
    found = truth + rng.normal(0, noise, truth.shape)
    found[rng.random(found.shape[:2]) < 0.05] = np.nan
    visible = rng.integers(0, 3, found.shape[:2])
    heads = rng.uniform(20, 40, n)
    return found, tuple(person(t, v, h) for t, v, h in zip(truth, visible, heads, strict=True))


def prediction(joints, scores):
    joints = torch.as_tensor(np.asarray(joints)).reshape(len(scores), *np.shape(joints)[-2:])
    return PosePrediction(joints, torch.ones(joints.shape[:2]), torch.tensor(scores))


def run(metric, skeleton, predictions, people, cuts):
    tally = PersonMetric(metric, skeleton)
    for start, end in zip((0, *cuts), (*cuts, len(people)), strict=True):
        tally.update(predictions[start:end], people[start:end])
    return tally.compute()


@pytest.mark.parametrize("metric", PERSON_IDS + VARIANT_IDS)
def test_every_split_into_batches_gives_the_same(metric):
    found, people = crowd(MPII16, 40)
    truth = tuple((p,) for p in people)
    predictions = [prediction(joints, [0.5]) for joints in found]
    expected = evaluate([metric], found, people, MPII16)[metric]
    for cuts in ((), (1,), (7, 8, 30), tuple(range(1, 40))):
        assert run(metric, MPII16, predictions, truth, cuts) == expected


@pytest.mark.parametrize("metric", BODY_IDS)
def test_every_split_gives_the_same_in_space(metric):
    rng = np.random.default_rng(1)
    truth = rng.normal(0, 400, (30, 16, 3))
    truth[rng.random((30, 16)) < 0.1] = np.nan
    truth[:, 6] = 0.0  # the pelvis
    found = np.nan_to_num(truth) + rng.normal(0, 90, truth.shape)
    people = tuple(replace(p, joints3d=joints) for p, joints in zip(crowd(MPII16, 30)[1], truth, strict=True))
    expected = evaluate([metric], found, people, MPII16)[metric]
    predictions = [prediction(joints, [0.5]) for joints in found]
    for cuts in ((), (1,), tuple(range(1, 30))):
        assert run(metric, MPII16, predictions, tuple((p,) for p in people), cuts) == expected


def test_several_people_in_space_are_told_apart_also_where_distances_are_measured():
    one, two = np.random.default_rng(2).normal(0, 400, (2, 16, 3))
    people = (replace(person(one[:, :2]), joints3d=one), replace(person(two[:, :2]), joints3d=two))
    result = run("mpjpe", MPII16, [prediction(np.stack([two, one]), [0.9, 0.8])], (people,), ())
    assert (result.value, result.unit, result.n) == (0.0, "mm", 2)


def test_two_processes_join_in_any_order_and_one_may_be_empty():
    found, people = crowd(MPII16, 30)
    halves = []
    for part in (slice(0, 30, 2), slice(1, 30, 2), slice(0, 0)):
        tally = PersonMetric("pck-auc@0.2", MPII16)
        tally.update([prediction(joints, [0.5]) for joints in found[part]], tuple((p,) for p in people[part]))
        halves.append(tally)
    halves[0].merge_state(halves[1])
    halves[0].merge_state(halves[2])
    expected = evaluate(["pck-auc@0.2"], found, people, MPII16)["pck-auc@0.2"]
    joined = pickle.loads(pickle.dumps(halves[0])).compute()
    assert joined.value == pytest.approx(expected.value, abs=1e-9)
    assert joined.ci95 == pytest.approx(expected.ci95, abs=1e-9)


def test_one_true_person_gets_the_best_scoring_found_person():
    truth = np.arange(28.0).reshape(14, 2)
    both = np.stack([truth, truth + 500])
    values = [
        run("pck@0.2", LSP14, [prediction(both, scores)], ((person(truth),),), ()).value
        for scores in ([0.9, 0.1], [0.1, 0.9])
    ]
    assert values == [100.0, 0.0]


def test_an_input_where_nobody_was_found_misses_everybody():
    truth = np.arange(28.0).reshape(14, 2)
    result = run("pck@0.2", LSP14, [prediction(np.zeros((0, 14, 2)), [])], ((person(truth), person(truth)),), ())
    assert (result.value, result.n) == (0.0, 2)


def test_several_people_are_matched_by_hits_best_score_first():
    one = np.arange(28.0).reshape(14, 2) * 10
    two = one + 1000
    half = np.where(np.arange(14)[:, None] < 7, one, np.nan)
    truth = ((person(one), person(two)),)
    perfect = run("pck@0.2", LSP14, [prediction(np.stack([two, one]), [0.2, 0.9])], truth, ())
    stolen = run("pck@0.2", LSP14, [prediction(np.stack([half, one, two]), [0.9, 0.8, 0.7])], truth, ())
    stray = run("pck@0.2", LSP14, [prediction(np.stack([one + 5000, one, two]), [0.9, 0.8, 0.7])], truth, ())
    assert (perfect.value, stolen.value, stray.value) == (100.0, 75.0, 100.0)


def test_an_ignored_person_absorbs_its_match_and_is_not_scored():
    one = np.arange(28.0).reshape(14, 2) * 10
    truth = ((person(one), person(one + 1000, ignore=True)),)
    result = run("pck@0.2", LSP14, [prediction(np.stack([one + 1000]), [0.9])], truth, ())
    assert (result.value, result.n) == (0.0, 1)


def test_a_skeleton_without_what_the_metric_needs_is_refused_at_once():
    with pytest.raises(ValueError, match="0 sticks"):
        PersonMetric("pcp@0.5/strict", replace(COCO17, sticks=()))


def test_a_metric_that_ranks_everybody_is_refused_at_once():
    with pytest.raises(ValueError, match="ranks everybody"):
        PersonMetric("ap", COCO17)
