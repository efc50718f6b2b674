"""Tompson et al. 2015, the method: the fidelity checklist, items 9 to 14, phases, refusals, stages and inside.

Items 1 to 8 are in ``test_tompson_nets``. Item 15, the authors' predictions on MPII val scored at 82.3, is
``test_public_mpii_predictions_give_their_published_rows`` in tests/bench/test_protocols.py.
"""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from bench.config import resolve
from data.inputs import NO_EPOCH
from data.module import PoseDataModule
from data.skeletons import FLIC11, LSP14, MPII16
from data.types import DataError, PoseBatch, compose_affine, invert_affine
from methods.conv_relu import ConvReLU
from methods.tompson import Answer, Tompson

SHARES = {"coarse": 0.0, "fine": 0.6, "joint": 0.9}  # of the training, with the default phases
NARROW = {"layers": 7, "width": 4, "context": 6, "hidden": 6, "fine_width": 4, "input_size": (64, 64), "window": 16}


def small(skeleton=LSP14, phase="joint", **options):
    torch.manual_seed(0)
    method = Tompson(skeleton, **{**NARROW, **options})
    method.budget_spent = SHARES[phase]
    return method


def batch(b=2, joints=14, side=64):
    """Joints anywhere in the crop, the crop 10 px right and 20 px below in the original."""
    rng = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (b, 3, side, side), dtype=torch.uint8, generator=rng)
    to_image = torch.tensor([[1.0, 0.0, 10.0], [0.0, 1.0, 20.0]], dtype=torch.float64).expand(b, 2, 3)
    where = torch.rand(b, 1, joints, 2, generator=rng) * side
    return PoseBatch(images, where, torch.ones(b, 1, joints), to_image, tuple(range(b)), ((),) * b)


def gaussian_error(maps, at, sigma):
    """Loops in float64: the squared error of one map to a Gaussian around ``at`` (x, y)."""
    h, w = maps.shape
    error = 0.0
    for y in range(h):
        for x in range(w):
            target = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * sigma**2))
            error += (float(maps[y, x]) - target) ** 2
    return error


def test_defaults_are_those_of_each_data_set():
    with torch.device("meta"):
        mpii, flic, lsp = Tompson(MPII16), Tompson(FLIC11), Tompson(LSP14)
    names = [[m.skeleton.joints[i] for i in m.chosen] for m in (mpii, flic)]
    assert len(names[0]) == 14 and not {"pelvis", "thorax"} & set(names[0])
    sides = [f"{side}_{part}" for side in ("left", "right") for part in ("shoulder", "elbow", "wrist")]
    assert names[1] == [*sides, "nose"] and len(lsp.chosen) == 14
    assert [m.view.size for m in (mpii, flic, lsp)] == [(256, 256), (240, 320), (256, 256)]
    assert [len(m.coarse.banks[0].convs) for m in (mpii, flic)] == [8, 3]
    assert [sum(p.numel() for p in m.coarse.parameters()) for m in (mpii, flic)] == [24_695_182, 18_613_255]
    assert mpii.map_size == (64, 64) and flic.map_size == (60, 80)


def test_the_fine_error_alone_reaches_the_first_two_convolutions_of_every_bank_and_nothing_behind():  # item 9
    method = small()
    method.train().loss(batch())["fine"].backward()
    reached = {name for name, p in method.coarse.named_parameters() if p.grad is not None and p.grad.any()}
    first = [f"banks.{b}.convs.{i}.{part}" for b in range(3) for i in (0, 1) for part in ("weight", "bias")]
    assert reached == set(first)
    assert all(p.grad.any() for p in method.fine.parameters())


def test_the_coarse_network_stands_still_while_the_fine_one_learns():  # item 10
    method = small(phase="coarse")
    optimizer = method.configure_optimizers()["optimizer"]

    def step():
        optimizer.zero_grad()
        torch.stack(list(method.loss(batch()).values())).sum().backward()
        optimizer.step()
        return copy.deepcopy(method.coarse.state_dict()), copy.deepcopy(method.fine.state_dict())

    first = step()  # fills the momentum, which alone would move it on
    method.budget_spent = SHARES["fine"]
    second = step()
    assert all(torch.equal(first[0][name], second[0][name]) for name in first[0])
    assert all(not torch.equal(first[1][name], second[1][name]) for name in first[1])


