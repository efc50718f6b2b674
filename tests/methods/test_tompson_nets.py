"""Tompson et al. 2015, the networks: the fidelity checklist, items 1 to 8, against loops and hand-worked numbers."""

import numpy as np
import pytest
import torch
from torch import nn

from methods.tompson_nets import LAYOUTS, Coarse, Fine, Tap, crop, lay, local_contrast, pyramid

FLIC, MPII = (7, 7, (240, 320)), (11, 14, (256, 256))  # stages, joints, input


def coarse(layers=7, joints=14, pooling=4, width=4, context=6, hidden=5, dropout=0.5):
    torch.manual_seed(0)
    return Coarse(joints, LAYOUTS[layers], pooling, width, context, hidden, dropout)


def full(layers, joints, pooling=4):
    with torch.device("meta"):
        return coarse(layers, joints, pooling, 128, 512, 256)


def levels(size, device="cpu"):
    rng = torch.Generator().manual_seed(0)
    sides = [[side >> i for side in size] for i in range(3)]
    return [torch.randn(2, 3, *side, generator=rng).to(device) for side in sides]


def noise(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def count(net):
    return sum(parameter.numel() for parameter in net.parameters())


def multiply_adds(net, *inputs):
    """Of one input: weights times cells, the 1x1 convolution of a joint at its own channels."""
    total = []

    def add(layer, _, maps):
        total.append(layer.weight.numel() * maps.shape[0] * maps.shape[-2] * maps.shape[-1])

    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(add)
    net(*inputs)
    return sum(total) / 1e9


@pytest.mark.parametrize(("layers", "joints", "parameters"), [(7, 7, 18_613_255), (11, 14, 24_695_182)])
def test_the_coarse_network_has_the_parameters_of_the_specification(layers, joints, parameters):
    assert count(full(layers, joints)) == parameters


def test_the_fine_network_has_the_parameters_of_the_specification():
    with torch.device("meta"):
        assert count(Fine(14, 128, 128)) == 2_886_414


@pytest.mark.parametrize(
    ("kind", "pooling", "giga"),
    [(FLIC, 4, 48.3), (FLIC, 8, 22.4), (FLIC, 16, 16.0), (MPII, 4, 91.6), (MPII, 8, 66.5), (MPII, 16, 61.0)],
)
def test_multiply_adds_of_the_coarse_network(kind, pooling, giga):
    layers, joints, size = kind
    images = [level[:1] for level in levels(size, "meta")]
    assert multiply_adds(full(layers, joints, pooling), images) == pytest.approx(giga, abs=0.1)


@pytest.mark.parametrize(
    ("second", "giga"), [(2, 19.9), (1, 27.2)]
)  # the second tap behind a pool (FLIC) or not (MPII)
def test_multiply_adds_of_the_fine_network_for_14_joints(second, giga):
    with torch.device("meta"):
        net = Fine(14, 128, 128)
        strides = [first << i for i in range(3) for first in (1, second)]
        crops = [torch.empty(14, 128, -(-36 // stride), -(-36 // stride)) for stride in strides]
    assert multiply_adds(net, crops, 36) == pytest.approx(giga, abs=0.1)


@pytest.mark.parametrize(("kind", "pooling"), [(kind, pooling) for kind in (FLIC, MPII) for pooling in (4, 8, 16)])
def test_maps_are_the_input_divided_by_the_pooling_one_a_joint(kind, pooling):  # item 1
    layers, joints, size = kind
    maps, _ = full(layers, joints, pooling)(levels(size, "meta"))
    assert maps.shape == (2, joints, size[0] // pooling, size[1] // pooling)


@pytest.mark.parametrize("layers", [7, 11])
def test_each_path_from_image_to_map_has_7_or_11_weight_stages(layers):  # item 1
    net = full(layers, 14)
    kernels = [layer.kernel_size[0] for layer in net.head if isinstance(layer, nn.Conv2d)]
    for bank in net.banks:
        path = [*(conv.kernel_size[0] for conv in bank.convs), bank.context.kernel_size[0], *kernels]
        assert path == {7: [5] * 3 + [9] + [1] * 3, 11: [5] * 8 + [9] + [1] * 2}[layers]


def test_three_banks_have_weights_of_their_own_and_all_count():  # item 2
    net, images = coarse().eval(), levels((32, 48))
    owners = [{id(parameter) for parameter in bank.parameters()} for bank in net.banks]
    assert len(owners) == 3 and len(set.union(*owners)) == sum(map(len, owners))
    whole, _ = net(images)
    for i in range(3):
        without = [torch.zeros_like(level) if i == j else level for j, level in enumerate(images)]
        assert (net(without)[0] - whole).abs().max() > 1e-6


def test_a_feature_of_the_quarter_image_is_added_where_it_stands():
    """16x pooling makes 4 cells of the quarter's 60 rows: its row 57 belongs to cell 14 of 15, its column 2 to 0."""
    net = coarse(7, 1, 16, 1, 1, 1).eval()
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.dirac_(layer.weight)
    images = [torch.zeros(1, 3, 240 >> i, 320 >> i) for i in range(3)]
    images[2][:, :, 57, 2] = 1.0
    maps, _ = net(images)
    row, column = np.unravel_index(maps[0, 0].argmax(), (15, 20))
    assert maps.shape == (1, 1, 15, 20) and maps[0, 0, 14, 0] == maps.max() == 1.0
    assert (maps[0, 0] > 0).nonzero().tolist() == [[r, c] for r in (12, 13, 14) for c in range(4)]  # one cell of bank 3
    assert (row, column) == (12, 0)


def test_the_pyramid_halves_with_1_3_3_1():  # item 2
    line = noise(1, 3, 8, 1).double()
    levels = pyramid(line.expand(1, 3, 8, 8).clone())
    assert [tuple(level.shape[-2:]) for level in levels] == [(8, 8), (4, 4), (2, 2)]
    by_hand = (line[:, :, 1] + 3 * line[:, :, 2] + 3 * line[:, :, 3] + line[:, :, 4]) / 8
    torch.testing.assert_close(levels[1][:, :, 1, 1:2], by_hand)


def contrast_by_hand(image, y, x, eps):
    """Loops over the 9x9 window, one pixel of one channel; the mean of each neighbour is its own."""
    h, w = image.shape

    def window(values, y, x):
        total = weights = 0.0
        for v in range(max(0, y - 4), min(h, y + 5)):
            for u in range(max(0, x - 4), min(w, x + 5)):
                weight = np.exp(-((v - y) ** 2 + (u - x) ** 2) / (2 * 2.25**2))
                total, weights = total + weight * values(v, u), weights + weight
        return total / weights

    def rest(v, u):
        return image[v, u] - window(lambda a, b: image[a, b], v, u)

    return rest(y, x) / np.sqrt(window(lambda v, u: rest(v, u) ** 2, y, x) + eps)


def test_contrast_is_normalised_as_the_loops_say_also_at_the_border():  # item 3
    image = noise(1, 2, 12, 15).double()
    found = local_contrast(image, 1e-4)
    for y, x in ((0, 0), (6, 7), (11, 3)):
        assert found[0, 1, y, x].item() == pytest.approx(contrast_by_hand(image[0, 1].numpy(), y, x, 1e-4), rel=1e-9)


def test_contrast_of_a_constant_is_zero_and_a_constant_more_changes_nothing():  # item 3
    image = noise(1, 3, 32, 32)
    assert local_contrast(torch.full((1, 3, 32, 32), 0.7), 1e-4).abs().max() < 1e-3
    torch.testing.assert_close(local_contrast(image + 0.3, 1e-4), local_contrast(image, 1e-4), atol=1e-4, rtol=0)


def test_twice_the_contrast_changes_textured_regions_by_less_than_5_percent():  # item 3
    image = 0.3 * noise(1, 3, 32, 32)
    once, twice = local_contrast(image, 1e-4), local_contrast(2 * image, 1e-4)
    assert ((twice - once).abs() < 0.05 * once.abs() + 1e-6).all() and not torch.equal(once, twice)


def test_whole_channels_of_the_sum_are_dropped_once_before_the_first_1x1():  # item 4
    net, seen = coarse(context=64).train(), {}
    drops = [layer for layer in net.modules() if "Drop" in type(layer).__name__]
    assert drops == [net.head[0]] and net.head[1].kernel_size == (1, 1)
    net.head[0].register_forward_hook(lambda layer, total, kept: seen.update(total=total[0], kept=kept))
    net(levels((32, 48)))
    factor = (seen["kept"] / seen["total"].clamp(min=1e-9)).flatten(2)
    alive = (seen["total"].flatten(2) > 1e-3) & (seen["total"].flatten(2).amax(-1, keepdim=True) > 1e-3)
    values = [channel[there] for channel, there in zip(factor.flatten(0, 1), alive.flatten(0, 1), strict=True)]
    kinds = [channel.round(decimals=3).unique().tolist() for channel in values if len(channel)]
    assert len(kinds) > 50 and all(kind in ([0.0], [2.0]) for kind in kinds)
    assert 0.3 < np.mean([kind == [0.0] for kind in kinds]) < 0.7


@pytest.mark.parametrize(("layers", "strides"), [(7, [1, 2, 2, 4, 4, 8]), (11, [1, 1, 2, 2, 4, 4])])
def test_the_taps_are_the_first_two_convolutions_of_every_bank(layers, strides):  # item 5
    net, expected = coarse(layers).eval(), []
    for bank in net.banks:
        for conv in bank.convs[:2]:
            conv.register_forward_hook(lambda layer, _, found: expected.append(found.relu()))
    _, taps = net(levels((32, 48)))
    assert [tap.stride for tap in taps] == strides
    assert len(taps) == 2 * 3 and all(torch.equal(tap.features, own) for tap, own in zip(taps, expected, strict=True))


def test_a_crop_is_a_plain_slice_where_the_centre_lies_between_cells_and_zero_outside():
    features = noise(2, 3, 24, 32)
    centres = torch.tensor([[[9.5, 13.5], [29.5, 1.5]], [[5.5, 5.5], [21.5, 17.5]]])
    found = crop(Tap(features, 1), centres, 8).view(2, 2, 3, 8, 8)
    torch.testing.assert_close(found[0, 0], features[0, :, 10:18, 6:14])
    torch.testing.assert_close(found[1, 1], features[1, :, 14:22, 18:26])
    beyond = torch.zeros(3, 8, 8)
    beyond[:, 2:, :6] = features[0, :, :6, 26:]  # x from 26 to 33, y from -2 to 5
    torch.testing.assert_close(found[0, 1], beyond)


def ramp(stride, side=128):
    """Features that say where they are: the pixel under the middle of each cell."""
    at = torch.arange(side // stride).float() * stride + (stride - 1) / 2
    y, x = torch.meshgrid(at, at, indexing="ij")
    return Tap(torch.stack([x, y])[None], stride)


@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_crops_lie_around_the_centre_and_follow_it(stride):  # item 6
    centres = torch.tensor([[[61.5, 53.5], [65.5, 57.5]]])  # one cell of stride 4 on
    here, there = crop(ramp(stride), centres, 36)
    torch.testing.assert_close(here.mean((-2, -1)), torch.tensor([61.5, 53.5]), atol=1e-3, rtol=0)
    torch.testing.assert_close(there, here + 4.0, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("stride", "side"), [(1, 36), (2, 18), (4, 9), (8, 5)])
def test_crops_of_all_resolutions_cover_the_same_pixels(stride, side):  # item 7
    found = crop(ramp(stride), torch.tensor([[[61.5, 53.5]]]), 36)
    assert found.shape == (1, 2, side, side)
    x = found[0, 0, 0]
    apart = (x[-1] - x[0]) / (side - 1)  # each stands for a stretch around it
    assert (x[0] - apart / 2).item() == pytest.approx(61.5 - 18, abs=1e-3)
    assert (x[-1] + apart / 2).item() == pytest.approx(61.5 + 18, abs=1e-3)


def test_the_fine_network_is_the_same_for_all_joints_but_for_the_last_layer():  # item 8
    torch.manual_seed(0)
    net, features = Fine(3, 2, 4), []
    crops = [noise(3, 2, side, side) for side in (8, 4, 4, 2, 2, 1)]  # one input's three joints
    net.common.register_forward_hook(lambda layer, _, found: features.append(found))
    maps = net(crops, 8)
    swapped = net([part[[1, 0, 2]] for part in crops], 8)
    torch.testing.assert_close(features[1], features[0][[1, 0, 2]])
    assert maps.shape == (1, 3, 8, 8)
    assert (swapped[0, :2] - maps[0, [1, 0]]).abs().amax((-2, -1)).min() > 1e-6
    for k in range(3):
        by_hand = (net.last.weight[k] * features[0][k]).sum(0) + net.last.bias[k]
        torch.testing.assert_close(maps[0, k], by_hand)


def test_every_path_of_the_fine_network_counts():
    torch.manual_seed(0)
    net, crops = Fine(2, 3, 4), [noise(2, 3, side, side) for side in (8, 8, 4, 4, 2, 2)]
    whole = net(crops, 8)
    for i in range(6):
        assert (net([torch.zeros_like(c) if i == j else c for j, c in enumerate(crops)], 8) - whole).abs().max() > 1e-6


def test_maps_are_laid_where_their_centres_are():
    maps = noise(1, 2, 4, 4)
    found = lay(maps, torch.tensor([[[5.5, 3.5], [11.5, 0.5]]]), (8, 12))
    expected = torch.zeros(1, 2, 8, 12)
    expected[0, 0, 2:6, 4:8] = maps[0, 0]
    expected[0, 1, :3, 10:] = maps[0, 1, 1:, :2]  # from (10, -1): the rest is outside
    torch.testing.assert_close(found, expected)


def test_last_layers_start_small_and_the_others_as_he_says():
    net = coarse(7, 14, 4, 32, 64, 64)
    assert net.head[-1].weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert net.banks[1].convs[1].weight.std().item() == pytest.approx((2 / (25 * 32)) ** 0.5, rel=0.05)
    assert all(not layer.bias.any() for layer in net.modules() if isinstance(layer, nn.Conv2d))
