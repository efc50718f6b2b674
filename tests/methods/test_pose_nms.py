"""Pose NMS: items 7 to 10 of RMPE's fidelity checklist by hand, and the literal algorithm in loops."""

import math
from dataclasses import replace

import numpy as np
import pytest

from methods.pose_nms import ALPHAPOSE, CAFFE, MXNET, PAPER, RELEASED, pose_distance, pose_nms

FORMS = {**RELEASED, "paper": PAPER, "paper, merging": replace(PAPER, eta=8.0, sigma2=60.0)}


def spread(k, side=100.0):
    """K joints on a diagonal: a pose box of side x side, ref a tenth of it."""
    return np.linspace((0.0, 0.0), (side, side), k)


def two(shift, scores, k=17):
    """A pose and the same one shifted, with a score for all joints of each."""
    joints = np.stack([spread(k), spread(k) + shift])
    return joints, np.repeat(np.array(scores, float)[:, None], k, 1)


def test_identical_poses_are_alike_by_38_76044_and_one_goes():  # item 7
    joints, scores = two(0.0, (1, 1))
    alike = pose_distance(joints[0], scores[0], joints[1:], scores[1:], ALPHAPOSE)
    assert alike == pytest.approx([17 * math.tanh(1) ** 2 + 1.7 * 17])
    assert alike == pytest.approx([38.76044], abs=5e-6)
    assert pose_nms(joints, scores, None, ALPHAPOSE).kept.tolist() == [0]


def test_poses_3_pixels_apart_are_alike_by_9_31631_and_both_stay():  # item 7
    joints, scores = two((3.0, 0.0), (0.8, 0.8))
    assert pose_distance(joints[0], scores[0], joints[1:], scores[1:], ALPHAPOSE) == pytest.approx([9.31631], abs=5e-6)
    assert pose_nms(joints, scores, None, replace(ALPHAPOSE, same_joints=None)).kept.tolist() == [0, 1]
    assert pose_nms(joints, scores, None, ALPHAPOSE).kept.tolist() == [0]  # 17 joints within 7 pixels


def test_identical_poses_of_16_joints_are_alike_by_49_28_in_caffe():  # item 8
    for value in (0.1, 1.0):
        joints, scores = two(0.0, (value, value), k=16)
        alike = pose_distance(joints[0], scores[0], joints[1:], scores[1:], CAFFE)
        assert alike == pytest.approx([16 + 33.28], abs=1e-6)


def test_the_released_numbers_are_theirs():
    four = {name: (p.sigma1, p.sigma2, p.balance, p.eta) for name, p in RELEASED.items()}
    assert four == {"caffe": (0.01, 2.08, 2.08, 22.48), "alphapose": (1, 2.65, 1.7, 22.48), "mxnet": (1, 1.3, 1.7, 22)}
    assert [(p.same_joints, p.least, p.least_of) for p in (CAFFE, ALPHAPOSE, MXNET)] == [
        (None, 0.2, "mean"),
        (5, 0.3, "max"),
        (4, 0.05, "max"),
    ]


def test_caffe_measures_in_tenths_of_the_longer_side_and_alphapose_in_pixels():
    joints, scores = two((10.0, 0.0), (1, 1))  # one ref away: still a match
    alike = pose_distance(joints[0], scores[0], joints[1:], scores[1:], CAFFE, size=np.array([100.0, 60.0]))
    assert alike == pytest.approx([17 + 2.08 * 17 * math.exp(-1 / 2.08)])
    alike = pose_distance(joints[0], scores[0], joints[1:], scores[1:], CAFFE, size=np.array([99.0, 60.0]))
    assert alike == pytest.approx([2.08 * 17 * math.exp(-10 / 9.9 / 2.08)])
    alike = pose_distance(joints[0], scores[0], joints[1:], scores[1:], ALPHAPOSE)
    assert alike == pytest.approx([1.7 * 17 * math.exp(-10 / 2.65)])


