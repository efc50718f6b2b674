"""How methods bear boxes that err: gathered from records of tests, as a table and a figure."""

import json
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.errors import UserError
from bench.noise import draw, gather, table
from bench.record import RunRecord

RUN = Path("results/multi_cpu/simplebaseline-small--synthetic-multi--s0--8b1839d2.json")


def trained(by, **more):
    return {"id": by, "dataset": "synthetic-multi", "boxes": "truth", **more}


@pytest.fixture
def folder(tmp_path):
    """A run, its tests in several boxes, one with another option, and somebody else's test."""
    record = RunRecord.read(RUN)
    record.write(tmp_path)
    no_flip = {"flip_test": False}
    tests = [("truth", 40.0, {}), ("jitter:0.1", 30.0, {}), ("jitter:0.1:2", 20.0, {}), ("jitter:0.1", 25.0, no_flip)]
    for i, (boxes, value, changed) in enumerate([*tests, ("found.json sha256:1", 1.0, {})]):
        _test(tmp_path, record, f"{i}", boxes, value, trained(record.id, changed=changed))
    _test(tmp_path, record, "other", "jitter:0.1", 99.0, trained("somebody"))
    return tmp_path


def _test(folder, record, name, boxes, value, how, **config):
    metric = record.metrics["ap"].model_copy(update={"value": value, "ci95": (value - 1, value + 1)})
    fields = {"id": f"simplebaseline-small--synthetic-multi--s0--{name}", "boxes": boxes, "metrics": {"ap": metric}}
    record.model_copy(update={**fields, "config": {**record.config, "trained": how, **config}}).write(folder)


def test_the_tests_of_a_run_are_told_by_their_boxes(folder):
    (one,) = gather([f"plain={folder / RUN.name}"], "ap")
    assert one.points == {(0.0, 0): (40, 39, 41), (0.1, 0): (30, 29, 31), (0.1, 2): (20, 19, 21)}


def test_a_test_with_another_option_is_a_series_of_its_own(folder):
    words = [f"plain={folder / RUN.name}", f"no flip={folder / RUN.name},flip_test=False"]
    assert [one.points[0.1, 0][0] for one in gather(words, "ap")] == [30, 25]
    lines = table(gather(words, "ap"), "ap").splitlines()
    assert lines[0] == "| ap, boxes off by | 0 | 0.1 | 0.1, +2 |"
    assert lines[3] == "| no flip |  | 25.0 (24.0-26.0) |  |"


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_figure_has_a_panel_for_each_number_of_boxes(folder, suffix):
    draw(gather([f"plain={folder / RUN.name}"], "ap"), "ap", folder / f"noise.{suffix}")
    content = (folder / f"noise.{suffix}").read_bytes()
    assert len(content) > 5000
    if suffix == "svg":
        assert content.count(b'id="axes_') == 2


def test_what_cannot_be_compared_is_one_line(folder, capsys):
    for word in ("nothing", f"plain={folder / RUN.name},flip"):
        with pytest.raises(UserError, match=r"NAME=RECORD\.json expected"):
            gather([word], "ap")
    with pytest.raises(UserError, match="no test of that run with pck"):
        gather([f"plain={folder / RUN.name}"], "pck@0.2")
    record = RunRecord.read(RUN)
    _test(folder, record, "few", "jitter:0.2", 9.0, trained(record.id), data={"test_limit": 7})
    assert main(["noise", f"plain={folder / RUN.name}"]) == 2
    assert "tests of 2 kinds of images" in capsys.readouterr().err


def test_the_command_prints_the_table_or_json(folder, capsys):
    assert main(["noise", f"plain={folder / RUN.name}", "--out", str(folder / "a.svg")]) == 0
    assert "| plain | 40.0 (39.0-41.0) |" in capsys.readouterr().out
    assert main(["noise", f"plain={folder / RUN.name}", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["series"] == [
        {"name": "plain", "points": [[0, 0, 40, 39, 41], [0.1, 0, 30, 29, 31], [0.1, 2, 20, 19, 21]]}
    ]
