"""OpenPose whole: the fidelity checklist, items 1, 7, 8, 13, 14 and 15, and the way from truth over maps and back."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.config import resolve
from bench.cost import network_cost
from bench.predictions import coco_results
from data.augment import Augment
from data.boxes import BoxSource
from data.inputs import NO_EPOCH, Inputs
from data.skeletons import COCO17, MPII16
from data.types import DataError, Person, PoseBatch, PosePrediction, PoseSample
from data.views import Look, SceneCrop
from methods.openpose import OpenPose
from methods.paf import draw_fields, draw_parts, in_view
from methods.parts import parts_of
from tests.conftest import Picture

SMALL = {"stages": 2, "size": 64, "input_size": (64, 96), "width": 0.0625, "front_width": 0.0625, "kernel": 3}


def small(skeleton=COCO17, **options):
    torch.manual_seed(0)
    return OpenPose(skeleton, **{**SMALL, "scales": (1.0,), "init": "kaiming", **options})


def batch(b=2, people=2, size=(64, 64), counted=None, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (b, 3, *size), dtype=torch.uint8, generator=generator)
    joints = 60 * torch.rand(b, people, 17, 2, generator=generator)
    visible = torch.randint(0, 3, (b, people, 17), generator=generator).float()
    to_image = torch.eye(2, 3, dtype=torch.float64).expand(b, 2, 3).clone()
    return PoseBatch(images, joints, visible, to_image, tuple(range(b)), ((),) * b, counted)


def total(method, inputs):
    return torch.stack(list(method.loss(inputs).values())).sum()


def test_the_papers_preset_has_52_311_446_parameters():  # item 1
    with torch.device("meta"):
        method = resolve("openpose", "paper", "coco").build_method()
    assert sum(p.numel() for p in method.parameters()) == 52_311_446
    assert method.input_size == (368, 656) and method.view.size == (736, 1312)


def test_a_pass_at_368_by_656_costs_242_3_giga_multiply_adds():
    found = network_cost(small(stages=6, size=368, input_size=(368, 656), width=0.125, front_width=0.125, kernel=7))
    assert found.input_size == (368, 656)
    with torch.device("meta"):
        full = OpenPose(COCO17, scales=(1.0,))
    cells, image = 46 * 82, 368 * 656
    area = {1: image, 2: image / 4, 3: image / 16}
    macs = sum(
        layer.weight.numel() * (area[1 if i < 2 else 2 if i < 4 else 3] if i < 8 else cells)
        for i, layer in enumerate(m for m in full.net.modules() if isinstance(m, torch.nn.Conv2d))
    )
    assert macs / 1e9 == pytest.approx(242.3, abs=0.1)


def test_an_ignored_region_costs_nothing_and_teaches_nothing():  # item 7
    method, counted = small(), torch.ones(1, 64, 64, dtype=torch.bool)
    counted[:, :, 32:] = False
    plain = batch(1, counted=counted)
    moved = replace(plain, joints=torch.where(plain.joints[..., :1] > 56, plain.joints + 4.0, plain.joints))
    right = plain.joints[..., 0] > 56  # far behind the border of the region: 24 px, over a Gaussian's reach of 21
    plain = replace(plain, visible=plain.visible * right)
    moved = replace(moved, visible=plain.visible)
    answers = [[m.detach().requires_grad_() for m in stage] for stage in method(plain.images)]
    method.forward = lambda images: answers
    one, other = total(method, plain), total(method, moved)
    torch.testing.assert_close(one, other)
    one.backward()
    for stage in answers:
        for maps in stage:
            assert maps.grad[..., 5:].abs().max() == 0  # the cubic kernel reaches a cell over the border
            assert maps.grad[..., :3].abs().max() > 0


def test_nothing_is_counted_where_everything_is_ignored():  # item 7
    assert total(small(), batch(1, counted=torch.zeros(1, 64, 64, dtype=torch.bool))) == 0


def test_the_loss_of_two_images_is_half_the_sum_of_both_alone():  # item 8
    method, both = small(), batch(2)
    alone = [
        replace(both, images=both.images[i : i + 1], joints=both.joints[i : i + 1], visible=both.visible[i : i + 1])
        for i in range(2)
    ]
    torch.testing.assert_close(total(method, both), sum(total(method, one) for one in alone) / 2)


def test_the_loss_is_half_the_squared_error_summed():  # item 8
    method, inputs = small(stages=1), batch(1)
    fields, maps = method.targets(inputs, (8, 8))
    method.forward = lambda images: [(fields + 1.0, maps + 2.0)]
    terms = method.loss(inputs)
    assert terms["fields 1"].item() == pytest.approx(38 * 64 / 2)
    assert terms["maps 1"].item() == pytest.approx(19 * 64 * 4 / 2)


def truth_answers(method, inputs):
    """Stand in for a trained network: the targets."""
    h, w = method.view.size
    fields, maps = method.targets(inputs, (h // method.stride, w // method.stride))
    return lambda pixels: [(fields.float(), maps.float())]


def standing(x, y, height, seed):
    """A person of 17 joints about (x, y)."""
    rng = np.random.default_rng(seed)
    shape = np.array(
        [
            *((0, -45), (2, -47), (-2, -47), (5, -45), (-5, -45), (10, -35), (-10, -35), (16, -20), (-16, -20)),
            *((18, -5), (-18, -5), (7, 0), (-7, 0), (9, 25), (-9, 25), (10, 50), (-10, 50)),
        ],
        np.float64,
    )
    joints = shape * height / 97 + (x, y) + rng.normal(0, 0.5, (17, 2))
    box = np.concatenate([joints.min(0), joints.max(0)])
    return Person(joints, np.full(17, 2), box, area=float(np.prod(box[2:] - box[:2])))


def scene():
    people = (standing(110, 120, 180, 0), standing(290, 140, 200, 1), standing(480, 150, 160, 2))
    return PoseSample(7, Picture(np.zeros((300, 600, 3), np.uint8)), (300, 600), people)


def test_whoever_is_out_of_view_is_not_drawn_and_the_targets_are_the_same():
    generator = torch.Generator().manual_seed(0)
    away = torch.randint(0, 2, (3, 6, 1, 1), generator=generator) * torch.tensor([300.0, -40.0])
    joints = torch.rand(3, 6, 17, 2, generator=generator) * 60 + away
    visible = torch.randint(0, 3, (3, 6, 17), generator=generator).float()
    for overlap in ("paper", "code"):
        method, inputs = small(overlap=overlap), replace(batch(3), joints=joints, visible=visible)
        kept, seen = in_view(joints, visible, (64, 64), 32.0)
        assert kept.shape[1] < 6 and seen.shape == kept.shape[:3]
        everybody = method.parts.of(joints, visible)
        modes = ("mean", "max") if overlap == "paper" else ("last", "sum")
        fields, maps = method.targets(inputs, (8, 8))
        torch.testing.assert_close(fields, draw_fields(*everybody, (8, 8), method.parts.limbs, modes[0]))
        torch.testing.assert_close(maps, draw_parts(*everybody, (8, 8), modes[1]))
        assert maps[:, :-1].any()


def test_people_are_found_again_from_their_own_maps_and_fields():
    method = small(input_size=(368, 656), sigma=7.0)
    inputs = Inputs([scene()], COCO17, method.view, boxes=BoxSource(), augment=Augment(), seed=0, max_bytes=0)[
        NO_EPOCH, 0
    ]
    method.net.forward = truth_answers(method, inputs)
    (found,) = method.predict(inputs)
    assert len(found.scores) == 3
    for person in scene().people:
        error = (found.joints - torch.from_numpy(person.joints)).norm(dim=-1).amax(-1)
        assert error.min() < 4.0


def test_the_neck_is_between_both_shoulders_and_seen_where_both_are():
    joints, visible = torch.zeros(1, 17, 2), torch.ones(1, 17)
    joints[0, 5], joints[0, 6] = torch.tensor([10.0, 4.0]), torch.tensor([20.0, 8.0])
    parts = parts_of(COCO17)
    where, seen = parts.of(joints, visible)
    assert where[0, 1].tolist() == [15.0, 6.0] and seen[0, 1] == 1
    visible[0, 6] = 0
    assert parts.of(joints, visible)[1][0, 1] == 0
    assert parts.places(17) == [0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10]


def test_mpiis_fifteenth_part_is_the_chest_and_pelvis_and_thorax_are_not_found():
    parts = parts_of(MPII16)
    assert len(parts.sources) == 15 and parts.sources[14] == (7, 6) and len(parts.limbs.pairs) == 14
    places = parts.places(16)
    assert [joint for joint, part in enumerate(places) if part is None] == [6, 7]


def test_a_results_entry_has_51_numbers_and_no_neck_and_the_score_is_the_sum_times_the_parts():  # item 13
    method = small(input_size=(368, 656))
    inputs = Inputs([scene()], COCO17, method.view, boxes=BoxSource(), augment=Augment(), seed=0, max_bytes=0)[
        NO_EPOCH, 0
    ]
    method.net.forward = truth_answers(method, inputs)
    (found,) = method.predict(inputs)
    fields, maps = method._averaged(inputs.images)
    peaks = method._candidates(maps[0].numpy())
    pairs = method._connections(peaks, fields[0].numpy())
    assert len(peaks.part) == 3 * 18 and len(pairs.limb) == 3 * 19
    everything = peaks.score.sum() + pairs.score[pairs.limb < 17].sum()  # 18 parts and 17 limbs a person
    assert found.scores.sum().item() == pytest.approx(18 * everything)
    entries = coco_results([found], [7])
    assert [len(entry["keypoints"]) for entry in entries] == [51] * 3


def test_the_optimiser_has_four_times_the_rate_later_twice_for_biases_and_no_decay_there():  # item 14
    method = small(optimizer="sgd", lr=4e-5)
    found = method.configure_optimizers()["optimizer"]
    rows = [(g["lr"], g["weight_decay"], {p.ndim for p in g["params"]}) for g in found.param_groups]
    assert [(pytest.approx(rate), decay, dims) for rate, decay, dims in rows] == [
        (4e-5, 5e-4, {4}),
        (8e-5, 0.0, {1}),
        (16e-5, 5e-4, {4}),
        (32e-5, 0.0, {1}),
    ]
    assert sum(len(g["params"]) for g in found.param_groups) == len(list(method.parameters()))


def test_a_persons_box_becomes_0_6_times_368_times_0_5_to_1_1():  # item 15
    cell = resolve("openpose", "paper", "coco")
    with torch.device("meta"):
        view = cell.build_method().train_view
    augment = cell.data_options["augment"]
    person = standing(300, 150, 120, 0)
    height = person.box[3] - person.box[1]
    base = view.to_input(Look(0, None, person.box))
    scales = []
    for seed in range(400):
        move, _ = augment.draw(np.random.default_rng(seed), view.extent)
        scales.append(np.sqrt(abs(np.linalg.det(move[:, :2] @ base[:, :2]))) * height / (0.6 * 368))
    assert 0.5 <= min(scales) < 0.51 and 1.09 < max(scales) <= 1.1 + 1e-9


def test_the_box_stands_in_the_middle_of_the_crop():
    view, person = SceneCrop((368, 368), height=0.48), standing(300, 150, 120, 0)
    affine = view.to_input(Look(0, None, person.box))
    corners = person.box.reshape(2, 2) @ affine[:, :2].T + affine[:, 2]
    np.testing.assert_allclose(corners.mean(0), [184, 184])
    assert corners[1, 1] - corners[0, 1] == pytest.approx(0.48 * 368)


def test_scales_are_averaged_on_the_finest_grid():
    method = small(scales=(0.5, 1.0, 2.0))
    assert method.view.size == (128, 192) and method.input_size == (64, 96)
    seen = []

    def net(pixels):
        seen.append(tuple(pixels.shape[-2:]))
        h, w = pixels.shape[-2] // 8, pixels.shape[-1] // 8
        x = (torch.arange(w) + 0.5) / w  # a ramp over the image, the same at each scale
        return [(x.expand(1, 38, h, w), x.expand(1, 19, h, w))]

    method.net.forward = net
    fields, maps = method._averaged(torch.zeros(1, 3, 128, 192, dtype=torch.uint8))
    assert seen == [(32, 48), (64, 96), (128, 192)]
    assert fields.shape == (1, 38, 16, 24) and maps.shape == (1, 18, 16, 24)
    ramp = (torch.arange(24) + 0.5) / 24
    torch.testing.assert_close(maps[0, 0, 5, 8:-8], ramp[8:-8], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stages": 0}, "stages 0"),
        ({"size": 60}, "60 is no multiple of 8"),
        ({"scales": (0.3,)}, "no multiple of 8"),
        ({"kernel": 4}, "odd"),
        ({"pools": 4}, "pools 4"),
        ({"scales": ()}, "one or more"),
        ({"sigma": 0.0}, "above 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(options, words):
    with pytest.raises(DataError, match=words):
        small(**options)


def test_a_vgg_19_of_torchvisions_is_read_and_one_without_its_entries_refused(tmp_path):
    from torchvision.models.vgg import cfgs, make_layers

    layers = make_layers(cfgs["E"])
    torch.save({f"features.{name}": tensor for name, tensor in layers.state_dict().items()}, tmp_path / "vgg.pth")
    method = small(width=0.0625, front_width=1.0, vgg=tmp_path / "vgg.pth")
    method.before_fit(None)
    torch.testing.assert_close(method.net.vgg()[-1].weight, layers[21].weight)
    torch.save({"features.0.weight": layers[0].weight}, tmp_path / "half.pth")
    with pytest.raises(DataError, match="missing"):
        small(width=0.0625, front_width=1.0, vgg=tmp_path / "half.pth").before_fit(None)
    torch.save(dict(method.hparams), tmp_path / "options.pth")
    again = OpenPose(COCO17, **torch.load(tmp_path / "options.pth", weights_only=True))  # as a checkpoint is read
    assert again.vgg == str(tmp_path / "vgg.pth")


def test_nobody_in_the_image_is_an_empty_answer():
    method = small()
    h, w = method.view.size
    method.net.forward = lambda pixels: [(torch.zeros(1, 38, h // 8, w // 8), torch.zeros(1, 19, h // 8, w // 8))]
    (found,) = method.predict(batch(1, size=(h, w)))
    assert isinstance(found, PosePrediction) and found.joints.shape == (0, 17, 2) and found.scores.shape == (0,)
