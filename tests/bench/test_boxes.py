"""Runs with boxes that somebody found: the record says whose, and their scores count."""

import json

import pytest
import torch

from bench.__main__ import main
from bench.boxes import box_source
from bench.config import resolve
from bench.errors import UserError
from bench.record import RunRecord
from bench.run import Tracking, run
from data.types import DataError
from tests.drawn_coco import birds

QUIET = Tracking(mode="disabled")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("POSE_DATA", str(tmp_path))
    torch.set_num_threads(1)
    return birds(tmp_path)


@pytest.fixture
def found(folder, tmp_path):
    """The true boxes of val, one more in the image without birds, one of an unknown image, one of a person."""
    listed = json.loads((folder / "annotations/val.json").read_text())["annotations"]
    records = [{"image_id": a["image_id"], "category_id": 7, "bbox": a["bbox"], "score": 0.5} for a in listed]
    records += [{**records[0], "image_id": 104, "score": 0.9}, {**records[0], "image_id": 9}]
    records += [{**records[0], "category_id": 1}]
    path = tmp_path / "found.json"
    path.write_text(json.dumps(records))
    return path


def mean_pose(boxes, out, said=None, *options):
    cell = resolve("mean_pose", "small", "birds", options, boxes=str(boxes))
    return run(cell, out, QUIET, say=(said if said is not None else []).append)


def test_every_box_is_one_pose_with_the_score_of_both(found, tmp_path):
    path, said = tmp_path / "out", []
    record = RunRecord.read(mean_pose(found, path, said))
    stored = json.loads((path / "runs" / record.predictions.path).read_text())
    assert [one["image_id"] for one in stored] == [101, 101, 102, 102, 103, 103, 104]
    assert [one["score"] for one in stored] == pytest.approx([0.5] * 6 + [0.9])  # a mean pose is sure of itself: 1
    assert record.metrics["ap"].value == pytest.approx(100 * 6 / 7), "a pose in the image without birds comes first"
    assert (path / "runs" / record.id / "people.jpg").is_file()
    assert any("7 of 8 lie in the 4 test images" in line for line in said)


def test_the_record_names_the_file_and_its_content_but_no_folder(found, tmp_path):
    record = RunRecord.read(mean_pose(found, tmp_path / "out"))
    name, _, digest = record.boxes.partition(" sha256:")
    assert name == "found.json" and len(digest) == 12 and str(tmp_path) not in record.model_dump_json()


def test_the_name_of_the_cell_changes_with_the_content(found, tmp_path):
    ids = [resolve("mean_pose", "small", "birds", boxes=boxes).id for boxes in ("truth", "jitter:0.1", str(found))]
    found.write_text(found.read_text().replace("0.9", "0.8"))
    ids.append(resolve("mean_pose", "small", "birds", boxes=str(found)).id)
    assert len(set(ids)) == 4
    elsewhere = found.rename(tmp_path / "runs.json").rename(tmp_path / "birds" / "found.json")
    assert resolve("mean_pose", "small", "birds", boxes=str(elsewhere)).id == ids[-1], "its folder says nothing"


def test_what_one_run_found_serves_another_as_boxes(found, tmp_path):
    first = mean_pose(found, tmp_path / "out")
    second = RunRecord.read(mean_pose(first, tmp_path / "out"))
    assert second.boxes.startswith(f"{first.name} sha256:") and second.id != RunRecord.read(first).id
    stored = json.loads((tmp_path / "out/runs" / second.predictions.path).read_text())
    assert len(stored) == 7
    cell = resolve("mean_pose", "small", "birds", boxes=str(first))
    assert {look.person for look in cell.build_data(cell.build_method()).inputs("test").looks} == {None}


def test_training_and_the_curve_use_the_truth(found):
    cell = resolve("mean_pose", "small", "birds", boxes=str(found))
    data = cell.build_data(cell.build_method())
    for split, inputs in (("train", 16), ("val", 6), ("test", 7)):
        looks = data.inputs(split).looks
        assert len(looks) == inputs and all((look.person is None) == (split == "test") for look in looks)


def test_single_person_data_and_strange_files_are_refused(found, tmp_path, capsys):
    with pytest.raises(UserError, match="lsp has one person a sample"):
        box_source(str(found), "lsp")
    with pytest.raises(UserError, match="lsp has one person a sample, whom nobody finds twice"):
        box_source("jitter:0.1:2", "lsp")
    with pytest.raises(DataError, match=r"expected truth, or jitter:SIGMA .* or a file that is there"):
        box_source(str(tmp_path / "nowhere.json"), "birds")
    (tmp_path / "strange.json").write_text("{}")
    words = ["run", "--method", "mean_pose", "--dataset", "birds", "--out", str(tmp_path / "out"), "--boxes"]
    assert main([*words, str(tmp_path / "strange.json")]) == 2
    out = capsys.readouterr().err
    assert out.count("\n") == 1 and "not a record of schema 1" in out
    (tmp_path / "strange.json").write_text("[")
    assert main([*words, str(tmp_path / "strange.json")]) == 2 and "not readable as JSON" in capsys.readouterr().err


def test_boxes_of_other_images_alone_are_refused(found, tmp_path, capsys):
    records = json.loads(found.read_text())
    found.write_text(json.dumps([{**record, "image_id": record["image_id"] + 1000} for record in records]))
    words = ["run", "--method", "mean_pose", "--dataset", "birds", "--out", str(tmp_path / "out")]
    assert main([*words, "--boxes", str(found)]) == 2
    out = capsys.readouterr().err.splitlines()[-1]
    assert out.startswith("error: birds test: 4 samples hold nobody to look at (boxes: found.json sha256:")


def test_records_of_other_data_or_with_changed_predictions_are_refused(found, tmp_path):
    first = mean_pose(found, tmp_path / "out")
    with pytest.raises(UserError, match=r"a record of birds val; boxes of synthetic-multi test are needed"):
        box_source(str(first), "synthetic-multi")
    stored = first.parent / RunRecord.read(first).predictions.path
    stored.write_text(stored.read_text() + " ")
    with pytest.raises(UserError, match="another SHA-256"):
        box_source(str(first), "birds")
