"""Adversarial PoseNet: the fidelity checklist, items 5, 8, 9, 12 and 13, and what it refuses."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.cost import network_cost
from data.skeletons import LSP14, MPII16
from data.types import DataError, Person, PoseBatch
from methods.adversarial_losses import Labels, judging, persuading, squared_error
from methods.adversarial_posenet import AdversarialPoseNet

NARROW = {
    "stacks": 2,
    "width": 8,
    "stem_widths": (4, 6),
    "order": 2,
    "input_size": (64, 64),
    "discriminator_widths": (4, 6, 8),
}


def small(skeleton=LSP14, **options):
    """A narrow method that computes: 16x16 maps; no warm-up."""
    torch.manual_seed(0)
    return AdversarialPoseNet(skeleton, **{**NARROW, "warm_up": 0.0, **options})


def person(head_size=float("nan"), k=14):
    return Person(np.zeros((k, 2)), np.zeros(k, np.int64), np.zeros(4), head_size=head_size)


def batch(b=2, k=14):
    """Joints anywhere inside; every third is occluded; a torso of 30 px upright in the middle."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (b, 3, 64, 64), dtype=torch.uint8, generator=generator)
    joints = 8 + 48 * torch.rand(b, 1, k, 2, generator=generator)
    joints[:, 0, LSP14.torso[0]], joints[:, 0, LSP14.torso[1]] = torch.tensor([[32.0, 17.0], [32.0, 47.0]])
    visible = torch.where(torch.arange(k) % 3 == 0, 1.0, 2.0).expand(b, 1, k)
    to_image = torch.eye(2, 3, dtype=torch.float64).expand(b, 2, 3)
    return PoseBatch(images, joints, visible, to_image, tuple(range(b)), ((person(),),) * b)


def answer(method, maps):
    """Let the generator give these maps."""
    method.generator.forward = lambda images: maps
    return method


def ideal(method, one):
    """Maps that are their targets in every stack."""
    return method._truth(one).maps.expand(2, -1, -1, -1, -1).clone()


def test_the_generators_loss_is_equation_1():  # item 5: plain loops
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(3, 2, 4, 5, 6, generator=generator, dtype=torch.float64)
    targets = torch.rand(2, 4, 5, 6, generator=generator, dtype=torch.float64)
    total = 0.0
    for n in range(3):
        for i in range(2):
            total += float(np.linalg.norm((targets[i] - maps[n, i]).numpy().ravel()) ** 2)
    assert squared_error(maps, targets).item() == pytest.approx(total / (2 * 2 * 3))
    twice = torch.cat([maps, maps])  # as many stacks again with the same errors
    torch.testing.assert_close(squared_error(twice, targets), squared_error(maps, targets))


def test_perfect_maps_cost_nothing_and_wrong_occlusion_maps_something():  # item 5
    one, method = batch(), small(discriminators="none")
    maps = ideal(method, one)
    assert maps.shape == (2, 2, 28, 16, 16) and maps[:, :, 14:].any()
    assert all(term == 0 for term in answer(method, maps).loss(one).values())
    maps[:, :, 14:] += 0.1
    found = answer(method, maps).loss(one)
    assert found["G pose"] == 0
    assert found["G occlusion"].item() == pytest.approx(0.5 * 14 * 256 * 0.01, rel=1e-4)


def test_an_occlusion_target_is_the_pose_target_of_an_occluded_joint_else_zeros():
    one = batch(1)
    visible = one.visible.clone()
    visible[0, 0, :4] = torch.tensor([0.0, 1.0, 2.0, 1.0])
    maps = small()._truth(replace(one, visible=visible)).maps[0]
    pose, hidden = maps[:4], maps[14:18]
    assert not pose[0].any() and all(pose[i].max() == pytest.approx(1) for i in (1, 2, 3))
    assert torch.equal(hidden[[1, 3]], pose[[1, 3]]) and not hidden[[0, 2]].any()


