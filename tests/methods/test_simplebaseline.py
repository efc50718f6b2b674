"""SimpleBaseline: the fidelity checklist, items 1 to 12, and what it refuses; torchvision is the reference."""

import numpy as np
import pytest
import pytorch_lightning as pl
import timm
import torch
import torchvision
from torch import nn
from torch.utils.data import DataLoader

from data.skeletons import COCO17, LSP14, MPII16
from data.types import DataError, PoseBatch
from methods.simplebaseline import SimpleBaseline

BN = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
DECONV_ENTRIES = {f"deconv_layers.{i}.weight" for i in (0, 3, 6)}
DECONV_ENTRIES |= {f"deconv_layers.{i}.{entry}" for i in (1, 4, 7) for entry in BN}
HEAD_ENTRIES = DECONV_ENTRIES | {"final_layer.weight", "final_layer.bias"}


def meta(skeleton=COCO17, **options):
    """A method without memory: shapes and names only."""
    with torch.device("meta"):
        return SimpleBaseline(skeleton, **options)


def small(skeleton=LSP14, **options):
    """A narrow method that computes."""
    torch.manual_seed(0)
    narrow = {"depth": 18, "width": 8, "deconv_filters": 16, "input_size": (64, 64), "pretrained": False}
    return SimpleBaseline(skeleton, **{**narrow, **options})


