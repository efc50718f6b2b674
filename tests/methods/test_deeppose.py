"""DeepPose: the fidelity checklist, what the cascade sees and says (items 4 to 6, 8, 12, 13), and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from data.augment import Augment
from data.boxes import BoxSource
from data.inputs import Inputs
from data.skeletons import COCO17, FLIC11, LSP14
from data.types import DataError, PoseBatch, apply_affine
from methods.deeppose import DeepPose
from methods.images import normalise

K, SIDE = 14, 64  # LSP's joints; of the region: twice what the narrow networks see
LEFT_SHOULDER, RIGHT_HIP = 9, 2
STRETCHED = torch.tensor([[2.0, 0.0, 10.0], [0.0, 3.0, 20.0]], dtype=torch.float64)  # a pixel is 2 wide and 3 high


def small(skeleton=LSP14, **options):
    """A narrow method that computes, its stages a third of the training each."""
    torch.manual_seed(0)
    narrow = {"size": 32, "width": 6, "hidden": 16, "stem_stride": 2, "stage_shares": (1 / 3, 2 / 3)}
    return DeepPose(skeleton, **{**narrow, **options})


def batch(b=2, to_image=STRETCHED):
    """Colours that tell where one is: red is x and green is y; the joints lie around the middle."""
    ramp = torch.arange(SIDE, dtype=torch.uint8)
    images = torch.zeros(b, 3, SIDE, SIDE, dtype=torch.uint8)
    images[:, 0], images[:, 1] = ramp, ramp[:, None]
    joints = 26 + 12 * torch.rand(b, 1, K, 2, generator=torch.Generator().manual_seed(0))
    return PoseBatch(images, joints, torch.ones(b, 1, K), to_image.expand(b, 2, 3), tuple(range(b)), ((),) * b)


BLACK = normalise(torch.zeros(1, 3, 1, 1, dtype=torch.uint8))
WHITE = normalise(torch.full((1, 3, 1, 1), 255, dtype=torch.uint8))


def place(pieces):
    """Read centres (N, 2) and sizes (N, 2) of boxes from the colours of what was cut out of :func:`batch`."""
    x, y = (255 * (pieces - BLACK) / (WHITE - BLACK))[:, :2].unbind(1)
    side = pieces.shape[-1]
    centre = torch.stack([x.mean((1, 2)), y.mean((1, 2))], -1)
    size = torch.stack([x[:, 0, -1] - x[:, 0, 0], y[:, -1, 0] - y[:, 0, 0]], -1) * side / (side - 1)
    return centre, size


class Fixed(nn.Module):
    """Instead of a network: says the same in-box coordinates (K, 2) of every image, and keeps what it saw."""

    def __init__(self, answer):
        super().__init__()
        self.answer, self.seen = nn.Parameter(answer), []

    def forward(self, images):
        self.seen.append(images)
        return self.answer.flatten().expand(len(images), -1)


def rigged(*answers, ready=1, **options):
    """A method whose first stages are :class:`Fixed`; ``ready`` of them answer."""
    method = small(**options)
    for i, answer in enumerate(answers):
        method.nets[i] = Fixed(answer)
    method.measured.fill_(ready - 1)
    return method.eval()


def pose_in_box():
    """A pose around the centre, its torso's diagonal a little more than the least."""
    pose = 0.2 * (torch.rand(K, 2, generator=torch.Generator().manual_seed(3)) - 0.5)
    pose[LEFT_SHOULDER], pose[RIGHT_HIP] = torch.tensor([[-0.08, -0.06], [0.06, 0.1]])
    return pose


