"""OpenPose's network: the fidelity checklist, items 1, 2 and 3."""

import pytest
import torch
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

from methods.cpm_nets import initialise
from methods.openpose_nets import OpenPoseNet


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def full():
    with torch.device("meta"):
        return OpenPoseNet(fields=38, maps=19)


@pytest.mark.parametrize(
    ("fields", "maps", "stages", "parameters"),
    [(38, 19, 6, 52_311_446), (38, 19, 3, 25_956_971), (38, 19, 1, 8_387_321), (28, 16, 6, 51_481_032)],
)
def test_parameters_are_those_of_the_specification(fields, maps, stages, parameters):  # item 1
    with torch.device("meta"):
        assert count(OpenPoseNet(fields, maps, stages)) == parameters


def test_the_parts_have_the_parameters_of_the_specification(full):  # item 1
    assert count(full.front) == 7_340_480
    assert sum(map(count, full.vgg())) == 5_865_536
    assert (count(full.stages[0].fields), count(full.stages[0].maps)) == (528_294, 518_547)
    assert {(count(s.fields), count(s.maps)) for s in list(full.stages)[1:]} == {(4_393_638, 4_391_187)}


def test_six_stages_answer_with_fields_and_maps_of_46_by_46_cells(full):  # items 1 and 3
    answers = full(torch.empty(1, 3, 368, 368, device="meta"))
    assert [(fields.shape, maps.shape) for fields, maps in answers] == [((1, 38, 46, 46), (1, 19, 46, 46))] * 6


def test_a_pass_at_368_costs_135_9_giga_multiply_adds(full):
    total = []
    hooks = [
        layer.register_forward_hook(lambda layer, _, maps: total.append(layer.weight.numel() * maps.shape[-1] ** 2))
        for layer in full.modules()
        if isinstance(layer, nn.Conv2d)
    ]
    full(torch.empty(1, 3, 368, 368, device="meta"))
    for hook in hooks:
        hook.remove()
    assert sum(total) / 1e9 == pytest.approx(135.9, abs=0.05)


def test_the_front_begins_as_vgg_19():  # item 2
    torch.manual_seed(0)
    net, vgg = OpenPoseNet(38, 19, stages=1), make_layers(cfgs["E"])
    theirs = [layer for layer in vgg if isinstance(layer, nn.Conv2d)][:10]
    for own, other in zip(net.vgg(), theirs, strict=True):
        own.load_state_dict(other.state_dict())
    image = torch.rand(1, 3, 64, 64)
    at = list(net.front).index(net.vgg()[-1])
    expected = vgg[: list(vgg).index(theirs[-1]) + 1](image)
    torch.testing.assert_close(net.front[: at + 1](image), expected, atol=1e-5, rtol=1e-5)


def test_a_later_stage_reads_fields_then_maps_then_features():  # item 3
    net = OpenPoseNet(4, 3, stages=2, width=0.0625, kernel=3, convs=1, front_width=0.0625).double()
    initialise(net, "kaiming")
    seen = []
    net.stages[1].register_forward_hook(lambda module, inputs, out: seen.append(inputs[0]))
    image = torch.rand(1, 3, 32, 32, dtype=torch.double)
    fields, maps = net(image)[0]
    blocks = seen[0].split([4, 3, 8], 1)
    for block, expected in zip(blocks, (fields, maps, net.front(image)), strict=True):
        torch.testing.assert_close(block, expected)


def test_no_relu_stands_behind_an_answer_and_one_behind_every_other_convolution(full):
    for stage in full.stages:
        for branch in (stage.fields, stage.maps):
            kinds = [type(layer) for layer in branch]
            assert kinds == [nn.Conv2d, nn.ReLU] * (len(kinds) // 2) + [nn.Conv2d]
    assert [type(layer) for layer in full.front if not isinstance(layer, nn.MaxPool2d)] == [nn.Conv2d, nn.ReLU] * 12