def batch(images, joints=14):
    """A batch made by hand: joints anywhere in the crop, the crop 10 px right and 20 px below in the original."""
    b, _, h, w = images.shape
    where = torch.rand(b, 1, joints, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([w, h])
    to_image = torch.tensor([[1.0, 0.0, 10.0], [0.0, 1.0, 20.0]], dtype=torch.float64).expand(b, 2, 3)
    return PoseBatch(images, where, torch.ones(b, 1, joints), to_image, tuple(range(b)), ((),) * b)


def grey(b=2, side=64):
    return torch.randint(0, 256, (b, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def count(method):
    return sum(parameter.numel() for parameter in method.net.parameters())


@pytest.mark.parametrize(
    ("depth", "coco", "mpii"),
    [(50, 33_999_697, 33_999_440), (101, 52_991_825, 52_991_568), (152, 68_635_473, 68_635_216)],
)
def test_parameters_are_exactly_the_published_ones(depth, coco, mpii):  # item 1
    assert count(meta(COCO17, depth=depth)) == coco
    assert count(meta(MPII16, depth=depth)) == mpii


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({"depth": 18}, 15_376_721),
        ({"depth": 34}, 25_484_881),
        ({"deconv_layers": 2}, 32_950_609),
        ({"deconv_filters": 128}, 28_229_585),
        ({"deconv_kernel": 3}, 29_412_177),
        ({"deconv_kernel": 2}, 26_135_377),
    ],
)
def test_variants_have_the_parameters_of_the_specification(options, parameters):
    assert count(meta(**options)) == parameters


@pytest.mark.parametrize(("depth", "giga"), [(50, 5.426), (101, 9.063), (152, 12.699)])
def test_multiply_adds_at_256x192(depth, giga):
    method, total = meta(depth=depth), []

    def add(layer, images, maps):
        cells = images[0] if isinstance(layer, nn.ConvTranspose2d) else maps
        total.append(layer.weight.numel() * cells.shape[-2] * cells.shape[-1])

    for layer in method.net.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(add)
    method.net(torch.empty(1, 3, 256, 192, device="meta"))
    assert sum(total) / 1e9 == pytest.approx(giga, abs=6e-4)


@pytest.mark.parametrize("size", [(256, 192), (384, 288), (256, 256)])
@pytest.mark.parametrize("kernel", [4, 3, 2])
def test_maps_are_a_quarter_of_the_input_one_a_joint(size, kernel):  # item 2
    method = meta(COCO17, input_size=size, deconv_kernel=kernel)
    maps = method.net(torch.empty(2, 3, *size, device="meta"))
    assert maps.shape == (2, 17, size[0] // 4, size[1] // 4)
    assert method.grid.size == maps.shape[-2:]


def test_nothing_follows_the_final_convolution():  # item 2
    method = small()
    method.net.final_layer.load_state_dict({"weight": torch.zeros(14, 16, 1, 1), "bias": torch.full((14,), -3.0)})
    assert (method.net(torch.rand(1, 3, 64, 64)) == -3.0).all()


def test_three_deconvolutions_each_with_batch_norm_and_relu():  # item 3
    net = meta().net
    layers = list(net.deconv_layers)
    assert [layer for layer in net.modules() if isinstance(layer, nn.ConvTranspose2d)] == layers[::3]
    assert [type(layer) for layer in layers] == [nn.ConvTranspose2d, nn.BatchNorm2d, nn.ReLU] * 3
    for up in layers[::3]:
        shape = (up.kernel_size, up.stride, up.padding, up.output_padding, up.bias, up.out_channels)
        assert shape == ((4, 4), (2, 2), (1, 1), (0, 0), None, 256)


def test_only_the_final_layer_has_a_bias():  # item 4
    convolutions = {n: m for n, m in meta().net.named_modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)}
    assert [name for name, layer in convolutions.items() if layer.bias is not None] == ["final_layer"]


@pytest.mark.parametrize(("depth", "entries"), [(50, 338), (101, 644), (152, 950)])
def test_entries_are_named_as_in_the_official_files(depth, entries):  # item 5
    with torch.device("meta"):
        reference = getattr(torchvision.models, f"resnet{depth}")(weights=None).state_dict()
    own = meta(depth=depth).net.state_dict()
    assert own.keys() == {name for name in reference if not name.startswith("fc.")} | HEAD_ENTRIES
    assert len(own) == entries
    assert all(own[name].shape == tensor.shape for name, tensor in reference.items() if name in own)
    assert own["deconv_layers.0.weight"].shape == (2048, 256, 4, 4)


@pytest.mark.filterwarnings("ignore:.*which is a no-op")
def test_torchvision_weights_load_but_for_head_and_classifier():  # item 6
    with torch.device("meta"):
        reference = torchvision.models.resnet50(weights=None).state_dict()
    result = meta().net.load_state_dict(reference, strict=False)
    assert set(result.missing_keys) == {name for name in HEAD_ENTRIES if "num_batches" not in name}  # torch's exception
    assert set(result.unexpected_keys) == {"fc.weight", "fc.bias"}


@pytest.mark.parametrize("depth", [18, 50])
def test_the_backbone_computes_what_torchvision_computes(depth, tmp_path):
    torch.manual_seed(0)
    reference = getattr(torchvision.models, f"resnet{depth}")(weights=None).eval()
    torch.save(reference.state_dict(), tmp_path / "weights.pth")
    method = SimpleBaseline(LSP14, depth=depth, input_size=(64, 64), backbone_weights=tmp_path / "weights.pth")
    method.before_fit(None)
    found = []
    for net in (reference, method.eval().net):
        net.layer4.register_forward_hook(lambda layer, images, maps: found.append(maps))
        net(torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-3)


def test_the_3x3_convolution_carries_the_stride():  # item 7
    net = meta().net
    for layer in (net.layer2, net.layer3, net.layer4):
        assert layer[0].conv1.stride == (1, 1)
        assert layer[0].conv2.kernel_size == (3, 3) and layer[0].conv2.stride == (2, 2)
        assert layer[0].downsample[0].stride == (2, 2)


@pytest.mark.parametrize(("labelled", "share"), [(14, 1.0), (7, 0.5), (0, 0.0)])
def test_loss_of_target_plus_c_is_half_c_squared_over_all_joints(labelled, share):  # item 8
    method, inputs = small(), batch(grey())
    inputs.visible[:, :, labelled:] = 0
    targets, _ = method.encode(inputs.joints[:, 0], torch.ones(2, 14), (16, 16), method.sigma, stride=4)
    method.net = nn.Identity()
    method.net.forward = lambda images: targets + 0.2
    assert method.loss(inputs)["heatmap"].item() == pytest.approx(share * 0.5 * 0.2**2, rel=1e-4)


def test_head_starts_small_and_batch_norms_at_one_and_zero():  # item 9
    net = small(deconv_filters=64).net
    for layer in (*net.deconv_layers[::3], net.final_layer):
        assert layer.weight.std().item() == pytest.approx(1e-3, rel=0.1)
        assert abs(layer.weight.mean()) < 1e-4
    assert not net.final_layer.bias.any()
    for norm in net.deconv_layers[1::3]:
        assert (norm.weight == 1).all() and not norm.bias.any()


@pytest.mark.parametrize(("height", "sigma", "side"), [(256, 2.0, 13), (384, 3.0, 19)])
def test_targets_are_gaussians_of_the_papers_width_at_the_rounded_quarter(height, sigma, side):  # item 10
    method = meta(COCO17, input_size=(height, height))
    joint = torch.tensor([[[101.0, 134.5]]])
    target = method.encode(joint, torch.ones(1, 1), method.grid.size, method.sigma, stride=4)[0][0, 0]
    assert method.sigma == sigma
    assert (target.any(0).sum(), target.any(1).sum()) == (side, side)
    assert target[34, 25] == target.max() == 1


@pytest.mark.filterwarnings("ignore:You defined a `validation_step`")
def test_learning_rate_falls_at_epochs_90_and_120_of_140_without_weight_decay():  # item 11, a tenth as long
    method, rates = small(), []

    class Listen(pl.Callback):
        def on_train_epoch_start(self, trainer, module):
            (group,) = trainer.optimizers[0].param_groups
            rates.append(group["lr"])
            assert isinstance(trainer.optimizers[0], torch.optim.Adam) and group["weight_decay"] == 0

    silent = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    trainer = pl.Trainer(max_epochs=14, accelerator="cpu", callbacks=[Listen()], **dict.fromkeys(silent, False))
    trainer.fit(method, DataLoader([batch(grey())], batch_size=None))
    np.testing.assert_allclose(rates, [1e-3] * 9 + [1e-4] * 3 + [1e-5] * 2, rtol=1e-6)


class EverySide(nn.Module):
    """The ideal network of stride 4: LSP's wrists are the brightness right and left of the middle, sampled."""

    def forward(self, images):
        cells = images.mean(1, keepdim=True)[..., ::4, ::4] + 3  # positive
        maps = torch.zeros(len(cells), 14, *cells.shape[-2:])
        half = cells.shape[-1] // 2
        maps[:, 6, :, :half], maps[:, 11, :, half:] = cells[:, 0, :, :half], cells[:, 0, :, half:]  # faces the camera
        return maps


@pytest.mark.parametrize(("shift", "axis"), [(1, 64 / 2), (0, 64 / 2 - 2)])
def test_a_symmetric_input_gives_symmetric_wrists_only_after_the_shift(shift, axis):  # item 12
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    blobs = [torch.exp(-((x - u) ** 2 + (y - 30) ** 2) / 72) for u in (17.0, 63 - 17.0)]
    image = (255 * (blobs[0] + blobs[1])).clamp(0, 255).to(torch.uint8)
    method = small(flip_shift=shift)
    method.net = EverySide()
    (pose,) = method.predict(batch(image.expand(1, 3, 64, 64)))
    wrists = pose.joints[0, [6, 11]] - torch.tensor([10.0, 20.0])  # in pixels of the crop, whose centre is x = 32
    np.testing.assert_allclose(wrists.mean(0), [axis, wrists[0, 1]], atol=1e-6)


def test_predictions_are_in_pixels_of_the_original_image():
    method = small(flip_test=False, decoder="argmax")
    maps = torch.zeros(1, 14, 16, 16)
    maps[0, :, 5, 3] = torch.arange(1.0, 15.0)
    method.net = nn.Identity()
    method.net.forward = lambda images: maps
    (pose,) = method.predict(batch(grey(1)))
    np.testing.assert_array_equal(pose.joints, np.full((1, 14, 2), [3 * 4 + 10, 5 * 4 + 20]))
    np.testing.assert_array_equal(pose.joint_scores, maps[:, :, 5, 3])
    assert pose.scores.tolist() == [7.5]


def test_the_network_sees_blue_first():
    method, seen = small(), []
    method.net.register_forward_pre_hook(lambda net, images: seen.append(images[0]))
    red = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    red[:, 0] = 255
    method.loss(batch(red))
    np.testing.assert_allclose(seen[0][0, :, 0, 0], [-0.485 / 0.229, -0.456 / 0.224, (1 - 0.406) / 0.225], rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"depth": 42}, "depth 42: expected one of 18, 34, 50, 101, 152"),
        ({"input_size": (100, 64)}, "100x64"),
        ({"input_size": (0, 64)}, "0x64"),
        ({"sigma": 0.0}, "sigma 0.0"),
        ({"deconv_layers": 6}, "deconv_layers 6"),
        ({"pretrained": True}, "width 8: the ImageNet weights have 64"),
    ],
)
def test_impossible_settings_are_refused_in_one_line(options, words):
    with pytest.raises(DataError, match=words) as error:
        small(**options)
    assert "\n" not in str(error.value)


