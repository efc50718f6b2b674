"""A record that is what it says, and records that are not."""

import json

import pytest

from bench import studies
from bench.__main__ import main
from bench.config import resolve
from bench.errors import UserError
from bench.record import RunRecord
from bench.rerun import cell_of, differences, rerun
from bench.run import Tracking, run
from bench.verify import verify, verify_all
from tests.bench.conftest import TINY


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    words = [{"16": "8", "3": "1"}.get(word, word) for word in TINY]
    return run(resolve("simplebaseline", "small", "synthetic", words), out, Tracking(mode="disabled"), say=print)


@pytest.fixture
def copied(made, tmp_path):
    """The record alone with its predictions, to be damaged."""
    path = tmp_path / made.name
    path.write_bytes(made.read_bytes())
    (tmp_path / made.with_suffix(".npz").name).write_bytes(made.with_suffix(".npz").read_bytes())
    return path


def test_predictions_and_checkpoint_give_the_numbers_of_the_record(made):
    found = verify(made)
    metrics = set(RunRecord.read(made).metrics)
    assert found.agrees and not found.notes
    assert {c.metric for c in found.checks if c.source == "predictions"} == metrics
    assert {c.metric for c in found.checks if c.source == "checkpoint"} == metrics


def test_a_number_that_was_changed_is_found_out(copied, capsys):
    document = json.loads(copied.read_text())
    document["metrics"]["pck@0.2"]["value"] += 1.0
    copied.write_text(json.dumps(document))
    found = verify(copied)
    assert [c.metric for c in found.checks if not c.agrees] == ["pck@0.2"] and not found.agrees
    assert any("checkpoint not tested" in note for note in found.notes)
    assert main(["verify", str(copied)]) == 1
    told = capsys.readouterr()
    assert "DOES NOT AGREE" in told.out and "pck@0.2" in told.out and told.err.count("error:") == 1


def test_predictions_that_were_changed_or_lost_are_refused(copied):
    copied.with_suffix(".npz").write_bytes(b"other")
    with pytest.raises(UserError, match="SHA-256"):
        verify(copied)
    copied.with_suffix(".npz").unlink()
    with pytest.raises(UserError, match="not beside it"):
        verify(copied)
    assert main(["verify", str(copied)]) == 2


def test_a_record_under_another_name_is_refused(copied):
    other = copied.with_name("x-small--synthetic--s0--00000000.json")
    copied.rename(other)
    with pytest.raises(UserError, match="named by its id"):
        verify(other)


def test_a_folder_is_checked_record_by_record(copied, tmp_path):
    lost = RunRecord.read(copied).model_copy(update={"id": "lost-small--synthetic--s0--00000000"})
    file = lost.predictions.model_copy(update={"path": "lost.npz"})
    lost.model_copy(update={"predictions": file}).write(tmp_path)
    found, faults = verify_all(tmp_path, checkpoint=False, say=print)
    assert [one.id for one in found] == [copied.stem] and found[0].agrees
    assert len(faults) == 1 and "lost.npz" in faults[0]
    assert studies.NotAgreed("x").exit_code == 1


def test_a_rerun_is_the_same_cell_and_says_what_differs(made, tmp_path):
    record = RunRecord.read(made)
    assert cell_of(record).id == record.id
    changed = record.environment.model_copy(update={"torch": "1.0"})
    config = {**record.config, "trainer": {**record.config["trainer"], "max_epochs": 9}}
    told = differences(record.model_copy(update={"environment": changed, "config": config}), record)
    assert f"environment torch: 1.0 then, {record.environment.torch} now" in told
    assert "config trainer.max_epochs: 9 then, 1 now" in told
    assert any(line.startswith("pck@0.2: ") and line.endswith("(+0.00)") for line in told)
    with pytest.raises(UserError, match=r"holds .* itself"):
        rerun(made, made.parent.parent, wandb="disabled", say=print)


def test_a_rerun_of_the_floor_gives_its_numbers_again(tmp_path):
    words = ["--data.train_limit", "8", "--data.test_limit", "4", "--data.workers", "0"]
    cell = resolve("mean_pose", "small", "synthetic", words)
    first = run(cell, tmp_path / "one", Tracking(mode="disabled"), say=print)
    second, told = rerun(first, tmp_path / "two", wandb="disabled", say=print)
    assert RunRecord.read(first).metrics == RunRecord.read(second).metrics and second.stem == first.stem
    assert all(line.endswith("(+0.00)") for line in told)


def test_boxes_of_a_file_cannot_be_repeated_from_the_record_alone(record):
    with pytest.raises(UserError, match="boxes came from"):
        cell_of(record.model_copy(update={"boxes": "found.json sha256:0"}))
