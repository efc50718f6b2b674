"""Generator and discriminators of Adversarial PoseNet: the fidelity checklist, items 1 to 4, 6, 7 and 13."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from methods.adversarial_nets import Discriminator, Generator, frozen
from methods.hourglass_nets import Hourglass

LITERAL, SLIM = (64, 512), (64, 128)


def meta(stacks=4, width=512, stem_widths=LITERAL, *, occlusion=True):
    """A generator without memory, for MPII's joints: shapes only."""
    with torch.device("meta"):
        return Generator(16, stacks, width, stem_widths, 4, occlusion=occlusion)


def small(stacks=3, *, occlusion=True):
    """A narrow generator that computes: five joints, 16x16 maps of 64x64 images."""
    torch.manual_seed(0)
    return Generator(5, stacks, 8, (4, 6), 2, occlusion=occlusion).eval()


def judge(sees_image):
    torch.manual_seed(0)
    return Discriminator(5, 10, (4, 6, 8), 2, sees_image=sees_image).eval()


def images(b=2, side=64):
    return torch.rand(b, 3, side, side, generator=torch.Generator().manual_seed(1))


def fakes(b=2, k=10, side=16):
    return torch.rand(b, k, side, side, generator=torch.Generator().manual_seed(2))


def count(net):
    return sum(p.numel() for p in net.parameters())


def macs(net, *inputs):
    """Multiply-adds of every convolution and linear layer: weights times the cells they are used at."""
    total = []
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(lambda it, _, out: total.append(it.weight.numel() * out[0, 0].numel()))
    net(*inputs)
    return sum(total)


def listen(net, stacks):
    """Keep what goes into and comes out of every hourglass and head while the generator runs."""
    seen = {}

    def keep(name):
        return lambda _, inputs, out: seen.update({f"{name} in": inputs[0].clone(), f"{name} out": out.clone()})

    for part in ("pose_hg", "pose_head", "occ_hg", "occ_head"):
        for n in range(stacks):
            getattr(net, part)[n].register_forward_hook(keep(f"{part} {n}"))
    net.stem.register_forward_hook(keep("stem"))
    return seen


def test_every_stack_gives_sixteen_maps_of_pose_and_then_sixteen_of_occlusion():  # item 1
    assert meta()(torch.empty(1, 3, 256, 256, device="meta")).shape == (4, 1, 32, 64, 64)
    net = small()
    seen = listen(net, 3)
    with torch.no_grad():
        maps = net(images())
    for n in range(3):
        assert torch.equal(maps[n, :, :5], seen[f"pose_head {n} out"])
        assert torch.equal(maps[n, :, 5:], seen[f"occ_head {n} out"])


@pytest.mark.parametrize(
    ("stacks", "width", "stem_widths", "parameters"),
    [
        (4, 512, LITERAL, 91_536_640),
        (4, 512, SLIM, 89_987_968),
        (2, 512, LITERAL, 47_005_824),
        (1, 512, LITERAL, 24_740_416),
        (4, 256, SLIM, 22_724_736),
        (2, 256, SLIM, 11_534_336),
        (1, 256, SLIM, 5_939_136),
    ],
)
def test_generators_have_the_parameters_of_the_specification(stacks, width, stem_widths, parameters):  # item 2
    net = meta(stacks, width, stem_widths)
    assert count(net) == parameters
    outermost = [
        m for m in net.modules() if isinstance(m, nn.ModuleList) and any(isinstance(part, Hourglass) for part in m)
    ]
    assert [len(m) for m in outermost] == [stacks, stacks]


def test_a_generator_takes_76_giga_multiply_adds():
    assert macs(meta(), torch.empty(1, 3, 256, 256, device="meta")) / 1e9 == pytest.approx(75.95, abs=5e-3)


def test_the_occlusion_hourglass_sees_the_features_plus_the_input_of_the_pose_hourglass():  # item 3
    net = small()
    seen = listen(net, 3)
    with torch.no_grad():
        net(images())
    for n in range(3):
        assert torch.equal(seen[f"occ_hg {n} in"], seen[f"pose_hg {n} out"] + seen[f"pose_hg {n} in"])


def test_occlusion_rests_on_the_pose_hourglass():  # item 3
    net = small(1)
    net(images())[0, :, 5:].square().sum().backward()
    assert all(p.grad is not None for p in net.pose_hg[0].parameters())
    assert any(p.grad.any() for p in net.pose_hg[0].parameters())
    assert not any(p.grad.any() for p in net.pose_head.parameters())
    with torch.no_grad():
        before = net(images())[0, :, 5:]
        net.pose_hg[0].register_forward_hook(lambda _, __, out: torch.zeros_like(out))
        after = net(images())[0, :, 5:]
    assert before.shape == after.shape and not torch.allclose(before, after)


def test_a_later_stack_sees_the_stem_plus_both_maps_of_the_stack_before():  # item 4
    net = small()
    seen = listen(net, 3)
    with torch.no_grad():
        net(images())
        for n in (1, 2):
            expected = seen["stem out"].clone()
            for maps, back in (("pose_head", net.remap_pose), ("occ_head", net.remap_occ)):
                layer = back[n - 1].conv
                expected += F.conv2d(seen[f"{maps} {n - 1} out"], layer.weight, layer.bias)
            torch.testing.assert_close(seen[f"pose_hg {n} in"], expected, atol=1e-5, rtol=1e-5)
        for layer in (*net.remap_pose, *net.remap_occ):
            nn.init.zeros_(layer.conv.weight)
            nn.init.zeros_(layer.conv.bias)
        net(images())
    assert all(torch.equal(seen[f"pose_hg {n} in"], seen["stem out"]) for n in range(3))


