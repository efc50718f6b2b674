"""The W&B mirror from records alone: offline, without a key, without a server."""

import pytest

from bench.errors import UserError
from bench.report.build import Report
from bench.report.mirror import mirror, outline, publish
from bench.report.rows import make_tables
from bench.tracker import Tracker, wandb_id


@pytest.fixture
def report(entry):
    entries = [entry("cpm"), entry("hrnet", metrics={"pck@0.2": (60.0, 1), "pck@0.1": (20.0, 1)})]
    tables = make_tables(entries)
    return Report(tuple(entries), tuple(tables), tuple({} for _ in tables), (), {}, 0, ())


class Written:
    """What a tracker was given."""

    def __init__(self, mode, given):
        self.given, self.rows, self.summary = given, [], None
        self.info = type("Info", (), {"mode": mode})

    def curve(self, rows):
        self.rows += rows

    def picture(self, name, path):
        self.given["pictures"] = [*self.given.get("pictures", []), path.name]

    def finish(self, summary):
        self.summary = summary


def test_every_record_is_mirrored_under_its_own_id_with_curve_pictures_and_numbers(report, monkeypatch, tmp_path):
    made = []

    def opened(mode, **given):
        made.append(Written("offline", given))
        return made[-1]

    monkeypatch.setattr(Tracker, "open", opened)
    one = report.entries[0]
    one.folder.mkdir()
    (one.folder / "curves.csv").write_text("epoch,seconds,val/pck@0.2\n1,2.5,\n2,5.0,44.5\n")
    (one.folder / "people.jpg").write_bytes(b"")
    assert mirror(report.entries, tmp_path, mode="auto", say=print) == {"offline": 2}
    first, second = made
    assert first.given["run_id"] == one.record.id and first.given["pictures"] == ["people.jpg"]
    assert first.rows == [{"epoch": 1, "seconds": 2.5}, {"epoch": 2, "seconds": 5.0, "val/pck@0.2": 44.5}]
    assert first.summary["test/pck@0.2"] == 50.0 and first.summary["record"] == one.record.id
    assert second.rows == [] and second.summary["test/pck@0.1"] == 20.0


def test_a_server_that_does_not_take_a_run_is_not_asked_for_each_of_the_others(report, monkeypatch, tmp_path):
    asked = []

    def opened(mode, **given):
        asked.append(mode)
        return Written("offline", given)

    monkeypatch.setattr(Tracker, "open", opened)
    mirror(report.entries, tmp_path, mode="online", say=print)
    assert asked == ["online", "offline"]


def test_what_would_be_uploaded_names_every_table_and_protocol(report):
    told = "\n".join(outline(report))
    assert "2 runs of 2 methods" in told and "pck@0.2, pck@0.1" in told and report.tables[0].title in told


def test_without_the_extra_the_report_is_refused_in_one_line(report, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "wandb_workspaces.reports.v2", None)
    with pytest.raises(UserError, match=r"pip install -e '.\[report\]'") as error:
        publish(report, say=print)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_offline_the_mirror_is_files_that_wandb_can_sync(report, tmp_path):
    assert mirror(report.entries, tmp_path, mode="offline", say=print) == {"offline": 2}
    names = {path.name.rsplit("-", 1)[-1] for path in (tmp_path / "wandb").glob("offline-run-*")}
    assert names == {wandb_id(entry.record.id) for entry in report.entries}
