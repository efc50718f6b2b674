"""Two records on the same people: a known number of joints moved, and everything that must not be compared."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

import data
from bench.compare import compare
from bench.errors import UserError
from bench.metrics.coco_truth import truth_from_coco
from bench.record import Metric, artefact
from data.skeletons import MPII16
from data.types import Person, PoseSample
from tests.bench import coco_scenes as scenes

FAR = np.array([1000.0, 0.0])
PEOPLE = 40
SCORED = [j for j in range(16) if j not in MPII16.unscored]


def person(seed):
    joints = np.random.default_rng(seed).uniform(0, 200, (16, 2))
    return Person(joints, np.full(16, 2), np.zeros(4), head_size=20.0)


def moved(people, where):
    """The truth, but the listed (person, joint) pairs far away."""
    found = np.stack([p.joints for p in people])
    for row, joint in where:
        found[row, joint] += FAR
    return found


@pytest.fixture
def people(monkeypatch):
    everyone = [person(seed) for seed in range(PEOPLE)]
    samples = [PoseSample(i, None, (256, 256), (one,)) for i, one in enumerate(everyone)]
    entry = replace(data.DATASETS["synthetic"], read=lambda split, root, options: samples)
    monkeypatch.setitem(data.DATASETS, "synthetic", entry)
    return everyone


@pytest.fixture
def write(tmp_path, record, people):
    """Write a record and its predictions; return the record's path."""

    def make(name, found, *, value=None, **changes):
        np.savez(tmp_path / f"{name}.npz", joints=found)
        digest = hashlib.sha256((tmp_path / f"{name}.npz").read_bytes()).hexdigest()
        if value is None:
            value = 100 * np.mean(np.abs(found - np.stack([p.joints for p in people]))[:, SCORED, 0] < 1)
        fields = {"unit": "%", "n": PEOPLE, "ci95": (0, 100), "per_joint": {}}
        metric = Metric(value=value, **fields)
        changes = {"metrics": {"pckh@0.5": metric}, "config": {"convention": "pc"}, **changes}
        file = record.predictions.model_copy(update={"path": f"{name}.npz", "sha256": digest})
        return record.model_copy(update={"id": name, "predictions": file, **changes}).write(tmp_path)

    return make


FEW = [(row, 0) for row in range(3)]
MORE = FEW + [(row, joint) for row in range(10, 16) for joint in (4, 5)]


def test_difference_is_what_was_moved_and_p_is_by_hand(write, people):
    found = compare(write("a", moved(people, MORE)), write("b", moved(people, FEW)))
    (metric,) = found.metrics
    assert (found.a, found.b, metric.metric, metric.n) == ("a", "b", "pckh@0.5", PEOPLE)
    assert metric.a == pytest.approx(100 * (1 - 15 / (PEOPLE * 14)))
    assert metric.b == pytest.approx(100 * (1 - 3 / (PEOPLE * 14)))
    assert metric.difference == pytest.approx(100 * 12 / (PEOPLE * 14))
    assert metric.p == pytest.approx(2 / 2**6)  # six people differ, all by two joints the same way
    assert metric.ci95[0] < metric.difference < metric.ci95[1]
    assert found.to_dict()["metrics"][0]["difference"] == metric.difference
    assert found.warnings == ()


def test_the_other_order_has_the_other_sign(write, people):
    a, b = write("a", moved(people, MORE)), write("b", moved(people, FEW))
    (one,), (other,) = compare(a, b).metrics, compare(b, a).metrics
    assert other.difference == pytest.approx(-one.difference)
    assert other.ci95 == pytest.approx((-one.ci95[1], -one.ci95[0]))
    assert other.p == one.p


def test_a_record_does_not_differ_from_itself(write, people):
    found = compare(write("a", moved(people, MORE)), write("b", moved(people, MORE)))
    (metric,) = found.metrics
    assert (metric.difference, metric.ci95, metric.p) == (0, (0, 0), 1)
    assert any("same predictions" in line for line in found.warnings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": "synthetic-lsp"}, "data set"),
        ({"split": "val"}, "split"),
        ({"config": {"convention": "oc"}}, "convention"),
        ({"config": {"convention": "pc", "data": {"test_limit": 8}}}, "test limit"),
        ({"metrics": {}}, "one metric"),
    ],
)
def test_records_about_other_people_are_refused(write, people, change, message):
    a, b = write("a", moved(people, [])), write("b", moved(people, []), **change)
    with pytest.raises(UserError, match=message):
        compare(a, b)


def test_predictions_that_were_changed_lost_or_cut_are_refused(write, people):
    a, b = write("a", moved(people, [])), write("b", moved(people, FEW))
    short = write("short", moved(people, FEW)[:, :14], value=0.0)
    with pytest.raises(UserError, match="shape"):
        compare(a, short)
    np.savez(b.with_suffix(".npz"), joints=moved(people, []))
    with pytest.raises(UserError, match="SHA-256"):
        compare(a, b)
    b.with_suffix(".npz").unlink()
    with pytest.raises(UserError, match="not beside it"):
        compare(a, b)


def test_what_else_differs_is_told(write, people, record):
    elsewhere = record.environment.model_copy(update={"git_commit": "b" * 40, "git_dirty": True})
    config = {"convention": "pc", "budget_seconds": 60.0, "protocols": {"pckh@0.5": 0}}
    a = write("a", moved(people, []), value=12.0)
    b = write("b", moved(people, FEW), boxes="jitter:0.1", environment=elsewhere, config=config)
    told = "\n".join(compare(a, b).warnings)
    for words in ("boxes: truth and jitter:0.1", "budgets: None and 60.0", "commits", "uncommitted", "version 0"):
        assert words in told
    assert "a: pckh@0.5 says 12.00, its predictions give 100.00" in told


def test_a_limited_test_compares_its_first_people(write, people):
    config = {"convention": "pc", "data": {"test_limit": 5}}
    a, b = (write(name, moved(people, [])[:5], value=100.0, config=config) for name in "ab")
    assert compare(a, b).metrics[0].n == 5


def test_records_of_several_people_are_compared_by_ap(tmp_path, record, monkeypatch):
    truth = truth_from_coco(scenes.scene(scenes.person(1, 1), scenes.person(2, 2), images=(1, 2)))
    monkeypatch.setattr("bench.compare.read_official", lambda dataset, split, root: truth)

    def make(name, places, **config):
        file = tmp_path / f"{name}.predictions.json"
        file.write_text(json.dumps([scenes.found(image, x, 0.9) for image, x in places.items()]))
        metric = Metric(value=50.0, unit="%", n=2, ci95=(0, 100), per_joint={})
        changes = {"id": name, "dataset": "coco", "predictions": artefact(file, tmp_path)}
        changes |= {"metrics": {"ar": metric, "pck@0.2": metric}, "config": {"convention": "pc", **config}}
        return record.model_copy(update=changes).write(tmp_path)

    found = compare(make("a", {1: 0.0, 2: 500.0}), make("b", {1: 0.0, 2: 0.0}))
    assert [(m.metric, m.a, m.b, m.n) for m in found.metrics] == [("ar", 50.0, 100.0, 2)]
    assert found.warnings[0].startswith("pck@0.2: not compared")
    limited = (make(name, {1: 0.0}, data={"test_limit": 1}) for name in "ab")
    with pytest.raises(UserError, match="first 1 images"):
        compare(*limited)