def test_a_head_is_two_convolutions_of_one_cell_with_a_relu_between():
    head = meta().pose_head[0]
    assert [tuple(layer.conv.weight.shape) for layer in (head[0], head[2])] == [(16, 512, 1, 1), (16, 16, 1, 1)]
    assert isinstance(head[1], nn.ReLU) and len(head) == 3
    with torch.no_grad():
        assert small()(images()).min() < 0  # nothing follows the second


def test_a_classifier_starts_small_without_bias():
    torch.manual_seed(0)
    for head in (*(net := Generator(16, 2, 8, (4, 6), 2, occlusion=True)).pose_head, *net.occ_head):
        assert head[2].conv.weight.std().item() == pytest.approx(0.01, rel=0.2)
        assert not head[2].conv.bias.any()


def test_discriminators_have_the_parameters_and_the_cost_of_the_specification():  # item 6
    with torch.device("meta"):
        pose = Discriminator(16, 32, (64, 128, 256), 4, sees_image=True)
        confidence = Discriminator(16, 32, (64, 128, 256), 4, sees_image=False)
        inputs = torch.empty(1, 3, 256, 256), torch.empty(1, 32, 64, 64)
    assert (count(pose), count(confidence)) == (3_102_352, 3_100_624)
    assert (pose.first.conv.in_channels, confidence.first.conv.in_channels) == (35, 32)
    assert macs(pose, *inputs) / 1e9 == pytest.approx(3.00, abs=5e-3)
    assert macs(confidence, *inputs) / 1e9 == pytest.approx(2.99, abs=5e-3)


@pytest.mark.parametrize("sees_image", [True, False])
def test_a_discriminator_says_a_probability_a_joint(sees_image):  # item 6
    with torch.no_grad():
        good = judge(sees_image)(images(), 100 * fakes()).sigmoid()
    assert good.shape == (2, 5) and ((good > 0) & (good < 1)).all()


def test_only_the_pose_discriminator_sees_the_image():
    with torch.no_grad():
        for sees_image in (True, False):
            net = judge(sees_image)
            other = net(1 - images(), fakes())
            assert torch.equal(net(images(), fakes()), other) is not sees_image


def test_the_image_is_averaged_down_to_the_maps():
    net, seen = judge(True), []
    net.first.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    with torch.no_grad():
        net(images(), fakes())
    expected = images()[0, 2, 8:12, 4:8].mean()  # of the cell in row 2, column 1
    assert seen[0][0, 2, 2, 1].item() == pytest.approx(expected.item(), abs=1e-6)
    assert torch.equal(seen[0][:, 3:], fakes())


def test_a_discriminator_is_back_at_the_maps_resolution_before_the_mean():  # item 7
    net, seen = judge(True), []
    net.hourglass.register_forward_hook(lambda _, inputs, out: seen.append((inputs[0], out)))
    net.last.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    sides = []
    for module in net.hourglass.modules():
        module.register_forward_hook(lambda _, __, out: sides.append(out.shape[-1]))
    with torch.no_grad():
        net(images(), fakes())
    (into, out), pooled = seen
    assert into.shape == out.shape == (2, 8, 16, 16) and min(sides) == 4
    torch.testing.assert_close(pooled, out.sum((-2, -1)) / 256)


def test_a_discriminators_skip_connection_carries_what_does_not_go_through_the_bottom():  # item 7
    net = judge(False)
    net.hourglass.up2.register_forward_hook(lambda _, __, out: torch.zeros_like(out))
    with torch.no_grad():
        assert not torch.allclose(net(images(), fakes()), net(images(), 2 * fakes()))
        net.hourglass.up1.register_forward_hook(lambda _, __, out: torch.zeros_like(out))
        assert torch.equal(net(images(), fakes()), net(images(), 2 * fakes()))


def test_a_frozen_network_passes_gradients_on_and_takes_none():  # item 10
    net, maps = judge(True), fakes().requires_grad_()
    net.last.bias.requires_grad_(False)
    with frozen(net):
        found = net(images(), maps)
    found.sum().backward()
    assert maps.grad.any()
    assert all(p.grad is None for p in net.parameters())
    assert [name for name, p in net.named_parameters() if not p.requires_grad] == ["last.bias"]  # as it was before


def test_a_single_task_generator_has_half_the_hourglasses_and_maps():  # item 13
    net = meta(4, 256, SLIM, occlusion=False)
    assert net(torch.empty(1, 3, 256, 256, device="meta")).shape == (4, 1, 16, 64, 64)
    assert not any("occ" in name for name, _ in net.named_parameters())
    # One task is two tasks less four hourglasses, four heads and three ways back.
    heads, back = 256 * 16 + 16 + 16 * 16 + 16, 16 * 256 + 256
    assert count(net) == 22_724_736 - 4 * (2_788_864 + heads) - 3 * back
