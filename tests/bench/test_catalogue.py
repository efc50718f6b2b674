import io

import pytest
from rich.console import Console

from bench.catalogue import joint_table, result_table
from bench.errors import UserError, one_line, unknown


def shown(table):
    console = Console(file=io.StringIO(), width=200)
    console.print(table)
    return console.file.getvalue()


def other(record, name, **change):
    metric = {"pck@0.2": record.metrics["pck@0.2"].model_copy(update={"value": change.pop("value", 10.0)})}
    return record.model_copy(update={"id": f"{name}--synthetic--s0--0", "method": name, "metrics": metric, **change})


def test_the_table_compares_only_what_was_tested_alike(record, tmp_path):
    record.write(tmp_path)
    other(record, "better", value=70.0).write(tmp_path)
    other(record, "jittered", boxes="jitter:0.1").write(tmp_path)
    other(record, "observer", config={"convention": "oc"}).write(tmp_path)
    other(record, "few", config={"convention": "pc", "data": {"test_limit": 5}}).write(tmp_path)
    (tmp_path / "stray--synthetic--x.json").write_text("{}")
    text = shown(result_table(record, tmp_path))
    assert "better-small" in text and "m-small" in text and text.index("better") < text.index("m-small")
    assert not any(name in text for name in ("jittered", "observer", "few", "stray"))


def test_the_headline_shows_its_interval(record, tmp_path):
    record.write(tmp_path)
    assert "50.0 (40.0-60.0)" in shown(result_table(record, tmp_path))


def test_a_joint_that_nobody_labels_is_left_empty(record):
    text = shown(joint_table(record))
    assert "60.0" in text and "wrist" in text and "None" not in text and "nan" not in text


def test_an_unknown_name_is_answered_with_the_nearest_or_with_all():
    assert "did you mean cpm" in str(unknown("method", "cmp", ["cpm", "hourglass"]))
    assert "choose from cpm, hourglass" in str(unknown("method", "zzz", ["hourglass", "cpm"]))


def test_an_error_is_said_in_one_line():
    assert one_line(UserError("two\nlines")) == "two lines"
    crossed = "Caught DataError in DataLoader worker process 0.\nTraceback ...\ndata.types.DataError: im1.jpg: broken"
    assert one_line(UserError(crossed)) == "im1.jpg: broken"
    assert one_line(ValueError()) == "ValueError"


@pytest.mark.parametrize("message", ["Error: in the text", "found Error: x"])
def test_a_plain_message_is_kept_whole(message):
    assert one_line(UserError(message)) == message
