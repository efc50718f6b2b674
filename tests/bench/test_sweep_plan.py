"""From a sweep's file to cells: the product, what is left out, and every mistake in one line."""

import json
from pathlib import Path

import pytest

from bench.config import resolve
from bench.errors import UserError
from bench.grid import read_sweep
from bench.plan import plan
from bench.run import Tracking, run
from bench.sweep import make_plan
from data.types import DataError


@pytest.fixture
def sweep(tmp_path):
    """Write a sweep's file and plan it."""

    def make(text, name="grid.yaml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return make


def planned(path):
    return plan(read_sweep(path))


def test_cells_are_the_product_of_everything_listed(sweep):
    path = sweep(
        "methods: [cpm, hourglass]\ndatasets: [synthetic, synthetic-lsp]\nseeds: [0, 3-4]\n"
        "boxes: [truth, 'jitter:0.1']\nbudgets: [5m, null]\noverrides: [{}, {data.batch_size: 4}]\n"
    )
    cells = planned(path)
    assert len(cells) == len({cell.id for cell in cells}) == 2 * 2 * 3 * 2 * 2 * 2
    names = {(cell.words[2], cell.words[6], cell.words[8]) for cell in cells}
    assert names == {(m, d, s) for m in ("cpm", "hourglass") for d in ("synthetic", "synthetic-lsp") for s in "034"}
    assert [cell.words[8] for cell in cells[:32]] == ["0"] * 32, "a whole table of the first seed comes first"


def test_a_planned_cell_has_the_name_that_run_gives_it(sweep):
    path = sweep(
        "methods: simplebaseline\nseeds: 2\nboxes: jitter:0.1\nbudgets: 90s\n"
        "overrides: {method.input_size: [64, 48], data.augment.flip: 0, method.flip_test: false}\n"
    )
    (cell,) = planned(path)
    options = ["--method.input_size", "[64, 48]", "--data.augment.flip", "0", "--method.flip_test", "false"]
    assert (
        cell.id == resolve("simplebaseline", "small", "synthetic", options, seed=2, boxes="jitter:0.1", budget="90s").id
    )
    assert cell.words[:1] == ("run",) and "[64, 48]" in cell.words


def test_one_cell_in_two_grids_is_planned_once_and_what_is_shared_holds_for_both(sweep):
    path = sweep("seeds: 0-1\ngrids:\n  - methods: [cpm, mean_pose]\n  - {methods: mean_pose, seeds: 1-2}\n")
    assert sorted(cell.id.split("-small--synthetic--")[0] + cell.words[8] for cell in planned(path)) == [
        *("cpm0", "cpm1", "mean_pose0", "mean_pose1", "mean_pose2")
    ]


def test_all_stands_for_every_method(sweep):
    from methods import METHODS

    assert [cell.words[2] for cell in planned(sweep("methods: all\n"))] == list(METHODS)


def test_every_cell_is_grouped_and_tagged_by_the_sweep(sweep):
    (cell,) = planned(sweep("methods: mean_pose\nname: mine\n"))
    words = " ".join(cell.words)
    assert "--group mine" in words and "--tags sweep:mine" in words


def test_the_sweeps_that_come_with_it_can_be_planned():
    paths = sorted(Path("bench/sweeps").glob("*.yaml"))
    assert paths and all(make_plan(path, Path("nowhere"), wandb="auto").missing for path in paths)


@pytest.fixture(scope="module")
def floor(tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    words = ["--data.train_limit", "8", "--data.test_limit", "4", "--data.workers", "0"]
    cell = resolve("mean_pose", "small", "synthetic", words)
    return out, words, run(cell, out, Tracking(mode="disabled"), say=print)


GRID = "methods: mean_pose\nseeds: 0-1\noverrides: {data.train_limit: 8, data.test_limit: %d, data.workers: 0}\n"


def test_a_cell_with_a_record_of_the_same_configuration_is_left_out(floor, sweep):
    out, _, record = floor
    found = make_plan(sweep(GRID % 4), out, wandb="disabled")
    assert [cell.id for cell in found.done] == [record.stem]
    assert [cell.words[8] for cell in found.missing] == ["1"] and len(found.lines()) == 1
    other = make_plan(sweep(GRID % 5), out, wandb="disabled")
    assert not other.done and len(other.missing) == 2, "another configuration has another record"


@pytest.mark.parametrize("damage", ["cut", "unknown field", "another's", "empty"])
def test_a_broken_record_is_not_taken_and_run_sets_it_aside(floor, sweep, damage):
    out, words, record = floor
    whole = record.read_text()
    fields = json.loads(whole)
    broken = {
        "cut": whole[: len(whole) // 2],
        "unknown field": json.dumps({**fields, "mood": "good"}),
        "another's": json.dumps({**fields, "id": "somebody"}),
        "empty": "",
    }[damage]
    record.write_text(broken)
    assert not make_plan(sweep(GRID % 4), out, wandb="disabled").done
    lines = []
    run(resolve("mean_pose", "small", "synthetic", words), out, Tracking(mode="disabled"), say=lines.append)
    assert make_plan(sweep(GRID % 4), out, wandb="disabled").done
    (aside,) = [path for path in record.parent.glob("*.broken") if path.read_text() == broken]
    assert any(aside.name in line for line in lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("methods: [cmp]", "no method 'cmp': did you mean cpm"),
        ("methods: cpm\npresets: smal", "did you mean small"),
        ("methods: cpm\ndatasets: sinthetic", "did you mean synthetic"),
        ("method: cpm", "no key of the file 'method': did you mean methods"),
        ("methods: cpm\nseed: 1", "did you mean seeds"),
        ("methods: cpm\noverrides: {method.stage: 3}", "did you mean --method.stages"),
        ("methods: cpm\noverrides: {method.stages: many}", "--method.stages: .*many"),
        ("methods: cpm\noverrides: 3", "expected a mapping"),
        ("methods: cpm\nbudgets: 5 minutes", "--budget 5 minutes: expected a time"),
        ("methods: cpm\nseeds: [a]", "seeds: 'a'; expected whole numbers"),
        ("methods: cpm\nseeds: -1", "seeds: -1; expected whole numbers"),
        ("methods: cpm\nseeds: true", "seeds: True; expected whole numbers"),
        ("methods: []", "expected one or more names"),
        ("methods: cpm\nconventions: oc", "no convention for synthetic 'oc'"),
        ("methods: cpm\ngpus: 2", "gpus: 2; expected 0 or 1"),
        ("methods: cpm\nretries: -1", "retries: -1"),
        ("grids:\n  - methods: cpm\n  - seeds: 1", "grid 2: methods is missing"),
        ("grids:\n  - {methods: cpm, sead: 1}", "no key of grid 1 'sead': did you mean seeds"),
        ("grids: cpm", "expected a list of mappings"),
        ("", "the file is empty; expected a mapping"),
        ("- cpm", "the file is a list; expected a mapping"),
        ("methods: [cpm", "not YAML"),
    ],
)
def test_a_mistake_in_the_file_is_answered_in_one_line(sweep, text, message):
    with pytest.raises(UserError, match=message) as error:
        planned(sweep(text))
    assert "\n" not in str(error.value) and "grid" in str(error.value)


def test_boxes_that_are_not_there_and_a_missing_file_are_the_users_mistakes(sweep, tmp_path):
    with pytest.raises(DataError, match="expected truth"):
        planned(sweep("methods: cpm\nboxes: none.json\n"))
    with pytest.raises(UserError, match="cannot be read"):
        read_sweep(tmp_path / "none.yaml")
