"""CPM's network: the fidelity checklist, items 1 to 5, 10 and 11; the prototxt written out in plain calls."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from methods.cpm_nets import PoseMachine, initialise

PAPER = {"pools": 3, "kernel": 9, "mixer_kernel": 11, "trunk_widths": (128,) * 3}
PAPER |= {"features": 32, "head_width": 512, "mixer_width": 128, "dropout": 0.5}
NARROW = {"trunk_widths": (4, 4, 4), "features": 3, "head_width": 6, "mixer_width": 5}


def net(maps=15, stages=6, **options):
    return PoseMachine(maps, stages, **{**PAPER, **options})


def meta(maps=15, stages=6):
    """The paper's network without memory."""
    with torch.device("meta"):
        return net(maps, stages)


def narrow(stages=3, side=64, **options):
    """A narrow network that computes, images and a centre map."""
    torch.manual_seed(0)
    made = net(4, stages, **{**NARROW, **options}).eval()
    initialise(made, "kaiming")
    return made, torch.rand(2, 3, side, side), torch.rand(1, 1, side, side)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_every_stage_gives_maps_of_46x46_from_368x368():  # item 1
    found = meta()(torch.empty(1, 3, 368, 368, device="meta"), torch.empty(1, 1, 368, 368, device="meta"))
    assert [tuple(maps.shape) for maps in found] == [(1, 15, 46, 46)] * 6


@pytest.mark.parametrize(
    ("maps", "stages", "parameters"),
    [
        (15, 6, 31_219_866),
        (10, 4, 21_323_816),
        (15, 3, 16_731_021),
        (15, 2, 11_901_406),
        (15, 1, 7_071_791 - 2_685_696),
    ],
)
def test_parameters_are_exactly_those_of_the_prototxt(maps, stages, parameters):  # item 2
    """A single stage is built without the second trunk, which nothing would use."""
    assert count(meta(maps, stages)) == parameters


def test_each_block_has_its_parameters():
    made = meta()
    assert count(made.trunk) == count(made.shared_trunk) == 2_685_696
    assert count(made.head) == 1_700_399
    assert [(count(stage.features), count(stage.mixer)) for stage in made.later] == [(102_432, 4_727_183)] * 5


@pytest.mark.parametrize(("maps", "stages", "giga"), [(15, 6, 175.4), (10, 4, 154.5)])
def test_multiply_adds_at_368x368(maps, stages, giga):
    counter = FlopCounterMode(display=False)
    with counter:
        meta(maps, stages)(torch.empty(1, 3, 368, 368, device="meta"), torch.empty(1, 1, 368, 368, device="meta"))
    assert counter.get_total_flops() / 2e9 == pytest.approx(giga, abs=0.06)


def test_the_centre_map_reaches_every_stage_but_the_first():  # item 3
    made, pixels, centre = narrow()
    with torch.no_grad():
        found, without = made(pixels, centre), made(pixels, torch.zeros_like(centre))
    assert [torch.equal(one, other) for one, other in zip(found, without, strict=True)] == [True, False, False]


def test_later_stages_share_one_trunk_and_nothing_else():  # item 4
    made, pixels, centre = narrow(4)
    passes = []
    made.shared_trunk.register_forward_hook(lambda layer, images, maps: passes.append(maps))
    heard = []
    for stage in made.later:
        stage.features.register_forward_hook(lambda layer, images, maps: heard.append(images[0]))
    made(pixels, centre)
    assert len(passes) == 1 and all(image is passes[0] for image in heard) and len(heard) == 3
    blocks = [made.trunk, made.shared_trunk, made.head, *made.later]
    owned = [{id(parameter) for parameter in block.parameters()} for block in blocks]
    assert sum(map(len, owned)) == len(set().union(*owned)) == len(list(made.parameters()))


def test_the_first_loss_stays_in_the_first_stage_and_the_last_reaches_everything():  # item 5
    made, pixels, centre = narrow()
    first = {id(parameter) for parameter in made.first_stage()}
    made(pixels, centre)[0].square().sum().backward()
    for parameter in made.parameters():
        assert (parameter.grad is not None and parameter.grad.any()) == (id(parameter) in first)
    made.zero_grad()
    made(pixels, centre)[-1].square().sum().backward()
    assert all(parameter.grad.any() for parameter in made.parameters())


