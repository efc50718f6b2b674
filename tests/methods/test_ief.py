"""IEF: the fidelity checklist, items 1 to 14."""

import math
import statistics
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from data.augment import Augment
from data.boxes import BoxSource
from data.inputs import Inputs
from data.skeletons import LSP14, MPII16
from data.types import PoseBatch, PoseSample
from methods.ief import IEF
from tests.conftest import Picture, make_person

SIDE = 64
BOUND = 20 * SIDE / 224  # pixels


def meta(skeleton=MPII16, **options):
    """A method without memory: shapes and names only."""
    with torch.device("meta"):
        return IEF(skeleton, **options)


def small(skeleton=LSP14, **options):
    """A narrow method that computes, and that starts from anywhere."""
    torch.manual_seed(0)
    narrow = {"side": SIDE, "width": 0.1, "modules": ("3a", "4a"), "dropout": 0.0}
    method = IEF(skeleton, **{**narrow, **options})
    method.start.copy_(method.side * torch.rand(method.start.shape, generator=torch.Generator().manual_seed(5)))
    return method


def batch(b=3, joints=14, side=SIDE):
    """A batch made by hand: joints anywhere in the crop, the crop 10 px right and 20 px below in the original."""
    seed = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (b, 3, side, side), dtype=torch.uint8, generator=seed)
    where = torch.rand(b, 1, joints, 2, generator=seed) * side
    to_image = torch.tensor([[1.0, 0.0, 10.0], [0.0, 1.0, 20.0]], dtype=torch.float64).expand(b, 2, 3)
    return PoseBatch(images, where, torch.ones(b, 1, joints), to_image, tuple(range(b)), ((),) * b)


def sample(image_id, skeleton):
    """An image, which nobody opens, of one person of any joints."""
    return PoseSample(
        image_id, Picture(np.zeros((200, 240, 3), np.uint8)), (200, 240), (make_person(image_id, skeleton=skeleton),)
    )


def data_of(samples, skeleton, view):
    """What a method asks of the data module: the training inputs."""
    boxes, augment = BoxSource(), Augment()
    inputs = Inputs(samples, skeleton, view, boxes=boxes, augment=augment, seed=0, max_bytes=10**6)
    return SimpleNamespace(inputs={"train": inputs}.__getitem__)


class Says(nn.Module):
    """A network that gives the same numbers whatever it sees, and remembers what that was."""

    def __init__(self, numbers):
        super().__init__()
        self.numbers, self.seen = numbers, []

    def forward(self, inputs):
        self.seen.append(inputs)
        return self.numbers.expand(len(inputs), -1)


def silent(method):
    """Give a method a network that always answers 0."""
    method.net = Says(torch.zeros(2 * len(method.skeleton.joints)))
    return method


def bounded(truth, pose, longest):
    """The paper's e(y, y_t), a joint at a time."""
    step = []
    for (x, y), (px, py) in zip(truth, pose, strict=True):
        length = math.hypot(x - px, y - py)
        share = min(longest, length) / length if length else 0.0
        step.append(((x - px) * share, (y - py) * share))
    return np.array(step)


def test_conv1_is_the_files_for_the_image_and_wide_noise_for_the_drawings(tmp_path):  # item 1
    method = IEF(MPII16, modules=("3a",), backbone_weights=tmp_path / "trunk.pth")
    new = {"conv1.7x7_s2.extra", "cls3_fc.weight", "cls3_fc.bias"}
    state = {n: torch.rand_like(t) for n, t in method.net.state_dict().items() if n not in new}
    torch.save(state, tmp_path / "trunk.pth")
    method.before_fit(data_of([sample(0, MPII16)], MPII16, method.view))
    weights = method.net.conv1["7x7_s2"].whole
    assert weights.shape == (64, 20, 7, 7)
    assert torch.equal(weights[:, :3], state["conv1.7x7_s2.weight"])
    assert weights[:, 3:].std().item() == pytest.approx(0.1**0.5, rel=0.02)
    assert abs(weights[:, 3:].mean()) < 0.01


def test_parameters_are_those_of_the_specification():  # item 2
    assert sum(p.numel() for p in meta().parameters()) == 6_059_664


def test_all_dx_come_before_all_dy():  # item 3
    method = small(MPII16)
    method.net = Says(torch.arange(32.0))
    found = method.correct(batch(joints=16).images, method.start.expand(3, -1, -1))
    assert meta().net.cls3_fc.out_features == 32
    np.testing.assert_array_equal(found[1], [(joint, 16 + joint) for joint in range(16)])


@pytest.mark.parametrize("taken", [0, 1, 2, 3])
def test_targets_are_bounded_steps_along_the_straight_path(taken):  # items 4 and 5
    method, inputs = small(), batch()
    steps = torch.full((3,), taken)
    pose, target = method.path(inputs.joints[:, 0], inputs.visible[:, 0], steps)
    for b in range(3):
        truth, here = inputs.joints[b, 0].double().numpy(), method.start.double().numpy()
        for _ in range(taken):
            here = here + bounded(truth, here, BOUND)
        np.testing.assert_allclose(pose[b], here, atol=1e-4)
        np.testing.assert_allclose(target[b] * BOUND, bounded(truth, here, BOUND), atol=1e-4)
    lengths = target.norm(dim=-1)
    assert (lengths <= 1 + 1e-5).all() and (lengths > 0.99).any() and (lengths < 0.9).any()


