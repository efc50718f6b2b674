"""What does and does not change AP: ignored people, the 21st found, flags, ranges of areas, CrowdPose's areas."""

import pytest

from bench.metrics.coco_ap import evaluate
from bench.metrics.coco_truth import results_from_coco, truth_from_coco
from data.skeletons import CROWDPOSE14
from tests.bench.coco_scenes import found, person, scene

pytestmark = pytest.mark.parametrize("engine", ("pycocotools", "hotcoco"))
HALF = [found(1, 0, 0.9), found(1, 5000, 0.8), found(1, 1000, 0.7)]  # hit, miss, hit


def score(annotations, records, engine):
    truth = truth_from_coco(annotations)
    return evaluate(truth, results_from_coco(records, truth), engine=engine).values


@pytest.mark.parametrize("labelled", range(1, 18))
def test_an_exact_copy_is_found_whatever_is_labelled(engine, labelled):
    assert score(scene(person(1, 1, labelled=labelled)), [found(1, 0, 0.5)], engine)["ap"] == pytest.approx(100)


@pytest.mark.parametrize("ignored", [{"iscrowd": 1}, {"labelled": 0}])
def test_who_matches_an_ignored_person_counts_neither_way(engine, ignored):
    people = [person(1, 1, 0), person(2, 1, 1000), person(3, 1, 3000, **ignored)]
    without = score(scene(*people), HALF, engine)
    assert score(scene(*people), [*HALF, found(1, 3000, 0.95)], engine) == without
    assert score(scene(*people), [*HALF, found(1, 7000, 0.95)], engine)["ap"] < without["ap"]


def test_a_crowd_takes_any_number_and_a_person_one(engine):
    hits = [found(1, 0, 0.5), found(1, 3000, 0.9), found(1, 3000, 0.8)]
    crowd = scene(person(1, 1, 0), person(2, 1, 3000, iscrowd=1))
    ignored = scene(person(1, 1, 0), person(2, 1, 3000, labelled=0))
    assert score(crowd, hits, engine)["ap"] == pytest.approx(100)
    assert score(ignored, hits, engine)["ap"] == pytest.approx(50)


def test_the_21st_found_in_an_image_has_no_effect(engine):
    twenty = [found(1, 9000 + 1000 * i, 0.9) for i in range(19)]
    last = found(1, 0, 0.1)
    annotations = scene(person(1, 1, 0), person(2, 2, 0), images=(1, 2))
    elsewhere = found(2, 0, 0.5)
    assert score(annotations, [*twenty, last, elsewhere], engine)["ar"] == pytest.approx(100)
    crowded = [*twenty, found(1, 50_000, 0.9), last, elsewhere]
    assert score(annotations, crowded, engine)["ar"] == pytest.approx(50)
    assert score(annotations, crowded, engine) == score(annotations, [crowded[i] for i in range(22) if i != 20], engine)


def test_the_third_number_of_a_found_joint_has_no_effect(engine):
    annotations = scene(person(1, 1, 0), person(2, 1, 1000))
    flags = [{**record, "keypoints": found(1, record["keypoints"][0], 1, v=0)["keypoints"]} for record in HALF]
    assert score(annotations, flags, engine) == score(annotations, HALF, engine)


def test_an_area_of_31_squared_is_in_all_but_not_in_medium(engine):
    annotations = scene(person(1, 1, 0, area=31**2), person(2, 1, 1000, area=50**2))
    values = score(annotations, [found(1, 1000, 0.9)], engine)
    assert values["ar"] == pytest.approx(50) and values["arm"] == pytest.approx(100)
    assert "apl" not in values


@pytest.mark.parametrize(("side", "ids"), [(32, {"apm"}), (96, {"apm", "apl"}), (97, {"apl"})])
def test_both_ends_belong_to_a_range_of_areas(engine, side, ids):
    values = score(scene(person(1, 1, area=side**2)), [found(1, 0, 0.9)], engine)
    assert values.keys() & {"apm", "apl"} == ids


def test_an_annotation_of_id_0_can_be_found(engine):
    """Pycocotools on the bare file takes the match with id 0 for no match."""
    assert score(scene(person(0, 1, 0)), [found(1, 0, 0.9)], engine)["ap"] == pytest.approx(100)


def test_crowdpose_area_of_the_box_changes_oks(engine):
    """10 px off in 14 joints: at 0.53 x 100 x 100 a mean similarity of 0.57, at an area of 10,000 of 0.74."""
    annotations = scene(person(1, 1, 0, joints=14, labelled=14, area=10_000.0))
    values = {}
    for areas in ("annotated", "box"):
        truth = truth_from_coco(annotations, areas=areas)
        records = results_from_coco([found(1, 10, 0.9, joints=14)], truth)
        values[areas] = evaluate(truth, records, sigmas=CROWDPOSE14.sigmas, engine=engine).values
        assert truth.areas.tolist() == [10_000.0 if areas == "annotated" else 0.53 * 100 * 100]
    assert values["box"]["ar"] < values["annotated"]["ar"]
