"""DeepCut's detectors: counts, strides, dilation, and where the cells lie."""

import pytest
import torch
from torch import nn

from bench.config import resolve
from data.skeletons import LSP14
from data.types import DataError
from methods.deepcut import DeepCut
from methods.deepcut_nets import DenseVGG, PartResNet, SteadyNorm, begin_as, vgg_entries
from methods.deepcut_targets import Cells


def count(net):
    return sum(p.numel() for p in net.parameters())


def on_paper(depth=152, **options):
    with torch.device("meta"):
        return PartResNet(14, depth, 64, "frozen", **options)


@pytest.mark.parametrize(("depth", "parameters"), [(50, 31_329_146), (101, 50_321_274), (152, 65_964_922)])
def test_the_resnets_have_the_papers_parameters(depth, parameters):
    assert count(on_paper(depth)) == parameters


def test_the_heads_have_the_papers_parameters():
    net = on_paper()
    assert count(net.deep) + count(net.skip) == 7_692_076
    assert count(net.early) == 129_038


def test_the_dense_vgg_has_the_papers_parameters():
    with torch.device("meta"):
        net = DenseVGG(14)
    assert count(net.parts) == 61_455 and count(net.offsets) == 114_716
    assert count(net) - count(net.parts) - count(net.offsets) == 134_260_544


def test_the_paper_preset_on_mpiis_joints_has_14_classes_and_the_papers_parameters():
    with torch.device("meta"):
        method = resolve("deepcut", "paper", "synthetic-multi-mpii").build_method()
    assert count(method) == 65_964_922
    assert len(method.chosen) == 14 and method.view.size == (512, 512)


def test_network_outputs_14_28_364_channels_at_stride_8_for_512_input():
    net = on_paper().eval()
    answers = net(torch.empty(1, 3, 512, 512, device="meta"))
    assert answers.parts.shape == (1, 14, 64, 64)
    assert answers.offsets.shape == (1, 14, 2, 64, 64)
    assert answers.pairs.shape == (1, 14, 13, 2, 64, 64) and 14 * 13 * 2 == 364
    assert net.train()(torch.empty(1, 3, 64, 64, device="meta")).early.shape == (1, 14, 8, 8)


def test_the_79_7_gmacs_of_the_paper_network():
    with torch.device("meta"):
        method = DeepCut(LSP14, mode="single")
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        method.net.eval()(torch.empty(1, 3, 512, 512, device="meta"))
    assert counter.get_total_flops() / 2e9 == pytest.approx(79.7, abs=0.05)


def test_res5_is_dilated_by_2_and_does_not_stride():
    convolutions = [m for m in on_paper().layer4.modules() if isinstance(m, nn.Conv2d)]
    wide = [m for m in convolutions if m.kernel_size == (3, 3)]
    assert len(wide) == 3
    assert all(m.dilation == (2, 2) and m.padding == (2, 2) for m in wide)
    assert all(m.stride == (1, 1) for m in convolutions)


@pytest.mark.parametrize(("stride_on", "strides"), [("1x1", [2, 1]), ("3x3", [1, 2])])
def test_the_stride_is_on_the_1x1_of_the_authors_or_the_3x3_of_torchvision(stride_on, strides):
    net = on_paper(50, stride_on=stride_on)
    for stage in (net.layer2, net.layer3):
        assert [stage[0].conv1.stride[0], stage[0].conv2.stride[0]] == strides


def test_without_the_pooling_cells_are_half_as_large():
    net = PartResNet(3, 18, 4, "batch", pools=0).eval()
    assert net(torch.zeros(1, 3, 64, 64)).parts.shape[-2:] == (16, 16)


def test_a_cell_of_res5_answers_on_the_cell_twice_as_far():
    """With a weight at the middle of the kernel alone, cell i appears at 2 i: the crop of the authors' Caffe net."""
    net = PartResNet(2, 18, 4, "batch")
    with torch.no_grad():
        net.deep.weight.zero_()
        net.deep.weight[0, 0, 1, 1] = 1
        net.deep.bias.zero_()
        x = torch.zeros(1, 32, 4, 5)
        x[0, 0, 1, 3] = 7
        answer = net.deep(x)
    assert answer.shape[-2:] == (8, 10)
    assert answer[0, 0].nonzero().tolist() == [[2, 6]] and answer[0, 0, 2, 6] == 7


