"""The truth of drawn people agrees with the picture and with itself."""

import numpy as np
import pytest

from data.skeletons import COCO17, LSP14, MPII16
from data.synthetic.renderer import NOTHING, FaceBuffer, Faces, rasterise
from data.synthetic.scene import draw, draw_single
from data.synthetic.shape import PART
from data.synthetic.truth import LANDMARKS, visibility
from data.types import Skeleton

NAMES = [landmark.name for landmark in LANDMARKS]
KNEE = NAMES.index("left_knee")
SAMPLES = 40


@pytest.fixture(scope="module")
def pictures():
    found = []
    for index in range(SAMPLES):
        rng = np.random.default_rng([8, index])
        scene = draw_single(rng, 256)
        _, buffer, (truth,) = draw(rng, scene)
        found.append((scene, buffer, truth))
    return found


def test_joints_are_the_projection_of_their_millimetres(pictures):
    for scene, _, truth in pictures:
        person, camera = truth.person(MPII16), scene.camera
        for (x, y), (far_x, far_y, depth) in zip(person.joints, person.joints3d, strict=True):
            assert x == pytest.approx(camera.focal * far_x / depth + camera.centre[0], abs=1e-6)
            assert y == pytest.approx(camera.focal * far_y / depth + camera.centre[1], abs=1e-6)
        assert (person.joints3d[:, 2] > 500).all()  # before the camera


def test_a_joint_is_unlabelled_exactly_outside_the_image(pictures):
    joints = np.concatenate([truth.joints for _, _, truth in pictures])
    visible = np.concatenate([truth.visible for _, _, truth in pictures])
    outside = [x < -0.5 or y < -0.5 or x >= 255.5 or y >= 255.5 for x, y in joints]
    np.testing.assert_array_equal(visible == 0, outside)
    assert 0 < np.mean(outside) < 0.2 and (visible == 1).mean() > 0.05


def test_area_counts_the_pixels_of_the_person(pictures):
    for _, buffer, truth in pictures:
        full = np.isin(buffer.face, np.flatnonzero(buffer.faces.person == 0))  # without the stool
        x0, y0, x1, y1 = truth.box
        assert truth.area == full.sum() <= (x1 - x0) * (y1 - y0)
        rows, columns = np.nonzero(full)
        assert x0 - 1 <= columns.min() and columns.max() <= x1 + 1 and y0 - 1 <= rows.min() and rows.max() <= y1 + 1


def test_the_box_is_clipped_to_the_image_and_holds_every_labelled_joint(pictures):
    for _, _, truth in pictures:
        assert (truth.box >= 0).all() and (truth.box <= 255).all()
        labelled = truth.joints[truth.visible > 0]
        assert (labelled >= truth.box[:2] - 0.5).all() and (labelled <= truth.box[2:] + 0.5).all()


def test_head_size_is_six_tenths_of_the_head_box_diagonal(pictures):
    for _, _, truth in pictures:
        x0, y0, x1, y1 = truth.head_box
        assert truth.person(LSP14).head_size == pytest.approx(0.6 * ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5)


def test_the_three_skeletons_agree_on_the_joints_they_share(pictures):
    truth = pictures[0][2]
    people = {s.name: (s, truth.person(s)) for s in (LSP14, MPII16, COCO17)}
    for a, one in people.values():
        for b, two in people.values():
            for name in set(a.joints) & set(b.joints):
                i, j = a.joints.index(name), b.joints.index(name)
                np.testing.assert_array_equal(one.joints[i], two.joints[j])
                assert one.visible[i] == two.visible[j]


def test_a_skeleton_with_an_unknown_joint_is_refused(pictures):
    odd = Skeleton("odd", ("tail",), (0,), (), (0.1,), (0, 0), None, ())
    with pytest.raises(ValueError, match="tail"):
        pictures[0][2].person(odd)


def knee_seen(part: str, depth: float, person: int = 0, at: tuple[float, float] = (10.0, 10.0)) -> int:
    """Visibility of a left knee 2 m away, behind one square face of 12 x 12 pixels round (10, 10)."""
    square = np.array([[[4.0, 4.0], [16.0, 4.0], [16.0, 16.0], [4.0, 16.0]]])
    faces = Faces(square, np.array([depth]), np.ones((1, 4)), np.zeros((1, 2, 2)), *np.array([[PART[part]], [person]]))
    joints, seen = np.tile(np.array(at), (len(NAMES), 1)), np.tile([0.0, 0.0, 2.0], (len(NAMES), 1))
    return int(visibility(joints, seen, np.zeros_like(seen), rasterise(faces, 32), 0, 1.75)[KNEE])


def test_a_joint_under_its_own_skin_is_visible_and_otherwise_occluded():
    assert knee_seen("left_shank", 1.95) == 2
    assert knee_seen("right_shank", 1.95) == 1  # behind the other leg
    assert knee_seen("left_shank", 1.5) == 1  # own shank, but half a metre before the knee
    assert knee_seen("left_shank", 1.95, person=1) == 1  # somebody else's leg
    assert knee_seen("left_shank", 1.95, at=(-1.0, 10.0)) == 0


def test_own_skin_counts_up_to_two_pixels_away():
    assert knee_seen("left_shank", 1.95, at=(18.0, 10.0)) == 2
    assert knee_seen("left_shank", 1.95, at=(19.0, 10.0)) == 1


def test_a_joint_behind_an_occluder_is_occluded(pictures):
    _, buffer, truth = next(p for p in pictures if p[2].visible[KNEE] == 2)
    hidden = buffer.face.copy()
    x, y = np.rint(truth.joints[KNEE]).astype(int)
    hidden[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] = NOTHING
    zero = np.zeros_like(truth.seen)
    found = visibility(truth.joints, truth.seen, zero, FaceBuffer(hidden, buffer.faces), 0, 1.75)
    assert found[KNEE] == 1


def test_both_eyes_are_seen_from_the_front_and_none_from_behind(pictures):
    left, right, nose = (NAMES.index(name) for name in ("left_eye", "right_eye", "nose"))
    ears = [NAMES.index("left_ear"), NAMES.index("right_ear")]
    for _, _, truth in pictures:
        behind = truth.seen[nose, 2] > truth.seen[ears, 2].mean() + 0.05  # metres
        if behind:
            assert truth.visible[left] < 2 and truth.visible[right] < 2
    assert any(truth.visible[left] == truth.visible[right] == 2 for _, _, truth in pictures)
