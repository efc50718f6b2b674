"""The tables as files: bold where it is deserved, verdicts by hand."""

import csv
import io
import re
import subprocess
import sys

import pytest

from bench.metrics.protocols import lookup
from bench.report import tables
from bench.report.best import Best
from bench.report.build import gather
from bench.report.latex import latex
from bench.report.published import Published, departure, departures, read_published, reasons, reproduce
from bench.report.rows import make_tables
from data import DATASETS
from methods import METHODS


@pytest.fixture
def two(entry):
    return make_tables([entry("cpm", metrics={"pck@0.2": (60.0, 1.5)}), entry("hrnet", metrics={"pck@0.2": (40.0, 1)})])


def verdict(table, p, reason=""):
    return {"pck@0.2": Best(table.rows[0], p, reason)}


@pytest.mark.parametrize(("p", "expected"), [(0.01, "**60.0 ± 1.5**"), (0.2, "60.0 ± 1.5"), (None, "60.0 ± 1.5")])
def test_bold_only_where_the_paired_difference_is_significant(two, p, expected):
    text = tables.markdown(two, [verdict(two[0], p, "no predictions")], [], {}, 0)
    row = next(line for line in text.splitlines() if line.startswith("| cpm"))
    assert row.split(" | ")[2] == expected
    assert ("no predictions" in text) == (p is None)
    printed = latex(two, [verdict(two[0], p)], [])
    assert (r"\textbf{60.0 $\pm$ 1.5}" in printed) == ("Bold: better" in printed and p == 0.01) == (p == 0.01)


