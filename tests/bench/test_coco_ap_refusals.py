"""Files on which AP would be 0 or -1 without a word, and what stands in where a data set has no areas."""

import json

import numpy as np
import pytest

from bench.metrics.coco_ap import evaluate
from bench.metrics.coco_truth import (
    read_results,
    read_truth,
    results_from_coco,
    truth_from_coco,
    truth_from_samples,
)
from data.skeletons import LSP14
from data.types import DataError
from tests.bench.coco_scenes import found, person, scene
from tests.conftest import make_sample


def without(record, name):
    return {key: value for key, value in record.items() if key != name}


@pytest.mark.parametrize(
    ("annotations", "told"),
    [
        (scene(without(person(1, 1), "area")), "1 of 1 annotations have no area, which OKS divides by"),
        (scene(person(1, 1, area=0)), "1 of 1 people have no positive area"),
        (scene(person(1, 1), person(2, 1, area=float("nan"))), "1 of 2 people have no positive area"),
        (scene({**person(1, 1), "category_id": 7}), r"no annotation of category 1; the file holds categories \[7\]"),
        (scene(), "the file holds categories of nobody"),
        (scene(person(1, 1, iscrowd=1), person(2, 1, labelled=0)), "2 people, none with a labelled joint"),
        (scene(person(1, 9)), "annotations name image 9, which is not listed"),
        (scene(person(1, 1), person(2, 1, joints=14)), r"annotations with \[42, 51\] numbers of keypoints"),
        (scene(without(person(1, 1), "keypoints")), "annotations without keypoints"),
    ],
)
def test_a_truth_without_an_ap_is_refused(annotations, told):
    with pytest.raises(ValueError, match=told) as caught:
        truth_from_coco(annotations)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("records", "told"),
    [
        ([], "no results"),
        ({"image_id": 1}, "no results"),
        ([{**found(1, 0, 0.5), "category_id": 0}], "results of category 0; the people are category 1"),
        ([found(1, 0, 0.5), found(3, 0, 0.5)], r"results name image 3 \(1 of 2 images\), unknown to the annotations"),
        ([found(1, 0, 0.5, joints=14)], "results of 14 joints; the annotations have 17"),
        ([{**found(1, 0, 0.5), "keypoints": [1.0] * 34}], r"results with \[34\] numbers of keypoints"),
        ([found(1, 0, 0.5), found(1, float("nan"), 0.5)], r"result 1 \(image 1\) holds NaN"),
        ([found(1, 0, float("inf"))], r"result 0 \(image 1\) holds NaN or infinity"),
        ([without(found(1, 0, 0.5), "score")], "results without score"),
    ],
)
def test_results_that_do_not_belong_to_the_truth_are_refused(records, told):
    with pytest.raises(ValueError, match=told) as caught:
        results_from_coco(records, truth_from_coco(scene(person(1, 1))))
    assert "\n" not in str(caught.value)


def test_sigmas_and_crowd_indices_must_fit():
    truth = truth_from_coco(scene(person(1, 1)))
    results = results_from_coco([found(1, 0, 0.5)], truth)
    with pytest.raises(ValueError, match="14 sigmas; the annotations have 17 joints"):
        evaluate(truth, results, sigmas=LSP14.sigmas)
    with pytest.raises(ValueError, match="each must be a positive number"):
        evaluate(truth, results, sigmas=(0.0,) * 17)
    with pytest.raises(ValueError, match="0 of 1 images have a crowdIndex"):
        evaluate(truth, results, crowding=True)


def test_a_refused_file_is_named(tmp_path):
    (tmp_path / "truth.json").write_text(json.dumps(scene(person(1, 1, area=0))))
    with pytest.raises(DataError, match=r"truth\.json: 1 of 1 people have no positive area"):
        read_truth(tmp_path / "truth.json")
    (tmp_path / "results.json").write_text("[]")
    with pytest.raises(DataError, match=r"results\.json: no results"):
        read_results(tmp_path / "results.json", truth_from_coco(scene(person(1, 1))))
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(DataError, match=r"list\.json: .*is this a COCO keypoints file"):
        read_truth(tmp_path / "list.json")


def test_images_without_results_are_said():
    truth = truth_from_coco(scene(person(1, 1), person(2, 2), images=(1, 2, 3)))
    results = results_from_coco([found(1, 0, 0.5)], truth)
    assert results.assumptions == ("1 of 3 images have people but no results: these count as missed",)


def test_boxes_of_the_results_decide_their_area():
    truth = truth_from_coco(scene(person(1, 1)))
    plain = results_from_coco([found(1, 0, 0.5)], truth)
    boxed = results_from_coco([{**found(1, 0, 0.5), "bbox": [0, 0, 20, 30]}], truth)
    assert (plain.areas.tolist(), boxed.areas.tolist()) == ([0.0], [600.0])


def test_samples_without_areas_are_scored_and_say_what_stands_in():
    samples = [make_sample(i, people=2) for i in range(3)]
    truth = truth_from_samples(samples)
    boxes = np.array([person.box for sample in samples for person in sample.people])
    np.testing.assert_allclose(truth.areas, 0.53 * (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    people = [(sample.image_id, person) for sample in samples for person in sample.people]
    records = [
        {"image_id": i, "category_id": 1, "score": 0.5, "keypoints": np.c_[p.joints, p.visible].ravel().tolist()}
        for i, p in people
    ]
    result = evaluate(truth, results_from_coco(records, truth), sigmas=LSP14.sigmas)
    assert result.values["ap"] == pytest.approx(100)
    assert result.assumptions[0] == "the annotations hold no areas: 0.53 of the box area stands for each"


def test_samples_without_people_are_refused():
    with pytest.raises(ValueError, match="2 images, none with an annotated person"):
        truth_from_samples([make_sample(i, people=0) for i in range(2)])
