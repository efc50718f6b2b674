"""AP against the numbers that COCO printed, against pycocotools used as its authors show, and by hand."""

import io
import json
import os
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from bench.metrics.ap_speed import drawn_problem
from bench.metrics.coco_ap import evaluate
from bench.metrics.coco_truth import Results, Truth, read_results, read_truth, results_from_coco, truth_from_coco
from data.skeletons import COCO17
from tests.bench.coco_scenes import found, person, scene

PARITY = Path(os.environ.get("POSE_DATA") or "absent") / "parity" / "coco"
ENGINES = ("pycocotools", "hotcoco")
IDS = ["ap", "ap50", "ap75", "apm", "apl", "ar", "ar50", "ar75", "arm", "arl"]


def score(annotations, records, engine, **options):
    truth = truth_from_coco(annotations)
    return evaluate(truth, results_from_coco(records, truth), engine=engine, **options)


def as_files(truth: Truth, results: Results, folder: Path) -> tuple[Path, Path]:
    """Write both as the COCO files that pycocotools reads, annotation ids from 1."""
    images = [{"id": i} for i in truth.image_ids.tolist()]
    people = [
        {
            **{"id": i + 1, "image_id": int(truth.owners[i]), "category_id": 1, "iscrowd": int(truth.crowds[i])},
            **{"keypoints": truth.keypoints[i].ravel().tolist(), "num_keypoints": int(truth.labelled[i])},
            **{"area": float(truth.areas[i]), "bbox": truth.boxes[i].tolist()},
        }
        for i in range(len(truth.owners))
    ]
    listed = [
        {"image_id": int(owner), "category_id": 1, "keypoints": keypoints.ravel().tolist(), "score": float(value)}
        for owner, keypoints, value in zip(results.owners, results.keypoints, results.scores, strict=True)
    ]
    content = {"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}
    (folder / "truth.json").write_text(json.dumps(content))
    (folder / "results.json").write_text(json.dumps(listed))
    return folder / "truth.json", folder / "results.json"


def official(truth: Path, results: Path, image_ids=None) -> list[float]:
    with redirect_stdout(io.StringIO()):
        coco = COCO(str(truth))
        judged = COCOeval(coco, coco.loadRes(str(results)), "keypoints")
        judged.params.imgIds = image_ids or judged.params.imgIds
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    return (100 * judged.stats).tolist()


@pytest.mark.skipif(not PARITY.is_dir(), reason="POSE_DATA names no folder with parity/coco/")
@pytest.mark.parametrize("engine", ENGINES)
def test_the_ten_printed_numbers_of_coco_come_out(engine):
    printed = (PARITY / "val2014_fake_eval_res.txt").read_text().split("type=keypoints")[1]
    expected = [float(line.split("=")[-1]) for line in printed.splitlines() if "Average" in line]
    truth = read_truth(PARITY / "person_keypoints_val2014_100_reconstructed.json")
    results = read_results(PARITY / "person_keypoints_val2014_fakekeypoints100_results.json", truth)
    values = evaluate(truth, results, engine=engine).values
    assert list(values) == IDS
    assert [round(value / 100, 3) for value in values.values()] == expected


@pytest.mark.parametrize(("seed", "decimals"), [(0, 9), (1, 9), (2, 1), (3, 1)])  # 1: many have equal scores
def test_both_engines_agree_with_pycocotools_own_way_to_the_last_digit(seed, decimals, tmp_path):
    people, results = drawn_problem(images=12, people=60, found=150, seed=seed)
    files = as_files(people, replace(results, scores=results.scores.round(decimals)), tmp_path)
    truth = read_truth(files[0])
    results = read_results(files[1], truth)
    expected = dict(zip(IDS, official(*files), strict=True))
    assert min(expected.values()) > 1
    for engine in ENGINES:
        assert evaluate(truth, results, engine=engine).values == expected, engine


@pytest.mark.parametrize("engine", ENGINES)
def test_classes_of_crowding_are_their_images_alone(engine, tmp_path):
    problem = drawn_problem(images=12, people=40, found=150)
    truth = problem[0]
    files = as_files(*problem, tmp_path)
    index = truth.crowd_index
    values = evaluate(*problem, engine=engine, crowding=True).values
    for name, chosen in (
        ("ap-easy", index < 0.2),
        ("ap-medium", (index >= 0.2) & (index < 0.8)),
        ("ap-hard", index >= 0.8),
    ):
        assert values[name] == official(*files, truth.image_ids[chosen].tolist())[0]


@pytest.mark.parametrize("engine", ENGINES)
def test_ap_by_hand(engine):
    """Hit, miss, hit on two people: precision 1 at 51 recalls (0 to 0.5), 2/3 at the other 50."""
    people = [person(1, 1, 0), person(2, 1, 1000)]
    values = score(scene(*people), [found(1, 0, 0.9), found(1, 5000, 0.8), found(1, 1000, 0.7)], engine).values
    expected = 100 * (51 + 50 * 2 / 3) / 101
    assert [values[name] for name in ("ap", "ap50", "ap75")] == pytest.approx([expected] * 3, abs=1e-9)
    assert values["ar"] == 100


@pytest.mark.parametrize("engine", ENGINES)
def test_a_joint_10_px_off_at_an_area_of_100_x_100_is_worth_its_golden_oks(engine):
    """Nose 0.157 passes no threshold; an ankle 0.854 passes those from 0.50 to 0.85, 8 of 10."""
    for joint, passed in ((0, 0), (16, 8)):
        truth = person(1, 1, labelled=0)
        truth["keypoints"][3 * joint : 3 * joint + 3], truth["num_keypoints"] = [0, 10.0 * joint, 2], 1
        values = score(scene(truth), [found(1, 10, 0.5)], engine).values
        assert values["ap"] == pytest.approx(10 * passed)
        assert values["ar"] == pytest.approx(10 * passed)


@pytest.mark.parametrize("engine", ENGINES)
def test_nobody_in_a_range_leaves_its_numbers_out(engine):
    result = score(scene(person(1, 1, area=10_000)), [found(1, 0, 0.5)], engine)
    assert list(result.values) == [name for name in IDS if name not in ("apm", "arm")]
    assert result.assumptions == ("nobody has a medium area: no numbers for that range",)
    assert (result.images, result.people) == (1, 1)


def test_wider_sigmas_forgive_more():
    problem = drawn_problem(images=12, people=40, found=150)
    narrow = evaluate(*problem)
    wide = evaluate(*problem, sigmas=tuple(2 * sigma for sigma in COCO17.sigmas))
    assert wide.values["ap"] > narrow.values["ap"]
    assert wide.assumptions[0].startswith("sigmas, not COCO's: 0.052 0.05 ") and not narrow.assumptions
    assert np.isfinite(list(wide.values.values())).all()


def test_the_problem_of_the_speed_measurement_has_the_size_of_val2017():
    truth, results = drawn_problem()
    assert (len(truth.image_ids), len(truth.owners), len(results.owners)) == (5_000, 11_004, 104_000)
    assert len(np.unique(truth.owners)) == pytest.approx(2_693, rel=0.05)
    assert truth.counted.sum() == pytest.approx(6_352, rel=0.05)
