"""What tracking is made of: carried boxes (item 14 of the checklist), overlap, flow, and the pose network's inputs."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from data.augment import Augment
from data.boxes import BoxSource
from data.inputs import NO_EPOCH, Inputs
from data.skeletons import LSP14
from data.types import DataError
from data.views import PersonCrop, WholeImage
from methods.simplebaseline import SimpleBaseline
from methods.tracking import carried_box, carry, crops, dis_flow, estimator, iou, suppress
from tests.conftest import make_sample

SHAPE = np.array([(0.0, 0.0), (20.0, 0.0), (0.0, 40.0), (20.0, 40.0)])  # four joints, 20 wide and 40 high


def test_a_carried_box_is_fifteen_percent_larger_than_its_joints_about_the_same_middle():
    x0, y0, x1, y1 = carried_box(SHAPE + np.array([100, 50]), (200, 300))
    assert (x1 - x0, y1 - y0) == pytest.approx((20 * 1.15, 40 * 1.15))
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((110, 70))


def test_a_carried_box_is_clipped_to_the_picture():
    assert carried_box(SHAPE - np.array([5, 0]), (200, 300)) == pytest.approx([0, 0, 16.5, 43])
    assert carried_box(SHAPE + np.array([290, 170]), (200, 300)) == pytest.approx([288.5, 167, 299, 199])


def test_iou_by_hand():
    first = np.array([[0.0, 0, 10, 10], [0, 0, 0, 0]])
    second = np.array([[5.0, 0, 15, 10], [0, 0, 10, 10], [20, 20, 30, 30]])
    np.testing.assert_allclose(iou(first, second), [[50 / 150, 1, 0], [0, 0, 0]])


def test_of_overlapping_boxes_the_best_stays():
    boxes = np.array([[0.0, 0, 10, 10], [0, 0, 10, 8], [0, 0, 10, 4], [50, 50, 60, 60]])
    scores = np.array([0.6, 0.9, 0.8, 0.5])  # IoU of the second: 0.8 with the first, 0.5 with the third
    assert suppress(boxes, scores, 0.7) == [1, 2, 3]
    assert suppress(boxes, scores, 0.5) == [1, 2, 3], "an IoU of exactly the limit is allowed"
    assert suppress(boxes, scores, 0.4) == [1, 3]


def test_the_flow_finds_how_a_picture_was_shifted():
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    before = cv2.resize(noise, (250, 200), interpolation=cv2.INTER_CUBIC)
    after = np.roll(before, (-2, 3), (0, 1))
    inner = dis_flow(before, after)[20:-20, 20:-20].reshape(-1, 2)
    np.testing.assert_allclose(np.median(inner, axis=0), (3, -2), atol=0.2)


def test_joints_are_carried_by_the_flow_at_their_pixel():
    flow = np.zeros((10, 20, 2), np.float32)
    flow[4, 7], flow[9, 19] = (1, 2), (-3, -4)
    np.testing.assert_allclose(
        carry(np.array([[7.4, 3.6], [0.0, 0.0], [50.0, 40.0]]), flow), [[8.4, 5.6], [0, 0], [47, 36]]
    )


def small(**options):
    torch.manual_seed(0)
    narrow = {"depth": 18, "width": 8, "deconv_filters": 8, "input_size": (64, 64), "pretrained": False}
    return SimpleBaseline(LSP14, **narrow, **options).eval()


def test_boxes_become_the_inputs_that_a_data_set_makes_of_them():
    sample, view = make_sample(3, people=2), PersonCrop((48, 64))
    inputs = Inputs([sample], LSP14, view, boxes=BoxSource(), augment=Augment(), seed=0, max_bytes=0)
    expected = inputs.__getitems__([(NO_EPOCH, 0), (NO_EPOCH, 1)])
    found = crops(sample.pixels.load(), np.stack([one.box for one in sample.people]), view, 14)
    assert torch.equal(found.images, expected.images) and torch.equal(found.to_image, expected.to_image)


def test_the_estimate_is_the_prediction_of_the_method_in_pixels_of_the_picture():
    sample, method = make_sample(3, people=2), small()
    inputs = Inputs([sample], LSP14, method.view, boxes=BoxSource(), augment=Augment(), seed=0, max_bytes=0)
    with torch.inference_mode():
        expected = method.predict(inputs.__getitems__([(NO_EPOCH, 0), (NO_EPOCH, 1)]))
    joints, scores = estimator(method)(sample.pixels.load(), np.stack([one.box for one in sample.people]))
    np.testing.assert_allclose(joints, torch.cat([one.joints for one in expected]).numpy())
    np.testing.assert_allclose(scores, torch.cat([one.joint_scores for one in expected]).numpy())


@pytest.mark.parametrize("view", [WholeImage((64, 64)), PersonCrop((64, 64), whole=True)])
def test_a_method_that_looks_at_whole_pictures_is_refused(view):
    with pytest.raises(DataError, match="whole pictures"):
        estimator(SimpleNamespace(view=view, title="It"))