def test_the_path_arrives_after_as_many_bounds_as_the_distance_holds_and_rests():  # item 5
    method = small()
    method.start.zero_()
    truth = torch.zeros(1, 14, 2)
    truth[0, 0], truth[0, 1] = torch.tensor([3.0, 4.0]) * BOUND / 2, torch.tensor([0.0, 2 * BOUND])  # 2.5, 2 bounds
    lengths = []
    for taken in range(5):
        pose, target = method.path(truth, torch.ones(1, 14), torch.tensor([taken]))
        lengths.append(target[0].norm(dim=-1)[:3].tolist())
    np.testing.assert_allclose(lengths, [(1, 1, 0), (1, 1, 0), (0.5, 0, 0), (0, 0, 0), (0, 0, 0)], atol=1e-5)
    np.testing.assert_allclose(pose, truth, atol=1e-5)


def test_targets_lead_from_a_jittered_pose_to_the_truth():
    method, inputs = small(jitter=7.0), batch(200)
    taken = torch.ones(200, dtype=torch.long)
    pose, target = method.path(inputs.joints[:, 0], inputs.visible[:, 0], taken)
    for b in range(3):
        np.testing.assert_allclose(target[b] * BOUND, bounded(inputs.joints[b, 0], pose[b], BOUND), atol=1e-4)
    first, _ = method.path(inputs.joints[:, 0], inputs.visible[:, 0], 0 * taken)
    assert torch.equal(first, method.start.expand(200, -1, -1))  # every test begins there too
    method.jitter = 0.0
    noise = pose - method.path(inputs.joints[:, 0], inputs.visible[:, 0], taken)[0]
    assert noise.std().item() == pytest.approx(7 * SIDE / 224, rel=0.03)
    assert abs(noise.mean()) < 0.1


def test_training_inputs_do_not_depend_on_the_network():  # item 6
    method, inputs, seen = small(), batch(), []
    method.net.register_forward_pre_hook(lambda net, x: seen.append(x[0]))
    for _ in range(2):
        method.budget_spent = 1.0
        torch.manual_seed(3)
        method.loss(inputs)
        nn.init.ones_(method.net.cls3_fc.weight)
    assert len(seen) == 2
    assert torch.equal(seen[0], seen[1])


@pytest.mark.parametrize(
    ("spent", "learnt"), [(0.0, 1), (0.24, 1), (0.25, 2), (0.5, 3), (0.74, 3), (0.75, 4), (1.0, 4)]
)
def test_each_quarter_of_the_training_adds_a_step_to_those_drawn(spent, learnt):  # item 7
    method, inputs = silent(small()), batch(64)
    method.start.fill_(10)
    inputs.joints[:] = method.start + torch.tensor([10 * BOUND, 0.0])  # four steps lie on a line
    method.budget_spent = spent
    torch.manual_seed(0)
    method.loss(inputs)
    drawn = method.net.seen[0][:, 3]  # of the first joint
    peaks = drawn.amax(1).argmax(-1)
    expected = {round(10 + step * BOUND): step for step in range(4)}
    counts = np.bincount([expected[x] for x in peaks.tolist()], minlength=4)
    assert (counts[:learnt] > 64 / learnt / 2).all() and not counts[learnt:].any()


def test_one_network_serves_all_steps():  # item 8
    assert [len(list(small(steps=steps).parameters())) for steps in (1, 4)] == [3 * 2 + 2 * 12 + 3] * 2
    method, calls = small(), []
    for module in method.modules():
        if isinstance(module, nn.Linear):
            module.register_forward_hook(lambda layer, x, y: calls.append(id(layer.weight)))
    method(batch().images)
    assert len(calls) == 4 and len(set(calls)) == 1


def test_a_drawn_point_is_50_on_the_rounded_joint_and_falls_to_minus_50():  # item 9
    method = silent(IEF(MPII16, modules=("3a",), width=0.1))
    pose = torch.zeros(1, 16, 2)
    pose[0, 0], pose[0, 5] = torch.tensor([100.4, 30.6]), torch.tensor([-300.0, 0.0])
    drawn = method.draw(pose)[0].double()
    assert drawn.shape == (17, 224, 224)
    assert drawn[0].argmax() == 31 * 224 + 100 and drawn[0].max() == 50
    assert drawn[0, 31, 122].item() == pytest.approx(100 * math.exp(-0.001 * 22**2) - 50, rel=1e-5)
    assert drawn[0, 41, 120].item() == pytest.approx(100 * math.exp(-0.001 * (20**2 + 10**2)) - 50, rel=1e-5)
    assert drawn[0, 223, 223].item() == pytest.approx(-50, abs=1e-3)
    assert (drawn[5] == -50).all()


