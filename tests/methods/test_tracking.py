"""Tracking, SimpleBaseline's second half: item 13 of the checklist by hand, and who is found where."""

from itertools import permutations

import numpy as np
import pytest

from bench.metrics.functional import oks as reference_oks
from data.types import DataError
from methods.tracking import SIMILARITIES, Tracked, Tracker, carry, match, oks

SIGMAS = (0.05, 0.05, 0.05, 0.05)
SHAPE = np.array([(0.0, 0.0), (20.0, 0.0), (0.0, 40.0), (20.0, 40.0)])  # four joints, 20 wide and 40 high
PICTURE = np.zeros((200, 300, 3), np.uint8)
NOBODY = (np.zeros((0, 4)), np.zeros(0))


def steady(x=0.0, y=0.0):
    """A flow that is the same everywhere."""
    return lambda before, after: np.full((*before.shape[:2], 2), (x, y), np.float32)


def corners(picture, boxes):
    """A pose network that finds the four joints in the corners of each box, and is sure of them."""
    joints = boxes[:, [[0, 1], [2, 1], [0, 3], [2, 3]]]
    return joints, np.ones(joints.shape[:2])


def box(x, y, w=20.0, h=40.0):
    return np.array([[x, y, x + w, y + h]], np.float64)


def person(joints, *, carried=None, seen=(True,) * 4, size=(20.0, 40.0)):
    where = np.array([0.0, 0.0, *size])
    return Tracked(0, joints, np.array(seen), where, 1.0, joints if carried is None else carried)


def tracker(**options):
    return Tracker(options.pop("estimate", corners), SIGMAS, flow=options.pop("flow", steady()), **options)


def tracks(following, frames):
    """The identities of each frame; a frame is a list of boxes."""
    found = []
    for boxes in frames:
        boxes = np.concatenate([np.zeros((0, 4)), *boxes])
        found.append([one.track for one in following.follow(PICTURE, boxes, np.ones(len(boxes)))])
    return found


# item 13: similarities and matching


def test_without_flow_the_flow_similarity_is_the_pose_similarity():
    rng = np.random.default_rng(0)
    past = [person(SHAPE + rng.normal(0, 3, (4, 2))) for _ in range(3)]
    found = [person(SHAPE + rng.normal(0, 3, (4, 2))) for _ in range(4)]
    still = np.zeros((*PICTURE.shape[:2], 2), np.float32)
    moved = [person(p.joints, carried=carry(p.joints, still)) for p in past]
    np.testing.assert_array_equal(oks(moved, found, np.array(SIGMAS)), oks(past, found, np.array(SIGMAS)))
    frames = [[box(10 * i + rng.normal(0, 2), 50), box(150 - 12 * i, 52)][:: (-1) ** i] for i in range(8)]
    both = [tracks(tracker(similarity=name, propagate=False), frames) for name in ("pose", "flow")]
    assert both[0] == both[1]


def test_the_similarity_is_oks_with_the_mean_area_of_the_two_boxes():
    rng = np.random.default_rng(1)
    past = [person(SHAPE + rng.normal(0, 4, (4, 2)), size=(20, 30)) for _ in range(2)]
    found = [person(SHAPE + rng.normal(0, 4, (4, 2)), size=(20, 50)) for _ in range(3)]
    joints, truth = np.stack([p.joints for p in found]), np.stack([p.joints for p in past])
    expected = reference_oks(joints, truth, np.ones((2, 4)), np.full(2, (600 + 1000) / 2), np.array(SIGMAS))
    np.testing.assert_allclose(oks(past, found, np.array(SIGMAS)), expected.T, rtol=1e-9)


def test_joints_that_one_of_the_two_lacks_do_not_count():
    far = SHAPE.copy()
    far[0] = 1e6
    lacking = (False, True, True, True)
    assert oks([person(SHAPE)], [person(far)], np.array(SIGMAS))[0, 0] == pytest.approx(0.75)
    assert oks([person(SHAPE)], [person(far, seen=lacking)], np.array(SIGMAS))[0, 0] == 1
    assert oks([person(far, seen=lacking)], [person(SHAPE)], np.array(SIGMAS))[0, 0] == 1
    others = (True, False, False, False)
    assert oks([person(SHAPE, seen=lacking)], [person(SHAPE, seen=others)], np.array(SIGMAS))[0, 0] == 0


