"""A folder in COCO's layout is a data set by its name."""

import json
from dataclasses import replace

import numpy as np
import pytest

from data import DATASETS, ReadOptions
from data.coco_category import choose, skeleton_of
from data.skeletons import COCO17, OKS_SIGMA, TRUNK_SIGMA
from data.types import DataError
from tests.drawn_coco import CATEGORY, annotation, birds, content, write


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("POSE_DATA", str(tmp_path))
    return birds(tmp_path)


def read(split="val"):
    from data import data_root

    return DATASETS["birds"].read(split, data_root(), ReadOptions())


def test_a_folder_is_a_data_set_by_its_name(folder):
    assert "birds" in DATASETS and "birds" in list(DATASETS) and "bird" not in DATASETS
    entry = DATASETS["birds"]
    assert (entry.splits, entry.people, entry.protocols[0], entry.category) == (("train", "val"), "multi", "ap", 7)
    assert len(DATASETS) == len(list(DATASETS)) == len(DATASETS.data) + 1


def test_a_folder_that_comes_later_is_found_too(folder):
    assert "ducks" not in DATASETS
    folder.rename(folder.parent / "ducks")
    assert "ducks" in DATASETS and DATASETS["ducks"].skeleton.name == "ducks-5" and "birds" not in DATASETS


def test_registered_names_win(folder):
    folder.rename(folder.parent / "lsp")
    assert DATASETS["lsp"].skeleton.name == "lsp14" and list(DATASETS).count("lsp") == 1


