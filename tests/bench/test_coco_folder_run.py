"""A data set of five joints that nobody knew: trained, tested, scored, listed and checked without touching code."""

import json

import cv2
import numpy as np
import pytest
import torch

from bench.__main__ import main
from bench.config import resolve
from bench.errors import UserError
from bench.evaluate import Evaluate
from bench.predict import load_method
from bench.record import RunRecord
from bench.run import Tracking, run
from data import DATASETS
from data.types import PosePrediction
from methods import METHODS
from tests.drawn_coco import annotation, birds, content, write

FEW = ["--data.batch_size", "8", "--data.workers", "0", "--trainer.max_epochs", "2", "--trainer.accelerator", "cpu"]
NARROW = {
    "mean_pose": [],
    "simplebaseline": ["--method.input_size", "[32, 32]", "--method.width", "8", "--method.deconv_filters", "8"],
    "hourglass": ["--method.input_size", "[64, 64]"],
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("POSE_DATA", str(tmp_path))
    torch.set_num_threads(1)
    return birds(tmp_path)


@pytest.mark.parametrize("method", NARROW)
def test_methods_train_and_are_scored_on_joints_nobody_knew(method, folder, tmp_path, capsys):
    cell = resolve(method, "small", "birds", [*NARROW[method], *FEW[: None if method != "mean_pose" else 4]])
    path = run(cell, tmp_path / "out", Tracking(mode="disabled"), say=lambda line: None)
    record = RunRecord.read(path)
    assert (record.dataset, record.split) == ("birds", "val") and set(record.metrics) >= {"ap", "ap50", "ar"}
    assert record.metrics["ap"].n == 6, "two birds in each of three images"
    stored = path.parent / record.predictions.path
    found = json.loads(stored.read_text())
    assert len(found) == 6 and {len(one["keypoints"]) for one in found} == {15}
    assert {one["category_id"] for one in found} == {7}, "the file's own category"
    assert main(["score", "--dataset", "birds", "--predictions", str(stored), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["metrics"]
    assert {name: value["value"] for name, value in again.items()} == {n: m.value for n, m in record.metrics.items()}
    assert load_method(path.parent / cell.id / "last.ckpt").skeleton == DATASETS["birds"].skeleton


WHOLE = {
    "openpose": ["--method.size", "32", "--method.input_size", "[64, 96]", "--method.least_peak", "0.01"],
    "maskrcnn": ["--method.input_size", "[64, 96]", "--method.width", "8", "--method.pyramid_width", "8"],
}


@pytest.mark.parametrize("method", WHOLE)
def test_methods_of_whole_images_train_and_are_scored_on_joints_nobody_knew(method, folder, tmp_path):
    cell = resolve(method, "small", "birds", [*WHOLE[method], *FEW])
    path = run(cell, tmp_path / "out", Tracking(mode="disabled"), say=lambda line: None)
    record = RunRecord.read(path)
    assert record.metrics["ap"].n == 6 and (path.parent / record.id / "people.jpg").is_file()
    stored = json.loads((path.parent / record.predictions.path).read_text())
    assert all(len(one["keypoints"]) == 15 and one["category_id"] == 7 for one in stored)


def test_the_mean_pose_of_equal_birds_finds_all(folder, tmp_path):
    path = run(
        resolve("mean_pose", "small", "birds"), tmp_path / "out", Tracking(mode="disabled"), say=lambda line: None
    )
    assert RunRecord.read(path).metrics["ap"].value == pytest.approx(100)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_resolves_on_joints_nobody_knew_or_says_what_it_lacks(method, folder):
    try:
        cell = resolve(method, "small", "birds")
        assert len(cell.build_method().skeleton.joints) == 5
    except Exception as error:
        assert getattr(error, "exit_code", None) == 2, error


def test_the_file_s_sigmas_decide_the_score(folder, tmp_path):
    listed = json.loads((folder / "annotations/val.json").read_text())
    found = [
        {"image_id": a["image_id"], "category_id": 7, "keypoints": (np.array(a["keypoints"]) + 3).tolist(), "score": 1}
        for a in listed["annotations"]
    ]
    (tmp_path / "found.json").write_text(json.dumps(found))
    values = []
    for sigma in (0.02, 0.2):
        for split in ("train", "val"):
            file = folder / "annotations" / f"{split}.json"
            changed = json.loads(file.read_text())
            changed["categories"][0]["sigmas"] = [sigma] * 5
            file.write_text(json.dumps(changed))
        from bench.predictions import score

        values.append(score("birds", tmp_path / "found.json", say=lambda line: None)["ap"].value)
    assert values[0] < 10 and values[1] == pytest.approx(100)


def test_results_of_another_category_are_refused(folder, tmp_path, capsys):
    person = {"image_id": 101, "category_id": 1, "keypoints": [1.0] * 15, "score": 1.0}
    (tmp_path / "found.json").write_text(json.dumps([person]))
    assert main(["score", "--dataset", "birds", "--predictions", str(tmp_path / "found.json")]) == 2
    assert "category 1; the people are category 7" in capsys.readouterr().err


def test_a_truth_of_ones_own_needs_no_images(folder, tmp_path, capsys):
    listed = content(2, 500)
    (tmp_path / "truth.json").write_text(json.dumps(listed))
    found = [
        {"image_id": a["image_id"], "category_id": 7, "keypoints": a["keypoints"], "score": 1.0}
        for a in listed["annotations"]
    ]
    (tmp_path / "found.json").write_text(json.dumps(found))
    words = ["score", "--dataset", "birds", "--predictions", str(tmp_path / "found.json"), "--json"]
    assert main([*words, "--truth", str(tmp_path / "truth.json")]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["ap"]["value"] == pytest.approx(100)


def test_list_names_the_folder_and_data_checks_it(folder, capsys):
    (folder.parent / "broken/annotations").mkdir(parents=True)
    (folder.parent / "broken/annotations/train.json").write_text("[]")
    assert main(["list", "--json"]) == 0
    listed = {row["name"]: row for row in json.loads(capsys.readouterr().out)["datasets"]}
    assert listed["birds"]["present"] and listed["birds"]["skeleton"] == "birds-5" and "broken" not in listed
    assert main(["data", "birds", "--json"]) == 0
    val = json.loads(capsys.readouterr().out)[1]
    assert (val["name"], val["facts"]["images"], val["facts"]["people"], val["faults"]) == ("birds val", "4", "6", [])
    assert main(["data", "broken"]) == 2 and "train.json: no list of categories" in capsys.readouterr().err


def test_a_new_folder_can_be_brought(folder, tmp_path_factory, monkeypatch, capsys):
    monkeypatch.setenv("POSE_DATA", str(tmp_path_factory.mktemp("other")))
    assert main(["data", "parrots", "--from", str(folder), "--json"]) == 0 and "parrots" in DATASETS
    capsys.readouterr()
    assert main(["data", "lps", "--from", str(folder / "images")]) == 2 and "lps" not in DATASETS
    assert "a new data set must be in COCO's layout" in capsys.readouterr().err


def test_a_checkpoint_without_its_folder_says_so(folder, tmp_path):
    cell = resolve("mean_pose", "small", "birds")
    checkpoint = (
        run(cell, tmp_path / "out", Tracking(mode="disabled"), say=lambda line: None).parent / cell.id / "last.ckpt"
    )
    six = [*"abcdef"]
    for split, count in (("train", 1), ("val", 1)):
        listed = content(count)
        listed["categories"][0] = {"id": 7, "name": "bird", "keypoints": six}
        (folder / "annotations" / f"{split}.json").write_text(json.dumps(listed))
    with pytest.raises(UserError, match=r"does not fit mean_pose on today's birds"):
        load_method(checkpoint)
    folder.rename(folder.parent / "ducks")
    with pytest.raises(UserError, match=r"trained on birds, whose joints are not known here"):
        load_method(checkpoint)


def test_nobody_found_scores_nothing(folder):
    from data.module import PoseDataModule

    cell = resolve("mean_pose", "small", "birds")
    method = cell.build_method()
    data: PoseDataModule = cell.build_data(method)
    evaluate = Evaluate(DATASETS["birds"].protocols, DATASETS["birds"].skeleton)
    evaluate.predictions = [PosePrediction(torch.zeros(0, 5, 2), torch.zeros(0, 5), torch.zeros(0))] * 4
    evaluate.image_ids = [101, 102, 103, 104]
    assert evaluate._compute(data, "test", method)["ap"].value == 0


def test_whoever_is_found_in_an_image_without_people_is_a_mistake(folder, tmp_path):
    from bench.predictions import score

    listed = json.loads((folder / "annotations/val.json").read_text())
    found = [
        {"image_id": a["image_id"], "category_id": 7, "keypoints": a["keypoints"], "score": 0.5}
        for a in listed["annotations"]
    ]
    values = []
    for more in ([], [{**found[0], "image_id": 104, "score": 0.9}]):
        (tmp_path / "found.json").write_text(json.dumps([*found, *more]))
        values.append(score("birds", tmp_path / "found.json", say=lambda line: None)["ap"].value)
    assert values == [pytest.approx(100), pytest.approx(100 * 6 / 7)]


def test_an_image_of_another_size_is_a_fault_of_the_check(folder, capsys):
    cv2.imwrite(str(folder / "images/val/0101.png"), np.zeros((10, 10, 3), np.uint8))
    assert main(["data", "birds"]) == 2
    out = capsys.readouterr()
    assert "image 101: (10, 10) pixels (H, W) found, (120, 160) expected" in out.out


def test_a_folder_without_val_lends_from_train_but_has_nothing_to_test_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("POSE_DATA", str(tmp_path))
    write(tmp_path / "birds", {"train": content(2)})
    assert main(["run", "--method", "mean_pose", "--dataset", "birds", "--out", str(tmp_path / "out")]) == 2
    assert "expected a file with val or valid or validation in its name" in capsys.readouterr().err


def test_of_sixty_birds_in_one_image_the_best_twenty_count(folder, tmp_path):
    from bench.predictions import score

    listed = content(1, 300)
    listed["annotations"] = [annotation(i, 300, (1.5 * i, i % 40), 50) for i in range(1, 61)]
    write(folder, {"val": listed})
    record = RunRecord.read(
        run(resolve("mean_pose", "small", "birds"), tmp_path / "out", Tracking(mode="disabled"), say=lambda line: None)
    )
    assert record.metrics["ap"].n == 60
    found = [
        {"image_id": 300, "category_id": 7, "keypoints": a["keypoints"], "score": 1 - a["id"] / 100}
        for a in listed["annotations"]
    ]
    (tmp_path / "found.json").write_text(json.dumps(found))
    values = score("birds", tmp_path / "found.json", say=lambda line: None)
    assert values["ar"].value == pytest.approx(100 * 20 / 60)


def test_a_split_of_crowds_alone_is_refused_before_training(folder, tmp_path, capsys):
    listed = content(2, 300)
    for region in listed["annotations"]:
        region["iscrowd"] = 1
    write(folder, {"val": listed})
    assert main(["run", "--method", "mean_pose", "--dataset", "birds", "--out", str(tmp_path / "out")]) == 2
    assert "2 samples hold nobody to look at" in capsys.readouterr().err
    person = {"image_id": 300, "category_id": 7, "keypoints": [1.0] * 15, "score": 1.0}
    (tmp_path / "found.json").write_text(json.dumps([person]))
    assert main(["score", "--dataset", "birds", "--predictions", str(tmp_path / "found.json")]) == 2
    assert "val.json: nobody to find: 4 people" in capsys.readouterr().err


def test_a_crowd_takes_any_number_of_birds_and_an_unlabelled_bird_one(folder, tmp_path):
    from bench.predictions import score

    listed, hidden = content(1, 300), {"num_keypoints": 0, "keypoints": [0] * 15}
    counted = listed["annotations"][0]
    region = annotation(9, 300, (85, 5), 70, iscrowd=1, **hidden)
    inside = {
        "image_id": 300,
        "category_id": 7,
        "score": 0.9,
        "keypoints": annotation(1, 300, (90, 10), 55)["keypoints"],
    }
    right = {"image_id": 300, "category_id": 7, "score": 0.5, "keypoints": counted["keypoints"]}
    values = {}
    for kind, ignored in (("crowd", region), ("unlabelled", {**region, "iscrowd": 0})):
        listed["annotations"] = [counted, ignored]
        write(folder, {"val": listed})
        (tmp_path / "found.json").write_text(json.dumps([right, inside, {**inside, "score": 0.8}]))
        values[kind] = score("birds", tmp_path / "found.json", say=lambda line: None)["ap"].value
    assert values == {"crowd": pytest.approx(100), "unlabelled": pytest.approx(50)}


def test_a_training_split_without_people_is_refused(folder, tmp_path, capsys):
    write(folder, {"train": {**content(2), "annotations": []}})
    assert main(["run", "--method", "mean_pose", "--dataset", "birds", "--out", str(tmp_path / "out")]) == 2
    assert "birds train: 0 samples hold nobody to look at" in capsys.readouterr().err
