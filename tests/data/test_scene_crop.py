"""Crops of scenes for bottom-up training, and what does not count in them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from data.augment import Augment
from data.boxes import BoxSource
from data.ignored import counted
from data.inputs import NO_EPOCH, Inputs
from data.skeletons import LSP14
from data.types import Person
from data.views import PersonCrop, SceneCrop, WholeImage
from tests.conftest import make_sample

K = len(LSP14.joints)


def person(x0, y0, x1, y1, *, labelled=K, area=None, ignore=False, region=()):
    rng = np.random.default_rng(0)
    joints = rng.uniform((x0, y0), (x1, y1), (K, 2))
    visible = np.where(np.arange(K) < labelled, 2, 0)
    box = np.array([x0, y0, x1, y1], np.float64)
    area = (x1 - x0) * (y1 - y0) if area is None else area
    return Person(joints, visible, box, area=float(area), ignore=ignore, region=region)


def centres(*people):
    sample = replace(make_sample(0), people=people)
    return [tuple(look.box) for look in SceneCrop((64, 64)).looks([sample], BoxSource())]


def test_a_centre_needs_five_labelled_joints_and_an_area_of_32_squared():
    good = person(10, 10, 60, 110)
    assert centres(good) == [(10, 10, 60, 110)]
    assert centres(person(10, 10, 60, 110, labelled=4)) == []
    assert centres(person(10, 10, 60, 110, labelled=5)) != []
    assert centres(person(10, 10, 60, 110, area=32**2 - 1)) == []
    assert centres(person(10, 10, 60, 110, area=32**2)) != []
    assert centres(person(10, 10, 60, 110, ignore=True)) == []


def test_the_area_of_the_box_stands_in_for_one_that_is_not_known():
    assert centres(person(10, 10, 60, 110, area=np.nan)) != []
    assert centres(person(10, 10, 40, 40, area=np.nan)) == []


def test_a_person_near_one_chosen_before_is_no_centre_of_its_own():
    first = person(10, 10, 60, 110)  # 0.3 of its longer side are 30 px
    assert len(centres(first, person(39, 10, 89, 110))) == 1
    assert len(centres(first, person(40, 10, 90, 110))) == 2
    assert len(centres(first, person(39, 10, 89, 110), person(68, 10, 118, 110))) == 2  # the second does not count


def batch(view, *people):
    sample = replace(make_sample(0), people=people)
    inputs = Inputs([sample], LSP14, view, boxes=BoxSource(), augment=Augment(), seed=0, max_bytes=0)
    return inputs[NO_EPOCH, 0]


def test_everybody_is_in_the_batch_and_the_joints_of_the_ignored_are_not_labelled():
    found = batch(SceneCrop((64, 64)), person(10, 10, 60, 110), person(100, 20, 120, 60, ignore=True))
    assert found.joints.shape == (1, 2, K, 2) and len(found.people[0]) == 2
    assert found.visible[0].amax(-1).tolist() == [2, 0]


@pytest.mark.parametrize("view", [SceneCrop((64, 64), height=0.5), WholeImage((50, 60))], ids=["scene", "whole"])
def test_the_box_of_an_ignored_person_does_not_count_and_everything_else_does(view):
    ignored = person(100, 20, 140, 100, ignore=True)
    found = batch(view, person(10, 10, 60, 110), ignored)
    to_image = found.to_image[0].numpy()
    y, x = np.mgrid[: view.size[0], : view.size[1]]
    original = np.stack([x, y], -1) @ to_image[:, :2].T + to_image[:, 2]
    edge = np.sqrt(abs(np.linalg.det(to_image[:, :2])))  # a pixel of the input
    x0, y0, x1, y1 = ignored.box
    across, down = original[..., 0], original[..., 1]
    inside = (across > x0 + edge) & (across < x1 - edge) & (down > y0 + edge) & (down < y1 - edge)
    outside = (across < x0 - edge) | (across > x1 + edge) | (down < y0 - edge) | (down > y1 + edge)
    mask = found.counted[0].numpy()
    assert inside.any() and not mask[inside].any()
    assert outside.any() and mask[outside].all()


def test_the_region_of_an_ignored_person_is_left_out_and_not_the_rest_of_the_box():
    triangle = np.array([[0.0, 0.0], [40.0, 0.0], [0.0, 40.0]])
    mask = counted([person(0, 0, 40, 40, ignore=True, region=(triangle,))], np.eye(2, 3), (50, 50))
    assert not mask[5, 5] and mask[35, 35] and mask[45, 45]


def test_where_nobody_is_ignored_there_is_no_mask_and_a_crop_of_one_person_has_none():
    assert batch(WholeImage((50, 60)), person(10, 10, 60, 110)).counted is None
    crowd = person(10, 10, 60, 110), person(100, 20, 140, 100, ignore=True)
    assert batch(PersonCrop((64, 64)), *crowd).counted is None


def test_the_mask_moves_with_the_batch():
    found = batch(WholeImage((50, 60)), person(10, 10, 60, 110), person(100, 20, 140, 100, ignore=True))
    assert found.to(torch.device("meta")).counted.device.type == "meta"