def test_another_root_has_other_folders(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write(elsewhere / "ducks", {"train": content(1)})
    assert "ducks" not in DATASETS and "ducks" in DATASETS.under(elsewhere)
    assert "birds" not in DATASETS.under(elsewhere) and DATASETS.under(None) is DATASETS


def test_an_empty_or_missing_root_has_no_folders(monkeypatch, tmp_path):
    for root in ("", str(tmp_path / "nowhere")):
        monkeypatch.setenv("POSE_DATA", root)
        assert "birds" not in DATASETS and set(DATASETS) == set(DATASETS.data)


def test_samples_hold_the_joints_of_the_file(folder):
    samples = read("train")
    assert [s.image_id for s in samples] == list(range(1, 9)) and all(len(s.people) == 2 for s in samples)
    person, listed = samples[2].people[1], json.loads((folder / "annotations/train.json").read_text())["annotations"][5]
    np.testing.assert_array_equal(person.joints.ravel(), np.array(listed["keypoints"]).reshape(5, 3)[:, :2].ravel())
    assert person.area == listed["area"] and not person.ignore
    assert samples[0].pixels.load().shape == (120, 160, 3)


def test_images_without_people_are_tested_on_but_not_trained_on(folder):
    assert [len(s.people) for s in read("val")] == [2, 2, 2, 0]
    file = folder / "annotations" / "val.json"
    file.rename(folder / "annotations" / "train.json")
    (folder / "images" / "train").rename(folder / "images" / "old")
    (folder / "images" / "val").rename(folder / "images" / "train")
    assert [len(s.people) for s in read("train")] == [2, 2, 2]


@pytest.mark.parametrize("images", ["images/{}", "images/{}2017", "images", "{}", "{}2017", "."])
@pytest.mark.parametrize("files", ["{}.json", "person_keypoints_{}2017.json", "Birds-{}_v2.json"])
def test_images_and_annotations_are_found_wherever_archives_put_them(tmp_path, monkeypatch, images, files):
    monkeypatch.setenv("POSE_DATA", str(tmp_path))
    write(tmp_path / "birds", {"train": content(2), "val": content(1, 9)}, images, files)
    assert [len(read(split)) for split in ("train", "val")] == [2, 1]
    assert read()[0].pixels.load().shape == (120, 160, 3)


def test_file_names_may_lead_through_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("POSE_DATA", str(tmp_path))
    listed = content(2)
    for image in listed["images"]:
        image["file_name"] = f"day/{image['file_name']}"
    write(tmp_path / "birds", {"val": listed}, "images")
    assert read()[1].pixels.load().shape == (120, 160, 3)
    (tmp_path / "birds/images/day/0002.png").unlink()
    with pytest.raises(DataError, match=r"holds 1 of 2 files, first missing day/0002\.png"):
        read()


def test_of_several_files_of_a_split_the_one_of_keypoints_is_read(folder):
    (folder / "annotations" / "instances_val.json").write_text("{}")
    with pytest.raises(DataError, match=r"instances_val\.json, val\.json could all be val"):
        DATASETS["birds"]
    assert "birds" in DATASETS and "birds" not in list(DATASETS), "what is broken is not listed"
    (folder / "annotations" / "val.json").rename(folder / "annotations" / "person_keypoints_val.json")
    assert len(read()) == 4


def test_a_missing_split_or_image_is_told(folder):
    with pytest.raises(DataError, match=r"holds train\.json, val\.json; expected a file with test or testing in its"):
        read("test")
    (folder / "images/val/0103.png").unlink()
    with pytest.raises(DataError, match=r"val: holds 3 of 4 files, first missing 0103\.png"):
        read()
    (folder / "images").rename(folder / "pictures")
    with pytest.raises(DataError, match=r"holds annotations, pictures; 0101\.png is not in images, images/val or val"):
        read()


def test_both_files_must_have_the_same_joints(folder):
    listed = content(1, 50)
    listed["categories"] = [{**CATEGORY, "keypoints": ["a", "b", "c", "d", "e"]}]
    write(folder, {"val": listed})
    with pytest.raises(DataError, match=r"val\.json: another category or other joints than train\.json"):
        DATASETS["birds"]


def test_annotations_of_other_categories_are_left_out(folder):
    listed = content(1, 50)
    listed["annotations"].append({**annotation(9, 50, (3, 3), 50), "category_id": 3, "keypoints": [1, 2, 3]})
    write(folder, {"val": listed})
    assert [len(sample.people) for sample in read()] == [2]


def test_sides_are_read_from_the_names_however_they_are_written():
    names = ["Nose", "leftEye", "rightEye", "LHip", "RHip", "Left knee", "Right knee", "foot.l", "foot.r", "left_tail"]
    skeleton = skeleton_of({"keypoints": names}, "pets")
    assert skeleton.joints == (
        *("nose", "left_eye", "right_eye", "left_hip", "right_hip", "left_knee", "right_knee", "left_foot"),
        *("right_foot", "left_tail"),
    )
    assert skeleton.flip == (0, 2, 1, 4, 3, 6, 5, 8, 7, 9), "a tail without a partner is its own mirror image"
    assert [name for name, _ in skeleton.rows] == ["nose", "eye", "hip", "knee", "foot", "tail"]


def test_words_that_only_begin_like_sides_are_no_sides():
    assert skeleton_of({"keypoints": ["lip", "rip", "rear", "lear"]}, "x").flip == (0, 1, 2, 3)


def test_limbs_are_the_file_s_pairs_or_else_a_chain():
    assert skeleton_of(CATEGORY, "birds").limbs == ((0, 1), (0, 2), (1, 3), (2, 4))
    assert skeleton_of({**CATEGORY, "skeleton": []}, "birds").limbs == ((0, 1), (1, 2), (2, 3), (3, 4))


def test_sigmas_are_the_file_s_or_coco_s_by_the_kind_of_joint():
    names = ["left_hip", "right_hip", "horn"]
    assert skeleton_of({"keypoints": names}, "x").sigmas == (OKS_SIGMA["hip"], OKS_SIGMA["hip"], TRUNK_SIGMA)
    assert skeleton_of({"keypoints": names, "sigmas": [0.1, 0.2, 1]}, "x").sigmas == (0.1, 0.2, 1.0)


def test_the_torso_is_shoulder_to_hip_where_there_are_such_joints():
    names = ["r_hip", "l_hip", "l_shoulder", "r_shoulder", "neck", "head top"]
    skeleton = skeleton_of({"keypoints": names}, "x")
    assert skeleton.torso == (2, 0) and skeleton.head == (4, 5)
    assert skeleton_of(CATEGORY, "x").torso == (0, 4) and skeleton_of(CATEGORY, "x").head is None


def test_coco_s_joints_are_coco_s_skeleton():
    pairs = [[a + 1, b + 1] for a, b in COCO17.limbs]
    assert skeleton_of({"keypoints": list(COCO17.joints), "skeleton": pairs}, "x") == COCO17
    other = skeleton_of({"keypoints": list(COCO17.joints), "skeleton": pairs, "sigmas": [0.05] * 17}, "x")
    assert other == replace(COCO17, sigmas=(0.05,) * 17)


@pytest.mark.parametrize(
    ("categories", "told"),
    [
        (None, "no list of categories"),
        ([], "no category has keypoints"),
        ([{"id": 1, "name": "person"}], r"no category has keypoints \(person\)"),
        ([CATEGORY, {**CATEGORY, "id": 8, "name": "fish"}], r"2 categories have keypoints \(bird, fish\)"),
        ([{**CATEGORY, "keypoints": [1, 2]}], "a list of names expected"),
        ([{**CATEGORY, "keypoints": "beak"}], "a list of names expected"),
        ([{**CATEGORY, "keypoints": ["wing", "Wing"]}], "'wing' is named twice"),
        ([{**CATEGORY, "skeleton": [[0, 1]]}], "joints 0 and 1; they count from 1 to 5"),
        ([{**CATEGORY, "skeleton": [[1, 6]]}], "joints 1 and 6; they count from 1 to 5"),
        ([{**CATEGORY, "skeleton": [1, 2]}], "a list of pairs"),
        ([{**CATEGORY, "sigmas": [0.1] * 4}], "5 positive numbers expected"),
        ([{**CATEGORY, "sigmas": [0.1, 0.1, 0.1, 0.1, 0]}], "5 positive numbers expected"),
        ([{**CATEGORY, "id": None}], "an integer expected"),
    ],
)
def test_categories_that_name_no_joints_are_told(categories, told):
    with pytest.raises(DataError, match=told):
        choose(categories, "birds")


def test_of_several_categories_the_person_is_taken():
    person = {"id": 3, "name": "person", "keypoints": ["a", "b"]}
    assert choose([CATEGORY, person], "x").id == 3
