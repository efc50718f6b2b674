import pytest

from bench.config import option_names, option_parser, parse_budget, read_preset, resolve
from bench.errors import UserError
from data.augment import Augment
from data.types import DataError


def make(*overrides, **options):
    return resolve("simplebaseline", "small", "synthetic", overrides, **options)


def test_an_override_wins_over_the_preset_and_the_preset_over_the_signature():
    assert read_preset("simplebaseline", "small")["method"]["depth"] == 18
    assert make().method_options["depth"] == 18
    assert make("--method.depth", "34").method_options["depth"] == 34
    assert make().method_options["flip_test"] is True


def test_nested_options_are_typed():
    cell = make("--data.augment.rotation", "45")
    assert isinstance(cell.data_options["augment"], Augment) and cell.data_options["augment"].rotation == 45
    assert cell.config["data"]["augment"]["rotation"] == 45


def test_the_id_names_the_cell_and_changes_with_what_can_change_a_result():
    cell = make()
    assert cell.id == make().id and cell.id.startswith("simplebaseline-small--synthetic--s0--")
    others = [make("--method.lr", "0.01"), make("--data.batch_size", "16"), make("--trainer.max_epochs", "3")]
    others += [make(boxes="jitter:0.1"), make(budget="5m"), make(seed=1)]
    assert len({cell.id, *(other.id for other in others)}) == 7


def test_the_id_does_not_change_with_what_only_changes_speed():
    faster = (
        "--data.workers",
        "3",
        "--data.cache_gb",
        "1",
        "--trainer.accelerator",
        "cpu",
        "--trainer.compile",
        "true",
    )
    assert make().id == make(*faster).id


def test_a_budget_replaces_the_epochs_unless_both_are_given():
    assert make(budget="5m").trainer.max_epochs == -1
    assert make("--trainer.max_epochs", "7", budget="5m").trainer.max_epochs == 7
    assert make("--trainer.max_epochs=7", budget="5m").trainer.max_epochs == 7
    assert make().budget is None and make(budget="5m").budget == 300


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("5m", 300), ("1.5h", 5400), ("30", 30)])
def test_budgets(text, seconds):
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-5m", "5 minutes", "m", "nan"])
def test_bad_budgets_are_refused(text):
    with pytest.raises(UserError, match="expected a time above 0"):
        parse_budget(text)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--method.dept", "18"), "no option '--method.dept': did you mean --method.depth"),
        (("--trainer.max_epoch=3",), "--trainer.max_epochs"),
        (("--depth", "18"), "--method.depth"),
        (("--method.depth", "19"), "--method.depth: .*19"),
        (("--method.lr", "fast"), "--method.lr: .*fast"),
        (("--data.augment.rotation", "x"), "rotation"),
        (("stray",), "stray"),
    ],
)
def test_a_wrong_option_is_answered_in_one_line(words, message):
    with pytest.raises(UserError, match=message) as error:
        make(*words)
    assert "\n" not in str(error.value)


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(UserError, match="did you mean simplebaseline"):
        resolve("simplebasline", "small", "synthetic")
    with pytest.raises(UserError, match="preset of simplebaseline 'smal': did you mean small"):
        resolve("simplebaseline", "smal", "synthetic")
    with pytest.raises(UserError, match="did you mean synthetic"):
        resolve("simplebaseline", "small", "sinthetic")
    with pytest.raises(UserError, match="convention for synthetic 'oc'"):
        make(convention="oc")
    with pytest.raises(DataError, match="expected truth"):
        make(boxes="detections.json")


def test_every_option_of_the_data_module_and_the_trainer_is_reachable():
    names = option_names(option_parser("simplebaseline"))
    assert {"--data.batch_size", "--data.augment.flip", "--trainer.precision", "--method.sigma"} <= set(names)
    assert not {"--data.view", "--data.seed", "--method.skeleton"} & set(names)


def test_extra_training_data_is_part_of_a_cell_only_where_it_is_present(monkeypatch, tmp_path):
    monkeypatch.setenv("POSE_DATA", str(tmp_path))
    without = resolve("simplebaseline", "small", "lsp")
    (tmp_path / "lspet").mkdir()
    with_extra = resolve("simplebaseline", "small", "lsp")
    assert (without.config["data"]["extra"], with_extra.config["data"]["extra"]) == (False, True)
    assert without.id != with_extra.id
    assert resolve("simplebaseline", "small", "lsp", ["--data.extra", "false"]).id == without.id
    assert make().config["data"]["extra"] is False
