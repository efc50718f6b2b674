"""SimCC: labels, divergence, decoding and mirror by hand, the network's size counted layer by layer."""

import numpy as np
import pytest
import torch
from torch import nn

from data.skeletons import COCO17, LSP14, MPII16
from data.types import DataError, PoseBatch
from methods.simcc import SimCC, decode, divergence, encode, mirror_bins, within_reach

RESNET50 = 25_557_032 - 1000 * 2049  # torchvision's, without its classifier


def meta(skeleton=COCO17, **options):
    """A method without memory: shapes only."""
    with torch.device("meta"):
        return SimCC(skeleton, **options)


def small(skeleton=LSP14, **options):
    """A narrow method that computes."""
    torch.manual_seed(0)
    return SimCC(skeleton, **{"depth": 18, "width": 8, "input_size": (64, 96), "pretrained": False, **options})


def batch(images, joints=14):
    """Joints anywhere in the crop, which lies 10 px right and 20 px below in the original."""
    b, _, h, w = images.shape
    where = torch.rand(b, 1, joints, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([w - 1, h - 1])
    to_image = torch.tensor([[1.0, 0.0, 10.0], [0.0, 1.0, 20.0]], dtype=torch.float64).expand(b, 2, 3)
    return PoseBatch(images, where, torch.ones(b, 1, joints), to_image, tuple(range(b)), ((),) * b)


def grey(b=2):
    return torch.randint(0, 256, (b, 3, 64, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def labels(where, bins=192, sigma=6.0):
    return encode(torch.as_tensor(where, dtype=torch.float64), bins, sigma).exp()


def test_labels_sum_to_one_and_are_highest_at_the_joint():
    where = torch.tensor([[0.0, 3.4, 60.0, 95.7, 191.0]])
    found = labels(where)
    torch.testing.assert_close(found.sum(-1), torch.ones(1, 5, dtype=torch.float64))
    assert found.argmax(-1).tolist() == [[0, 3, 60, 96, 191]]


def test_labels_are_gaussians_of_the_papers_width():
    found = labels([[96.0]])[0, 0].numpy()
    expected = np.exp(-((np.arange(192) - 96.0) ** 2) / (2 * 6**2)) / (6 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("split", [1, 2, 3])
def test_a_joint_comes_back_within_half_a_bin(split):
    joints = torch.rand(5, 14, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([95.0, 63.0])
    x, y = (encode(split * joints[..., axis], split * side, 6.0).exp() for axis, side in enumerate((96, 64)))
    bins, scores = decode(x, y)
    assert (bins / split - joints).abs().max() <= 0.5 / split + 1e-5
    torch.testing.assert_close(scores, torch.minimum(x.amax(-1), y.amax(-1)))


def test_the_divergence_is_the_mean_over_bins_and_joints_in_a_plain_loop():
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(2, 3, 8)), rng.dirichlet(np.ones(8), (2, 3))
    taught = np.array([[True, True, False], [True, False, True]])
    total = 0.0
    for b in range(2):
        for k in range(3):
            q = np.exp(logits[b, k]) / np.exp(logits[b, k]).sum()
            total += taught[b, k] * sum(t * np.log(t / p) for t, p in zip(target[b, k], q, strict=True)) / 8
    found = divergence(torch.tensor(logits), torch.tensor(target).log(), torch.tensor(taught))
    assert found.item() == pytest.approx(total / 6, rel=1e-12)


def test_logits_of_the_labels_themselves_have_no_loss():
    method, inputs = small(), batch(grey())
    bins = 2 * inputs.joints[:, 0]
    method.net = nn.Identity()
    method.net.forward = lambda images: (encode(bins[..., 0], 192, 6.0), encode(bins[..., 1], 128, 6.0))
    terms = method.loss(inputs)
    assert list(terms) == ["x", "y"]
    assert all(abs(term.item()) < 1e-6 for term in terms.values())


def test_the_axes_are_not_swapped():
    method, inputs = small(flip_test=False), batch(grey())
    x, y = method(inputs.images)
    assert (x.shape, y.shape) == ((2, 14, 192), (2, 14, 128))
    method.net = nn.Identity()
    one = torch.nn.functional.one_hot
    method.net.forward = lambda images: (
        50.0 * one(torch.tensor(30), 192).expand(2, 14, -1),
        50.0 * one(torch.tensor(7), 128).expand(2, 14, -1),
    )
    np.testing.assert_array_equal(method.predict(inputs)[0].joints, np.full((1, 14, 2), [15.0 + 10, 3.5 + 20]))


def test_joints_farther_than_three_sigmas_outside_are_not_taught_nor_what_is_unlabelled():
    joints = torch.tensor([[[-18.0, 0.0], [-18.1, 0.0], [5.0, 145.0], [5.0, 145.1], [209.0, 9.0], [9.0, 9.0]]])
    visible = torch.tensor([[2, 2, 2, 1, 1, 0]])
    assert within_reach(joints, visible, (192, 128), 6.0).tolist() == [[True, False, True, False, True, False]]


def test_an_unlabelled_joint_may_lie_nowhere():
    method, inputs = small(), batch(grey())
    inputs.visible[:, :, 3] = 0
    inputs.joints[:, :, 3] = torch.nan
    assert sum(method.loss(inputs).values()).isfinite()


@pytest.mark.parametrize("split", [1, 2, 3])
def test_a_mirrored_joint_comes_back_to_its_bin(split):
    x = torch.arange(4.0, 90.0)[None]  # pixels of an input 96 wide
    straight, mirrored = (encode(split * where, split * 96, 6.0) for where in (x, 95.0 - x))
    torch.testing.assert_close(mirror_bins(mirrored, split).argmax(-1), straight.argmax(-1))


class EverySide(nn.Module):
    """An ideal network: LSP's wrists are the brightest columns right and left of the middle, all else is there."""

    def forward(self, images):
        light = images.mean((1, 2))  # (B, w)
        half = light.shape[-1] // 2
        right, left = light[:, :half].argmax(-1), half + light[:, half:].argmax(-1)
        where = torch.full((len(light), 14), 47.5)
        where[:, 6], where[:, 11] = right.float(), left.float()
        return encode(2 * where, 192, 6.0), encode(torch.full_like(where, 60.0), 128, 6.0)


def test_the_mirrored_input_has_the_mirrored_pose_with_and_without_flip_test():
    image = torch.zeros(1, 3, 64, 96, dtype=torch.uint8)
    image[..., 20], image[..., 70] = 200, 250
    for flip_test in (False, True):
        method = small(flip_test=flip_test)
        method.net = EverySide()
        (pose,), (other,) = (method.predict(batch(pixels)) for pixels in (image, image.flip(-1)))
        expected = 95 + 2 * 10 - pose.joints[0, list(LSP14.flip), 0]
        assert pose.joints[0, [6, 11], 0].tolist() == [30.0, 80.0]
        np.testing.assert_allclose(other.joints[0, :, 0], expected, atol=0.5)  # a bin: a tie of two is not mirrored
        np.testing.assert_allclose(other.joints[0, [6, 11], 0], expected[[6, 11]], atol=1e-9)


@pytest.mark.parametrize(
    ("skeleton", "channels", "cells", "sides"),
    [(COCO17, 28, 8 * 6, 256 + 192), (COCO17, 1, 8 * 6, 256 + 192), (MPII16, 28, 8 * 8, 256 + 256)],
)
def test_parameters_are_backbone_convolution_and_two_linear_layers(skeleton, channels, cells, sides):
    convolution = (2048 + 1) * len(skeleton.joints) * channels
    linear = (channels * cells + 1) * 2 * sides  # each of 2 x side bins sees every cell, and a bias
    method = meta(skeleton, channels=channels)
    assert sum(p.numel() for p in method.parameters()) == RESNET50 + convolution + linear
    if skeleton is COCO17 and channels == 28:
        assert RESNET50 + convolution + linear == 25_688_476


def test_joints_share_the_linear_layers_and_nothing_else_follows():
    net = small().net
    assert [type(layer) for layer in net.children()][1:] == [nn.Linear, nn.Linear]
    features = []
    net.head_x.register_forward_hook(lambda layer, inputs, out: features.append(inputs[0]))
    net(torch.rand(2, 3, 64, 96))
    assert features[0].shape == (2, 14, 28 * 2 * 3)


def test_weights_of_a_resnet_file_reach_the_backbone(tmp_path):
    donor = small().net.resnet.state_dict()
    state = {name: tensor + 1 for name, tensor in donor.items() if not name.startswith("final_layer")}
    torch.save(state, tmp_path / "weights.pth")
    method = small(backbone_weights=tmp_path / "weights.pth")
    method.before_fit(None)
    torch.testing.assert_close(method.net.resnet.conv1.weight, donor["conv1.weight"] + 1)
    torch.testing.assert_close(method.net.resnet.final_layer.weight, donor["final_layer.weight"])


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
def test_the_rate_falls_to_a_tenth_after_90_and_120_of_140_epochs():
    method = small()
    found = method.configure_optimizers()
    rates = []
    for epoch in (0, 89, 90, 119, 120, 139):
        method.budget_spent = epoch / 140
        found["lr_scheduler"]["scheduler"].step()
        rates.append(found["optimizer"].param_groups[0]["lr"])
    np.testing.assert_allclose(rates, [1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5])
    assert isinstance(found["optimizer"], torch.optim.Adam) and found["optimizer"].param_groups[0]["weight_decay"] == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"input_size": (100, 64)}, "100x64"),
        ({"split": 0}, "split 0"),
        ({"sigma": 0.0}, r"sigma 0\.0"),
        ({"pretrained": True}, "width 8: the ImageNet weights have 64"),
    ],
)
def test_impossible_settings_are_refused_in_one_line(options, words):
    with pytest.raises(DataError, match=words) as error:
        small(**options)
    assert "\n" not in str(error.value)