def test_the_most_similar_pair_goes_first():
    # The best sum, 0.85 + 0.8, leaves out 0.9; greedy takes 0.9, and what is left is less alike than 0.2.
    table = np.array([[0.9, 0.8], [0.85, 0.1]])
    assert match(table, 0.2) == [(0, 0)]
    assert match(table, 0.1) == [(0, 0), (1, 1)]
    assert match(np.zeros((0, 3)), 0.0) == [] == match(np.zeros((3, 0)), 0.0)


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2), (1, 3)])
def test_matching_is_one_to_one_and_no_matter_in_which_order_people_come(shape):
    rng = np.random.default_rng(shape)
    table = rng.permutation(shape[0] * shape[1]).reshape(shape) / (shape[0] * shape[1])
    pairs = match(table, 0.0)
    assert len(pairs) == min(shape) == len({p for p, _ in pairs}) == len({n for _, n in pairs})
    left, expected = table.copy(), set()
    while (left >= 0).any():  # the definition: take the highest, strike out its row and column
        p, n = divmod(int(left.argmax()), shape[1])
        expected.add((p, n))
        left[p], left[:, n] = -1, -1
    assert set(pairs) == expected
    for rows in permutations(range(shape[0])):
        for columns in permutations(range(shape[1])):
            moved = match(table[np.ix_(rows, columns)], 0.0)
            assert {(rows[p], columns[n]) for p, n in moved} == expected


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_two_people_keep_their_identities_in_whatever_order_they_come(similarity):
    frames = [[box(20 + 2 * i, 50), box(100 - 2 * i, 60)] for i in range(6)]
    swapped = [frame[::-1] if i % 2 else frame for i, frame in enumerate(frames)]
    found = tracks(tracker(similarity=similarity, propagate=False), swapped)
    assert found == [[0, 1] if i % 2 == 0 else [1, 0] for i in range(6)]


def test_somebody_new_gets_a_new_identity():
    frames = [[box(20, 50)], [box(20, 50), box(200, 50)], [box(200, 50), box(100, 120)]]
    assert tracks(tracker(similarity="flow", propagate=False), frames) == [[0], [0, 1], [1, 2]]


@pytest.mark.parametrize(("absent", "track"), [(1, 0), (3, 0), (9, 0), (10, 1), (12, 1)])
def test_who_was_away_is_known_again_for_ten_frames(absent, track):
    """The queue holds ten frames: the tenth before the present one is the last that is remembered."""
    frames = [[box(50, 50)], *[[]] * absent, [box(50, 50)]]
    assert tracks(tracker(similarity="multi-flow", propagate=False), frames)[-1] == [track]


@pytest.mark.parametrize("similarity", ["bbox", "pose", "flow"])
def test_without_the_queue_who_was_away_is_somebody_new(similarity):
    assert tracks(tracker(similarity=similarity, propagate=False), [[box(50, 50)], [], [box(50, 50)]])[-1] == [1]


def test_a_shorter_queue_remembers_less():
    frames = [[box(50, 50)], [], [], [box(50, 50)]]
    found = [tracks(tracker(similarity="multi-flow", queue=n, propagate=False), frames)[-1] for n in (2, 3)]
    assert found == [[1], [0]]


def test_the_flows_of_all_frames_between_are_chained():
    frames = [[box(50, 50)], [], [], [], [box(90, 50)]]  # 40 px on, after four flows of 10
    assert tracks(tracker(propagate=False, flow=steady(10)), frames)[-1] == [0]
    assert tracks(tracker(propagate=False, flow=steady(0)), frames)[-1] == [1]


