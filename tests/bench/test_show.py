"""Pictures of several records side by side, and of many people."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

import data
from bench import draw
from bench.boxes import finds_everybody
from bench.errors import UserError
from bench.show import show, title
from data.skeletons import COCO17
from data.types import Person, PoseSample
from tests.conftest import Picture

SIZE = 100
WRIST = COCO17.joints.index("left_wrist")


def person(x, y, *, ignore=False):
    joints = np.full((17, 2), (x, y), np.float64)
    visible = np.where(np.arange(17) == WRIST, 2, 0)
    return Person(joints, visible, np.array([x - 5, y - 5, x + 5, y + 5], np.float64), ignore=ignore)


@pytest.fixture
def samples(monkeypatch):
    black = Picture(np.zeros((SIZE, SIZE, 3), np.uint8))
    found = [PoseSample(i, black, (SIZE, SIZE), (person(20, 30), person(70, 80))) for i in range(3)]
    entry = replace(data.DATASETS["synthetic-multi"], read=lambda split, root, options: found)
    monkeypatch.setitem(data.DATASETS, "synthetic-multi", entry)
    return found


@pytest.fixture
def write(tmp_path, record):
    """Write a record and its COCO results; return its path."""

    def make(name, entries, **changes):
        file = tmp_path / f"{name}.predictions.json"
        file.write_text(json.dumps(entries))
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        stored = record.predictions.model_copy(update={"path": file.name, "sha256": digest})
        update = {"id": name, "dataset": "synthetic-multi", "predictions": stored, "config": {}, **changes}
        return record.model_copy(update=update).write(tmp_path)

    return make


def entry(image_id, x, y, score):
    keypoints = [0.0] * 51
    keypoints[3 * WRIST : 3 * WRIST + 3] = [x, y, 1.0]
    return {"image_id": image_id, "category_id": 1, "keypoints": keypoints, "score": score}


def read(path):
    import cv2

    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB).astype(int)


def tile(sheet, row, column):
    side = SIZE + draw.BORDER
    y, x = draw.TITLE_HEIGHT + row * side, column * side
    return sheet[y : y + SIZE, x : x + SIZE]


def test_a_row_an_image_and_a_column_the_truth_and_each_record(samples, write, tmp_path):
    one = write("one", [entry(0, 40, 50, 0.9), entry(0, 60, 50, 0.1), entry(2, 10, 90, 0.5)])
    other = write("other", [])
    sheet = read(show([one, other], tmp_path / "sheet.png", images=3, size=SIZE))
    side = SIZE + draw.BORDER
    assert sheet.shape == (draw.TITLE_HEIGHT + 3 * side, 3 * side, 3)
    assert tuple(tile(sheet, 0, 0)[30, 20]) == draw.person_colour(0)
    assert tuple(tile(sheet, 0, 0)[80, 70]) == draw.person_colour(1)
    assert tuple(tile(sheet, 0, 1)[50, 40]) == draw.person_colour(0)
    assert not tile(sheet, 0, 1)[50, 60].any(), "a score far below the best one's is not drawn"
    assert tuple(tile(sheet, 2, 1)[90, 10]) == draw.person_colour(0)
    assert not tile(sheet, 1, 1).any() and not tile(sheet, 0, 2).any()


def test_records_of_other_images_are_refused(samples, write, tmp_path):
    one, other = write("one", []), write("other", [], config={"data": {"test_limit": 2}})
    with pytest.raises(UserError, match="only records about the same people"):
        show([one, other], tmp_path / "sheet.png")


def test_people_have_colours_of_their_own_and_the_truth_is_white(samples):
    found = np.array([person(40, 50).joints])
    picture = draw.people_tile(samples[0], COCO17, found, size=SIZE)
    assert tuple(picture[50, 40]) == draw.person_colour(0) and tuple(picture[30, 20]) == draw.TRUTH
    assert len(set(draw.PEOPLE)) == len(draw.PEOPLE) >= 8


def test_who_is_ignored_is_not_drawn():
    sample = PoseSample(0, Picture(np.zeros((SIZE, SIZE, 3), np.uint8)), (SIZE, SIZE), (person(20, 30, ignore=True),))
    assert not draw.people_tile(sample, COCO17, None, size=SIZE).any()


def test_title_names_boxes_of_those_who_are_given_some(record):
    boxes = {"boxes": "jitter:0.1"}
    assert title(record.model_copy(update={"method": "simplebaseline", **boxes})) == "simplebaseline, boxes: jitter:0.1"
    assert title(record.model_copy(update={"method": "openpose", **boxes})) == "openpose"

    assert title(record.model_copy(update={"method": "alphapose", **boxes})) == "alphapose, boxes: jitter:0.1"
    assert title(record.model_copy(update={"method": "openpose", **boxes})) == "openpose", "it finds everybody itself"


def test_one_image_alone_is_laid_out_in_rows_with_a_name_over_each_tile(samples, write, tmp_path):
    records = [write(f"r{i}", [entry(1, 10 * i + 10, 50, 0.9)]) for i in range(4)]
    sheet = read(show(records, tmp_path / "sheet.png", image=1, columns=3, size=SIZE))
    side, band = SIZE + draw.BORDER, SIZE + draw.BORDER + draw.TITLE_HEIGHT
    assert sheet.shape == (2 * band, 3 * side, 3), "the truth and four records, three a row"
    for i in range(4):
        row, column = divmod(i + 1, 3)
        y, x = row * band + draw.TITLE_HEIGHT + 50, column * side + 10 * i + 10
        assert tuple(sheet[y, x]) == draw.person_colour(0)
        title = sheet[row * band : row * band + draw.TITLE_HEIGHT, column * side : (column + 1) * side]
        assert (title > 200).any()
    assert (sheet[band : band + draw.TITLE_HEIGHT, 2 * side :] == draw.BACKGROUND).all(), (
        "nothing is in the sixth place"
    )


def test_an_image_that_is_not_there_is_refused(samples, write, tmp_path):
    with pytest.raises(UserError, match="--image 3: the records are about 3 images; expected 0 to 2"):
        show([write("one", [])], tmp_path / "sheet.png", image=3)


def test_one_person_is_coloured_by_left_and_right(samples):
    picture = draw.people_tile(
        samples[0], COCO17, np.array([person(40, 50).joints]), size=SIZE, truth=False, sides=True
    )
    assert COCO17.joints[-1].startswith("right"), "the joint that is drawn last, all being at one place"
    assert tuple(picture[50, 40]) == draw.RIGHT


def test_the_crops_of_a_method_for_several_people_in_single_mode_are_boxes(record):
    whole = record.model_copy(update={"method": "deepcut", "config": {"method": {"mode": "multi"}}})
    crops = record.model_copy(update={"method": "deepcut", "config": {"method": {"mode": "single"}}})
    assert (finds_everybody(whole), finds_everybody(crops)) == (True, False)