def test_the_joint_loss_is_e1_plus_a_tenth_of_e2():  # item 11
    method, inputs = small(window=12).eval(), batch(1)
    inputs.visible[0, 0, 3] = 0
    with torch.no_grad():
        terms, answer = method.loss(inputs), method(inputs.images)
    e1 = e2 = 0.0
    for k in set(range(14)) - {3}:
        x, y = inputs.joints[0, 0, k].tolist()
        e1 += gaussian_error(answer.coarse[0, k], ((x - 1.5) / 4, (y - 1.5) / 4), 1.5) / 14
        u, v = (inputs.joints[0, 0, k] - (4 * answer.cells[0, k] + 1.5) + 5.5).tolist()  # in the window of 12
        near = max(abs(u - 5.5), abs(v - 5.5)) <= 5.5 + 9  # three sigmas outside the target ends
        e2 += (gaussian_error(answer.fine[0, k], (u, v), 3.0) if near else (answer.fine[0, k] ** 2).sum().item()) / 14
    assert set(terms) == {"coarse", "fine"} and e2 > 0
    assert terms["coarse"].item() == pytest.approx(e1 / 16**2, rel=1e-4)  # both by the 16x16 cells of a coarse map
    assert terms["fine"].item() == pytest.approx(0.1 * e2 / 16**2, rel=1e-4)
    method.budget_spent, method._scatter = SHARES["fine"], lambda cells, truth, weights: cells
    assert method.loss(inputs)["fine"].item() == pytest.approx(e2 / 12**2, rel=1e-4)  # alone: by its own


@pytest.mark.parametrize("phase", ["coarse", "fine", "joint"])
def test_a_frozen_coarse_network_keeps_its_batch_statistics_too(phase):
    method = small(phase=phase, batch_norm=True).train()
    before = {name: buffer.clone() for name, buffer in method.coarse.named_buffers()}
    method.loss(batch())
    after = dict(method.coarse.named_buffers())
    same = [torch.equal(after[name], tensor) for name, tensor in before.items()]
    assert len(same) == 3 * (3 * 4 + 2) and (all(same) if phase == "fine" else not any(same))


def test_batch_norm_stands_before_every_cut_and_takes_the_place_of_the_bias():
    plain, normalised = small(), small(batch_norm=True)
    cuts = [layer for layer in normalised.modules() if isinstance(layer, ConvReLU)]
    assert len(cuts) == 3 * 4 + 2 + 6 + 2 and all(layer.bias is None for layer in cuts)
    found = cuts[0].train()(torch.randn(8, 3, 16, 16))
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in plain.modules())
    middle = cuts[0].norm(nn.functional.conv2d(torch.randn(8, 3, 16, 16), cuts[0].weight, padding=2))
    assert abs(middle.mean()) < 1e-5 and middle.std().item() == pytest.approx(1, abs=0.01) and found.min() == 0


def test_each_phase_has_its_own_terms():
    inputs = batch()
    found = {phase: set(small(phase=phase).loss(inputs)) for phase in SHARES}
    assert found == {"coarse": {"coarse"}, "fine": {"fine"}, "joint": {"coarse", "fine"}}


def test_only_the_place_of_the_peak_passes_to_the_fine_network():  # item 12
    method, inputs = small().eval(), batch()
    before = method(inputs.images)
    assert not before.cells.requires_grad and before.fine.requires_grad
    method.coarse.head.register_forward_hook(lambda head, _, maps: 2 * maps + 1)
    after = method(inputs.images)
    assert torch.equal(before.fine, after.fine) and not torch.equal(before.coarse, after.coarse)
    handle = method.coarse.head.register_forward_hook(lambda head, _, maps: -maps)
    assert not torch.equal(method(inputs.images).fine, before.fine)
    handle.remove()