def test_the_papers_distance_is_squared_and_its_box_reaches_a_twentieth_of_each_side():
    size, kernel = np.array([100.0, 60.0]), PAPER.balance * 17 * math.exp(-9 / PAPER.sigma2)
    for shift, inside in (((3.0, 0.0), True), ((0.0, 3.0), True)):
        joints, scores = two(shift, (1, 1))
        alike = pose_distance(joints[0], scores[0], joints[1:], scores[1:], PAPER, size)
        assert alike == pytest.approx([inside * 17 * math.tanh(1) ** 2 + kernel])
    joints, scores = two((0.0, 3.1), (1, 1))  # 60 / 20 = 3
    alike = pose_distance(joints[0], scores[0], joints[1:], scores[1:], PAPER, size)
    assert alike == pytest.approx([PAPER.balance * 17 * math.exp(-(3.1**2) / PAPER.sigma2)])


def test_only_poses_more_alike_than_eta_go():
    joints, scores = two((0.4, 0.3), (0.9, 0.7))
    alike = float(pose_distance(joints[0], scores[0], joints[1:], scores[1:], CAFFE)[0])
    exactly = replace(CAFFE, eta=alike)
    assert len(pose_nms(joints, scores, None, replace(exactly, eta=alike * (1 + 1e-12))).kept) == 2
    assert len(pose_nms(joints, scores, None, replace(exactly, eta=alike * (1 - 1e-12))).kept) == 1


@pytest.mark.parametrize("name", FORMS)
def test_of_two_the_one_of_higher_mean_joint_score_stays_whatever_the_pose_scores(name):  # item 9
    joints, scores = two(0.0, (0.7, 0.9))
    found = pose_nms(joints, scores, np.array([5.0, 2.0]), FORMS[name])
    assert found.kept.tolist() == [1] and found.scores.tolist() == [2.0]
    np.testing.assert_array_equal(found.joints, joints[1:])


@pytest.mark.parametrize("name", FORMS)
def test_far_poses_both_stay(name):  # item 9
    joints, scores = two((300.0, 0.0), (0.7, 0.9))
    found = pose_nms(joints, scores, None, FORMS[name])
    assert found.kept.tolist() == [1, 0]
    np.testing.assert_array_equal(found.joints, joints[::-1])
    np.testing.assert_allclose(found.joint_scores, scores[::-1])
    np.testing.assert_allclose(found.scores, [0.9, 0.7])


@pytest.mark.parametrize(("name", "score"), [("caffe", 0.9), ("alphapose", 0.75 * 0.9 + 0.25 * 0.3)])
def test_scores_of_9_and_3_merge_as_75_and_25_hundredths(name, score):  # item 10
    joints, scores = two((1.0, 0.0), (0.9, 0.3))
    found = pose_nms(joints, scores, None, RELEASED[name])
    np.testing.assert_allclose(found.joints, joints[:1] + np.array([0.25, 0.0]))
    np.testing.assert_allclose(found.joint_scores, np.full((1, 17), score))


def test_joints_beyond_ref_do_not_merge_and_alphapose_merges_none_beyond_15_pixels():
    for name, side, reach in (("caffe", 100.0, 10.0), ("caffe", 300.0, 30.0), ("alphapose", 300.0, 15.0)):
        for away, merges in ((reach, True), (reach + 0.01, False)):
            joints = np.stack([spread(17, side), spread(17, side)])
            joints[1, 3, 0] += away
            found = pose_nms(joints, np.stack([np.full(17, 0.9), np.full(17, 0.3)]), None, RELEASED[name])
            assert found.kept.tolist() == [0]
            assert found.joints[0, 3, 0] - joints[0, 3, 0] == pytest.approx(merges * away / 4)


def test_boxes_of_the_caller_take_the_place_of_the_joints_extent():
    joints, scores = two((10.0, 0.0), (0.9, 0.3))
    assert pose_nms(joints, scores, None, CAFFE).kept.tolist() == [0]
    small = np.tile([0.0, 0.0, 30.0, 50.0], (2, 1))  # ref 5: two refs away
    assert pose_nms(joints, scores, None, CAFFE, small).kept.tolist() == [0, 1]


