"""DeepPose's network: the fidelity checklist, items 1, 2 and 14."""

import numpy as np
import pytest
import torch
from torch import nn

from data.skeletons import LSP14
from methods.alexnet import AlexNet
from methods.deeppose import DeepPose


@pytest.fixture(scope="module")
def full():
    with torch.device("meta"):
        return DeepPose(LSP14)


def test_the_maps_are_those_of_the_papers_list(full):  # item 1
    sides, net = [], full.nets[0]
    for layer in net.features:
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            layer.register_forward_hook(lambda layer, images, maps: sides.append((*maps.shape[1:],)))
    assert net(torch.empty(1, 3, 220, 220, device="meta")).shape == (1, 28)
    assert [side for _, side, _ in sides] == [55, 27, 27, 13, 13, 13, 13, 6]
    assert [channels for channels, _, _ in sides] == [96, 96, 256, 256, 384, 384, 256, 256]


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_are_those_of_the_papers_list(full):  # item 2
    with torch.device("meta"):
        flic = AlexNet(20)
    assert [count(net) for net in full.nets] == [58_396_060] * 3
    assert count(full) == 3 * 58_396_060
    assert count(flic) == 58_363_284
    assert count(flic.features) == 3_747_200


def test_a_crop_costs_1_13_giga_multiply_adds(full):
    total, net = [], full.nets[1]
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(lambda layer, images, maps: total.append(layer.weight.numel() * cells(maps)))

    def cells(maps):
        return maps.shape[-1] * maps.shape[-2] if maps.ndim == 4 else 1

    net(torch.empty(1, 3, 220, 220, device="meta"))
    assert sum(total) / 1e9 == pytest.approx(1.13, abs=0.005)


def test_dropout_of_0_6_on_both_wide_layers_in_training_only():  # item 14
    net = AlexNet(28, size=32, width=6, hidden=16, stem_stride=2)
    order = [type(layer) for layer in net.regressor]
    assert order == [nn.Linear, nn.ReLU, nn.Dropout, nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]
    for layer in (net.regressor[2], net.regressor[5]):
        torch.manual_seed(0)
        assert (layer.train()(torch.ones(10_000)) == 0).float().mean().item() == pytest.approx(0.6, abs=0.02)
        assert (layer.eval()(torch.ones(100)) == 1).all()


def test_response_normalisation_stands_before_the_first_two_poolings(full):  # item 14
    order = [type(layer) for layer in full.nets[0].features if not isinstance(layer, nn.ZeroPad2d)]
    conv = [nn.Conv2d, nn.ReLU]
    normed = [*conv, nn.LocalResponseNorm, nn.MaxPool2d]
    assert order == [*normed, *normed, *conv, *conv, *conv, nn.MaxPool2d]


def test_response_normalisation_is_alexnets_formula(full):
    layer = next(layer for layer in full.nets[0].features if isinstance(layer, nn.LocalResponseNorm))
    values = 100 * np.random.default_rng(0).random(8)
    expected = [v / (2 + 1e-4 * sum(values[max(0, i - 2) : i + 3] ** 2)) ** 0.75 for i, v in enumerate(values)]
    np.testing.assert_allclose(layer(torch.from_numpy(values).view(1, 8, 1, 1)).flatten(), expected, rtol=1e-6)


def test_batch_norm_stands_behind_every_layer_but_the_last_and_takes_the_place_of_the_bias():
    net = AlexNet(28, size=32, width=6, hidden=16, stem_stride=2, norm="batch", dropout=0.0)
    layers = [
        layer for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.Linear | nn.BatchNorm1d | nn.BatchNorm2d)
    ]
    *pairs, last = layers
    assert isinstance(last, nn.Linear) and last.bias is not None
    for layer, norm in zip(pairs[::2], pairs[1::2], strict=True):
        assert (
            isinstance(norm, nn.BatchNorm2d if isinstance(layer, nn.Conv2d) else nn.BatchNorm1d) and layer.bias is None
        )
    assert len(pairs) == 14