def test_a_bar_in_a_name_does_not_break_the_markdown(entry):
    made = make_tables([entry("a|b")])
    row = next(line for line in tables.markdown(made, [{}], [], {}, 0).splitlines() if "a\\|b" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 2 + 1 + 1 + len(tables.COSTS)


def test_the_csv_has_a_line_for_each_row_and_protocol(two):
    rows = list(csv.DictReader(io.StringIO(tables.comma_separated(two, [verdict(two[0], 0.01)]))))
    assert [(r["method"], float(r["mean"]), r["best"], r["p"]) for r in rows] == [
        *(("cpm", 60.0, "True", "0.01"), ("hrnet", 40.0, "False", ""))
    ]
    assert float(rows[0]["low"]) == 58.5 and rows[0]["unit"] == "%" and rows[0]["seeds"] == "0"


def published(**changes):
    fields = {"method": "cpm", "backbone": "6 stages", "dataset": "synthetic", "split": "test", "protocol": "pck@0.2"}
    fields |= {"row": "", "input_size": "", "boxes": "truth", "extra_data": "", "value": 60.5, "origin": "paper"}
    return Published(**{**fields, "source": "here", "checked": "verified", **changes})


def line(entry, value, theirs, **changes):
    (found,) = reproduce(make_tables([entry(metrics={theirs.protocol: value}, **changes)]), [theirs])
    return found


def test_verdicts_by_hand(entry):
    assert line(entry, (60.0, 1.0), published(), preset="paper").verdict == "reproduced within the interval"
    assert line(entry, (58.0, 1.0), published(), preset="paper").verdict == "not reached"
    assert line(entry, (62.0, 1.0), published(), preset="paper").verdict == "better than published"
    in_mm = published(protocol="mpjpe", value=50.0)
    assert line(entry, (70.0, 1.0), in_mm, preset="paper").verdict == "not reached"
    assert line(entry, (62.0, 1.0), published(), preset="paper").difference == pytest.approx(1.5)


def test_what_may_not_be_compared_says_why(entry):
    theirs = published(boxes="detector 56.4", input_size="256x192", extra_data="MPII")
    config = {"budget_seconds": 300, "data": {"test_limit": 8, "train_limit": None}, "method": {"input_size": [64, 48]}}
    found = line(entry, (60.0, 1.0), theirs, config=config).verdict
    assert found.startswith(
        "not comparable: preset small; trained 5 min; test limited to 8; boxes truth, published with"
    )
    assert "input 64x48, published with 256x192" in found and "extra data none, published with MPII" in found


def test_a_paper_and_its_repository_stand_in_one_line_and_the_papers_preset_goes_first(entry):
    ours = make_tables([entry(metrics={"pck@0.2": (90.0, 1)}), entry(preset="paper", digest="1" * 8)])
    (found,) = reproduce(ours, [published(), published(origin="repository", value=59.0), published(row="wrist")])
    assert (found.paper.value, found.repository.value, found.ours.preset) == (60.5, 59.0, "paper")
    assert not reasons(found.paper, found.ours)


def test_published_numbers_name_methods_data_sets_and_protocols_that_exist():
    found = read_published()
    assert len(found) > 800
    assert {one.method for one in found} <= METHODS.keys()
    assert {one.dataset for one in found} <= {name for name in DATASETS if DATASETS[name].folders}
    for protocol in {one.protocol for one in found}:
        assert lookup(protocol).unit == "%"
    assert {one.origin for one in found} == {"paper", "repository"}
    assert {one.checked for one in found} == {"verified", "memory"}
    assert all(0 < one.value <= 100 and one.source and one.backbone for one in found)


def test_published_numbers_that_the_papers_are_known_by_are_there():
    """Looked up in the papers' tables, not in our file."""
    known = {
        *(("hrnet", "coco", "val", "ap", 74.4), ("hrnet", "mpii", "val", "pckh@0.5", 90.3)),
        *(("simplebaseline", "coco", "val", "ap", 70.4), ("cpm", "lsp", "test", "pck@0.2", 90.5)),
        *(("hourglass", "mpii", "test", "pckh@0.5/official-head", 90.9), ("openpose", "coco", "test-dev", "ap", 61.8)),
        *(("maskrcnn", "coco", "test-dev", "ap", 63.1), ("adversarial_posenet", "lsp", "test", "pck@0.2", 93.1)),
        *(
            ("ief", "mpii", "test", "pckh@0.5/official-head", 81.3),
            ("tompson", "mpii", "test", "pckh@0.5/official-head", 82.0),
        ),
    }
    assert known <= {(o.method, o.dataset, o.split, o.protocol, o.value) for o in read_published() if not o.row}


def test_every_method_but_the_floor_has_its_departures_from_the_paper():
    found = departures()
    assert [name for name in METHODS if not departure(name, found)] == ["mean_pose"]


def test_the_reference_records_make_a_readable_table_without_torch(tmp_path):
    script = (
        "import sys; from pathlib import Path; from bench.report.build import gather, write;"
        "made = gather(Path('results/reference')); write(made, Path(sys.argv[1])); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    text = (tmp_path / "table.md").read_text()
    row = next(r for r in text.splitlines() if r.startswith("| simplebaseline small") and "34.8" in r)
    assert (
        "| 1 | 34.8 ± 1.1 | 13.9 ± 0.6 |" in row and "| 1.07 M | 0.046 | 514 | 827 | 4.3 | 243 s | 15 epochs |" in row
    )
    assert "**" not in text and "not comparable: preset small" in text


def test_a_real_paired_difference_makes_the_best_bold(entry, tmp_path, monkeypatch):
    """Two hand-made sets of predictions, one of them far off for every person."""
    from dataclasses import replace

    import numpy as np

    import data
    from bench.record import artefact
    from data.types import PoseSample
    from tests.bench.test_compare import person

    people = [person(seed) for seed in range(12)]
    samples = [PoseSample(i, None, (256, 256), (one,)) for i, one in enumerate(people)]
    changed = replace(data.DATASETS["synthetic"], read=lambda split, root, options: samples)
    monkeypatch.setitem(data.DATASETS, "synthetic", changed)
    truth = np.stack([one.joints for one in people])
    for method, found, value in (("cpm", truth, 100.0), ("hrnet", truth + 500, 0.0)):
        one = entry(method, metrics={"pckh@0.5": (value, 1)})
        file = one.path.with_suffix(".npz")
        np.savez(file, joints=found)
        one.record.model_copy(update={"predictions": artefact(file, tmp_path)}).write(tmp_path)
    report = gather(tmp_path)
    best = report.verdicts[0]["pckh@0.5"]
    assert best.row.method == "cpm" and best.p == pytest.approx(2 / 2**12)
    assert "**100.0 ± 1.0**" in tables.markdown(report.tables, report.verdicts, [], {}, 0)
