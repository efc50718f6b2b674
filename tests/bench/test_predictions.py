"""`score` on a drawn data set: what is scored, what is refused and what is said, in one line each."""

import warnings

import numpy as np
import pytest

from bench.errors import UserError
from bench.predictions import score
from data import DATASETS, Dataset
from data.skeletons import LSP14
from data.types import DataError, Person, PoseSample
from tests.conftest import Picture

PEOPLE, K = {"train": 60, "test": 60, "spare": 25}, 14
SEEDS = {"train": 1, "test": 2, "spare": 3}


def joints(split):
    rng = np.random.default_rng(SEEDS[split])
    upright = np.stack([np.tile([-15.0, 15.0], 7), np.linspace(75, -75, K)], -1)
    return 100 + upright + rng.normal(0, 40, (PEOPLE[split], K, 2))


def read(split, root, options):
    if options.convention != "oc":
        raise DataError(f"read as {options.convention}")
    people = [Person(j, np.full(K, 2), np.zeros(4)) for j in joints(split)]
    return [PoseSample(i, Picture(np.zeros((1, 1, 3), np.uint8)), (1, 1), (p,)) for i, p in enumerate(people)]


def entry(**changes):
    facts = {"name": "drawn", "title": "drawn", "skeleton": LSP14, "splits": tuple(PEOPLE), "read": read}
    facts |= {"protocols": ("pck@0.2", "pcp@0.5/strict"), "folders": ("drawn",), "conventions": ("oc",)}
    return Dataset(**{**facts, **changes})


@pytest.fixture(autouse=True)
def drawn(monkeypatch):
    monkeypatch.setitem(DATASETS, "drawn", entry())


@pytest.fixture
def said():
    return []


@pytest.fixture
def write(tmp_path):
    def save(values):
        np.savez(tmp_path / "a.npz", joints=values)
        return tmp_path / "a.npz"

    return save


def refusal(*arguments, **options):
    with pytest.raises(UserError) as caught:
        score("drawn", *arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_truth_itself_scores_100(write, said):
    values = score("drawn", write(joints("test")), say=said.append)
    assert {name: value.value for name, value in values.items()} == {"pck@0.2": 100, "pcp@0.5/strict": 100}
    assert said == ["drawn: its labels have the observer's left and right (oc) only"]


def test_a_convention_that_is_asked_for_by_name_is_not_remarked_upon(write, said):
    score("drawn", write(joints("test")), convention="oc", say=said.append)
    assert said == []


def test_test_stands_for_val_where_there_is_no_test(write, monkeypatch):
    asked = []
    monkeypatch.setitem(
        DATASETS,
        "drawn",
        entry(splits=("train", "val"), read=lambda split, *rest: asked.append(split) or read("test", *rest)),
    )
    assert score("drawn", write(joints("test")), convention="oc")["pck@0.2"].value == 100
    assert asked == ["val"]


def test_wrong_shapes_are_refused_with_whose_they_are(write):
    assert "(59, 14, 2); drawn test needs (N, K, 2) = (60, 14, 2)" in refusal(write(joints("test")[1:]))
    assert refusal(write(joints("spare"))).endswith("(60, 14, 2); 25 people are those of spare")
    assert "16 joints are those of mpii" in refusal(write(np.zeros((60, 16, 2))))
    assert "needs (N, K, 2)" in refusal(write(np.zeros((60, 28))))


def test_another_order_is_refused_with_the_order(write):
    assert "drawn test in its order: row i fits person i+1" in refusal(write(joints("test")[[*range(1, 60), 0]]))
    assert "they fit the people of the split train" in refusal(write(joints("train")))
    assert "they fit the people of the split test" in refusal(write(joints("test")), split="train")


def test_joints_that_are_all_far_off_are_scored_with_a_warning(write, said):
    values = score("drawn", write(joints("test") + 900), convention="oc", say=said.append)
    assert values["pck@0.2"].value == 0
    assert len(said) == 1 and "warning:" in said[0] and "only 0.0% of the joints" in said[0]


def test_what_a_reader_warns_of_is_said(write, said, monkeypatch):
    def worse(split, root, options):
        warnings.warn("no gt_valid.mat", stacklevel=1)
        return read(split, root, options)

    monkeypatch.setitem(DATASETS, "drawn", entry(read=worse))
    score("drawn", write(joints("test")), convention="oc", say=said.append)
    assert said == ["warning: no gt_valid.mat"]


def test_unknown_splits_and_needless_truths_are_refused(write, tmp_path):
    assert "--split vall: drawn has train, test, spare" in refusal(write(joints("test")), split="vall")
    assert "only data sets in COCO's format take it" in refusal(write(joints("test")), truth=tmp_path / "truth.json")
    with pytest.raises(DataError, match="read as pc"):  # two conventions: pc is meant
        DATASETS["drawn"] = entry(conventions=("pc", "oc"))
        score("drawn", write(joints("test")))
