"""GoogLeNet's trunk: its table, its arithmetic, Caffe's names, and the files it refuses."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from data.types import DataError
from methods.googlenet import MODULES, GoogLeNet, load_trunk


def meta(extra=17, outputs=32, side=224, **options):
    """A network without memory: shapes and names only."""
    with torch.device("meta"):
        return GoogLeNet(extra, outputs, side, extra_std=0.3, **options)


def narrow(extra=2, outputs=4, side=64, **options):
    """A network that computes."""
    torch.manual_seed(0)
    return GoogLeNet(extra, outputs, side, **{"extra_std": 0.1, "width": 0.1, "modules": ("3a", "4a", "5b"), **options})


def caffe_file(net, path, **changes):
    """Write a file with Caffe's names for the trunk of ``net``, all entries counting up."""
    names = [name for name in net.state_dict() if not name.endswith(".extra") and not name.startswith("cls3_fc")]
    state = {}
    for i, name in enumerate(names):
        *layer, entry = name.split(".")
        state["/".join(layer) + "." + entry] = torch.full_like(net.state_dict()[name], float(i))
    torch.save({**state, "loss1/fc.weight": torch.zeros(3), "loss3/classifier.bias": torch.zeros(9), **changes}, path)
    return {name: float(i) for i, name in enumerate(names)}


def test_parameters_with_20_channels_and_32_numbers():
    assert sum(p.numel() for p in meta().parameters()) == 6_059_664


@pytest.mark.filterwarnings("ignore:Initializing zero-element")
def test_parameters_of_the_classifier_of_a_plain_image():
    assert sum(p.numel() for p in meta(extra=0, outputs=1000).parameters()) == 6_998_552


def test_a_pass_costs_2_25_billion_multiply_adds():
    net, total = meta(), []
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            inputs = 20 if layer.kernel_size == (7, 7) else layer.in_channels
            cost = inputs * layer.out_channels * layer.kernel_size[0] ** 2
            layer.register_forward_hook(lambda _, x, maps, cost=cost: total.append(cost * maps[0, 0].numel()))
    net(torch.empty(1, 20, 224, 224, device="meta"))
    assert len(total) == 57
    assert sum(total) / 1e9 == pytest.approx(2.25, abs=0.005)


def test_maps_have_the_sizes_of_the_table():
    net, shapes = meta(), {}
    for name, module in net.named_modules():
        module.register_forward_hook(lambda _, x, maps, name=name: shapes.update({name: tuple(maps.shape[1:])}))
    net(torch.empty(1, 20, 224, 224, device="meta"))
    channels = {"3a": 256, "3b": 480, "4a": 512, "4b": 512, "4c": 512, "4d": 528, "4e": 832, "5a": 832, "5b": 1024}
    sides = {"3": 28, "4": 14, "5": 7}
    assert shapes["conv1.7x7_s2"] == (64, 112, 112)
    assert shapes["conv2.3x3_reduce"] == (64, 56, 56) and shapes["conv2.3x3"] == (192, 56, 56)
    assert {name: shapes[f"inception_{name}"] for name in MODULES} == {
        name: (count, sides[name[0]], sides[name[0]]) for name, count in channels.items()
    }
    assert shapes["gather"] == (1024,) and shapes[""] == (32,)


def test_branches_have_the_channels_of_the_table():
    module = meta().get_submodule("inception_4d")
    found = {name: (layer.in_channels, layer.out_channels, layer.kernel_size[0]) for name, layer in module.items()}
    assert found == {
        "1x1": (512, 112, 1),
        "3x3_reduce": (512, 144, 1),
        "3x3": (144, 288, 3),
        "5x5_reduce": (512, 32, 1),
        "5x5": (32, 64, 5),
        "pool_proj": (512, 64, 1),
    }


def test_an_inception_module_joins_1x1_3x3_5x5_and_pool_in_this_order():
    module = narrow().get_submodule("inception_3a")
    for value, name in enumerate(("1x1", "3x3", "5x5", "pool_proj"), start=1):
        nn.init.zeros_(module[name].weight)
        nn.init.constant_(module[name].bias, float(value))
    cells = module(torch.rand(1, module["1x1"].in_channels, 4, 4))[0, :, 1, 2].tolist()
    assert cells == [1.0] * 6 + [2.0] * 13 + [3.0] * 3 + [4.0] * 3  # tenths of 64, 128, 32, 32


