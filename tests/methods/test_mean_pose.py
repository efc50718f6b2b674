"""The mean pose, worked by hand; no data set and no pixels."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from data.augment import Augment
from data.boxes import BoxSource
from data.inputs import Inputs
from data.skeletons import LSP14
from data.types import ImageFile, Person, PoseBatch, PoseSample, invert_affine
from methods.mean_pose import MeanPose

KNEE, HIP, ELBOW = 1, 2, 7
BOX_A, BOX_B = np.array([0.0, 0.0, 100.0, 200.0]), np.array([50.0, 50.0, 90.0, 70.0])
NOWHERE = ImageFile(Path("no pixels"))  # opening it is an error


def sample(image_id, box, labelled):
    """One person of whom only ``labelled`` joints are known; the others are nonsense."""
    joints, visible = np.full((14, 2), np.nan), np.zeros(14, np.int64)
    for joint, where in labelled.items():
        joints[joint], visible[joint] = where, 2
    return PoseSample(image_id, NOWHERE, (300, 300), (Person(joints, visible, box),))


def data_of(samples):
    """What ``before_fit`` asks of a data module; augmentation is on, and must not matter."""
    view = MeanPose(LSP14).view
    inputs = Inputs(samples, LSP14, view, boxes=BoxSource(), augment=Augment(), seed=0, max_bytes=0)
    return SimpleNamespace(inputs=lambda split: {"train": inputs}[split])


@pytest.fixture
def fitted():
    """Trained on two people: the knee is labelled twice, the hip once, the elbow never."""
    method = MeanPose(LSP14)
    a = sample(0, BOX_A, {KNEE: (20, 150), HIP: (50, 100)})  # knee at (.2, .75) of the box, hip at its centre
    b = sample(1, BOX_B, {KNEE: (66, 75)})  # knee at (.4, 1.25): below the box
    method.before_fit(data_of([a, b]))
    return method


def batch_for(method, box, joints, visible):
    """One input around ``box``, its joints given in units of the box."""
    look = SimpleNamespace(box=box)
    to_image = torch.from_numpy(invert_affine(method.view.to_input(look)))[None]
    images = torch.zeros(1, 3, *method.view.size, dtype=torch.uint8)
    where = torch.tensor(joints)[None, None] * torch.tensor(method.view.size).flip(0)
    return PoseBatch(images, where, torch.tensor(visible)[None, None], to_image, (0,), ((),))


def test_the_mean_is_over_labelled_joints_in_units_of_the_box(fitted):
    np.testing.assert_allclose(fitted.mean[KNEE], [0.3, 1.0])
    np.testing.assert_allclose(fitted.mean[HIP], [0.5, 0.5])


def test_a_joint_never_labelled_stays_at_the_centre_of_the_box(fitted):
    np.testing.assert_allclose(fitted.mean[ELBOW], [0.5, 0.5])


def test_the_mean_is_put_into_the_box_in_original_pixels(fitted):
    box = np.array([100.0, 10.0, 300.0, 60.0])
    (pose,) = fitted.predict(batch_for(fitted, box, np.zeros((14, 2)).tolist(), [1] * 14))
    assert pose.joints.shape == (1, 14, 2) and pose.joint_scores.shape == (1, 14) and pose.scores.shape == (1,)
    np.testing.assert_allclose(pose.joints[0, KNEE], [100 + 0.3 * 200, 10 + 1.0 * 50])
    np.testing.assert_allclose(pose.joints[0, ELBOW], [200, 35])


def test_the_loss_is_the_squared_distance_of_labelled_joints_in_units_of_the_box(fitted):
    joints, visible = np.full((14, 2), 0.5), np.zeros(14)
    joints[KNEE], joints[HIP] = (0.6, 1.4), (0.5, 0.5)  # the knee is (.3, .4) off, the hip on its mean
    visible[[KNEE, HIP]] = 1
    loss = fitted.loss(batch_for(fitted, BOX_A, joints.tolist(), visible.tolist()))
    assert loss["pose"].item() == pytest.approx(0.5**2 / 2, rel=1e-5)


def test_the_loss_without_labels_is_zero(fitted):
    assert fitted.loss(batch_for(fitted, BOX_A, [[0.0, 0.0]] * 14, [0] * 14))["pose"] == 0


def test_there_is_nothing_to_train_and_the_mean_is_kept_in_the_checkpoint(fitted):
    assert list(fitted.parameters()) == [] and fitted.configure_optimizers() is None
    again = MeanPose(LSP14)
    again.load_state_dict(fitted.state_dict())
    np.testing.assert_array_equal(again.mean, fitted.mean)