def test_pose_similarity_ignores_the_flow():
    frames = [[box(50, 50)], [box(50, 50)]]
    found = [tracks(tracker(similarity=s, propagate=False, flow=steady(60)), frames)[-1] for s in ("pose", "flow")]
    assert found == [[0], [1]]


# carried boxes


def test_who_the_detector_misses_is_found_where_the_flow_goes():
    asked = []

    def watching(picture, boxes):
        asked.append(boxes)
        return corners(picture, boxes)

    following = tracker(estimate=watching, flow=steady(4, -3))
    first = following.follow(PICTURE, box(50, 60), np.array([0.8]))
    second = following.follow(PICTURE, *NOBODY)
    np.testing.assert_allclose(asked[1], [[54 - 1.5, 57 - 3, 74 + 1.5, 97 + 3]])
    assert [one.track for one in second] == [first[0].track]
    assert second[0].score == 0.8, "a carried box keeps its score"
    alone = tracker(propagate=False, flow=steady(4, -3))
    assert [len(alone.follow(PICTURE, *seen)) for seen in ((box(50, 60), np.ones(1)), NOBODY)] == [1, 0]


def test_a_carried_box_holds_all_joints_that_were_found_believed_or_not():
    asked = []

    def estimate(picture, boxes):
        asked.append(boxes)
        joints, scores = corners(picture, boxes)
        joints[:, 3] = np.nan
        return joints, scores * (0.9, 0.1, 0.1, 0.9)

    following = tracker(estimate=estimate)
    following.follow(PICTURE, box(50, 60), np.ones(1))
    following.follow(PICTURE, *NOBODY)
    np.testing.assert_allclose(asked[1], [[50 - 1.5, 60 - 3, 70 + 1.5, 100 + 3]])


def test_only_people_of_the_frame_before_are_carried():
    sure = iter([1.0, 0.0])

    def estimate(picture, boxes):
        joints, scores = corners(picture, boxes)
        return joints, scores * next(sure)  # a third call would have no answer

    following = tracker(estimate=estimate, similarity="multi-flow")
    found = [following.follow(PICTURE, *seen) for seen in ((box(50, 60), np.ones(1)), NOBODY, NOBODY)]
    assert [len(people) for people in found] == [1, 0, 0]


def test_a_box_of_the_detector_and_a_carried_one_of_the_same_person_become_one():
    following = tracker()
    following.follow(PICTURE, box(50, 60), np.array([0.8]))
    again = following.follow(PICTURE, box(51, 60), np.array([0.9]))
    np.testing.assert_array_equal(again[0].box, box(51, 60)[0])
    assert len(again) == 1 and again[0].track == 0


# boxes, joints, flow


def test_boxes_and_joints_below_their_scores_are_dropped():
    def estimate(picture, boxes):
        joints, scores = corners(picture, boxes)
        return joints, scores * (0.39, 0.4, 0.9, 0.9)

    boxes = np.concatenate([box(20, 20), box(100, 20), box(200, 20)])
    found = tracker(estimate=estimate).follow(PICTURE, boxes, np.array([0.49, 0.5, 0.9]))
    assert sorted(one.box[0] for one in found) == [100, 200]
    assert all(one.seen.tolist() == [False, True, True, True] for one in found)


def test_joints_that_were_not_found_are_dropped():
    def estimate(picture, boxes):
        joints, scores = corners(picture, boxes)
        joints[:, 2] = np.nan
        return joints, scores

    following = tracker(estimate=estimate, flow=steady(1))
    found = [following.follow(PICTURE, box(50 + i, 60), np.ones(1)) for i in range(3)]
    assert [one.track for people in found for one in people] == [0, 0, 0]
    assert found[-1][0].seen.tolist() == [True, True, False, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"similarity": "colour"}, "expected one of bbox"),
        ({"box_score": 1.5}, "box_score 1.5"),
        ({"joint_score": -0.1}, "joint_score -0.1"),
        ({"overlap": 2}, "overlap 2"),
        ({"least": -1}, "least -1"),
        ({"queue": 0}, "queue 0"),
        ({"enlarge": -0.2}, "enlarge -0.2"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        tracker(**options)
