"""CPM: the fidelity checklist, items 6 to 9 and 12 to 14, and what it refuses."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from bench.config import resolve
from data.skeletons import COCO17, FLIC11, LSP14, MPII16
from data.types import DataError, Person, PoseBatch, PoseSample
from data.views import Look
from methods.cpm import CPM

NARROW = {"size": 64, "trunk_widths": (4, 4, 4), "features": 3, "head_width": 6, "mixer_width": 5, "init": "kaiming"}
CHOSEN = {"lsp14": 14, "mpii16": 14, "flic11": 9, "coco17": 17}


def meta(skeleton=LSP14, **options):
    """A method without memory."""
    with torch.device("meta"):
        return CPM(skeleton, **options)


def small(skeleton=LSP14, **options):
    """A narrow method that computes; without scales its view is what the network sees."""
    torch.manual_seed(0)
    return CPM(skeleton, **{**NARROW, "stages": 3, "scales": (1.0,), **options}).eval()


def batch(images, joints, visible=None):
    """Joints (B, P, K, 2) in pixels of the view, which lies 10 px right and 20 px below in the original."""
    visible = torch.ones(joints.shape[:-1]) if visible is None else visible
    to_image = torch.tensor([[1.0, 0.0, 10.0], [0.0, 1.0, 20.0]], dtype=torch.float64).expand(len(images), 2, 3)
    return PoseBatch(images, joints, visible, to_image, tuple(range(len(images))), ((),) * len(images))


def grey(method, b=2):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (b, 3, *method.view.size), dtype=torch.uint8, generator=generator)


def anywhere(b=2, people=1, joints=14, side=64):
    return torch.rand(b, people, joints, 2, generator=torch.Generator().manual_seed(2)) * side


@pytest.mark.parametrize(("skeleton", "stages"), [(LSP14, 6), (MPII16, 6), (FLIC11, 4), (COCO17, 6)])
def test_the_published_number_of_stages_joints_and_parameters(skeleton, stages):  # item 2
    method = meta(skeleton)
    found = method(torch.empty(1, 3, *method.view.size, device="meta"))
    assert [tuple(maps.shape) for maps in found] == [(1, CHOSEN[skeleton.name] + 1, 46, 46)] * stages
    counts = {"lsp14": 31_219_866, "mpii16": 31_219_866, "flic11": 21_323_816}
    count = sum(parameter.numel() for parameter in method.parameters())
    assert count == counts.get(skeleton.name, count)


@pytest.mark.parametrize(("skeleton", "absent"), [(MPII16, ("pelvis", "thorax")), (FLIC11, ("left_eye", "right_eye"))])
def test_joints_that_the_paper_leaves_out_are_not_answered(skeleton, absent):
    method = small(skeleton)
    (pose,) = method.predict(batch(grey(method, 1), anywhere(1, 1, len(skeleton.joints))))
    unanswered = [name for name, joint in zip(skeleton.joints, pose.joints[0], strict=True) if joint.isnan().any()]
    assert set(unanswered) == set(absent)
    answered = torch.tensor([name not in absent for name in skeleton.joints])
    torch.testing.assert_close(pose.scores[0], pose.joint_scores[0, answered].mean())
    assert not pose.joint_scores[0, ~answered].any()


def test_the_loss_is_half_the_sum_of_squares_a_person_one_term_a_stage():  # item 6
    method = small()
    inputs = batch(grey(method), anywhere(people=2))
    maps = [torch.rand(2, 15, 8, 8) for _ in range(3)]
    method.net = nn.Identity()
    method.net.forward = lambda pixels, centre: maps
    terms, (everybody, centred) = method.loss(inputs), method.targets(inputs)
    assert list(terms) == ["stage 1", "stage 2", "stage 3"]
    for found, beliefs, target in zip(terms.values(), maps, (everybody, centred, centred), strict=True):
        squares = [(one - other) ** 2 for one, other in zip(beliefs.flatten(), target.flatten(), strict=True)]
        assert found.item() == pytest.approx(sum(squares).item() / (2 * 2), rel=1e-4)


def test_the_first_stage_learns_everybody_the_later_ones_the_centred_person():  # item 7
    method = small()
    people = tuple(Person(np.zeros((14, 2)), np.ones(14, int), np.zeros(4)) for _ in range(2))
    assert method.view.labelled(PoseSample(0, None, (64, 64), people), Look(0, 1, people[1].box)) == people[::-1]
    joints = torch.full((1, 2, 14, 2), 8 * 2 + 3.5)
    joints[0, 1] = 8 * 6 + 3.5
    everybody, centred = method.targets(batch(grey(method, 1), joints))
    assert (everybody[0, :14, 2, 2] == 1).all() and (everybody[0, :14, 6, 6] == 1).all()
    assert (centred[0, :14, 2, 2] == 1).all() and not centred[0, :14, 6, 6].any()
    for target in (everybody, centred):
        torch.testing.assert_close(target[:, 14], 1 - target[:, :14].amax(1))


def test_people_are_added_and_end_at_1():  # item 7
    method = small()
    joints = torch.full((1, 3, 14, 2), 8 * 3 + 3.5)
    joints[0, :, :, 0] += torch.tensor([0.0, 8.0, 16.0])[:, None]  # one cell apart
    beside = math.exp(-64 / 98)
    everybody, _ = method.targets(batch(grey(method, 1), joints))
    assert everybody[0, 0, 3, 4] == 1
    assert everybody[0, 0, 4, 3].item() == pytest.approx(beside + math.exp(-128 / 98) + math.exp(-320 / 98), rel=1e-5)


def test_an_occluded_joint_is_drawn_and_an_absent_one_is_learnt_as_nothing():  # item 9
    method = small(stages=2)
    visible, joints = torch.ones(1, 1, 14), torch.full((1, 1, 14, 2), 8 * 2 + 3.5)
    visible[0, 0, 3] = 0
    joints[0, 0, 7] = torch.tensor([-100.0, 500.0])
    inputs = batch(grey(method, 1), joints, visible)
    everybody, centred = method.targets(inputs)
    for target in (everybody, centred):
        assert [k for k in range(14) if not target[0, k].any()] == [3, 7]
        assert all(target[0, k, 2, 2] == 1 for k in range(14) if k not in (3, 7))
    wrong = centred.clone()
    wrong[0, 3, 1, 1], wrong[0, 7, 4, 6] = 0.7, -0.9  # all else is as it shall be
    method.net = nn.Identity()
    method.net.forward = lambda pixels, centre: [everybody, wrong]
    terms = method.loss(inputs)
    assert terms["stage 1"] == 0 and terms["stage 2"].item() == pytest.approx((0.7**2 + 0.9**2) / 2)


def test_a_person_of_mpii_scale_s_is_shown_at_1_171_over_s():  # item 12
    method, scale = meta(MPII16), 2.5
    view, box = method.view, np.array([300.0, 100.0, 400.0, 100 + 200 * scale])
    affine = view.to_input(Look(0, 0, box))
    assert affine[0, 0] == affine[1, 1] == pytest.approx(41 / 35 / scale)
    np.testing.assert_allclose(affine @ [350, 100 + 100 * scale, 1], np.array(view.size) / 2)
    assert view.size == (526, 526) >= (368 / 0.7,) * 2 and method.input_size == (368, 368)


def test_augmentation_of_the_paper_is_uniform_and_always_rotates():  # item 12
    augment = resolve("cpm", "paper", "synthetic").data_options["augment"]
    angles, zooms = [], []
    for seed in range(300):
        affine, _ = augment.draw(np.random.default_rng(seed), np.array([368.0, 368.0]))
        zooms.append(math.sqrt(abs(np.linalg.det(affine[:, :2]))))
        angles.append(math.degrees(math.atan2(affine[1, 0], affine[1, 1])))
    assert 0.7 <= min(zooms) < 0.72 and 1.28 < max(zooms) <= 1.3
    assert -40 <= min(angles) < -38 and 38 < max(angles) <= 40 and np.abs(angles).min() > 0


def test_the_network_sees_blue_first_and_0_outside_the_image():  # item 12
    method, seen = small(), []
    assert method.view.border == (128, 128, 128)
    method.net.register_forward_pre_hook(lambda net, inputs: seen.append(inputs[0][0, :, 0, 0].tolist()))
    pixel = torch.tensor([[255, 128, 0]], dtype=torch.uint8)[..., None, None].expand(1, 3, 64, 64)
    method(pixel)
    assert seen == [[-0.5, 0.0, 127 / 256]]


@pytest.mark.parametrize("stages", [1, 3])
def test_the_first_stage_learns_5_times_biases_twice_as_fast_and_undecayed(stages):  # item 13
    method = small(stages=stages)
    optimizer = method.configure_optimizers()["optimizer"]
    assert isinstance(optimizer, torch.optim.SGD)
    found = {id(p): (group["lr"], group["weight_decay"]) for group in optimizer.param_groups for p in group["params"]}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(found)
    for name, parameter in method.named_parameters():
        rate = 8e-5 * (5 if name.startswith(("net.trunk.", "net.head.")) else 1)
        expected = (2 * rate, 0.0) if name.endswith("bias") else (rate, 5e-4)
        assert found[id(parameter)] == pytest.approx(expected)
    assert {group["momentum"] for group in optimizer.param_groups} == {0.9}


def test_the_learning_rates_fall_to_a_third_every_136_of_600_thousand_steps():
    method = small()
    schedule = method.configure_optimizers()["lr_scheduler"]["scheduler"]
    for thousands, drops in ((0, 0), (135, 0), (137, 1), (273, 2), (407, 2), (409, 3), (545, 4), (600, 4)):
        method.budget_spent = thousands / 600
        assert [rate(0) for rate in schedule.lr_lambdas] == pytest.approx([0.333**drops] * 4)


def test_the_centre_map_is_a_gaussian_of_21_pixels_around_the_middle_of_the_crop():
    centre = CPM(LSP14, **{**NARROW, "size": 368}).centre
    assert centre.shape == (1, 1, 368, 368) and centre[0, 0, 184, 184] == 1
    for x, y in ((184 + 21, 184), (184, 184 - 21)):
        assert centre[0, 0, y, x].item() == pytest.approx(math.exp(-0.5))
    assert centre[0, 0, 150, 200].item() == pytest.approx(math.exp(-(34**2 + 16**2) / (2 * 21**2)))


def test_training_sees_the_middle_of_the_view():
    method = small(scales=(0.5, 1.0))
    assert method.view.size == (128, 128)
    images, seen = grey(method), []
    method.net.register_forward_pre_hook(lambda net, inputs: seen.append(inputs[0]))
    method(images)
    expected = (images[:, [2, 1, 0], 32:96, 32:96].float() - 128) / 256
    assert torch.equal(seen[0], expected)
    joints = torch.full((2, 1, 14, 2), 32 + 8 * 5 + 3.5)
    assert (method.targets(batch(images, joints))[1][:, :14, 5, 5] == 1).all()


class Bright(nn.Module):
    """The ideal network: every joint is where the picture is bright, at stride 8."""

    def forward(self, pixels, centre):
        cells = F.avg_pool2d(pixels.mean(1, keepdim=True), 8)
        return [cells.expand(-1, 15, -1, -1)]


@pytest.mark.parametrize("scales", [(1.0,), (0.7,), (1.3,), (0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)])
@pytest.mark.parametrize("place", [(75.0, 60.0), (44.0, 70.0)])
def test_every_scale_answers_in_pixels_of_the_original_image(scales, place):  # item 14
    method = small(size=96, scales=scales)
    method.net = Bright()
    side = method.view.size[0]
    y, x = torch.meshgrid(torch.arange(float(side)), torch.arange(float(side)), indexing="ij")
    u, v = place[0] + method.margin, place[1] + method.margin
    spot = 128 + 127 * torch.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * 12**2))
    images = spot.to(torch.uint8).expand(1, 3, side, side)
    (pose,) = method.predict(batch(images, anywhere(1)))
    np.testing.assert_allclose(pose.joints[0], np.tile([u + 10, v + 20], (14, 1)), atol=1.01)


def test_the_seven_scales_are_averaged_and_a_single_one_differs():  # item 14
    seven, single = small(stages=2, scales=CPM(LSP14, **NARROW).scales), small(stages=2)
    assert seven.scales == (0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)
    shown = []
    seven.net.register_forward_hook(lambda net, inputs, maps: shown.append(inputs[0].shape))
    images = grey(seven)
    inputs = batch(images, anywhere())
    found = torch.cat([pose.joints for pose in seven.predict(inputs)])
    assert shown == [(2, 3, 64, 64)] * 7
    middle = images[..., seven.margin : seven.margin + 64, seven.margin : seven.margin + 64]
    alone = torch.cat([pose.joints for pose in single.predict(batch(middle, anywhere()))]) + seven.margin
    assert not torch.equal(found, alone)


def test_a_scale_counts_as_0_where_it_did_not_look():  # item 14
    method = small(size=96, scales=(0.5, 2.0))
    method.net = nn.Identity()
    method.net.forward = lambda pixels, centre: [torch.ones(len(pixels), 15, 12, 12)]
    maps = method.inside(batch(grey(method, 1), anywhere(1)))[0].maps[0, 0]  # 192 px: all of it at 0.5, 48 at 2.0
    torch.testing.assert_close(maps[74:119, 74:119], torch.ones(45, 45))
    torch.testing.assert_close(maps[:70], torch.full((70, 192), 0.5))


def test_one_scale_of_1_reads_the_maps_of_the_crop_enlarged_by_cubic_interpolation():
    method = small()
    inputs = batch(grey(method, 1), anywhere(1))
    maps = method(inputs.images)[-1][0, :14].detach().numpy()
    large = [np.asarray(Image.fromarray(one).resize((64, 64), Image.Resampling.BICUBIC)) for one in maps]
    np.testing.assert_allclose(method.inside(inputs)[-1].maps[0, 0].detach(), np.max(large, 0), atol=1e-5)


def test_the_highest_place_is_found_even_among_negative_beliefs():
    method = small()
    method.net = nn.Identity()
    maps = torch.full((1, 15, 8, 8), -2.0)
    maps[0, :, 5, 2] = -1.0
    method.net.forward = lambda pixels, centre: [maps]
    (pose,) = method.predict(batch(grey(method, 1), anywhere(1)))
    np.testing.assert_allclose(pose.joints[0], np.tile([8 * 2 + 3.5 + 10, 8 * 5 + 3.5 + 20], (14, 1)), atol=0.51)


def test_stages_and_inside_show_every_stage_the_last_being_the_answer():
    method = small()
    inputs = batch(grey(method), anywhere())
    stages, panels, found = method.stages(inputs), method.inside(inputs), method.predict(inputs)
    assert list(stages) == [panel.title for panel in panels] == ["stage 1", "stage 2", "stage 3"]
    assert all(torch.equal(one.joints, other.joints) for one, other in zip(found, stages["stage 3"], strict=True))
    for name, panel in zip(stages, panels, strict=True):
        assert panel.maps.shape == (2, 1, 64, 64)
        poses = torch.cat([pose.joints for pose in stages[name]])
        torch.testing.assert_close(panel.joints.double() + torch.tensor([10.0, 20.0]), poses)
    assert not torch.equal(stages["stage 1"][0].joints, found[0].joints)


def test_the_number_of_stages_is_an_option_of_the_command_line():
    cell = resolve("cpm", "small", "synthetic", ["--method.stages", "2"])
    method = cell.build_method()
    assert method.depth == method.hparams["stages"] == 2 and len(method.net.later) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stages": 0}, "stages 0: expected 1 or more"),
        ({"size": 100}, "size 100: expected a multiple of 8"),
        ({"size": 0}, "size 0"),
        ({"pools": 4}, "pools 4"),
        ({"kernel": 4}, "kernel 4, mixer_kernel 11: odd"),
        ({"mixer_kernel": 0}, "mixer_kernel 0"),
        ({"features": 0}, "channels 4, 4, 4, 0, 6, 5: expected 1 or more"),
        ({"scales": ()}, r"scales \[\]"),
        ({"scales": (1.0, 0.0)}, r"scales \[1.0, 0.0\]"),
        ({"sigma": 0.0}, "sigma 0.0"),
        ({"centre_sigma": -1.0}, "centre_sigma -1.0"),
        ({"padding": 0.0}, "padding 0.0"),
        ({"dropout": 1.0}, "dropout 1.0"),
    ],
)
def test_impossible_settings_are_refused_in_one_line(options, words):
    with pytest.raises(DataError, match=words) as error:
        small(**options)
    assert "\n" not in str(error.value)
