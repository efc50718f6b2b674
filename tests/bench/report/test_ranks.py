"""The figure of the order: rows where their numbers are."""

from xml.etree import ElementTree

import pytest

from bench.report.ranks import draw_ranks, ranked
from bench.report.rows import make_tables


@pytest.fixture
def three(entry):
    return make_tables(
        [
            entry("cpm", 0, {"pck@0.2": (40.0, 3.0)}),
            entry("cpm", 1, {"pck@0.2": (44.0, 3.0)}),
            entry("hrnet", 0, {"pck@0.2": (50.0, 2.0)}),
            entry("ief", 0, {"pck@0.2": (30.0, 2.0)}),
        ]
    )


def test_the_best_is_first_and_of_distances_the_least(three, entry):
    assert [row.method for row in ranked(three[0])] == ["hrnet", "cpm", "ief"]
    distances = [entry("cpm", metrics={"mpjpe": (40.0, 3.0)}), entry("hrnet", metrics={"mpjpe": (50.0, 3.0)})]
    assert [row.method for row in ranked(make_tables(distances)[0])] == ["cpm", "hrnet"]


def test_the_interval_of_a_row_is_drawn_from_its_lower_to_its_upper_end(three, monkeypatch, tmp_path):
    from matplotlib.axes import Axes

    drawn, plot = [], Axes.plot
    monkeypatch.setattr(Axes, "plot", lambda axes, x, y, *a, **k: (drawn.append((x, y)), plot(axes, x, y, *a, **k))[1])
    draw_ranks(three, tmp_path / "ranks.svg")
    number = next(row for row in three[0].rows if row.method == "cpm").numbers["pck@0.2"]
    assert ([48.0, 52.0], [0, 0]) in drawn and (50.0, 0) in drawn
    assert ([number.low, number.high], [1, 1]) in drawn and ([40.0, 44.0], [1, 1]) in drawn, "two seeds are two dots"
    assert ElementTree.parse(tmp_path / "ranks.svg").getroot().tag.endswith("svg")


def test_the_same_records_give_the_same_file(three, tmp_path):
    one, other = tmp_path / "one.svg", tmp_path / "other.svg"
    draw_ranks(three, one)
    draw_ranks(three, other)
    assert one.read_bytes() == other.read_bytes()


def test_a_table_of_one_row_has_no_order_to_draw(entry, tmp_path):
    draw_ranks(make_tables([entry("cpm")]), tmp_path / "ranks.svg")
    assert not list(tmp_path.iterdir())