def test_pairs_at_single_cells_are_those_of_the_whole_map():
    torch.manual_seed(0)
    net = PartResNet(3, 18, 4, "batch").eval()
    nn.init.normal_(net.deep.bias), nn.init.normal_(net.skip.bias)
    with torch.no_grad():
        answers = net(torch.randn(2, 3, 64, 96))
        cells = Cells.of(torch.ones(2, 3, 8, 12))
        found = net.pairs_at(answers.features, cells)
    expected = answers.pairs.permute(1, 0, 4, 5, 2, 3).reshape(-1, 2, 2)  # by joint, image, row, column
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_training_answers_parts_and_offsets_as_testing_does():
    net = PartResNet(3, 50, 4)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        one, other = net.train()(images), net.eval()(images)
    torch.testing.assert_close(one.parts, other.parts)
    torch.testing.assert_close(one.offsets, other.offsets)
    assert one.pairs is None and other.early is None


def test_frozen_batch_norms_keep_their_statistics_and_learn_scale_and_shift():
    norm = SteadyNorm(1).train()
    norm.running_mean.fill_(3), norm.running_var.fill_(4)
    norm.weight.data.fill_(2), norm.bias.data.fill_(1)
    answer = norm(torch.full((1, 1, 1, 1), 7.0))
    assert answer.item() == pytest.approx(2 * (7 - 3) / 2 + 1, abs=1e-4)
    answer.backward()
    assert norm.running_mean.item() == 3 and norm.weight.grad is not None


def test_the_vgg_keeps_stride_8_and_dilates():
    net = DenseVGG(14, 1 / 32).eval()
    assert net(torch.zeros(1, 3, 64, 80)).parts.shape == (1, 14, 8, 10)
    assert net.fc6.dilation == (4, 4) and [m.dilation[0] for m in net.features if isinstance(m, nn.Conv2d)][-3:] == [
        2,
        2,
        2,
    ]


def test_vggs_dense_layers_become_convolutions_of_the_same_sums():
    dense = torch.nn.Linear(2 * 49, 3)
    image = torch.randn(1, 2, 7, 7)
    entries = vgg_entries({"classifier.0.weight": dense.weight.data, "features.0.bias": torch.zeros(1)})
    assert set(entries) == {"fc6.weight", "features.0.bias"}
    found = nn.functional.conv2d(image, entries["fc6.weight"], dense.bias.data)
    torch.testing.assert_close(found.flatten(), dense(image.flatten()))


def test_weights_are_not_interchanged_silently():
    with pytest.raises(DataError, match="stride_on 1x1"):
        DeepCut(LSP14, stride_on="1x1", depth=50)
    with pytest.raises(DataError, match="norm frozen without weights"):
        DeepCut(LSP14, pretrained=False, depth=50)
    with pytest.raises(DataError, match="no hub has VGG-16"):
        DeepCut(LSP14, paper="deepcut")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"input_size": (100, 128)}, "multiples of 16"),
        ({"radius": 0.0}, "radius 0.0"),
        ({"least_score": 1.5}, "least_score 1.5"),
        ({"rates": (1.0,)}, "one more than ends"),
        ({"depth": 20}, "depth 20"),
        ({"fit_images": 0}, "fit_images 0"),
        ({"incremental": True, "solver": "greedy"}, "its stages are solved exactly"),
        ({"paper": "deepcut", "pairwise": "regressed"}, "regresses no pairs"),
    ],
)
def test_settings_that_cannot_work_are_refused(options, words):
    with pytest.raises(DataError, match=words):
        DeepCut(LSP14, **{"pretrained": False, "norm": "batch", **options})


def test_the_backbone_begins_as_torchvisions_weights_and_the_heads_do_not():
    from torchvision.models import resnet18

    theirs, net = resnet18(), PartResNet(2, 18, 64, "batch", "3x3")
    head = net.deep.weight.clone()
    begin_as(net, theirs.state_dict(), "a file")
    torch.testing.assert_close(net.layer4[1].conv2.weight, theirs.layer4[1].conv2.weight)
    torch.testing.assert_close(net.layer3[1].bn1.running_mean, theirs.layer3[1].bn1.running_mean)
    assert torch.equal(net.deep.weight, head)
