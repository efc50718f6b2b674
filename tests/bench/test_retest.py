"""A trained method tested elsewhere: other boxes, another data set, each a record beside the run's."""

import io
import json

import pytest
import torch
from rich.console import Console

from bench.__main__ import main
from bench.catalogue import result_table
from bench.config import resolve
from bench.errors import UserError
from bench.record import RunRecord
from bench.retest import retest
from bench.run import Tracking, run
from bench.verify import verify
from data.module import PoseDataModule
from data.views import PersonCrop
from tests.drawn_coco import birds

FEW = ["--data.batch_size", "8", "--data.workers", "0", "--trainer.max_epochs", "1", "--trainer.accelerator", "cpu"]
NARROW = ["--method.input_size", "[32, 32]", "--method.width", "8", "--method.deconv_filters", "8"]


def silent(line):
    return None


def table_of(path):
    console = Console(width=250, file=io.StringIO())
    console.print(result_table(RunRecord.read(path), path.parent))
    return console.file.getvalue()


@pytest.fixture
def trained(tmp_path, monkeypatch):
    monkeypatch.setenv("POSE_DATA", str(tmp_path))
    torch.set_num_threads(1)
    birds(tmp_path)
    cell = resolve("simplebaseline", "small", "birds", [*NARROW, *FEW])
    return run(cell, tmp_path / "out", Tracking(mode="disabled"), say=silent)


def test_the_same_test_gives_the_same_numbers_under_another_name(trained):
    one = RunRecord.read(trained)
    other = RunRecord.read(retest(trained, None, "truth", limit=None, batch_size=4, say=silent))
    assert {n: m.value for n, m in other.metrics.items()} == {n: m.value for n, m in one.metrics.items()}
    assert other.id != one.id and other.config["trained"]["id"] == one.id
    assert other.checkpoint == one.checkpoint and other.predictions.path != one.predictions.path
    assert RunRecord.read(trained) == one, "the run's own record is as it was"


def test_other_boxes_are_another_record_that_says_so(trained):
    truth = retest(trained, None, "truth", limit=None, batch_size=4, say=silent)
    noisy = retest(trained, None, "jitter:0.2", limit=None, batch_size=4, say=silent)
    found = retest(trained, None, str(truth), limit=None, batch_size=4, say=silent)
    boxes = [RunRecord.read(path).boxes for path in (truth, noisy, found)]
    assert boxes[:2] == ["truth", "jitter:0.2"] and boxes[2].startswith(truth.name)
    assert len({truth, noisy, found}) == 3
    assert (truth.parent / RunRecord.read(noisy).predictions.path).is_file()


def test_a_data_set_of_the_same_joints_is_tested_on_and_one_of_others_refused(trained, tmp_path):
    (tmp_path / "more").mkdir()
    birds(tmp_path / "more")
    (tmp_path / "more/birds").rename(tmp_path / "finches")
    path = retest(trained, "finches", "truth", limit=None, batch_size=4, say=silent)
    record = RunRecord.read(path)
    assert (record.dataset, record.config["trained"]["dataset"]) == ("finches", "birds")
    with pytest.raises(UserError, match=r"trained on .* has the joints of mpii16"):
        retest(trained, "synthetic", "truth", limit=None, batch_size=4, say=silent)


def test_a_checkpoint_that_is_gone_or_another_one_is_one_line(trained, capsys):
    file = trained.parent / RunRecord.read(trained).checkpoint.path
    file.write_bytes(file.read_bytes() + b"0")
    assert main(["test", str(trained)]) == 2
    assert "another SHA-256" in capsys.readouterr().err
    file.unlink()
    assert main(["test", str(trained)]) == 2
    assert "is not beside it" in capsys.readouterr().err


def test_the_command_prints_the_record(trained, capsys):
    assert main(["test", str(trained), "--boxes", "jitter:0.1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["boxes"] == "jitter:0.1" and document["metrics"]["ap"]["n"] == 6


def test_an_option_of_the_test_is_changed_and_the_record_says_so(trained):
    plain = RunRecord.read(retest(trained, None, "truth", limit=None, batch_size=4, say=silent))
    words = ["--method.flip_test", "false", "--method.decoder=dark"]
    path = retest(trained, None, "truth", words, limit=None, batch_size=4, say=silent)
    other = RunRecord.read(path)
    assert other.id != plain.id and other.config["trained"]["changed"] == {"flip_test": False, "decoder": "dark"}
    assert (other.config["method"]["flip_test"], plain.config["method"]["flip_test"]) == (False, True)
    assert other.predictions.sha256 != plain.predictions.sha256
    assert "s0, flip_test False, decoder dark" in table_of(path), "rows of one run are told apart"
    assert verify(path).agrees, "its checkpoint is tested with the option too"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--method.width", "16"], "does not fit width as given"),
        (["--data.batch_size", "3"], "a test takes options of the method alone"),
        (["--method.flip_tset", "false"], "flip_test"),
    ],
)
def test_an_option_that_no_test_can_have_is_one_line(trained, capsys, words, told):
    assert main(["test", str(trained), *words]) == 2
    out = capsys.readouterr().err.splitlines()
    assert told in out[-1] and out[-1].startswith("error: ")


def test_the_training_images_are_tested_on_for_boxes_to_learn_from(trained, capsys):
    few = RunRecord.read(retest(trained, None, "truth", split="train", limit=5, batch_size=4, say=silent))
    assert few.split == "train" and few.id != RunRecord.read(trained).id
    found = json.loads((trained.parent / few.predictions.path).read_text())
    everyone = PoseDataModule(PersonCrop((32, 32)), "birds", test_limit=5, tested="train").samples("test")
    assert {one["image_id"] for one in found} == {sample.image_id for sample in everyone if sample.people}
    assert main(["test", str(trained), "--split", "trian"]) == 2
    assert "train" in capsys.readouterr().err
