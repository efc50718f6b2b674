"""Sequences of drawn people: the same each time, a camera that stands still, bodies that move as bodies do."""

import hashlib
from functools import cache

import numpy as np
import pytest

from data.skeletons import COCO17, CROWDPOSE14, LSP14, MPII16
from data.synthetic.sequence import APART, FRAME_SECONDS, POSE_SECONDS, between, draw_sequence
from data.types import DataError

FRAMES = 8
NUMBERS = range(6)
LIMBS = [MPII16.joints.index(name) for name in ("left_hip", "left_knee", "left_ankle", "left_elbow", "left_wrist")]


@cache
def frames(number, skeleton=MPII16):
    return draw_sequence(number, skeleton, frames=FRAMES, size=128)


def digest(samples):
    arrays = [array for s in samples for array in (s.pixels.load(), *(p.joints for p in s.people))]
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()


def places(number):
    """Joints of everyone who is in all frames: identity -> (T, K, 3) metres."""
    everyone = [{p.track: p.joints3d / 1000 for p in sample.people} for sample in frames(number)]
    return {track: np.stack([e[track] for e in everyone]) for track in everyone[0] if all(track in e for e in everyone)}


def test_a_sequence_is_the_same_each_time_and_every_other_one_differs():
    first = [digest(draw_sequence(n, MPII16, frames=3, size=96)) for n in (4, 2)]
    again = [digest(draw_sequence(n, MPII16, frames=3, size=96)) for n in (2, 4)][::-1]
    assert first == again and first[0] != first[1]
    assert digest(draw_sequence(4, MPII16, frames=3, size=96, seed=1)) != first[0]


def test_image_ids_are_told_apart_across_sequences():
    ids = [sample.image_id for number in NUMBERS for sample in frames(number)]
    assert len(set(ids)) == len(NUMBERS) * FRAMES


def test_there_are_one_or_two_people_with_an_identity_each():
    found = {tuple(person.track for person in sample.people) for number in NUMBERS for sample in frames(number)}
    assert {(0,), (0, 1)} <= found <= {(), (0,), (1,), (0, 1)}


def test_the_background_stays():
    for number in NUMBERS:
        pictures = np.stack([sample.pixels.load() for sample in frames(number)]).astype(int)
        outside = np.ones(pictures.shape[1:3], bool)
        for x0, y0, x1, y1 in (p.box.astype(int) for sample in frames(number) for p in sample.people):
            outside[max(0, y0 - 16) : y1 + 17, max(0, x0 - 16) : x1 + 17] = False
        change = np.ptp(pictures, axis=0).max(-1)[outside]
        assert np.mean(change <= 2) > 0.6, number  # the rest is shadow
        assert np.ptp(pictures, axis=0).max() > 60, "and people move"


def test_people_leave_no_trace_where_they_were():
    first, *_, last = draw_sequence(2, MPII16, size=128)  # they go a long way
    outside = np.ones((128, 128), bool)
    for x0, y0, x1, y1 in (p.box.astype(int) for sample in (first, last) for p in sample.people):
        outside[max(0, y0 - 8) : y1 + 9, max(0, x0 - 8) : x1 + 9] = False
    change = np.abs(first.pixels.load().astype(int) - last.pixels.load()).max(-1)[outside]
    assert outside.mean() > 0.3 and np.mean(change > 24) < 0.05  # 0.11 if each frame were painted on the one before


def test_the_bones_of_one_body_keep_their_lengths():
    lengths = []
    for number in NUMBERS:
        for joints in places(number).values():
            hip, knee, ankle, elbow, wrist = (joints[:, k] for k in LIMBS)
            bones = [np.linalg.norm(a - b, axis=1) for a, b in ((hip, knee), (knee, ankle), (elbow, wrist))]
            np.testing.assert_allclose(np.ptp(bones, axis=1), 0, atol=1e-9)
            lengths.append(tuple(np.round([bone[0] for bone in bones], 6)))
    assert len(set(lengths)) == len(lengths), "and no two people have the same"


def test_joints_move_smoothly():
    travelled = []
    for number in NUMBERS:
        for joints in places(number).values():
            speed = np.linalg.norm(np.diff(joints, axis=0), axis=-1) / FRAME_SECONDS
            change = np.linalg.norm(np.diff(joints, 2, axis=0), axis=-1)
            assert speed.max() < 10, "metres a second: slower than a fist"
            assert change.max() < 0.25, "metres from where going straight on would lead"
            travelled.append(np.linalg.norm(joints[-1] - joints[0], axis=-1).max())
    assert min(travelled) > 0.1


def test_nobody_walks_through_anybody():
    pelvis = MPII16.joints.index("pelvis")
    pairs = [tuple(found.values()) for number in NUMBERS if len(found := places(number)) == 2]
    assert pairs
    for first, second in pairs:
        assert np.linalg.norm(first[:, pelvis] - second[:, pelvis], axis=1).min() >= APART - 1e-9


def test_the_truth_lies_in_the_pictures():
    for number in NUMBERS:
        for sample in frames(number):
            for person in sample.people:
                x0, y0, x1, y1 = person.box
                inside = person.joints[person.visible > 0]
                assert 0 <= x0 <= x1 <= 127 and 0 <= y0 <= y1 <= 127
                assert (inside >= (x0 - 1, y0 - 1)).all() and (inside <= (x1 + 1, y1 + 1)).all()
                assert person.head_size > 0


@pytest.mark.parametrize("skeleton", [LSP14, COCO17, CROWDPOSE14])
def test_other_skeletons_see_the_same_people(skeleton):
    shared = [name for name in skeleton.joints if name in MPII16.joints]
    mine, theirs = ([s.joints.index(name) for name in shared] for s in (MPII16, skeleton))
    for here, there in zip(frames(1), frames(1, skeleton), strict=True):
        for a, b in zip(here.people, there.people, strict=True):
            np.testing.assert_array_equal(a.joints[mine], b.joints[theirs])


def test_a_body_goes_from_pose_to_pose_and_half_way_is_the_mean():
    angles = np.array([[[0.0, 10, 20]], [[40.0, 10, 0]], [[0.0, 0, 0]]])
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])  # a quarter turn; its half is an eighth
    found, turned = between(
        (angles, np.stack([np.eye(3), quarter, quarter])), np.array([0, 0.5, 1, 1.25]) * POSE_SECONDS
    )
    share = 0.5 - 0.5 * np.cos(np.pi / 4)
    expected = [[[0, 10, 20]], [[20, 10, 10]], [[40, 10, 0]], [[40 * (1 - share), 10 * (1 - share), 0]]]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    half = np.sqrt(0.5)
    np.testing.assert_allclose(turned[1], [[half, -half, 0], [half, half, 0], [0, 0, 1]], atol=1e-12)
    np.testing.assert_allclose(turned[[0, 2, 3]], [np.eye(3), quarter, quarter], atol=1e-12)


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(DataError, match="0 frames"):
        draw_sequence(0, MPII16, frames=0)
    with pytest.raises(DataError, match="of 8 pixels"):
        draw_sequence(0, MPII16, size=8)
