"""HRNet: the fidelity checklist, and what it refuses; timm's own network is the reference."""

from collections import Counter

import pytest
import timm
import torch
from timm.models.resnet import BasicBlock, Bottleneck
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from data.skeletons import COCO17, LSP14, MPII16
from data.types import DataError, PoseBatch
from methods.hrnet import HRNet
from methods.hrnet_nets import Exchange, transition


def meta(skeleton=COCO17, **options):
    """A method without memory: shapes and names only."""
    with torch.device("meta"):
        return HRNet(skeleton, **options)


def small(skeleton=LSP14, **options):
    """A narrow method that computes."""
    torch.manual_seed(0)
    narrow = {"width": 4, "stem": 4, "modules": (1, 1, 1), "input_size": (64, 64), "pretrained": False}
    return HRNet(skeleton, **{**narrow, **options})


def awake(module):
    """The same module with weights large enough to see differences."""
    torch.manual_seed(1)
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    return module.eval()


def batch(b=2):
    images = torch.randint(0, 256, (b, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    to_image = torch.eye(2, 3, dtype=torch.float64).expand(b, 2, 3)
    return PoseBatch(images, torch.full((b, 1, 14, 2), 20.0), torch.ones(b, 1, 14), to_image, (0,) * b, ((),) * b)


def branches(count, side=16, width=4):
    generator = torch.Generator().manual_seed(2)
    return [torch.rand(1, width * 2**n, side >> n, side >> n, generator=generator) for n in range(count)]


@pytest.mark.parametrize(
    ("width", "skeleton", "expected"),
    [(32, COCO17, 28_536_113), (48, COCO17, 63_595_745), (32, MPII16, 28_536_080), (48, MPII16, 63_595_696)],
)
def test_parameters_are_exactly_the_published_ones(width, skeleton, expected):  # item 1
    assert sum(p.numel() for p in meta(skeleton, width=width).net.parameters()) == expected


def test_only_the_last_convolution_has_a_bias():  # item 2
    modules = dict(meta().net.named_modules())
    convolutions = {name: m for name, m in modules.items() if isinstance(m, nn.Conv2d)}
    assert len(convolutions) == 293
    assert sum(isinstance(m, nn.BatchNorm2d) for m in modules.values()) == 292
    assert [name for name, m in convolutions.items() if m.bias is not None] == ["final_layer"]


@pytest.mark.parametrize("size", [(256, 192), (384, 288)])
def test_the_first_branch_stays_at_a_quarter_of_the_input(size):  # item 3
    net, seen = meta(input_size=size).net, []
    for module in net.modules():
        if isinstance(module, Exchange):
            module.register_forward_hook(lambda _, inputs, out: seen.extend([inputs[0][0].shape, out[0].shape]))
    assert net(torch.empty(1, 3, *size, device="meta")).shape == (1, 17, size[0] // 4, size[1] // 4)
    assert len(seen) == 16 and {shape[2:] for shape in seen} == {(size[0] // 4, size[1] // 4)}


def test_entries_are_those_of_the_official_files():  # item 4
    names = meta().net.state_dict()
    counts = {"conv1": 1, "bn1": 5, "conv2": 1, "bn2": 5, "layer1": 78, "transition1": 12, "stage2": 108}
    counts |= {"transition2": 6, "stage3": 744, "transition3": 6, "stage4": 786, "final_layer": 2}
    assert len(names) == 1754
    assert Counter(name.partition(".")[0] for name in names) == counts


def test_every_entry_but_the_head_is_one_of_timms_network_of_the_same_shape():  # item 4
    with torch.device("meta"):
        reference = timm.create_model("hrnet_w32").state_dict()
    own = {name: t.shape for name, t in meta().net.state_dict().items() if not name.startswith("final_layer")}
    assert own == {name: reference[name].shape for name in own}


def test_the_last_exchange_sums_into_the_first_branch_alone():  # item 5
    net = meta().net
    outputs = {name: [len(x.fuse_layers) for x in net.get_submodule(name)] for name in ("stage2", "stage3", "stage4")}
    assert outputs == {"stage2": [2], "stage3": [3, 3, 3, 3], "stage4": [4, 4, 1]}


@pytest.mark.parametrize(("source", "scale"), [(1, 2), (2, 4), (3, 8)])
def test_the_way_up_is_a_1x1_convolution_then_repeated_cells(source, scale):  # item 6
    convolution, norm, up = meta().net.stage4[0].fuse_layers[0][source]
    assert convolution.kernel_size == (1, 1) and isinstance(norm, nn.BatchNorm2d)
    assert (up.mode, up.scale_factor) == ("nearest", scale)


def test_the_way_down_has_relu_between_but_not_after():  # item 7
    first, second = meta().net.stage3[0].fuse_layers[2][0]
    assert [layer.stride for layer in (first[0], second[0])] == [(2, 2), (2, 2)]
    assert [type(layer).__name__ for layer in first] == ["Conv2d", "BatchNorm2d", "ReLU"]
    assert [type(layer).__name__ for layer in second] == ["Conv2d", "BatchNorm2d"]
    assert (first[0].out_channels, second[0].out_channels) == (32, 128)


def test_every_branch_hears_of_every_other():  # item 8
    exchange, xs = awake(Exchange([4, 8, 16, 32], 4)), branches(4)
    with torch.no_grad():
        before = exchange(xs)
        for source in range(4):
            after = exchange([x + 1 if n == source else x for n, x in enumerate(xs)])
            assert all((a != b).any() for a, b in zip(before, after, strict=True))


def test_a_new_branch_comes_from_the_lowest_alone():  # item 9
    layers = meta(width=4).net.transition2
    assert [type(layer).__name__ for layer in layers] == ["Identity", "Identity", "Sequential"]
    net = awake(small().net)
    seen = {}
    net.transition2[-1].register_forward_hook(lambda _, inputs, __: seen.__setitem__("new", inputs[0]))
    net.stage2.register_forward_hook(lambda _, __, out: seen.__setitem__("stage2", out))
    with torch.no_grad():
        net(torch.rand(1, 3, 64, 64))
    assert seen["new"] is seen["stage2"][-1]
    assert len(transition([256], [32, 64])) == 2  # the first one changes the width of the stem's branch as well


def test_eight_exchanges_104_basic_blocks_and_4_bottlenecks():  # item 10
    counts = Counter(type(module) for module in meta().net.modules())
    assert (counts[Exchange], counts[BasicBlock], counts[Bottleneck]) == (8, 104, 4)


@pytest.mark.parametrize(("width", "macs"), [(32, 7.645e9), (48, 15.692e9)])
def test_multiply_adds_at_256x192(width, macs):  # item 11
    method = meta(width=width).eval()
    with FlopCounterMode(display=False) as counter:
        method.net(torch.empty(1, 3, 256, 192, device="meta"))
    assert counter.get_total_flops() / 2 == pytest.approx(macs, rel=1e-3)


def test_sums_are_rectified_and_heat_maps_are_not():  # item 12
    net = awake(small().net)
    with torch.no_grad():
        images = torch.rand(1, 3, 64, 64)
        ends = [x for xs in net.branches(images) for x in xs]
        assert min(x.min() for x in ends) == 0
        assert net(images).min() < 0


def test_the_first_branch_is_that_of_timms_network_with_the_same_weights():
    reference = timm.create_model("hrnet_w18", features_only=True, feature_location="")
    net = awake(small(width=18, stem=64, modules=(1, 4, 3)).net).double()
    missing, _ = reference.load_state_dict(net.state_dict(), strict=False)
    assert all("stage4.2.fuse_layers." in name for name in missing)  # the sums into the lower branches
    images = torch.rand(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(net.branches(images)[-1][0], reference.double().eval()(images)[1])


def test_an_imagenet_file_leaves_only_the_head_as_it_was(tmp_path):  # item 13
    method = small(backbone_weights=tmp_path / "imagenet.pth")
    state = {name: torch.full_like(tensor, 2) for name, tensor in method.net.state_dict().items()}
    extra = ("stage4.2.fuse_layers.1.0.0.0.weight", "incre_modules.0.0.conv1.weight", "classifier.weight")
    state |= {name: torch.zeros(1) for name in extra} | {"final_layer.weight": torch.zeros(9)}
    torch.save(state, tmp_path / "imagenet.pth")
    head = method.net.final_layer.weight.clone()
    method.before_fit(None)
    for name, tensor in method.net.state_dict().items():
        assert torch.equal(tensor, head) if name == "final_layer.weight" else (tensor == 2).all() or "final" in name


def test_flips_move_the_maps_only_on_the_classic_grid():
    assert small().flip_shift == 1
    assert small(aligned=True).flip_shift == 0
    assert small(aligned=True, flip_shift=1).flip_shift == 1


def test_the_inside_shows_every_branch_and_the_maps():
    method = small().eval()
    with torch.no_grad():
        panels = method.inside(batch())
    assert [panel.title for panel in panels] == ["1/4", "1/8", "1/16", "maps"]
    assert [tuple(panel.maps.shape[-2:]) for panel in panels] == [(16, 16), (8, 8), (4, 4), (16, 16)]
    assert all(panel.maps.amin() >= 0 and panel.maps.amax() <= 1 for panel in panels)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"input_size": (100, 64)}, "100x64: height and width must be multiples of 32"),
        ({"input_size": (0, 64)}, "0x64"),
        ({"width": 0}, "width 0"),
        ({"modules": (1, 0, 1)}, "modules"),
        ({"sigma": 0.0}, "sigma 0.0"),
    ],
)
def test_settings_that_cannot_work_are_refused(options, words):
    with pytest.raises(DataError, match=words):
        small(**options)


def test_weights_of_the_hub_that_do_not_exist_are_refused_in_one_line():
    with pytest.raises(DataError, match="no ImageNet weights for HRNet-W7"):
        small(width=7, pretrained=True).before_fit(None)