def test_a_whole_inference_is_one_crop_and_one_a_joint_and_later_stage():
    method, crops = small(), []
    for net in method.nets:
        net.register_forward_pre_hook(lambda net, images: crops.append(len(images[0])))
    assert method.eval()(batch(1).images).shape == (1, K, 2)
    assert crops == [1, 14, 14]
    assert method.input_size == (SIDE // 2, SIDE // 2)


@pytest.mark.parametrize(("options", "factor"), [({}, 2.0), ({"side": 1.5}, 1.5)])
def test_later_stages_look_at_squares_around_the_predicted_joints(options, factor):  # item 4
    answer = pose_in_box()
    method = rigged(answer, torch.zeros(K, 2), ready=2, **options)
    method.predict(batch(2))
    expected = answer.double() * SIDE + SIDE / 2
    a, b = (expected[joint] * torch.tensor([2.0, 3.0]) for joint in (LEFT_SHOULDER, RIGHT_HIP))
    side = factor * np.hypot(*(a - b).tolist())  # of the square, in pixels of the original
    centre, size = place(method.nets[1].seen[0])
    assert len(centre) == 2 * K and side > 10
    np.testing.assert_allclose(centre.detach(), expected.repeat(2, 1), atol=0.01)
    np.testing.assert_allclose(size.detach() * torch.tensor([2.0, 3.0]), side, rtol=1e-3)


@pytest.mark.parametrize(
    ("skeleton", "side", "whole"), [(LSP14, 2.0, True), (FLIC11, 1.0, False), (COCO17, 2.0, False)]
)
def test_boxes_are_the_papers_on_its_data_sets(skeleton, side, whole):  # item 4
    method = small(skeleton)
    assert method.side == side
    assert (method.view.whole, method.view.padding) == ((True, 1.0) if whole else (False, 1.25))
    assert method.view.stretch and method.view.size == (64, 64)


def test_beyond_the_image_lies_the_mean_colour():
    border = torch.tensor(small().view.border, dtype=torch.uint8).view(1, 3, 1, 1)
    assert normalise(border).abs().max() < 0.01  # as the 0 beyond the region


def test_stages_are_alike_and_share_nothing():  # item 5
    method = small()
    shapes = [[(name, p.shape) for name, p in net.named_parameters()] for net in method.nets]
    assert shapes[0] == shapes[1] == shapes[2] and len(shapes[0]) == 16
    assert len({p.data_ptr() for p in method.parameters()}) == 48


def test_a_stage_that_says_zero_leaves_the_pose_exactly_as_it_was():  # item 6
    method = rigged(pose_in_box(), torch.zeros(K, 2), torch.zeros(K, 2), ready=3)
    poses = list(method.stages(batch()).values())
    for before, after in ((poses[0], poses[1]), (poses[1], poses[2])):
        assert all(torch.equal(one.joints, other.joints) for one, other in zip(before, after, strict=True))


def test_a_stage_that_is_ready_but_new_hardly_moves_the_pose():
    method = small()
    method.measured.fill_(2)
    first, *later = (torch.cat([p.joints for p in poses]) for poses in method.eval().stages(batch()).values())
    for pose in later:
        assert (pose - first).norm(dim=-1).max() < 3  # of an original 128 wide and 192 high


class Oracle(nn.Module):
    """Knows the joints of :func:`batch` and reads from the colours where it looks; right about every joint."""

    def __init__(self, joints):
        super().__init__()
        self.joints = joints  # (B, K, 2)

    def forward(self, images):
        centre, size = place(images)
        joints = self.joints.repeat_interleave(len(images) // len(self.joints), 0)
        return ((joints - centre[:, None]) / size[:, None]).flatten(1)


def test_a_stage_that_is_right_brings_the_truth():  # item 8
    method, inputs = rigged(pose_in_box(), ready=2), batch()
    method.nets[1] = Oracle(inputs.joints[:, 0])
    found = torch.cat([one.joints for one in method.predict(inputs)]).detach()
    np.testing.assert_allclose(found, apply_affine(inputs.joints[:, 0].double(), inputs.to_image), atol=0.02)


def test_a_mirrored_input_has_sides_swapped_and_x_mirrored_in_the_box(samples):  # item 12
    method, seen = small(), []
    for flip in (0.0, 1.0):
        still = Augment(scale=0, rotation=0, flip=flip)
        inputs = Inputs(samples, LSP14, method.view, boxes=BoxSource(), augment=still, seed=0, max_bytes=2**24)
        seen.append(inputs.__getitems__([(0, i) for i in range(4)]))
    one, other = (part.joints[:, 0] / SIDE - 0.5 for part in seen)
    mirrored = one[:, list(LSP14.flip)] * torch.tensor([-1.0, 1.0])
    labelled = (seen[1].visible[:, 0] > 0)[..., None]
    np.testing.assert_allclose(other.where(labelled, 0), mirrored.where(labelled, 0), atol=1e-5)
    twice = other[:, list(LSP14.flip)] * torch.tensor([-1.0, 1.0])
    known = (seen[0].visible[:, 0] > 0)[..., None]
    np.testing.assert_allclose(twice.where(known, 0), one.where(known, 0), atol=1e-5)


def test_a_mirrored_input_stays_mirrored_in_what_is_cut_from_it():  # item 12
    method = rigged(pose_in_box(), torch.zeros(K, 2), ready=2)
    for to_image in (STRETCHED, STRETCHED * torch.tensor([-1.0, 1.0, 1.0])):
        method.predict(batch(1, to_image))
    assert torch.equal(*method.nets[1].seen)


def test_the_answer_does_not_depend_on_the_truth():  # item 13
    method, inputs = small().eval(), batch()
    method.measured.fill_(2)
    blind = replace(inputs, joints=torch.full_like(inputs.joints, torch.nan), visible=torch.zeros(2, 1, K))
    for one, other in zip(method.predict(inputs), method.predict(blind), strict=True):
        assert torch.equal(one.joints, other.joints)


def test_the_inside_shows_every_pose_and_the_boxes_between():
    method = rigged(pose_in_box(), 0.1 * torch.ones(K, 2), torch.zeros(K, 2), ready=3)
    panels = method.inside(batch())
    titles = ["stage 1", "boxes of stage 2", "stage 2", "boxes of stage 3", "stage 3"]
    assert [panel.title for panel in panels] == titles
    for before, boxes, after, net in ([*panels[:3], method.nets[1]], [*panels[2:], method.nets[2]]):
        np.testing.assert_allclose(boxes.boxes.detach().mean(2), before.joints.detach(), atol=1e-4)
        width = (boxes.boxes[:, :, 1] - boxes.boxes[:, :, 0])[..., 0]
        step = 0.1 * width if net is method.nets[1] else 0 * width
        torch.testing.assert_close((after.joints - before.joints)[..., 0], step, atol=1e-4, rtol=0)


def test_only_stages_that_are_ready_answer_and_every_score_is_1():
    method = rigged(pose_in_box(), torch.ones(K, 2))
    inputs = batch()
    assert list(method.stages(inputs)) == ["stage 1"]
    (one, _), (other, _) = method.stages(inputs)["stage 1"], method.predict(inputs)
    assert torch.equal(one.joints, other.joints)
    assert (one.joint_scores == 1).all() and one.scores.tolist() == [1]
    expected = apply_affine(pose_in_box().double() * SIDE + SIDE / 2, STRETCHED)
    np.testing.assert_allclose(one.joints[0].detach(), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 20, "stem_stride": 4}, "size 20, stem_stride 4"),
        ({"size": 0}, "size 0"),
        ({"detail": 0}, "detail 0"),
        ({"crops": 0}, "crops 0"),
        ({"measured_on": 0}, "measured_on 0"),
        ({"width": 0}, "width 0"),
        ({"dropout": 1.0}, "dropout 1.0"),
        ({"side": 0.0}, "side 0.0"),
        ({"stage_shares": (0.6, 0.3)}, "stage_shares"),
        ({"stage_shares": (0.0, 0.3)}, "stage_shares"),
        ({"lr_left": 0.0}, "lr_left 0.0"),
        ({"skeleton": replace(LSP14, joints=("nose",) * 14)}, "no left_shoulder and no right_hip"),
    ],
)
def test_impossible_settings_are_refused_in_one_line(options, words):
    with pytest.raises(DataError, match=words) as error:
        small(**options)
    assert "\n" not in str(error.value)
