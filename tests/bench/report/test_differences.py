"""Row against row: the better one first, numbers by hand, and pairs left out where predictions are missing."""

from dataclasses import replace

import numpy as np
import pytest

import data
from bench.record import artefact
from bench.report import differences
from bench.report.build import gather
from bench.report.tables import markdown
from data.types import PoseSample
from tests.bench.test_compare import FAR, person

PEOPLE = 10


@pytest.fixture
def report(entry, tmp_path, monkeypatch):
    """Three methods on ten people: all right, three people lost, all lost; and one without predictions."""
    people = [person(seed) for seed in range(PEOPLE)]
    samples = [PoseSample(i, None, (256, 256), (one,)) for i, one in enumerate(people)]
    changed = replace(data.DATASETS["synthetic"], read=lambda split, root, options: samples)
    monkeypatch.setitem(data.DATASETS, "synthetic", changed)
    truth = np.stack([one.joints for one in people])
    for method, lost, value in (("cpm", 0, 100.0), ("hrnet", 3, 70.0), ("ief", PEOPLE, 0.0)):
        one, found = entry(method, metrics={"pckh@0.5": (value, 1)}), truth.copy()
        found[:lost] += FAR
        np.savez(one.path.with_suffix(".npz"), joints=found)
        one.record.model_copy(update={"predictions": artefact(one.path.with_suffix(".npz"), tmp_path)}).write(tmp_path)
    lonely = entry("tompson", metrics={"pckh@0.5": (50.0, 1)})
    lonely.record.write(tmp_path)
    return gather(tmp_path)


def test_every_two_rows_with_predictions_are_compared_the_better_one_first(report):
    (pairs,) = report.pairs
    assert [(p.first.method, p.second.method) for p in pairs] == [("cpm", "hrnet"), ("cpm", "ief"), ("hrnet", "ief")]
    values = [p.comparison.metrics[0] for p in pairs]
    assert [m.difference for m in values] == pytest.approx([30, 100, 70])
    assert [m.p for m in values] == pytest.approx([2 / 2**3, 2 / 2**10, 2 / 2**7]), "so many people differ"
    assert all(m.ci95[0] <= m.difference <= m.ci95[1] for m in values)


def test_with_many_rows_only_the_best_is_compared_with_each(report, monkeypatch):
    monkeypatch.setattr(differences, "MOST_PAIRS", 2)
    (table,) = report.tables
    pairs = differences.differences(table, differences.Reader(table))
    assert [(p.first.method, p.second.method) for p in pairs] == [("cpm", "hrnet"), ("cpm", "ief")]


def test_table_and_page_show_the_pairs(report):
    text = markdown(report.tables, report.verdicts, (), {}, 0, report.pairs)
    row = next(line for line in text.splitlines() if line.startswith("| cpm small | hrnet small |"))
    assert row.split(" | ")[2:5] == ["100.0", "70.0", "+30.0"] and row.endswith("| 0.25 | 10 |")
    shown = differences.section(report.tables, report.pairs)
    assert shown.count("<tr data-text=") == 3 and "p 0.25</td>" in shown


@pytest.mark.parametrize(("p", "text"), [(0.0004, "< 0.001"), (0.0046, "0.0046"), (0.25, "0.25"), (1.0, "1.00")])
def test_p_is_written_with_two_digits(p, text):
    assert differences.probability(p) == text