def test_joints_beyond_delta_are_labelled_zero_and_others_one():  # item 8
    one, method = batch(1), small(delta_torso=0.2)  # of a torso of 30 px: 6 px, 1.5 cells
    one.joints[...] = (one.joints // 4) * 4 + 2  # centres of cells
    maps = ideal(method, one)[0]
    for joint in (1, 6, 9):
        maps[0, joint] = maps[0, joint].roll(4, 0)
    maps[0, 2] = maps[0, 2].roll(1, 0)  # one cell
    truth, wrong = method._truth(one), {1, 6, 9}
    found = method.labels(maps.requires_grad_(), truth)
    assert {i for i, good in enumerate(found["P"].good[0].tolist()) if good == 0} == wrong
    assert {i for i, good in enumerate(found["C"].good[0].tolist()) if good == 0} == wrong | {2}
    assert all(one.known.all() and not one.good.requires_grad for one in found.values())  # item 8: no gradient


def test_a_map_is_confident_below_a_mean_squared_error_of_epsilon():  # item 8
    one = batch(1)
    for epsilon, good in ((0.0101, 1.0), (0.0099, 0.0)):
        method = small(epsilon=epsilon)
        assert (method.labels(ideal(method, one)[0] + 0.1, method._truth(one))["C"].good == good).all()


def test_joints_are_measured_by_head_sizes_where_there_are_any():
    one, method = batch(4), small(delta_head=0.5, delta_torso=0.2)
    visible, to_image = one.visible.clone(), one.to_image.clone()
    visible[2:, 0, LSP14.torso[0]] = 0
    to_image[:2] *= 2.0  # twice as large in the original image
    people = ((person(24.0),), (person(),), (person(),), ())
    reach = method._truth(replace(one, visible=visible, to_image=to_image, people=people)).reach
    np.testing.assert_allclose(reach, [0.5 * 24 / 2, 0.2 * 30, np.nan, np.nan], rtol=1e-6)


def test_who_has_no_length_is_unknown_to_the_pose_discriminator_alone():
    one, method = batch(2), small()
    visible = one.visible.clone()
    visible[1, 0, LSP14.torso[0]] = 0
    one = replace(one, visible=visible)
    found = method.labels(ideal(method, one)[0], method._truth(one))
    assert found["P"].known.sum(1).tolist() == [14, 0] and found["C"].known.sum(1).tolist() == [14, 13]


def odds(p):
    return torch.tensor([p]).logit()


def test_a_discriminator_minimises_equation_2_with_the_absolute_difference():
    real, fake = odds([0.9, 0.6, 0.3]), odds([0.2, 0.7, 0.5])
    known, label = torch.tensor([[True, True, False]]), Labels(torch.tensor([[0.0, 1.0, 1.0]]), torch.ones(1, 3) > 0)
    by_hand = -(math.log(0.9) + math.log(0.6)) / 2
    by_hand -= sum(math.log(1 - abs(p - t)) for p, t in ((0.2, 0), (0.7, 1), (0.5, 1))) / 3
    assert judging(real, fake, known, label).item() == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize(
    ("target", "by_hand"),
    [
        ("ones", -(math.log(0.2) + math.log(0.7)) / 2),  # all that are known
        ("wrong_only", -math.log(0.2)),
        ("literal", (math.log(1 - 0.2) + math.log(1 - abs(0.7 - 1))) / 2),  # equation 2's second half as it stands
    ],
)
def test_the_generator_is_told_what_the_reading_of_equation_4_says(target, by_hand):
    known = torch.tensor([[True, True, False]])
    found = persuading(odds([0.2, 0.7, 0.5]), known, Labels(torch.tensor([[0.0, 1.0, 0.0]]), known), target)
    assert found.item() == pytest.approx(by_hand, rel=1e-5)


def test_alpha_weighs_confidence_and_beta_weighs_pose():  # item 9
    method, one = small().eval(), batch()
    for judge in method.discriminators.values():
        torch.nn.init.zeros_(judge.last.weight)  # a half for every joint
        torch.nn.init.zeros_(judge.last.bias)
    found = method.loss(one)
    assert found["G by C"].item() == pytest.approx(math.log(2) / 220)
    assert found["G by P"].item() == pytest.approx(math.log(2) / 180)
    assert found["C"].item() == pytest.approx(2 * math.log(2)) == found["P"].item()


def test_only_the_generator_is_tested():  # item 12
    method = small().eval()
    alone = sum(p.numel() for p in method.generator.parameters())
    for judge in method.discriminators.values():
        judge.forward = None  # would raise
    assert network_cost(method).parameters == alone < sum(p.numel() for p in method.parameters())
    with torch.inference_mode():
        assert len(method.predict(batch())) == 2


def test_a_single_task_has_no_occlusion_maps_for_anyone():  # item 13
    method, one = small(MPII16, occlusion=False), batch(k=16)
    channels = {name: judge.first.conv.in_channels for name, judge in method.discriminators.items()}
    assert channels == {"P": 16 + 3, "C": 16}
    assert method(one.images).shape == (2, 2, 16, 16, 16)
    assert list(method.loss(one)) == ["G pose", "P", "C", "G by P", "G by C"]
    assert [p.title for p in method.eval().inside(one)][:2] == ["stack 1: joints", "stack 2: joints"]


def test_joints_without_label_count_for_the_generator_and_for_no_discriminator():
    one = batch()
    method = answer(small().eval(), torch.ones(2, 2, 28, 16, 16))
    found = method.loss(replace(one, visible=torch.zeros_like(one.visible)))
    assert found["G pose"].item() == 0.5 * 14 * 256
    assert [found[name].item() for name in ("P", "C", "G by P", "G by C")] == [0, 0, 0, 0]


def test_flip_test_swaps_sides_within_both_kinds_of_maps():
    method, maps = small(MPII16).eval(), torch.rand(2, 1, 32, 16, 16)
    sides = [5, 4, 3, 2, 1, 0, 6, 7, 8, 9, 15, 14, 13, 12, 11, 10]
    mirrored = torch.cat([maps.flip(-1)[:, :, :16][:, :, sides], maps.flip(-1)[:, :, 16:][:, :, sides]], 2)
    answers = iter((maps, mirrored))  # a network that is exactly symmetric
    method.generator.forward = lambda images: next(answers)
    assert torch.equal(method._maps(batch(1).images), maps)


def test_a_joint_is_found_half_a_cell_on_and_a_quarter_towards_the_higher_neighbour():
    maps = torch.zeros(2, 1, 28, 16, 16)
    maps[..., 5, 6], maps[..., 5, 7], maps[..., 6, 6] = 0.8, 0.1, -0.1
    (found,) = answer(small(flip_test=False), maps).predict(batch(1))
    assert (found.joints[0, 0] / 4).tolist() == [6.75, 5.25]
    assert found.joint_scores[0].tolist() == pytest.approx([0.8] * 14)


def test_stages_are_the_stacks():
    method, one = small().eval(), batch()
    with torch.no_grad():
        stages, panels = method.stages(one), method.inside(one)
    assert list(stages) == ["stack 1", "stack 2"]
    shown = torch.stack([p.joints[0] for p in panels if p.title.endswith("joints")])
    torch.testing.assert_close(shown, torch.stack([found[0].joints[0] for found in stages.values()]))


def test_the_inside_leaves_out_joints_that_a_discriminator_does_not_believe():
    method, one = small().eval(), batch()
    for judge, sign in zip(method.discriminators.values(), (1, -1), strict=True):
        torch.nn.init.zeros_(judge.last.weight)
        judge.last.bias.data = sign * torch.where(torch.arange(14) < 5, 1.0, -1.0)
    with torch.no_grad():
        panels = {panel.title: panel for panel in method.inside(one)}
    stacks = [f"stack {n}: {what}" for n in (1, 2) for what in ("joints", "occluded")]
    assert list(panels) == [*stacks, "P believes", "C believes"]
    left_out = {
        name: panels[f"{name} believes"].joints.isnan().all(-1)[0].nonzero().flatten().tolist() for name in "PC"
    }
    assert left_out == {"P": list(range(5, 14)), "C": list(range(5))}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stacks": 0}, "stacks 0"),
        ({"order": 0}, "order 0"),
        ({"input_size": (96, 96), "order": 4}, "multiples of 64"),
        ({"width": 7}, "width 7"),
        ({"stem_widths": (3, 6)}, "width 3"),
        ({"discriminator_widths": (4, 0, 8)}, "width 0"),
        ({"sigma": 0.0}, "sigma 0.0"),
        ({"epsilon": 0.0}, "epsilon 0.0"),
        ({"delta_head": -1.0}, "delta_head -1.0"),
        ({"delta_torso": 0.0}, "delta_torso 0.0"),
        ({"warm_up": 1.0}, "warm_up 1.0"),
        ({"alpha": -0.1}, "alpha -0.1"),
        ({"beta": -0.1}, "beta -0.1"),
    ],
)
def test_settings_that_cannot_work_are_refused(options, words):
    with pytest.raises(DataError, match=words) as error:
        small(**options)
    assert "\n" not in str(error.value)