def test_poses_below_the_least_score_are_dropped():
    joints, scores = two((300.0, 0.0), (0.29, 0.31))
    assert pose_nms(joints, scores, None, ALPHAPOSE).kept.tolist() == [1]
    scores[0, 4] = 0.3  # the highest counts
    assert pose_nms(joints, scores, None, ALPHAPOSE).kept.tolist() == [1, 0]
    joints, scores = two(0.0, (0.29, 0.2))
    scores[1, 4] = 0.5  # merged: (.29^2 + .5^2) / .79 = .42, but the kept pose had .29
    assert pose_nms(joints, scores, None, ALPHAPOSE).kept.tolist() == []
    joints, scores = two((300.0, 0.0), (0.19, 0.2), k=16)
    assert pose_nms(joints, scores, None, CAFFE).kept.tolist() == [1]


def test_ankles_below_a_tenth_do_not_count_in_caffes_mean():
    joints, scores = two((300.0, 0.0), (0.2, 0.2), k=16)
    scores[0, [0, 5]] = 0.05
    scores[1, [1, 6]] = 0.05  # not ankles
    assert pose_nms(joints, scores, None, CAFFE).kept.tolist() == [0]


def literal(joints, scores, p):
    """The algorithm as the paper tells it, one joint at a time."""
    n, k = scores.shape
    seen = [[all(map(math.isfinite, joints[i, c])) for c in range(k)] for i in range(n)]
    score = [[max(float(scores[i, c]), 0.0) if seen[i][c] else 0.0 for c in range(k)] for i in range(n)]
    sides = []
    for i in range(n):
        points = [joints[i, c] for c in range(k) if seen[i][c]]
        sides.append([max(q[a] for q in points) - min(q[a] for q in points) if points else 0.0 for a in (0, 1)])

    def pixels(i, j, c):
        return math.dist(joints[i, c], joints[j, c]) if seen[i][c] and seen[j][c] else math.inf

    def is_one(i, j):
        ref, total, count = 0.1 * max(sides[i]), 0.0, 0
        for c in range(k):
            if not (seen[i][c] and seen[j][c]):
                continue
            d = pixels(i, j, c) / (ref if p.unit == "ref" else 1)
            matches = d <= 1
            if p.match == "box":
                matches = all(abs(joints[j, c, a] - joints[i, c, a]) <= sides[i][a] / 20 for a in (0, 1))
            total += matches * math.tanh(score[i][c] / p.sigma1) * math.tanh(score[j][c] / p.sigma1)
            total += p.balance * math.exp(-(d**2 if p.squared else d) / p.sigma2)
            count += pixels(i, j, c) <= min(ref, 7)
        return total > p.eta or (p.same_joints is not None and count >= p.same_joints)

    left, people = sorted(range(n), key=lambda i: -sum(score[i])), []
    while left:
        best = left[0]
        cluster = [best] + [j for j in left[1:] if is_one(best, j)]
        left = [j for j in left if j not in cluster]
        pose, values = [], []
        reach = min(0.1 * max(sides[best]), p.merge_reach)
        for c in range(k):
            near = [j for j in cluster if pixels(best, j, c) <= reach]
            weights = [max(score[j][c], 1e-5) for j in near]
            if not near:
                pose.append((math.nan, math.nan))
                values.append(0.0)
                continue
            pairs = list(zip(weights, near, strict=True))
            pose.append([sum(w * joints[j, c, a] for w, j in pairs) / sum(weights) for a in (0, 1)])
            mean = sum(w * score[j][c] for w, j in pairs) / sum(weights)
            values.append(max(score[j][c] for j in near) if p.merged_score == "max" else mean)
        counted = [v for c, v in enumerate(values) if c not in p.overlooked or v >= 0.1]
        compared = sum(counted) / len(counted) if p.least_of == "mean" else min(max(score[best]), max(values))
        if compared >= p.least:
            people.append((best, pose, values))
    return people