def test_a_smaller_input_has_points_as_wide_in_proportion():  # item 9
    pose = torch.full((1, 14, 2), 20.0)
    value = small().draw(pose)[0, 0, 20, 20 + 16].item()
    assert value == pytest.approx(100 * math.exp(-0.001 * (16 * 224 / SIDE) ** 2) - 50, rel=1e-4)


def test_channels_are_image_joints_and_mark_and_the_mark_stays():  # item 9
    method, inputs = small(), batch()
    method.net = Says(torch.linspace(-2, 2, 28))
    poses = method(inputs.images)
    for step, seen in enumerate(method.net.seen):
        assert seen.shape == (3, 3 + 14 + 1, SIDE, SIDE)
        np.testing.assert_allclose(
            seen[:, :3] + torch.tensor([117.3785, 117.6438, 110.1771])[:, None, None], inputs.images
        )
        for joint in range(14):
            x, y = poses[0, step, joint].round().int().tolist()
            if 0 <= x < SIDE and 0 <= y < SIDE:
                assert seen[0, 3 + joint, y, x] == 50
        assert torch.equal(seen[:, -1], method.net.seen[0][:, -1])


def test_no_gradient_flows_between_steps():  # item 10
    method, seen = small(), []
    method.net.register_forward_pre_hook(lambda net, x: seen.append(x[0]))
    method.budget_spent = 1.0
    method.loss(batch())["correction"].backward()
    assert len(seen) == 1 and not seen[0].requires_grad  # one step an image, its pose from the truth


def test_the_start_is_the_median_of_the_labelled_training_joints_in_their_crops():  # item 11
    method, samples = small(), [sample(i, LSP14) for i in range(5)]
    for one in samples:
        one.people[0].visible[4] = 0  # nobody labels the left knee: it starts at the centre
    method.start.fill_(SIDE / 2)
    method.before_fit(data_of(samples, LSP14, method.view))
    for joint in range(14):
        places = []
        for person in (one.people[0] for one in samples):
            x0, y0, x1, y1 = person.box
            scale, middle = SIDE / (1.25 * max(x1 - x0, y1 - y0)), ((x0 + x1) / 2, (y0 + y1) / 2)
            places += [(person.joints[joint] - middle) * scale + SIDE / 2] * bool(person.visible[joint])
        expected = [statistics.median(axis) for axis in zip(*places, strict=True)] or [SIDE / 2] * 2
        np.testing.assert_allclose(method.start[joint], expected, rtol=1e-5)


def test_every_image_starts_from_the_same_pose():  # item 11
    method = small()
    assert torch.equal(method(batch().images)[:, 0], method.start.expand(3, -1, -1))


def test_a_silent_network_is_asked_four_times_and_leaves_the_start():  # item 12
    method, inputs = silent(small()), batch()
    found = method.predict(inputs)
    assert len(method.net.seen) == 4
    for pose in found:
        np.testing.assert_allclose(pose.joints[0], method.start + torch.tensor([10.0, 20.0]), rtol=1e-6)
        assert (pose.joint_scores == 1).all() and pose.scores.tolist() == [1]


def test_corrections_add_up_uncut_in_units_of_the_bound():  # item 12
    method, inputs = small(), batch()
    method.net = Says(torch.cat([torch.full((14,), 3.0), torch.full((14,), -0.5)]))
    expected = method.start + 4 * BOUND * torch.tensor([3.0, -0.5]) + torch.tensor([10.0, 20.0])
    np.testing.assert_allclose(method.predict(inputs)[0].joints[0], expected, rtol=1e-5)


def test_the_mark_is_the_crops_centre():  # item 13
    method = IEF(LSP14, modules=("3a",), width=0.1)
    mark = method.draw(torch.zeros(1, 14, 2))[0, -1]
    assert mark.argmax() == 112 * 224 + 112 and mark.max() == 50


def test_unlabelled_joints_stay_at_the_start_and_out_of_the_loss():  # item 14
    method, inputs = small(), batch()
    inputs.visible[:, :, 5] = 0
    method.budget_spent = 1.0
    pose, target = method.path(inputs.joints[:, 0], inputs.visible[:, 0], torch.tensor([1, 2, 3]))
    assert torch.equal(pose[:, 5], method.start[5].expand(3, 2)) and not target[:, 5].any()
    method.loss(inputs)["correction"].backward()
    reached = method.net.cls3_fc.weight.grad.any(1)
    assert reached.sum() == 26 and not reached[[5, 14 + 5]].any()


def test_the_loss_is_the_squared_distance_in_bounds_summed_over_labelled_joints():
    method, inputs = silent(small()), batch()
    inputs.joints[:, 0] = method.start + torch.tensor([0.3, -0.4]) * BOUND
    inputs.visible[0, 0, 4:] = 0
    assert method.loss(inputs)["correction"].item() == pytest.approx(0.25 * (4 + 14 + 14) / 3, rel=1e-4)
