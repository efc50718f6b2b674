"""Boxes that err as a detector does: the released Gaussian, Gaussians by pose, parts of boxes."""

import numpy as np
import pytest

from data.augment import Augment
from data.boxes import Box, BoxSource
from data.inputs import NO_EPOCH, Inputs
from data.skeletons import COCO17
from data.types import ImageFile, Person, PoseSample
from data.views import Look
from methods.pose_proposals import (
    LEAST_MATCHES,
    RELEASED,
    ProposalCrop,
    Proposals,
    aligned,
    inside,
    misses,
    part_of,
)

BOX = np.array([100.0, 200.0, 200.0, 600.0])
K = len(COCO17.joints)


def person(joints, box=BOX, visible=None):
    return Person(joints, np.full(K, 2) if visible is None else visible, np.asarray(box, np.float64))


def pose(kind, rng, scale=1.0, shift=(0.0, 0.0)):
    """A pose of one of two kinds: arms up, or down."""
    joints = np.zeros((K, 2))
    joints[5], joints[12] = (0, 0), (3, 4)  # the torso is 5 long
    joints[7:11, 1] = -8 if kind else 8
    return (joints + rng.normal(0, 0.1, joints.shape)) * scale + shift


def test_the_released_gaussian_is_drawn():  # item 11
    proposals, rng = Proposals(COCO17, 0), np.random.default_rng(0)
    someone = person(np.zeros((K, 2)))
    drawn = proposals.draw(someone, 100_000, rng)
    relative = (drawn - BOX) / [100, 400, 100, 400]
    mean, std = np.array(RELEASED).T
    np.testing.assert_allclose(relative.std(0), std, rtol=0.02)
    np.testing.assert_allclose(relative.mean(0), mean, atol=0.02 * std.max())


def test_poses_of_any_place_and_size_are_one_when_aligned():
    rng = np.random.default_rng(0)
    joints = pose(0, rng)
    visible = np.full((2, K), 2)
    visible[:, 3] = 0
    one, other = aligned(np.stack([joints, joints * 3 + [70, -20]]), visible, COCO17)
    np.testing.assert_allclose(one, other)
    a, b = COCO17.torso
    assert np.linalg.norm(one[a] - one[b]) == pytest.approx(1) and np.isnan(one[3]).all()


def test_a_pose_without_a_torso_has_no_atomic_pose():
    visible = np.full(K, 2)
    visible[COCO17.torso[0]] = 0
    proposals = Proposals(COCO17, 2)
    proposals.fitted.fill_(True)
    assert proposals.atom(aligned(np.ones((1, K, 2)), visible[None], COCO17)).tolist() == [2]


class Missing(BoxSource):
    """A detector that sees people with their arms up too high, and others too low."""

    def boxes(self, sample):
        found = []
        for someone in sample.people:
            up = someone.joints[7, 1] < someone.joints[5, 1]
            size = someone.box[2:] - someone.box[:2]
            found.append(Box(None, someone.box + np.tile(size, 2) * [0, -0.1 if up else 0.2, 0, 0], 1.0))
        return [*found, Box(None, np.array([5000.0, 0, 5100, 50]), 1.0)]


def scenes(n=40):
    rng = np.random.default_rng(1)
    samples = []
    for i in range(n):
        people = []
        for kind in (0, 1):
            joints = pose(kind, rng, scale=rng.uniform(3, 9), shift=rng.uniform(100, 900, 2))
            low, high = joints.min(0) - 5, joints.max(0) + 5
            people.append(person(joints, np.concatenate([low, high])))
        samples.append(PoseSample(i, ImageFile(None), (1000, 1000), tuple(people)))
    return samples


def test_each_atomic_pose_has_the_gaussian_of_its_own_misses():  # item 11
    proposals, samples = Proposals(COCO17, 2), scenes()
    assert proposals.fit(samples, Missing()) == 80, "boxes of nobody are left out"
    atoms = {kind: int(proposals.atom(proposals._poses([samples[0].people[kind]]))[0]) for kind in (0, 1)}
    assert set(atoms.values()) == {0, 1}
    for kind, miss in ((1, -0.1), (0, 0.2)):
        np.testing.assert_allclose(proposals.mean[atoms[kind]], [0, miss, 0, 0], atol=1e-9)
        np.testing.assert_allclose(proposals.std[atoms[kind]], 0, atol=1e-9)
    up = samples[0].people[1]
    drawn = proposals.draw(up, 1, np.random.default_rng(0))[0]
    np.testing.assert_allclose(drawn, up.box - [0, 0.1 * (up.box[3] - up.box[1]), 0, 0])