def test_the_stem_is_pool_norm_convolutions_norm_pool():
    """Against the layers of bvlc_googlenet written out in numpy's float64."""
    net, seen = narrow(), []
    net.get_submodule("inception_3a").register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    inputs = 100 * torch.rand(1, 5, 64, 64, generator=torch.Generator().manual_seed(0))
    net(inputs)

    def respond(maps):  # Caffe: over 5 channels, alpha / 5
        squares = np.pad(maps**2, ((2, 2), (0, 0), (0, 0)))
        return maps / (1 + 1e-4 / 5 * sum(squares[i : i + len(maps)] for i in range(5))) ** 0.75

    def pool(maps):
        h, w = maps.shape[1:]
        rows = [[maps[:, y : y + 3, x : x + 3].max((1, 2)) for x in range(0, w - 1, 2)] for y in range(0, h - 1, 2)]
        return np.array(rows).transpose(2, 0, 1)

    def convolve(maps, layer, **options):
        weight = layer.whole if hasattr(layer, "whole") else layer.weight
        out = F.conv2d(torch.from_numpy(maps)[None], weight.double(), layer.bias.double(), **options)
        return out[0].clamp(min=0).detach().numpy()

    x = convolve(inputs[0].double().numpy(), net.conv1["7x7_s2"], stride=2, padding=3)
    x = convolve(respond(pool(x)), net.conv2["3x3_reduce"])
    x = pool(respond(convolve(x, net.conv2["3x3"], padding=1)))
    assert x.shape == (19, 8, 8) and x.std() > 0.1
    np.testing.assert_allclose(seen[0][0].detach(), x, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("flatten", "cells"), [(False, 1), (True, 4)])
def test_the_last_map_is_averaged_unless_its_cells_are_kept_apart(flatten, cells):
    net = narrow(flatten=flatten)
    maps = torch.rand(1, 102, 2, 2)
    assert net.cls3_fc.in_features == 102 * cells
    turned = maps.flip(-1)
    assert torch.allclose(net.gather(maps), net.gather(turned)) is not flatten
    if not flatten:
        torch.testing.assert_close(net.gather(maps), maps.sum((-1, -2)) / 4)


def test_fewer_modules_end_on_a_finer_map():
    for modules, cells in ((("3a",), 64), (("3b", "4e"), 16), (("3a", "5b"), 4)):
        net = narrow(modules=modules, flatten=True)
        assert net.cls3_fc.in_features == cells * net.get_submodule(f"inception_{modules[-1]}").out
        assert net(torch.rand(1, 5, 64, 64)).shape == (1, 4)


def test_new_weights_are_xaviers_with_a_bias_of_a_fifth():
    layer = GoogLeNet(1, 1, 224, extra_std=0.1, modules=("3a",)).conv2["3x3"]
    edge = (3 / (64 * 9)) ** 0.5
    assert edge * 0.99 < layer.weight.abs().max() <= edge
    assert layer.weight.std().item() == pytest.approx((1 / (64 * 9)) ** 0.5, rel=0.02)
    assert (layer.bias == 0.2).all()


def test_batch_norms_follow_every_convolution_and_replace_biases_and_response_norms():
    net = narrow(batch_norm=True)
    convolutions = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == 3 + 6 * 3
    assert all(isinstance(layer.norm, nn.BatchNorm2d) and layer.bias is None for layer in convolutions)
    assert not any(isinstance(layer, nn.LocalResponseNorm) for layer in net.modules())
    maps = convolutions[1](torch.rand(8, 6, 4, 4))
    assert maps.min() == 0 and 0.3 < (maps > 0).float().mean() < 0.7  # ReLU comes after the norm


def test_a_file_with_caffes_names_fills_the_trunk_and_nothing_else(tmp_path):
    net = narrow()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    written = caffe_file(net, tmp_path / "trunk.pth")
    load_trunk(net, tmp_path / "trunk.pth")
    kept = {"conv1.7x7_s2.extra", "cls3_fc.weight", "cls3_fc.bias"}
    assert set(before) - set(written) == kept and {"inception_3a.5x5_reduce.weight", "conv1.7x7_s2.bias"} <= set(
        written
    )
    for name, tensor in net.state_dict().items():
        assert (tensor == before[name]).all() if name in kept else (tensor == written[name]).all()


def test_layers_are_named_as_in_caffe():
    stem = {"conv1/7x7_s2", "conv2/3x3_reduce", "conv2/3x3"}
    branches = ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_proj")
    names = stem | {
        f"inception_{m}/{b}" for m in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b") for b in branches
    }
    layers = {name for name, layer in meta().named_modules() if isinstance(layer, nn.Conv2d)}
    assert layers == {name.replace("/", ".") for name in names}


def test_a_file_of_another_network_is_refused_by_name(tmp_path):
    net, path = narrow(), tmp_path / "trunk.pth"
    caffe_file(net, path, **{"conv1/7x7_s2.bias": torch.zeros(9), "neck.weight": torch.zeros(1)})
    with pytest.raises(DataError) as error:
        load_trunk(net, path)
    assert "unexpected: neck.weight; of another shape: conv1.7x7_s2.bias)" in str(error.value)
    state = torch.load(path)
    del state["conv2/3x3.weight"], state["neck.weight"], state["conv1/7x7_s2.bias"]
    torch.save(state, path)
    with pytest.raises(DataError, match=r"missing: conv1\.7x7_s2\.bias, conv2\.3x3\.weight\)"):
        load_trunk(net, path)


@pytest.mark.parametrize("content", [None, b"", b"no weights"])
def test_a_file_without_weights_is_refused(tmp_path, content):
    path = tmp_path / "trunk.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"trunk\.pth: no weights[^\n]*$"):
        load_trunk(narrow(), path)


def test_a_file_of_something_else_is_refused(tmp_path):
    torch.save([1, 2], tmp_path / "trunk.pth")
    with pytest.raises(DataError, match=r"trunk\.pth: holds list, not names of tensors"):
        load_trunk(narrow(), tmp_path / "trunk.pth")