def ideal(method, inputs, off=(0, 0)):
    """What perfect networks would say; the coarse peak ``off`` cells away."""
    truth, (h, w), n = inputs.joints[:, 0], method.map_size, method.window
    cells = ((truth - 1.5) / 4).round() + torch.tensor(off)
    cells = cells.clamp(min=torch.zeros(2), max=torch.tensor([w - 1.0, h - 1.0]))
    inner = truth - (4 * cells + 1.5) + (n - 1) / 2
    y, x = torch.meshgrid(torch.arange(float(n)), torch.arange(float(n)), indexing="ij")
    square = (x - inner[..., :1, None]) ** 2 + (y - inner[..., 1:, None]) ** 2
    coarse = torch.zeros(*cells.shape[:2], h, w)
    return Answer(coarse, cells, torch.full(cells.shape[:2], 0.5), torch.exp(-square / 18))


@pytest.mark.parametrize("off", [(0, 0), (1, -1)])
def test_the_joint_is_the_middle_of_the_coarse_cell_plus_the_fine_offset(off):  # item 13
    method, inputs = small(), batch()
    method.refined.fill_(True)
    answer = ideal(method, inputs, off)
    method.forward = lambda images: answer
    stages = method.stages(inputs)
    shift = torch.tensor([10.0, 20.0])  # of the crop in the image
    for b in range(2):
        truth = inputs.joints[b, 0].double()
        coarse, fine = (stages[stage][b].joints[0] - shift for stage in ("coarse", "fine"))
        torch.testing.assert_close(coarse, 4 * answer.cells[b].double() + 1.5)
        assert (fine - truth).abs().max() <= 0.5 + 1e-4
        assert stages["fine"][b].scores.tolist() == [0.5]
    assert (stages["coarse"][0].joints[0] - shift - inputs.joints[0, 0]).abs().max() > 1.5


def test_the_coarse_target_peaks_at_the_cell_that_holds_the_joint():
    """A joint in the middle of cell (5, 3), pixel (21.5, 13.5): loss 0 exactly for the Gaussian around that cell."""
    method, inputs = small(phase="coarse"), batch(1)
    inputs.joints[:] = torch.tensor([21.5, 13.5])
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    target = torch.exp(-((x - 5) ** 2 + (y - 3) ** 2) / (2 * 1.5**2)).expand(1, 14, 16, 16)
    method._see = lambda images: (target, [])
    assert method.loss(inputs)["coarse"].item() == pytest.approx(0, abs=1e-9)


def test_joints_are_cut_out_around_the_truth_for_half_of_the_crops_and_moved_within_a_quarter_window():
    method = small(phase="fine")
    cells, truth = torch.zeros(1, 4000, 2), torch.full((1, 4000, 2), 7.3)
    weights = torch.ones(1, 4000)
    weights[:, 2000:] = 0
    found = method._scatter(cells, truth, weights)[0]
    moved = (found != 0).any(-1)
    assert 0.45 < moved[:2000].float().mean() < 0.55 and not moved[2000:].any()
    reach = found[moved] - 7.3  # a quarter of 16 px is one cell, and half a cell for the rounding
    assert reach.abs().max() <= 1.5 and set(found[moved].flatten().tolist()) == {6.0, 7.0, 8.0}
    beyond = method._scatter(cells, truth + 50, weights)
    assert beyond.max() == 15


def test_augmentation_stays_in_the_papers_ranges_and_swaps_sides():  # item 14
    cell = resolve("tompson", "paper", "synthetic")
    options = {**cell.data_options, "train_limit": 1, "workers": 0}
    data = PoseDataModule(small().view, "synthetic", **options)
    inputs = data.inputs("train")
    still, _ = inputs.geometry(NO_EPOCH, 0)
    moves = [inputs.geometry(epoch, 0) for epoch in range(400)]
    linear = np.array([compose_affine(affine, invert_affine(still))[:, :2] for affine, _ in moves])
    flips = np.array([flip for _, flip in moves])
    zooms = np.sqrt(np.abs(np.linalg.det(linear)))
    angles = np.degrees(np.arctan2(linear[:, 1, 0], linear[:, 1, 1]))
    assert 0.5 <= zooms.min() < 0.55 and 1.45 < zooms.max() <= 1.5
    assert -20 <= angles.min() < -18 and 18 < angles.max() <= 20
    assert 0.4 < flips.mean() < 0.6 and (np.linalg.det(linear)[flips] < 0).all()
    plain, _ = inputs.truth(0, still)
    swapped, _ = inputs.truth(0, still, flip=True)
    np.testing.assert_array_equal(swapped[:, list(inputs.skeleton.flip)], plain)


