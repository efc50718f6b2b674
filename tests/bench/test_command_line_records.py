"""Commands on records and predictions, as a user meets them."""

import json

import cv2
import numpy as np
import pytest

from bench.__main__ import main
from data.skeletons import COCO17
from tests.bench.conftest import TINY

FLOOR = ["run", "--method", "mean_pose", "--wandb", "disabled", "--data.workers", "0", "--data.test_limit", "8"]


@pytest.fixture
def records(tmp_path):
    run = ["run", "--method", "simplebaseline", "--wandb", "disabled", *TINY]
    assert main([*FLOOR, "--data.train_limit", "16", "--out", str(tmp_path)]) == 0
    assert main([*run, "--out", str(tmp_path)]) == 0
    return sorted((tmp_path / "runs").glob("*.json"))


def test_compare_says_the_difference_of_two_records(records, capsys):
    capsys.readouterr()
    assert main(["compare", *map(str, records), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    stored = [json.loads(path.read_text())["metrics"] for path in records]
    for metric in document["metrics"]:
        values = [metrics[metric["metric"]]["value"] for metrics in stored]
        assert metric["difference"] == pytest.approx(values[1] - values[0], abs=1e-9)
        assert metric["ci95"][0] <= metric["difference"] <= metric["ci95"][1] and 0 < metric["p"] <= 1
    assert main(["compare", *map(str, records)]) == 0
    assert "b - a" in capsys.readouterr().out


def test_compare_refuses_what_is_no_record(records, capsys, tmp_path):
    (tmp_path / "other.json").write_text("{}")
    assert main(["compare", str(records[0]), str(tmp_path / "other.json")]) == 2
    assert "not a record" in capsys.readouterr().err


def test_explain_finds_the_protocol_of_a_number(tmp_path, capsys):
    from bench.metrics.protocols import evaluate
    from data import DATASETS, ReadOptions

    entry = DATASETS["synthetic"]
    people = [sample.people[0] for sample in entry.read("val", tmp_path, ReadOptions())]
    found = np.stack([person.joints for person in people]) + np.random.default_rng(0).normal(0, 6, (256, 16, 2))
    np.savez(tmp_path / "found.npz", joints=found)
    value = evaluate(["pckh@0.5"], found, people, entry.skeleton)["pckh@0.5"].value
    words = ["--dataset", "synthetic", "--split", "val", "--predictions", str(tmp_path / "found.npz")]
    assert main(["explain", "--value", f"{value:.2f}", *words, "--json"]) == 0
    ways = json.loads(capsys.readouterr().out)
    assert ways[0]["protocol"] == "pckh@0.5" and ways[0]["row"] == "total"
    assert [way["distance"] for way in ways] == sorted(way["distance"] for way in ways)
    assert main(["explain", "--value", f"{value:.2f}", *words, "--most", "3"]) == 0
    assert "more, farther away" in capsys.readouterr().out.splitlines()[3]


@pytest.fixture
def coco(tmp_path, monkeypatch):
    """COCO as published, of six small pictures with one or two people."""
    rng, images, annotations = np.random.default_rng(0), [], []
    for split in ("train", "val"):
        (tmp_path / "coco" / "images" / f"{split}2017").mkdir(parents=True)
    (tmp_path / "coco" / "annotations").mkdir()
    for number in range(1, 7):
        name = f"{number:012d}.jpg"
        for split in ("train", "val"):
            picture = rng.integers(0, 256, (120, 160, 3), np.uint8)
            cv2.imwrite(str(tmp_path / "coco" / "images" / f"{split}2017" / name), picture)
        images.append({"id": number, "file_name": name, "height": 120, "width": 160})
        for _ in range(1 + number % 2):
            joints = np.concatenate([rng.uniform(20, 100, (17, 2)), np.full((17, 1), 2)], 1)
            person = {"id": len(annotations) + 1, "image_id": number, "category_id": 1, "iscrowd": 0, "area": 4000.0}
            person |= {"bbox": [20.0, 20.0, 80.0, 80.0], "num_keypoints": 17, "keypoints": joints.ravel().tolist()}
            annotations.append(person)
    category = {"id": 1, "name": "person", "keypoints": list(COCO17.joints), "skeleton": []}
    content = json.dumps({"images": images, "annotations": annotations, "categories": [category]})
    for split in ("train", "val"):
        (tmp_path / "coco" / "annotations" / f"person_keypoints_{split}2017.json").write_text(content)
    monkeypatch.setenv("POSE_DATA", str(tmp_path))
    return tmp_path


def test_a_run_on_coco_records_the_ap_that_score_gives_its_predictions(coco, capsys):
    words = ["--dataset", "coco", "--wandb", "disabled", "--data.workers", "0", "--out", str(coco / "out"), "--json"]
    assert main(["run", "--method", "mean_pose", *words]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["split"] == "val" and record["metrics"]["ap"]["n"] == 9
    predictions = coco / "out" / "runs" / record["predictions"]["path"]
    assert main(["score", "--dataset", "coco", "--predictions", str(predictions), "--json"]) == 0
    metrics = json.loads(capsys.readouterr().out)["metrics"]
    for name, metric in record["metrics"].items():
        assert metrics[name]["value"] == pytest.approx(metric["value"], abs=1e-9), name
