"""Drawn crowds: how many, how near, who stands before whom, who is too small to count."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data import DATASETS, ReadOptions
from data.skeletons import COCO17
from data.synthetic import Drawn, render
from data.synthetic.body import INDEX
from data.synthetic.crowd import APART, FARTHEST, MOST, annotated, draw_crowd
from data.synthetic.scene import draw, paint
from data.types import VISIBLE

SIZE = 160


@pytest.fixture(scope="module")
def scenes():
    """60 scenes, not painted."""
    return [draw_crowd(np.random.default_rng([7, i]), SIZE) for i in range(60)]


def middles(scene):
    return np.array([np.mean([f.points[f.used].min(0), f.points[f.used].max(0)], 0)[[0, 2]] for f in scene.figures])


def test_there_are_one_to_eight_people(scenes):
    counts = {len(scene.figures) for scene in scenes}
    assert min(counts) == 1 and max(counts) == MOST


def test_nobody_stands_in_anybody(scenes):
    for scene in scenes:
        where = middles(scene)
        away = np.linalg.norm(where[:, None] - where, axis=-1)[np.triu_indices(len(where), 1)]
        assert away.min(initial=np.inf) >= APART - 1e-9


def test_all_stand_on_one_ground_but_for_those_who_jump(scenes):
    for figure in (figure for scene in scenes for figure in scene.figures):
        lowest = figure.points[figure.used][:, 1].min()
        assert lowest == pytest.approx(0.3 if figure.kind == "jump" else 0.0, abs=1e-9)


def test_scales_differ_by_nearly_four_and_never_more(scenes):
    ratios = []
    for scene in scenes:
        depths = -middles(scene)[:, 1]
        ratios.append(depths.max() / depths.min())
    assert 3.0 < max(ratios) <= FARTHEST + 1e-9


def test_most_people_show_their_front_as_in_photographs(scenes):
    """Of 357 people of COCO's photographs with both shoulders and hips labelled 74 % have the left one on the right."""
    left, right = INDEX["left_shoulder"], INDEX["right_shoulder"]
    fronts = []
    for scene in scenes:
        for figure in scene.figures:
            where = scene.camera.project(scene.camera.see(figure.posed.origin))
            fronts.append(where[left, 0] > where[right, 0])
    assert np.mean(fronts) == pytest.approx(0.74, abs=3 * np.sqrt(0.74 * 0.26 / len(fronts)))


def test_joints_lie_on_the_body_they_belong_to():
    """Every visible joint is seen at a pixel within two of which the same person is painted."""
    seen = 0
    for i in range(6):
        rng = np.random.default_rng([8, i])
        _, buffer, truth = draw(rng, draw_crowd(rng, SIZE))
        people = buffer.people()
        for number, one in enumerate(truth):
            for x, y in np.rint(one.joints[one.visible == VISIBLE]).astype(int):
                around = people[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3]
                assert (around == number).any()
                seen += 1
    assert seen > 100


def seen_areas(scene):
    """Pixels of each person that are seen, nothing standing before them but each other."""
    _, buffer, _ = paint(np.random.default_rng(0), scene, np.zeros((SIZE, SIZE, 3), np.uint8))
    return np.array([np.count_nonzero(buffer.people() == person) for person in range(len(scene.figures))])


def test_the_nearest_hide_those_behind_and_are_hidden_by_nobody():
    hidden = 0
    for i in range(12):
        scene = draw_crowd(np.random.default_rng([9, i]), SIZE)
        together = seen_areas(scene)
        alone = np.array([seen_areas(replace(scene, figures=(figure,)))[0] for figure in scene.figures])
        nearest = np.argmax(middles(scene)[:, 1])
        assert together[nearest] >= 0.9 * alone[nearest]
        hidden += np.count_nonzero(together < 0.7 * alone)
    assert hidden > 5


def test_the_tiny_are_ignored_and_the_absent_left_out():
    rng = np.random.default_rng([8, 0])
    _, _, truth = draw(rng, draw_crowd(rng, SIZE))
    person = truth[0].person(COCO17)
    tiny, absent = replace(person, area=20.0), replace(person, area=0.0, visible=np.zeros_like(person.visible))
    kept = annotated([person, tiny, absent], SIZE)
    assert [one.ignore for one in kept] == [False, True]


def test_pictures_are_the_same_each_time_and_differ_from_each_other():
    one, two = (Drawn(6, i, size=SIZE, crowd=True) for i in (0, 1))
    first = render(one)[0].copy()
    render.cache_clear()
    np.testing.assert_array_equal(first, render(one)[0])
    assert not np.array_equal(first, render(two)[0])


def test_the_data_set_has_three_splits_of_cocos_joints():
    entry = DATASETS["synthetic-multi"]
    assert entry.people == "multi" and entry.protocols[0] == "ap" and entry.skeleton is COCO17
    counts = {split: len(entry.read(split, Path(), ReadOptions())) for split in entry.splits}
    assert counts == {"train": 3072, "val": 128, "test": 500}