def test_before_the_fine_phase_the_answer_is_the_coarse_one_also_after_resuming():
    method, inputs = small(phase="coarse").train(), batch()
    method.loss(inputs)
    assert list(method.stages(inputs)) == ["coarse"]
    method.budget_spent = SHARES["fine"]
    method.eval().loss(inputs)  # nobody trains
    assert list(method.stages(inputs)) == ["coarse"]
    method.train().loss(inputs)
    resumed = small()
    resumed.load_state_dict(method.state_dict())
    assert list(resumed.eval().stages(inputs)) == ["coarse", "fine"]


def test_left_out_joints_are_missing_and_score_nothing():
    method, inputs = small(MPII16).eval(), batch(joints=16)
    for one in method.predict(inputs):
        assert one.joints[0].isnan().any(-1).nonzero().flatten().tolist() == [6, 7]
        assert not one.joint_scores[0, 6:8].any() and one.scores.isfinite().all()


def test_the_inside_shows_coarse_maps_windows_and_fine_maps_over_the_input():
    method, inputs = small(MPII16), batch(joints=16)
    chosen = list(method.chosen)
    one = ideal(method, batch())
    method.forward = lambda images: one
    coarse, windows, fine = method.inside(inputs)
    assert coarse.maps is one.coarse and windows.boxes.shape == (2, 16, 4, 2)
    centre = 4 * one.cells + 1.5
    torch.testing.assert_close(windows.boxes[:, chosen].mean(-2), centre)
    torch.testing.assert_close(windows.boxes[:, chosen, 2] - windows.boxes[:, chosen, 0], torch.full_like(centre, 16))
    assert fine.maps.shape == (2, 14, 64, 64)
    peaks = fine.maps.flatten(2).argmax(-1)
    where = torch.stack([peaks % 64, peaks // 64], -1).float()
    torch.testing.assert_close(where, fine.joints[:, chosen].clamp(0, 63).round())


def test_rates_fall_to_a_fifth_twice_in_each_of_two_phases_and_are_a_tenth_in_the_last():
    method, rates = small(lr=0.5, fine_lr=0.25), []
    optimizer = method.configure_optimizers()["optimizer"]
    assert [(group["initial_lr"], group["nesterov"], group["momentum"]) for group in optimizer.param_groups] == [
        (0.5, True, 0.9),
        (0.25, True, 0.9),
    ]
    for spent in (0.0, 0.29, 0.3, 0.42, 0.43, 0.5, 0.67, 0.68, 0.7, 0.76, 0.8, 1.0):
        method.budget_spent = spent
        rates.append(method.rate())
    assert rates == pytest.approx([1, 1, 0.2, 0.2, 0.04, 1, 1, 0.2, 0.2, 0.04, 0.1, 0.1])
    assert isinstance(small(optimizer="adam").configure_optimizers()["optimizer"], torch.optim.Adam)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layers": 9}, "layers 9: expected 7 or 11"),
        ({"pooling": 5}, "pooling 5: expected 4, 8 or 16"),
        ({"input_size": (66, 64)}, "66x64: height and width must be multiples of 4, 16 or more"),
        ({"input_size": (64, 8)}, "64x8"),
        ({"window": 15}, "window 15: expected an even"),
        ({"window": 8, "pooling": 16}, "window 8"),
        ({"dropout": 1.0}, "dropout 1.0"),
        ({"eps": 0.0}, "eps 0.0: expected a number above 0"),
        ({"sigma": 0.0}, "sigma 0.0"),
        ({"fine_sigma": -1.0}, "fine_sigma -1.0"),
        ({"phases": (0.8, 0.5)}, "phases"),
        ({"phases": (0.0, 0.5)}, "phases"),
    ],
)
def test_impossible_settings_are_refused_in_one_line(options, words):
    with pytest.raises(DataError, match=words) as error:
        small(**options)
    assert "\n" not in str(error.value)