def test_dropout_of_a_half_appears_twice_and_only_in_the_first_head():  # item 10
    made = meta()
    places = [name for name, layer in made.named_modules() if isinstance(layer, nn.Dropout)]
    assert places == ["head.4", "head.7"] and made.head[4].p == made.head[7].p == 0.5
    kinds = [type(layer).__name__ for layer in made.head]
    assert kinds == ["Conv2d", "ReLU"] * 2 + ["Dropout", "Conv2d", "ReLU", "Dropout", "Conv2d"]


def test_one_belief_reaches_15_cells_in_the_next_stage_and_no_further():  # item 11
    made, _, _ = narrow(2)
    stage, beliefs = made.later[0].double(), torch.zeros(1, 4, 46, 46, dtype=torch.float64)
    image, centre = torch.rand(1, 4, 46, 46, dtype=torch.float64), torch.zeros(1, 1, 46, 46, dtype=torch.float64)
    moved = beliefs.clone()
    moved[0, 1, 20, 22] = 1
    with torch.no_grad():
        for layer in stage.mixer[:-1]:
            if isinstance(layer, nn.Conv2d):
                layer.weight.abs_()  # no ReLU hides a path
        changed = (stage(image, beliefs, centre) != stage(image, moved, centre)).any(1)[0]
    expected = torch.zeros(46, 46, dtype=torch.bool)
    expected[20 - 15 : 20 + 16, 22 - 15 : 22 + 16] = True
    assert torch.equal(changed, expected)


def test_the_network_computes_the_prototxt():
    made, pixels, centre = narrow(3, 40)
    convolutions = [layer for layer in made.modules() if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == 3 + 4 + 3 + 2 * 6
    weights = iter(convolutions)

    def conv(x):
        layer = next(weights)
        return F.conv2d(x, layer.weight, layer.bias, padding=(layer.weight.shape[-1] - 1) // 2)

    def image():
        x = pixels
        for _ in range(3):
            x = F.max_pool2d(conv(x).relu(), 3, 2, ceil_mode=True)
        return x

    x = conv(conv(image()).relu()).relu()
    expected = [conv(conv(x).relu())]
    shared, pooled = image(), F.avg_pool2d(centre, 9, 8, ceil_mode=True).repeat(2, 1, 1, 1)
    for _ in range(2):
        x = torch.cat([conv(shared).relu(), expected[-1], pooled], 1)
        for _ in range(4):
            x = conv(x).relu()
        expected.append(conv(x))
    with torch.no_grad():
        for one, other in zip(made(pixels, centre), expected, strict=True):
            torch.testing.assert_close(one, other)
    kernels = [layer.kernel_size[0] for layer in convolutions]
    assert kernels == [9, 9, 9, 5, 9, 1, 1, 9, 9, 9] + [5, 11, 11, 11, 1, 1] * 2


def test_a_cell_of_the_centre_map_is_the_mean_of_9x9_pixels_fewer_at_the_border():
    made, pixels, centre = narrow(2)
    seen = []
    made.later[0].mixer.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0][0, -1]))
    made(pixels, centre)
    for j, i in ((0, 0), (3, 5), (7, 7)):
        patch = centre[0, 0, 8 * j : 8 * j + 9, 8 * i : 8 * i + 9]
        torch.testing.assert_close(seen[0][j, i], patch.mean())
    assert seen[0].shape == (8, 8)


def test_paper_weights_start_with_deviation_001_and_biases_at_0():
    made = net(4, 2, **{**NARROW, "head_width": 64})
    initialise(made, "gaussian")
    assert made.head[2].weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert made.trunk[0].weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert not any(layer.bias.any() for layer in made.modules() if isinstance(layer, nn.Conv2d))


def test_kaiming_starts_layers_before_a_relu_by_their_inputs_and_maps_near_0():
    torch.manual_seed(0)
    made = net(4, 2, trunk_widths=(32,) * 3, features=8, head_width=64, mixer_width=16)
    initialise(made, "kaiming")
    for layer, inputs in ((made.trunk[3], 32 * 81), (made.head[2], 8 * 81), (made.later[0].mixer[2], 16 * 121)):
        assert layer.weight.std().item() == pytest.approx((2 / inputs) ** 0.5, rel=0.1)  # He et al. 2015
    for layer in (made.head[-1], made.later[0].mixer[-1]):
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.25)