def test_an_atomic_pose_with_few_matches_has_the_gaussian_of_all():
    samples = [scenes()[0]] + [
        PoseSample(i, s.pixels, s.size, s.people[:1]) for i, s in enumerate(scenes(3 * LEAST_MATCHES)[1:], 1)
    ]
    proposals = Proposals(COCO17, 2)
    proposals.fit(samples, Missing())
    rare = int(proposals.atom(proposals._poses([samples[0].people[1]]))[0])
    np.testing.assert_allclose(proposals.mean[rare], proposals.mean[-1])


def test_the_misses_are_shares_of_the_true_box_that_is_overlapped_most():
    true = np.array([[0.0, 0, 10, 20], [100, 0, 110, 20]])
    found = np.array([[101.0, 2, 111, 20], [0, 0, 10, 8], [-1, 0, 10, 20]])  # the second overlaps by 0.4
    owner, missed = misses(true, found)
    assert owner.tolist() == [1, 0]
    np.testing.assert_allclose(missed, [[0.1, 0.1, 0.1, 0], [-0.1, 0, 0, 0]])
    assert [len(part) for part in misses(true, np.zeros((0, 4)))] == [0, 0]


def test_boxes_stay_in_the_image_and_two_pixels_wide():
    np.testing.assert_allclose(inside(np.array([-5.0, 3, 700, 400]), (300, 600)), [0, 3, 600, 300])
    assert (np.diff(inside(np.array([599.9, 10, 599.95, 10]), (300, 600)).reshape(2, 2), axis=0) >= 2).all()
    np.testing.assert_allclose(inside(np.array([900.0, 900, 950, 950]), (300, 600)), [598, 298, 600, 300])


def test_a_part_has_the_shape_of_the_box_and_lies_in_it():  # spec, section 6, item 6
    rng = np.random.default_rng(0)
    parts = np.stack([part_of(BOX, 0.5, rng) for _ in range(2000)])
    size = parts[:, 2:] - parts[:, :2]
    np.testing.assert_allclose(size[:, 1] / size[:, 0], 4)
    assert (parts[:, :2] >= BOX[:2]).all() and (parts[:, 2:] <= BOX[2:] + 1e-9).all()
    assert size[:, 0].min() == pytest.approx(50, abs=0.5) and size[:, 0].max() == pytest.approx(100, abs=0.5)


def view(**options):
    return ProposalCrop((64, 64), padding=1.3, **options)


def test_so_many_inputs_are_parts_and_know_it():
    sample = PoseSample(1, ImageFile(None), (1000, 1000), (person(np.zeros((K, 2))),))
    look, rng = Look(0, 0, BOX), np.random.default_rng(0)
    moved = [view(proposals=Proposals(COCO17, 0), tau=0.8).moved(sample, look, rng) for _ in range(3000)]
    parts = [one for one in moved if one.aim is not None]
    assert len(parts) / len(moved) == pytest.approx(0.2, abs=0.03)
    assert all((one.aim == one.box).all() for one in parts)
    assert view(tau=1.0).moved(sample, look, rng) is look, "nothing is drawn without proposals"
    unknown = Look(0, None, BOX)
    assert view(proposals=Proposals(COCO17, 0)).moved(sample, unknown, rng) is unknown


class Plain:
    """Pixels without a file."""

    def load(self):
        return np.zeros((1000, 1000, 3), np.uint8)


def test_training_inputs_are_drawn_anew_each_epoch_and_test_inputs_never():
    sample = PoseSample(1, Plain(), (1000, 1000), (person(pose(0, np.random.default_rng(0), 5, (150, 300))),))
    still = Augment(scale=0, rotation=0, flip=0)
    inputs = Inputs(
        [sample], COCO17, view(proposals=Proposals(COCO17, 0)), boxes=BoxSource(), augment=still, seed=3, max_bytes=0
    )
    boxes = [inputs.look(epoch, 0).box for epoch in (0, 1, 0, NO_EPOCH)]
    assert (boxes[0] == boxes[2]).all() and not np.allclose(boxes[0], boxes[1]) and (boxes[3] == BOX).all()
    batch = inputs[0, 0]
    np.testing.assert_allclose(batch.aims.numpy(), BOX[None], err_msg="it should have been the true box")
    h, w = 64, 64
    centre = batch.to_image[0].numpy() @ [w / 2, h / 2, 1]
    np.testing.assert_allclose(centre, (boxes[0][:2] + boxes[0][2:]) / 2)
