"""The articulated body: lengths, limits, sides."""

import numpy as np
import pytest

from data.synthetic.body import INDEX, JOINTS, LIMITS, PARENTS, draw_proportions, offsets, pose
from data.synthetic.camera import Camera
from data.synthetic.poses import draw_pose
from data.synthetic.truth import LANDMARKS, landmarks

SAMPLES = 150
NAMES = [landmark.name for landmark in LANDMARKS]


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(5)
    bodies = [draw_proportions(rng) for _ in range(SAMPLES)]
    return [(body, *draw_pose(rng, body)) for body in bodies]


def test_bones_keep_their_length_in_every_pose(drawn):
    for body, _, _, posed in drawn:
        bones = [posed.origin[i] - posed.origin[PARENTS[i]] for i in range(1, len(JOINTS))]
        np.testing.assert_allclose(np.linalg.norm(bones, axis=1), np.linalg.norm(offsets(body)[1:], axis=1))


def test_frames_are_rotations(drawn):
    for _, _, _, posed in drawn[:30]:
        square = posed.rotation @ posed.rotation.transpose(0, 2, 1)
        np.testing.assert_allclose(square, np.broadcast_to(np.eye(3), square.shape), atol=1e-12)
        np.testing.assert_allclose(np.linalg.det(posed.rotation), 1.0)


def test_every_angle_is_within_its_limits(drawn):
    for _, _, angles, _ in drawn:
        assert (angles >= LIMITS[..., 0]).all() and (angles <= LIMITS[..., 1]).all()


@pytest.mark.parametrize(
    ("upper", "middle", "lower", "sign"), [("hip", "knee", "ankle", -1), ("shoulder", "elbow", "wrist", 1)]
)
def test_knees_never_bend_forward_nor_elbows_backward(drawn, upper, middle, lower, sign):
    for _, _, _, posed in drawn:
        for side in ("left", "right"):
            a, b, c = (INDEX[f"{side}_{name}"] for name in (upper, middle, lower))
            forward = posed.rotation[a][:, 2]
            assert sign * (posed.origin[c] - posed.origin[b]) @ forward >= -1e-9
            assert abs((posed.origin[b] - posed.origin[a]) @ forward) < 1e-9


def test_at_rest_the_body_stands_with_its_left_on_the_positive_side():
    body = draw_proportions(np.random.default_rng(1))
    origin = pose(body, np.zeros((len(JOINTS), 3)), np.eye(3)).origin
    knee, ankle, wrist = (origin[INDEX[f"left_{name}"]] for name in ("knee", "ankle", "wrist"))
    np.testing.assert_allclose(knee, (body.hips, -body.thigh, 0.0), atol=1e-12)
    np.testing.assert_allclose(ankle, (body.hips, -body.thigh - body.shank, 0.0), atol=1e-12)
    np.testing.assert_allclose(wrist[0], body.shoulders)


def test_equal_angles_left_and_right_make_a_mirror_image():
    rng = np.random.default_rng(2)
    body = draw_proportions(rng)
    angles = np.zeros((len(JOINTS), 3))
    for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "clavicle"):
        low, high = LIMITS[INDEX[f"left_{name}"]].T
        angles[INDEX[f"left_{name}"]] = angles[INDEX[f"right_{name}"]] = rng.uniform(low, high)
    place, _ = landmarks(body, pose(body, angles, np.eye(3)))
    for i, name in enumerate(NAMES):
        other = NAMES.index(name.replace("left_", "right_"))
        np.testing.assert_allclose(place[i] * ((-1, 1, 1) if name.startswith("left") else 1), place[other], atol=1e-12)


def test_a_person_who_faces_the_camera_has_the_left_side_at_the_right_of_the_image():
    body = draw_proportions(np.random.default_rng(3))
    place, _ = landmarks(body, pose(body, np.zeros((len(JOINTS), 3)), np.eye(3)))
    front = Camera(np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 4.0]), 300.0, np.array([128.0, 128.0]))
    back = Camera(np.diag([-1.0, -1.0, 1.0]), np.array([0.0, 0.0, 4.0]), 300.0, np.array([128.0, 128.0]))
    for camera, sign in ((front, 1.0), (back, -1.0)):
        joints = camera.project(camera.see(place))
        for part in ("eye", "ear", "shoulder", "hip", "knee"):
            left, right = (joints[NAMES.index(f"{side}_{part}")] for side in ("left", "right"))
            assert sign * (left[0] - right[0]) > 0
        assert joints[NAMES.index("head_top"), 1] < joints[NAMES.index("left_ankle"), 1]  # y points down
    seen = front.see(place)[:, 2]
    assert seen[NAMES.index("nose")] < seen[NAMES.index("left_ear")]  # the nose is nearer


def test_poses_vary_and_bodies_are_of_all_sizes(drawn):
    assert {kind for _, kind, _, _ in drawn} >= {"stand", "walk", "sit", "bend", "jump", "upside_down", "lie"}
    heights = [body.height for body, *_ in drawn]
    assert min(heights) < 1.3 and max(heights) > 1.8