def test_a_file_of_another_network_is_refused_by_name(tmp_path):
    method = small(backbone_weights=tmp_path / "weights.pth")
    state = {name: tensor for name, tensor in method.net.state_dict().items() if name != "layer1.0.conv1.weight"}
    torch.save({**state, "neck.weight": torch.zeros(1), "bn1.weight": torch.zeros(9)}, tmp_path / "weights.pth")
    with pytest.raises(DataError) as error:
        method.before_fit(None)
    named = (
        "missing: layer1.0.conv1.weight;",
        "unexpected: neck.weight;",
        "of another shape: bn1.weight (9,) for (8,))",
    )
    assert all(words in str(error.value) for words in named)


def test_the_options_in_a_checkpoint_can_be_read_without_trusting_it(tmp_path):
    torch.save(dict(small(backbone_weights=tmp_path / "weights.pth").hparams), tmp_path / "options")
    options = torch.load(tmp_path / "options", weights_only=True)
    assert options["backbone_weights"] == str(tmp_path / "weights.pth") and options["depth"] == 18


@pytest.mark.parametrize("content", [None, b"", b"no weights"])
def test_a_file_without_weights_is_refused(tmp_path, content):
    path = tmp_path / "weights.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"weights\.pth: no weights[^\n]*$"):
        small(backbone_weights=path).before_fit(None)


def test_without_a_hub_the_user_learns_what_to_do(monkeypatch):
    def unreachable(name, pretrained):
        raise OSError(f"{name} cannot be reached")

    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(DataError, match=r"--method.pretrained false or --method.backbone_weights FILE"):
        meta().before_fit(None)
