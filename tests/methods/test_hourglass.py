"""Stacked hourglass: the fidelity checklist, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from data.skeletons import FLIC11, LSP14, MPII16
from data.types import DataError, PoseBatch
from data.views import Look
from methods.hourglass import Hourglass
from methods.hourglass_nets import Hourglass as Glass
from methods.hourglass_nets import Residual


def meta(skeleton=MPII16, **options):
    """A method without memory: shapes and names only."""
    with torch.device("meta"):
        return Hourglass(skeleton, **options)


def small(skeleton=LSP14, **options):
    """A narrow method that computes: three stacks, 16x16 maps."""
    torch.manual_seed(0)
    return Hourglass(skeleton, **{"stacks": 3, "width": 8, "order": 2, "input_size": (64, 64), **options})


def batch(b=2, side=64, k=14):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (b, 3, side, side), dtype=torch.uint8, generator=generator)
    joints = 8 + (side - 16) * torch.rand(b, 1, k, 2, generator=generator)
    to_image = torch.eye(2, 3, dtype=torch.float64).expand(b, 2, 3)
    return PoseBatch(images, joints, torch.ones(b, 1, k), to_image, tuple(range(b)), ((),) * b)


def features(side, width=256):
    return torch.rand(1, width, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("stacks", "sixteen", "eleven"),
    [(1, 3_426_448, 3_425_163), (2, 6_570_400, 6_566_550), (8, 25_434_112, 25_414_872)],
)
def test_parameters_are_exactly_those_of_the_official_network(stacks, sixteen, eleven):  # item 1
    assert sum(p.numel() for p in meta(stacks=stacks).net.parameters()) == sixteen
    assert sum(p.numel() for p in meta(FLIC11, stacks=stacks).net.parameters()) == eleven


def test_every_stack_gives_maps_a_quarter_as_large():  # item 2
    assert meta().net(torch.empty(1, 3, 256, 256, device="meta")).shape == (8, 1, 16, 64, 64)
    assert meta(input_size=(384, 384)).net(torch.empty(1, 3, 384, 384, device="meta")).shape == (8, 1, 16, 96, 96)


def test_eight_stacks_have_378_convolutions_all_with_bias_354_norms_and_115_residuals():  # item 3
    modules = list(meta().net.modules())
    convolutions = [m for m in modules if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 378 and all(c.bias is not None for c in convolutions)
    assert sum(isinstance(m, nn.BatchNorm2d) for m in modules) == 354
    residuals = [m for m in modules if isinstance(m, Residual)]
    assert len(residuals) == 115
    assert all(r.conv3.bn is None for r in residuals)  # nothing after the last convolution


def test_a_residual_skips_by_identity_or_by_one_plain_convolution():  # item 4
    with torch.device("meta"):
        same, wider = Residual(256, 256), Residual(128, 256)
    assert sum(p.numel() for p in same.parameters()) == 214_528
    assert isinstance(same.skip_layer, nn.Identity)
    assert wider.skip_layer.conv.kernel_size == (1, 1) and wider.skip_layer.bn is None


def test_a_residual_without_its_last_convolution_is_the_identity_even_below_zero():  # item 5
    residual = Residual(8, 8)
    nn.init.zeros_(residual.conv3.conv.weight)
    nn.init.zeros_(residual.conv3.conv.bias)
    x = torch.randn(2, 8, 5, 5)
    assert torch.equal(residual(x), x)


def test_three_residuals_of_an_hourglass_work_at_four_by_four():  # item 6
    glass, sides = Glass(4, 8), []
    for module in glass.modules():
        if isinstance(module, Residual):
            module.register_forward_hook(lambda _, inputs, __: sides.append(inputs[0].shape[-1]))
    glass(features(64, 8))
    assert min(sides) == 4 and sides.count(4) == 3 and len(sides) == 13


def test_up_sampling_repeats_each_cell():  # item 7
    glass = Glass(1, 8)
    nn.init.zeros_(glass.up1.conv3.conv.weight)
    x = torch.zeros(1, 8, 6, 6)
    with torch.no_grad():
        below = glass(x) - glass.up1(x)
    assert torch.equal(below, below[..., ::2, ::2].repeat_interleave(2, -1).repeat_interleave(2, -2))
    assert below.std() > 0


def test_the_second_stack_sees_the_input_of_the_first_plus_its_features_plus_its_maps():  # item 8
    net, seen = small().net.eval(), {}
    for name, module in (("first", net.hgs[0]), ("second", net.hgs[1])):
        module.register_forward_hook(lambda _, inputs, __, name=name: seen.__setitem__(name, inputs[0]))
    net.features[0].register_forward_hook(lambda _, __, out: seen.__setitem__("features", out))
    net.outs[0].register_forward_hook(lambda _, __, out: seen.__setitem__("maps", out))
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        net(images)
        back = [net.merge_features[0].conv.conv, net.merge_preds[0].conv.conv]
        expected = seen["first"] + sum(
            F.conv2d(seen[what], layer.weight, layer.bias)
            for what, layer in zip(("features", "maps"), back, strict=True)
        )
        torch.testing.assert_close(seen["second"], expected, atol=1e-6, rtol=1e-6)
        for layer in back:
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        net(images)
    assert torch.equal(seen["second"], seen["first"])


def test_the_loss_of_a_stack_reaches_no_later_stack():  # item 9
    method = small().train()
    list(method.loss(batch()).values())[1].backward()
    reached = {
        i: any(p.grad is not None and bool(p.grad.any()) for p in method.net.hgs[i].parameters()) for i in range(3)
    }
    assert reached == {0: True, 1: True, 2: False}
    assert method.net.pre[0].conv.weight.grad.any()


def test_each_stack_has_the_plain_mean_of_squares_as_its_loss():  # item 9
    method, one = small(), batch()
    terms = method.loss(one)
    assert list(terms) == ["stack 1", "stack 2", "stack 3"]
    maps = method(one.images)
    method.forward = lambda images: maps[:1].expand(3, -1, -1, -1, -1)  # three stacks that agree
    equal = method.loss(one)
    torch.testing.assert_close(sum(equal.values()), 3 * terms["stack 1"])


def test_maps_may_be_negative():  # item 10
    with torch.no_grad():
        assert small()(batch().images).min() < 0


def targets(method, joint, label=1.0):
    """The target map of a first joint put at input pixels ``joint``: the maps at which the loss is zero."""
    one = batch(1)
    joints, visible = torch.full_like(one.joints, 32.0), torch.zeros_like(one.visible)
    joints[0, 0, 0], visible[0, 0, 0] = torch.tensor(joint), label
    maps = torch.zeros(3, 1, 14, 16, 16, requires_grad=True)
    method.forward = lambda images: maps
    method.loss(replace(one, joints=joints, visible=visible))["stack 1"].backward()
    return -maps.grad[0, 0, 0] * maps[0].numel() / 2  # the gradient of a mean of squares at zero


def test_a_target_is_one_at_the_cell_its_joint_lies_in_and_ends_three_cells_away():  # item 11
    drawn = targets(small(), (27.9, 20.1))  # cells 6.97 and 5.03: the joint lies in (6, 5)
    assert drawn[5, 6] == pytest.approx(1, abs=1e-6)
    assert drawn[5, 7] == pytest.approx(np.exp(-0.5), abs=1e-6)
    where = drawn.nonzero()
    assert (where.amin(0).tolist(), where.amax(0).tolist()) == ([2, 3], [8, 9])


def test_a_missing_joint_has_a_map_of_zeros_and_counts():  # item 11
    method = small()
    assert not targets(method, (20.0, 20.0), label=0.0).any()
    one = replace(batch(), visible=torch.zeros(2, 1, 14))
    method.forward = lambda images: torch.ones(3, 2, 14, 16, 16)
    assert method.loss(one)["stack 1"] == 1


def test_flip_test_swaps_sides_and_moves_nothing():  # item 12
    assert MPII16.flip == (5, 4, 3, 2, 1, 0, 6, 7, 8, 9, 15, 14, 13, 12, 11, 10)
    method = small(MPII16)
    maps = torch.rand(3, 1, 16, 16, 16)
    answers = iter((maps, maps.flip(-1)[:, :, list(MPII16.flip)]))  # a network that is exactly symmetric
    method.forward = lambda images: next(answers)
    assert torch.equal(method._maps(batch(1).images), maps)


def decoded(neighbours):
    """Where the first joint is found, in cells, with a peak at (6, 5) and these values right of and below it."""
    method, maps = small(flip_test=False), torch.zeros(3, 1, 14, 16, 16)
    maps[..., 5, 6], maps[..., 5, 7], maps[..., 6, 6] = 1.0, *neighbours
    method.forward = lambda images: maps
    return (method.predict(batch(1))[0].joints[0, 0] / 4).tolist()


def test_decoding_adds_half_a_cell_and_a_quarter_towards_the_higher_neighbour():  # item 13
    assert decoded((0.0, 0.0)) == [6.5, 5.5]
    assert decoded((0.1, -0.1)) == [6.75, 5.25]


def test_the_quarter_step_stays_away_only_in_the_outermost_cells():  # item 13: the code's border
    method, maps = small(flip_test=False), torch.zeros(3, 1, 14, 16, 16)
    maps[..., 0, 1], maps[..., 0, 2] = 1.0, 0.5
    method.forward = lambda images: maps
    assert (method.predict(batch(1))[0].joints[0, 0] / 4).tolist() == [1.5, 0.5]  # row 0 is at the border
    maps[..., 1, 1], maps[..., 1, 2] = 2.0, 1.0
    assert (method.predict(batch(1))[0].joints[0, 0] / 4).tolist() == [1.75, 1.25]


def test_the_crop_is_the_box_enlarged_by_a_quarter():  # item 14, the view's half
    box = np.array([300.0 - 100 * 2, 400.0 - 200, 300.0 + 200, 400.0 + 200])  # MPII's scale 2: 400 px
    affine = small(input_size=(256, 256), order=4).view.to_input(Look(0, 0, box))
    np.testing.assert_allclose(affine @ [300, 400, 1], [128, 128])
    np.testing.assert_allclose(affine[0, 0], 256 / (250 * 2))


def test_stages_are_the_stacks_and_their_maps_are_shown():
    method, one = small().eval(), batch()
    with torch.no_grad():
        stages, panels = method.stages(one), method.inside(one)
    assert list(stages) == ["stack 1", "stack 2", "stack 3"] == [panel.title for panel in panels]
    shown = torch.stack([p.joints[0] for p in panels])  # to_image is the identity: input pixels are image pixels
    torch.testing.assert_close(shown, torch.stack([found[0].joints[0] for found in stages.values()]))


def test_one_drop_of_the_learning_rate_to_a_fifth():
    method = small(lr_drops=(0.5,))
    configured = method.configure_optimizers()
    assert isinstance(configured["optimizer"], torch.optim.RMSprop)
    group = configured["optimizer"].param_groups[0]
    assert (group["lr"], group["alpha"], group["eps"], group["momentum"]) == (2.5e-4, 0.99, 1e-8, 0)
    method.budget_spent = 0.5
    configured["optimizer"].step()
    configured["lr_scheduler"]["scheduler"].step()
    assert group["lr"] == pytest.approx(5e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stacks": 0}, "stacks 0"),
        ({"order": 0}, "order 0"),
        ({"input_size": (96, 96), "order": 4}, "multiples of 64"),
        ({"width": 6}, "width 6"),
        ({"sigma": 0.0}, "sigma 0.0"),
    ],
)
def test_settings_that_cannot_work_are_refused(options, words):
    with pytest.raises(DataError, match=words):
        small(**options)
