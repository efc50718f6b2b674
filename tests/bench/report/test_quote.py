"""Tables inside documents: what stands there is what the records say."""

import json
from pathlib import Path

import pytest

from bench.errors import UserError
from bench.report.quote import END, quote, quoted

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(entry, tmp_path):
    """A folder of four records: two seeds of one method, another method, a method that is given no boxes."""
    place = tmp_path / "records"
    place.mkdir()
    trained = {"config": {"budget_seconds": 600.0}, "cost": {"train_images_per_second": 100.0}}
    for one in (
        entry("cpm", 0, {"pck@0.2": (40.0, 3.0)}, **trained),
        entry("cpm", 1, {"pck@0.2": (44.0, 3.0)}, **trained),
        entry("hrnet", 0, {"pck@0.2": (50.0, 2.0)}, **trained),
    ):
        one.record.write(place)
    return place


def document(tmp_path, columns, folder="records", end=END):
    path = tmp_path / "text.md"
    path.write_text(f"Before.\n<!-- records: {folder}; columns: {columns} -->\nold\n{end}\nAfter.\n")
    return path


def rows(path):
    lines = [line for line in path.read_text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_table_holds_the_mean_over_seeds_best_first_and_what_is_around_it_stays(folder, tmp_path):
    path = document(tmp_path, "seeds | pck@0.2")
    assert quote([path]) == [path]
    head, _, *body = rows(path)
    assert head == ["method", "seeds", "pck@0.2 (%)"]
    assert [row[:2] for row in body] == [["hrnet", "1"], ["cpm", "2"]]
    assert body[0][2] == "50.0 ± 2.0" and body[1][2].startswith("42.0 ± ")
    text = path.read_text()
    assert text.startswith("Before.\n") and text.endswith("After.\n") and "\nold\n" not in text
    assert "3 records, preset `small`, trained for 10 min" in text and "100 on `synthetic`" in text


def test_a_second_time_changes_nothing(folder, tmp_path):
    path = document(tmp_path, "pck@0.2 | parameters")
    quote([path])
    written = path.read_bytes()
    assert quote([path]) == [] and path.read_bytes() == written


def test_stages_are_means_over_the_seeds_and_the_chosen_one_is_left_out(folder, tmp_path):
    for seed, values in enumerate(((10.0, 40.0), (20.0, 44.0))):
        scores = {f"stage {i}": {"pck@0.2": {"value": value}} for i, value in enumerate(values, 1)}
        scores[f"chosen: stage {seed + 1}"] = scores["stage 1"]
        (folder / "stages").mkdir(exist_ok=True)
        (folder / "stages" / f"cpm-small--synthetic--s{seed}--00000000.json").write_text(json.dumps(scores))
    path = document(tmp_path, "each stage's pck@0.2")
    quote([path])
    assert [row[-1] for row in rows(path)[2:]] == ["", "15.0 42.0"]


def test_boxes_and_data_sets_are_columns_where_they_differ(folder, entry, tmp_path):
    entry("openpose", 0, {"pck@0.2": (30.0, 2.0)}).record.write(folder)
    entry("hrnet", 0, {"pck@0.2": (10.0, 2.0)}, digest="1" * 8, boxes="jitter:0.1").record.write(folder)
    elsewhere = {"trained": {"id": "hrnet-small--synthetic--s0--00000000", "dataset": "synthetic", "boxes": "truth"}}
    entry("hrnet", 0, {"pck@0.2": (20.0, 2.0)}, dataset="lsp", config=elsewhere).record.write(folder)
    path = document(tmp_path, "pck@0.2")
    quote([path])
    assert [row[:3] for row in rows(path)[2:]] == [
        ["synthetic", "truth", "hrnet"],
        ["synthetic", "truth", "cpm"],
        ["synthetic", "none", "openpose"],
        ["synthetic", "jitter:0.1", "hrnet"],
        ["lsp", "truth", "hrnet"],
    ], "what was trained on first, the best first"


@pytest.mark.parametrize(
    ("columns", "folder_name", "end", "told"),
    [
        ("pck@0.3", "records", END, "no column 'pck@0.3'"),
        ("pck@0.2", "recods", END, "recods: no such folder"),
        ("pck@0.2", "records", "", "1 tables begun, 0 of them whole"),
    ],
)
def test_mistakes_are_refused_and_the_document_stays(folder, tmp_path, columns, folder_name, end, told):
    path = document(tmp_path, columns, folder_name, end)
    before = path.read_bytes()
    with pytest.raises(UserError, match=told):
        quote([path])
    assert path.read_bytes() == before


def test_a_document_without_marks_is_refused(tmp_path):
    with pytest.raises(UserError, match="0 tables begun"):
        quoted("# Nothing\n", tmp_path / "a.md")


@pytest.mark.parametrize("name", ["README.md", "docs/results.md"])
def test_the_tables_of_the_readme_are_those_of_the_committed_records(name):
    path = ROOT / name
    text = path.read_text(encoding="utf-8")
    assert quoted(text, path) == text, f"python -m bench quote {name}"
