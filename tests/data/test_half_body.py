"""Half bodies as HRNet's code draws them."""

import numpy as np
import pytest

from data.augment import Augment, half_box
from data.boxes import BoxSource
from data.inputs import NO_EPOCH, Inputs
from data.skeletons import COCO17, LSP14, MPII16
from data.types import Person, apply_affine
from data.views import PersonCrop

STILL = {"scale": 0.0, "rotation": 0.0, "flip": 0.0}


def person(skeleton, seen=None):
    joints = np.random.default_rng(0).uniform(20, 80, (len(skeleton.joints), 2))
    visible = np.array([2 if seen is None or name in seen else 0 for name in skeleton.joints])
    return Person(joints, visible, np.array([10.0, 10.0, 90.0, 90.0]))


def drawn(someone, skeleton, times=3000):
    rng = np.random.default_rng(0)
    return [half_box(rng, someone, skeleton) for _ in range(times)]


def test_the_upper_half_is_drawn_in_69_of_100_people():
    someone = person(COCO17)
    upper = someone.joints[:11]  # COCO's nose to wrists
    middles = np.array([(box[:2] + box[2:]) / 2 for box in drawn(someone, COCO17)])
    is_upper = np.isclose(middles, upper.mean(0)).all(1)
    np.testing.assert_allclose(
        middles[~is_upper], np.broadcast_to(someone.joints[11:].mean(0), middles[~is_upper].shape)
    )
    assert is_upper.mean() == pytest.approx(0.691, abs=0.03)  # a normal below 0.5


def test_the_box_is_half_as_large_again_as_the_joints():
    someone = person(COCO17)
    halves = (someone.joints[:11], someone.joints[11:])
    for box in drawn(someone, COCO17, 20):
        extents = [1.5 * np.ptp(half, axis=0) for half in halves]
        assert any(np.allclose(box[2:] - box[:2], extent) for extent in extents)


def test_the_upper_half_of_mpii_begins_at_its_thorax():
    someone = person(MPII16)
    middles = {tuple(np.round((box[:2] + box[2:]) / 2, 6)) for box in drawn(someone, MPII16, 50)}
    assert middles == {tuple(np.round(someone.joints[half].mean(0), 6)) for half in (slice(7, 16), slice(0, 7))}


def test_people_of_eight_joints_stay_whole():
    assert drawn(person(LSP14, LSP14.joints[:8]), LSP14, 20) == [None] * 20
    assert all(box is not None for box in drawn(person(LSP14, LSP14.joints[:9]), LSP14, 20))


def test_a_half_of_two_joints_gives_way_to_the_other():
    someone = person(COCO17, COCO17.joints[:11])  # nobody's legs
    for box in drawn(someone, COCO17, 20):
        np.testing.assert_allclose((box[:2] + box[2:]) / 2, someone.joints[:11].mean(0))


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0.0), (0.3, 0.3), (1.0, 1.0)])
def test_a_share_of_the_training_inputs_shows_half_a_body_exactly(crowds, share, expected):
    view = PersonCrop((64, 64), padding=1.25)
    made = Inputs(
        crowds, LSP14, view, boxes=BoxSource(), augment=Augment(**STILL, half_body=share), seed=0, max_bytes=2**20
    )
    whole, halves = made.geometry(NO_EPOCH, 0)[0], 0
    for epoch in range(300):
        affine, _ = made.geometry(epoch, 0)
        if np.allclose(affine, whole):
            continue
        halves += 1
        look = made.looks[0]
        someone = made.samples[look.sample].people[look.person]
        lower = np.array([name.endswith(("hip", "knee", "ankle")) for name in LSP14.joints])
        shown = [apply_affine(someone.joints[(lower == low) & (someone.visible > 0)], affine) for low in (True, False)]
        fits = [np.isclose(np.ptp(half, axis=0).max(), 64 / 1.5) for half in shown]  # no padding on top
        assert any(fits)
    assert halves / 300 == pytest.approx(expected, abs=0.08)
