"""Average precision of a results file: values, intervals and people, for COCO, CrowdPose and MPII."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from bench import predictions
from bench.score_ap import read_official, score_groups, score_oks
from data import DATASETS, Dataset, ReadOptions, mpii_multi
from data.skeletons import MPII16
from data.types import DataError, Person, PoseSample
from tests.conftest import Picture

REAL = Path(os.environ.get("POSE_DATA") or "absent")
real = pytest.mark.skipif(not (REAL / "mpii").is_dir(), reason="POSE_DATA names no folder that holds mpii/")
JOINTS = {"coco": 17, "crowdpose": 14}


def person(k, image, size, number):
    """Joints on the diagonal of a square box; all labelled."""
    steps = np.linspace(0, size, k)
    keypoints = np.stack([10 + steps, 20 + steps, np.full(k, 2.0)], 1).ravel().tolist()
    facts = {"id": number, "image_id": image, "category_id": 1, "keypoints": keypoints, "num_keypoints": k}
    return {**facts, "bbox": [10, 20, size, size], "area": 0.53 * size**2, "iscrowd": 0}


@pytest.fixture(params=JOINTS)
def scene(request, tmp_path):
    """Forty images: a medium and a large person in each; an index of crowding from 0 to 0.975."""
    k, folder = JOINTS[request.param], tmp_path / request.param
    people = [person(k, i, size, 2 * i + j + 1) for i in range(40) for j, size in enumerate((80, 200))]
    content = {"images": [{"id": i, "crowdIndex": i / 40} for i in range(40)], "annotations": people}
    name = "annotations/person_keypoints_val2017.json" if request.param == "coco" else "crowdpose_val.json"
    (folder / "annotations").mkdir(parents=True)
    (folder / name).write_text(json.dumps(content))
    return request.param, tmp_path, people


def write(tmp_path, people, scores):
    entries = [
        {"image_id": p["image_id"], "category_id": 1, "keypoints": p["keypoints"], "score": s}
        for p, s in zip(people, scores, strict=True)
    ]
    (tmp_path / "found.json").write_text(json.dumps(entries))
    return tmp_path / "found.json"


def test_perfect_results_score_100_and_count_the_people_of_each_number(scene):
    dataset, root, people = scene
    found = write(root, people, np.linspace(0.5, 1, len(people)))
    values = score_oks(dataset, read_official(dataset, "val", root), found, lambda line: None)
    assert all(value.value == pytest.approx(100) and value.ci95[0] == pytest.approx(100) for value in values.values())
    counts = {name: value.n for name, value in values.items()}
    assert (counts["ap"], counts["apm"], counts["arl"]) == (80, 40, 40)
    if dataset == "crowdpose":
        assert [counts[f"ap-{name}"] for name in ("easy", "medium", "hard")] == [16, 48, 16]  # < 0.2, < 0.8, the rest
    assert ("ap-easy" in values) == (dataset == "crowdpose")


def test_intervals_lie_around_the_values_and_narrow_with_the_crowd(scene):
    dataset, root, people = scene
    kept = np.random.default_rng(0).random(len(people)) < 0.6
    chosen = [p for p, k in zip(people, kept, strict=True) if k]
    found = write(root, chosen, np.linspace(0.5, 1, len(chosen)))
    ap = score_oks(dataset, read_official(dataset, "val", root), found, lambda line: None)["ap"]
    assert ap.value == pytest.approx(100 * np.mean(np.linspace(0, 1, 101) <= kept.mean()), abs=1.1)  # no false ones
    assert ap.ci95[0] < ap.value < ap.ci95[1]
    spread = 100 * np.sqrt(kept.mean() * (1 - kept.mean()) / len(people))  # of a share of 80 people
    assert 2 * spread < ap.ci95[1] - ap.ci95[0] < 6 * spread


def test_results_of_other_images_or_joints_are_refused(scene):
    dataset, root, people = scene
    truth = read_official(dataset, "val", root)
    strangers = [{**p, "image_id": p["image_id"] + 1000} for p in people]
    with pytest.raises(DataError, match=r"found\.json: results name image 1000 \(40 of 40 images\)"):
        score_oks(dataset, truth, write(root, strangers, [1.0] * 80), lambda line: None)
    short = [{**p, "keypoints": p["keypoints"][3:]} for p in people]
    with pytest.raises(DataError, match=rf"results of {JOINTS[dataset] - 1} joints; the annotations have"):
        score_oks(dataset, truth, write(root, short, [1.0] * 80), lambda line: None)


def test_a_missing_annotation_file_is_named(tmp_path):
    (tmp_path / "coco" / "annotations").mkdir(parents=True)
    with pytest.raises(DataError, match=r"expected person_keypoints_val2017\.json"):
        read_official("coco", "val", tmp_path)


def mpii_samples():
    """Two images of one person each, with heads of 20 px."""
    joints = np.random.default_rng(1).uniform(0, 200, (2, 16, 2))
    people = [Person(j, np.full(16, 2), np.array([0.0, 0, 200, 200]), head_size=20.0) for j in joints]
    return [PoseSample(i, Picture(np.zeros((1, 1, 3), np.uint8)), (1, 1), (p,)) for i, p in enumerate(people)]


def found_joints(samples, third):
    return [
        {"image_id": s.image_id, "keypoints": np.column_stack([s.people[0].joints, third[s.image_id]]).ravel().tolist()}
        for s in samples
    ]


def test_mpii_ranks_by_the_third_number_and_by_the_person_where_it_says_nothing(tmp_path):
    """Beside the two right people a wrong one: ranked first it halves the precision of the first right one."""
    samples, said = mpii_samples(), []
    right = found_joints(samples, third=[np.full(16, 0.9), np.full(16, 0.8)])
    wrong = {"image_id": 0, "keypoints": np.column_stack([np.full((16, 2), 900.0), np.full(16, 0.1)]).ravel().tolist()}
    ranked = write(tmp_path, [*right, wrong], [0.1, 0.1, 0.9])
    assert score_groups(samples, ranked, MPII16, said.append)["mpii-ap"].value == pytest.approx(100)
    for entry in (*right, wrong):
        entry["keypoints"][2::3] = [1] * 16
    ranked = write(tmp_path, [*right, wrong], [0.2, 0.1, 0.9])
    value = score_groups(samples, ranked, MPII16, said.append)["mpii-ap"].value
    assert value == pytest.approx(100 * 2 / 3)  # ranks wrong, right, right: precision 2/3 at full recall
    assert "the third numbers of all joints are equal" in said[-1]


def test_mpii_joints_at_zero_are_not_found(tmp_path):
    samples = mpii_samples()
    found = found_joints(samples, third=[np.linspace(0.1, 1, 16)] * 2)
    found[0]["keypoints"][:3] = [0, 0, 0]
    value = score_groups(samples, write(tmp_path, found, [1.0, 1.0]), MPII16, lambda line: None)["mpii-ap"]
    assert value.value == pytest.approx(100 * 13.5 / 14)  # half of the right ankles, all of 13 other joints


@real
def test_real_list_scores_100_on_itself_through_score(tmp_path, monkeypatch):
    entry = Dataset("mpii-multi", "MPII", MPII16, mpii_multi.SPLITS, mpii_multi.read, ("mpii-ap",), people="multi")
    monkeypatch.setitem(DATASETS, "mpii-multi", entry)
    samples = mpii_multi.read("val", REAL, ReadOptions())
    everybody = [
        {"image_id": s.image_id, "keypoints": np.column_stack([p.joints, p.visible / 2]).ravel().tolist()}
        for s in samples
        for p in s.people
    ]
    found = write(tmp_path, everybody, [1.0] * len(everybody))
    value = predictions.score("mpii-multi", found, say=lambda line: None)["mpii-ap"]
    assert (value.value, value.n) == (pytest.approx(100), 1454)
