"""Rows by hand: what is one row, its interval, its place, and what a reader is warned of."""

import json
import math

import pytest

from bench.errors import UserError
from bench.report.best import find_best
from bench.report.records import read_records
from bench.report.rows import make_tables, number


def test_runs_that_differ_in_their_seed_only_are_one_row(entry):
    (table,) = make_tables([entry(seed=0), entry(seed=1), entry(seed=0, digest="11111111"), entry("hrnet")])
    assert sorted((row.method, row.seeds) for row in table.rows) == [("cpm", [0]), ("cpm", [0, 1]), ("hrnet", [0])]


def test_the_interval_is_that_of_people_for_one_seed(entry):
    n = number([entry(metrics={"pck@0.2": (50.0, 2.0)})], "pck@0.2")
    assert (n.mean, n.low, n.high, n.half, n.seeds) == (50.0, 48.0, 52.0, 2.0, None)


def test_the_interval_over_seeds_and_people_adds_both_by_squares(entry):
    """70, 71, 72: standard error 1/sqrt(3), t(2) = 4.302653; people 3 on either side."""
    runs = [entry(seed=i, metrics={"pck@0.2": (70.0 + i, 3.0)}) for i in range(3)]
    n = number(runs, "pck@0.2")
    by_hand = math.hypot(3.0, 4.302653 / math.sqrt(3))
    assert n.mean == pytest.approx(71) and n.half == pytest.approx(by_hand, abs=1e-5)
    assert n.people == pytest.approx(3) and n.seeds == pytest.approx(4.302653 / math.sqrt(3), abs=1e-5)


def test_an_uneven_interval_keeps_its_two_sides(entry):
    one = entry()
    metric = one.record.metrics["pck@0.2"].model_copy(update={"ci95": (45.0, 51.0)})
    n = number([type(one)(one.path, one.record.model_copy(update={"metrics": {"pck@0.2": metric}}))], "pck@0.2")
    assert (n.low, n.high, n.half) == (45.0, 51.0, 3.0)


def test_what_may_not_be_compared_is_in_tables_of_its_own(entry):
    limited = {"data": {"test_limit": 8}}
    found = make_tables(
        [entry(), entry(boxes="jitter:0.1"), entry(dataset="lsp"), entry(config=limited, digest="a" * 8)]
    )
    titles = [table.title for table in found]
    assert len(titles) == len(set(titles)) == 4 and any("first 8 samples" in title for title in titles)


def test_the_best_of_the_first_column_comes_first_and_less_is_better_for_distances(entry):
    (table,) = make_tables([entry("cpm", metrics={"mpjpe": (90.0, 1)}), entry("hrnet", metrics={"mpjpe": (70.0, 1)})])
    assert [row.method for row in table.rows] == ["hrnet", "cpm"] and table.best("mpjpe").method == "hrnet"


def test_settings_of_one_method_are_told_apart_by_what_differs(entry):
    one = entry(digest="a" * 8, config={"method": {"stages": 3, "lr": 1}})
    other = entry(digest="b" * 8, config={"method": {"stages": 6, "lr": 1}})
    (table,) = make_tables([one, other, entry("hrnet")])
    assert {row.label for row in table.rows} == {*("cpm small (stages 3)", "cpm small (stages 6)", "hrnet small")}
    (table,) = make_tables([entry(digest="a" * 8), entry(digest="b" * 8)])
    assert {row.differs for row in table.rows} == {"aaaaaaaa", "bbbbbbbb"}, "the hash where no option differs"


def test_a_test_on_other_boxes_is_grouped_by_what_was_trained(entry):
    def retested(seed, digest):
        trained = {"id": f"cpm-small--synthetic--s{seed}--cccccccc", "dataset": "synthetic", "boxes": "truth"}
        return entry(seed=seed, digest=digest, boxes="jitter:0.1", config={"trained": trained})

    (table,) = make_tables([retested(0, "1" * 8), retested(1, "2" * 8)])
    assert [row.seeds for row in table.rows] == [[0, 1]]


def test_unlike_records_are_warned_of(entry, record):
    there = record.environment.model_copy(update={"git_commit": "b" * 40, "git_dirty": True})
    trained = {"train_images_per_second": 10.0}
    one = entry(cost=trained, config={"budget_seconds": 300})
    other = entry("hrnet", cost={**trained, "device": "other"}, environment=there,
                  config={"budget_seconds": 600, "protocols": {"pck@0.2": 2}})  # fmt: skip
    (table,) = make_tables([one, other])
    told = "\n".join(table.warnings)
    for words in ("versions 1, 2", "10 min, 5 min", "2 commits", "different devices", "uncommitted changes"):
        assert words in told
    assert make_tables([one])[0].warnings == ()


class Difference:
    def __init__(self, difference, p, *, higher=True):
        self.difference, self.p, self.higher_is_better = difference, p, higher


def test_best_must_win_every_paired_comparison(entry):
    rows = [entry(m, metrics={"pck@0.2": (v, 1)}) for m, v in (("cpm", 60), ("hrnet", 58), ("ief", 30))]
    (table,) = make_tables(rows)
    p = {"hrnet": 0.2, "ief": 0.0001}

    def compare(a, b):
        assert b.record.method == "cpm"
        return {"pck@0.2": Difference(2.0, p[a.record.method])}

    best = find_best(table, compare)["pck@0.2"]
    assert best.row.method == "cpm" and best.p == 0.2 and not best.sure
    p["hrnet"] = 0.01
    assert find_best(table, compare)["pck@0.2"].sure


def test_runs_are_paired_by_seed_and_one_lost_pair_is_enough_to_doubt(entry):
    rows = [entry(m, seed, {"pck@0.2": (v, 1)}) for m, v in (("cpm", 60), ("hrnet", 58)) for seed in (0, 1)]
    (table,), seen = make_tables(rows), []

    def compare(a, b):
        seen.append((a.record.seed, b.record.seed))
        return {"pck@0.2": Difference(2.0 if a.record.seed == 0 else -1.0, 0.001)}

    best = find_best(table, compare)["pck@0.2"]
    assert sorted(seen) == [(0, 0), (1, 1)] and best.p == 1.0 and not best.sure


def test_without_predictions_nothing_is_tested(entry):
    (table,) = make_tables([entry("cpm"), entry("hrnet")])
    best = find_best(table)["pck@0.2"]
    assert best.p is None and not best.sure and "predictions of" in best.reason


def test_one_row_alone_is_not_the_best_of_anything(entry):
    (table,) = make_tables([entry()])
    assert find_best(table) == {}


def test_records_are_found_in_subfolders_once_and_strangers_are_named(entry, tmp_path):
    for folder in ("runs", "reference", "stages"):
        (tmp_path / folder).mkdir()
    one = entry()
    one.record.write(tmp_path / "runs")
    one.record.write(tmp_path / "reference")
    (tmp_path / "reference" / one.record.predictions.path).write_bytes(b"")
    (tmp_path / "stages" / f"{one.record.id}.json").write_text(json.dumps([1]))
    (tmp_path / "runs" / "x-small--synthetic--s0--1.json").write_text('{"schema_version": 1}')
    (tmp_path / "runs" / "y-small--synthetic--s0--1.json").write_text("{")
    found, faults = read_records(tmp_path)
    assert [e.path.parent.name for e in found] == ["reference"], "the copy with its predictions"
    assert len(faults) == 2 and all("not a record" in fault for fault in faults)
    with pytest.raises(UserError, match="no record in it"):
        read_records(tmp_path / "stages")
    with pytest.raises(UserError, match="no such folder"):
        read_records(tmp_path / "none")