def crowd(rng, missing):
    """Some people, each found several times, with joints missing and poses of no joint at all."""
    people = rng.uniform(0, 200, (5, 1, 2)) + rng.normal(0, 40, (5, 17, 2))
    joints = np.repeat(people, 5, 0) + rng.normal(0, 1, (25, 17, 2)) * rng.choice([0.3, 2, 6], (25, 1, 1))
    scores = np.clip(rng.normal(0.5, 0.4, (25, 17)), -0.1, 1) * rng.uniform(0.1, 1, (25, 1))
    joints[rng.random((25, 17)) < missing] = np.nan
    joints[0, :, rng.integers(2)] = np.nan if missing else joints[0, :, 0]
    scores[rng.random((25, 17)) < missing / 4] = np.nan
    return joints, scores


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("seed", range(6))
def test_people_are_those_of_the_literal_algorithm(name, seed):
    joints, scores = crowd(np.random.default_rng(seed), missing=0.15 * (seed % 2))
    found = pose_nms(joints, scores, None, FORMS[name])
    expected = literal(joints, np.nan_to_num(scores), FORMS[name])
    assert found.kept.tolist() == [best for best, _, _ in expected]
    assert len(expected) < 25 or name == "paper"
    np.testing.assert_allclose(found.joints, [pose for _, pose, _ in expected], atol=1e-9)
    np.testing.assert_allclose(found.joint_scores, [values for _, _, values in expected], atol=1e-12)


def test_missing_joints_match_nothing_merge_with_nothing_and_spoil_nothing():
    joints, scores = two((0.5, 0.0), (0.9, 0.3))
    joints[0, 2], joints[1, 5], joints[:, 8, 0] = np.nan, np.nan, np.nan
    alike = pose_distance(joints[0], scores[0], joints[1:], scores[1:], CAFFE)
    assert alike == pytest.approx([14 + 2.08 * 14 * math.exp(-0.05 / 2.08)])
    found = pose_nms(joints, scores, None, CAFFE)
    assert found.kept.tolist() == [0]
    assert np.flatnonzero(np.isnan(found.joints[0]).any(-1)).tolist() == [2, 8]  # the kept pose's own
    assert np.flatnonzero(found.joint_scores[0] == 0).tolist() == [2, 8]
    np.testing.assert_array_equal(found.joints[0, 5], joints[0, 5])
    np.testing.assert_allclose(found.joints[0, 3], joints[0, 3] + (0.125, 0.0))


def test_two_poses_without_a_joint_are_not_one():
    joints, scores = np.full((2, 17, 2), np.nan), np.ones((2, 17))
    for parameters in FORMS.values():
        found = pose_nms(joints, scores, None, replace(parameters, least=0.0))
        assert found.kept.tolist() == [0, 1]
        assert np.isnan(found.joints).all() and not found.joint_scores.any() and not found.scores.any()


@pytest.mark.parametrize("name", FORMS)
def test_nobody_in_is_nobody_out(name):
    found = pose_nms(np.zeros((0, 17, 2)), np.zeros((0, 17)), None, FORMS[name])
    assert found.joints.shape == (0, 17, 2) and found.joint_scores.shape == (0, 17)
    assert found.scores.shape == (0,) == found.kept.shape
    assert pose_distance(np.zeros((17, 2)), np.ones(17), found.joints, found.joint_scores, FORMS[name]).shape == (0,)


def test_without_any_score_equal_poses_merge_by_their_plain_mean():
    joints, scores = two((1.0, 0.0), (0.0, 0.0))
    found = pose_nms(joints, scores, None, replace(CAFFE, least=0.0))
    assert found.kept.tolist() == [0] and not found.joint_scores.any()
    np.testing.assert_allclose(found.joints, joints[:1] + np.array([0.5, 0.0]))


@pytest.mark.parametrize("name", FORMS)
def test_poses_without_extent_are_one_only_where_they_are_equal(name):
    joints = np.zeros((3, 17, 2))
    joints[2] = 8.0
    found = pose_nms(joints, np.full((3, 17), 0.9), None, FORMS[name])
    assert found.kept.tolist() == [0, 2]
    np.testing.assert_array_equal(found.joints, joints[[0, 2]])


def test_the_arguments_are_left_as_they_were():
    joints, scores = crowd(np.random.default_rng(0), missing=0.2)
    before = joints.copy(), scores.copy()
    pose_nms(joints, scores, None, ALPHAPOSE)
    np.testing.assert_array_equal(joints, before[0])
    np.testing.assert_array_equal(scores, before[1])
