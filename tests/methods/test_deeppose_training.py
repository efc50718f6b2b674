"""DeepPose's training: the fidelity checklist, items 7 to 11, and how one stage follows another."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from bench.config import read_preset
from data.augment import Augment
from data.boxes import BoxSource
from data.inputs import NO_EPOCH, Inputs
from data.skeletons import LSP14
from data.types import apply_affine
from methods.deeppose import DeepPose
from tests.methods.test_deeppose import (
    LEFT_SHOULDER,
    RIGHT_HIP,
    SIDE,
    Fixed,
    K,
    Oracle,
    batch,
    place,
    pose_in_box,
    rigged,
    small,
)


@pytest.mark.parametrize("joint", [3, 6])
def test_simulated_boxes_err_as_the_stage_before_did(joint):  # item 7
    method = rigged(pose_in_box(), torch.zeros(K, 2), ready=2, crops=2048).train()
    method.budget_spent = 0.5
    method.means.copy_(torch.linspace(-0.02, 0.02, 56).view(2, K, 2))
    method.covariances[:, 3] = torch.tensor([[8e-4, 4.8e-4], [4.8e-4, 4e-4]])
    method.covariances[:, 6] = torch.tensor([[2e-4, -3.2e-4], [-3.2e-4, 1.2e-3]])
    inputs = batch(1)
    inputs.visible[:] = 0
    inputs.visible[:, :, joint] = 1
    method.loss(inputs)
    centre, _ = place(method.nets[1].seen[0])
    assert len(centre) == 2048
    longer = torch.tensor([96.0, 64.0])  # side of the region, whose 64 pixels are 2 wide and 3 high
    found = ((centre - inputs.joints[0, 0, joint]) / longer).detach()
    mean, covariance = method.means[0, joint], method.covariances[0, joint]
    np.testing.assert_allclose(found.mean(0), mean, atol=0.0032)  # four standard errors of 0.035 / 45
    np.testing.assert_allclose(np.cov(found.T), covariance, rtol=0.15, atol=8e-5)


@pytest.mark.parametrize("labels", [range(K), [4]])
def test_every_labelled_joint_has_its_turn_and_no_other(labels):
    method = rigged(pose_in_box(), torch.zeros(K, 2), ready=2, crops=400)
    method.budget_spent = 0.5
    inputs = batch(1)
    inputs.visible[:] = 0
    inputs.visible[:, :, list(labels)] = 1
    method.loss(inputs)  # no error is simulated where none was measured: the centre is the joint
    centre, _ = place(method.nets[1].seen[0])
    nearest = torch.cdist(centre.detach(), inputs.joints[0, 0]).argmin(1)
    assert set(nearest.tolist()) == set(labels)


def test_the_target_is_the_truth_seen_from_the_simulated_box_in_units_of_its_side():  # item 8
    method, inputs = rigged(pose_in_box(), ready=2, crops=50), batch()
    method.covariances[:] = 4e-4 * torch.eye(2)
    method.budget_spent = 0.5
    method.nets[1] = Oracle(inputs.joints[:, 0])
    assert method.loss(inputs)["stage2"].item() == pytest.approx(0, abs=1e-6)
    method.nets[1] = Fixed(torch.zeros(K, 2))
    inputs.visible[:, :, 1:] = 0
    found = method.loss(inputs)["stage2"].item()
    centre, size = place(method.nets[1].seen[0])
    torso = (pose_in_box()[LEFT_SHOULDER] - pose_in_box()[RIGHT_HIP]) * SIDE * torch.tensor([2.0, 3.0])
    np.testing.assert_allclose(size.detach() * torch.tensor([2.0, 3.0]), 2 * torso.norm(), rtol=1e-3)  # as at test time
    target = (inputs.joints[:, 0, 0].repeat_interleave(50, 0) - centre) / size
    assert found == pytest.approx(target.square().sum(-1).mean().item(), rel=1e-3) and found > 0.001


@pytest.mark.parametrize("spent", [0.5, 0.9])
def test_a_box_around_a_joint_teaches_only_that_joints_outputs(spent):  # item 9
    method, inputs = small().train(), batch()
    inputs.visible[:] = 0
    inputs.visible[:, :, 5] = 1
    method.budget_spent = spent
    sum(method.loss(inputs).values()).backward()
    taught = method.nets[1 if spent == 0.5 else 2].regressor[-1].bias.grad.view(K, 2).abs().sum(1).nonzero()
    assert taught.flatten().tolist() == [5]


@pytest.mark.parametrize(("spent", "trained"), [(0.1, 0), (0.5, 1), (0.9, 2)])
def test_one_stage_is_trained_at_a_time_and_none_before_it_moves(spent, trained):  # item 10
    method = small(optimizer="adam").train()
    method.budget_spent = spent
    optimizer = method.configure_optimizers()["optimizer"]
    before = [[p.detach().clone() for p in net.parameters()] for net in method.nets]
    sum(method.loss(batch()).values()).backward()
    optimizer.step()
    for stage, net in enumerate(method.nets):
        moved = [not torch.equal(p, old) for p, old in zip(net.parameters(), before[stage], strict=True)]
        assert all(moved) if stage == trained else not any(moved)
        assert all((p.grad is not None) == (stage == trained) for p in net.parameters())


def test_missing_joints_have_no_loss_and_no_gradient_in_stage_1():  # item 11
    method, inputs = small().eval(), batch()
    inputs.visible[:, :, 4:] = 0
    inputs.joints[:, :, 4:] = -1e4
    method.loss(inputs)["stage1"].backward()
    taught = method.nets[0].regressor[-1].bias.grad.view(K, 2).any(1)
    assert taught.tolist() == [True] * 4 + [False] * 10


def test_stage_1_is_taught_the_joints_in_units_of_its_box():
    inputs = batch()
    truth = (inputs.joints[0, 0] - SIDE / 2) / SIDE
    method = rigged(truth + torch.tensor([0.3, 0.4]))
    inputs = replace(inputs, joints=inputs.joints[:1].expand(2, -1, -1, -1))
    assert method.loss(inputs)["stage1"].item() == pytest.approx(0.25)


def test_frozen_stages_answer_without_dropout_while_another_is_trained():
    method = small().train()
    method.budget_spent = 0.9
    method.loss(batch())
    assert [net.training for net in method.nets] == [False, False, True]


class Samples(pl.LightningDataModule):
    """What a training asks of its data module: the loader, and the inputs as they are."""

    def __init__(self, inputs):
        super().__init__()
        self.held, self.asked = inputs, []

    def inputs(self, split):
        self.asked.append(split)
        return self.held

    def train_dataloader(self):
        keys = [(0, i) for i in range(len(self.held))]
        return DataLoader([self.held.__getitems__(keys)], batch_size=None)


@pytest.mark.filterwarnings("ignore:You defined a `validation_step`", "ignore:.*`training_step` returned")
@pytest.mark.parametrize(("limit", "used"), [(None, range(12)), (3, [0, 6, 11])])
def test_errors_are_measured_when_a_stage_begins_on_inputs_that_are_not_moved(samples, limit, used):
    method = small(measured_on=limit, stage_shares=(0.3,))
    inputs = Inputs(samples, LSP14, method.view, boxes=BoxSource(), augment=Augment(), seed=0, max_bytes=2**24)
    data, silent = Samples(inputs), ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    pl.Trainer(max_epochs=3, accelerator="cpu", **dict.fromkeys(silent, False)).fit(method, data)
    assert data.asked == ["train"] and method.ready == 2  # once, although two steps were trained after it
    still = inputs.__getitems__([(NO_EPOCH, i) for i in used])
    with torch.inference_mode():
        poses = torch.stack([one.joints[0] for one in method.eval().stages(still)["stage 1"]])
    truth = apply_affine(still.joints[:, 0].double(), still.to_image)
    errors = (poses - truth) / 240  # the pictures are 240 wide and 200 high
    for joint in range(K):
        known = errors[still.visible[:, 0, joint] > 0, joint].numpy()
        if len(known):
            np.testing.assert_allclose(method.means[0, joint], known.mean(0), atol=1e-4)
            np.testing.assert_allclose(method.covariances[0, joint], np.cov(known.T, bias=True), atol=1e-4)


def test_a_resumed_training_keeps_what_was_measured():
    method, other = small().train(), small().train()
    method.budget_spent = other.budget_spent = 0.5
    method.loss(batch())
    other.load_state_dict(method.state_dict())
    assert other.ready == 2 and method.means[0].any()
    other.loss(replace(batch(), joints=torch.zeros(2, 1, K, 2)))
    assert torch.equal(other.means, method.means) and torch.equal(other.covariances, method.covariances)


@pytest.mark.parametrize("inherit", [True, False])
def test_a_stage_that_inherits_begins_as_the_one_before_but_for_its_last_layer(inherit):
    method = small(inherit=inherit).train()
    fresh = {name: tensor.clone() for name, tensor in method.nets[1].state_dict().items()}
    method.budget_spent = 0.5
    method.loss(batch())
    first, second = (net.state_dict() for net in method.nets[:2])
    for name, tensor in second.items():
        last = name in ("regressor.6.weight", "regressor.6.bias")
        assert torch.equal(tensor, fresh[name] if last or not inherit else first[name]), name


def test_the_papers_training_draws_40_boxes_a_joint_and_image():
    epochs = read_preset("deeppose", "paper")["trainer"]["max_epochs"]
    method = small(stage_shares=DeepPose(LSP14, size=32, width=1, hidden=1, stem_stride=2).stage_shares)
    first, second = method.stage_shares
    assert [round(epochs * share) for share in (second - first, 1 - second)] == [40 * K, 40 * K]
    assert method.crops == 1


def test_adagrad_at_a_constant_rate_is_the_default():
    method = small()
    made = method.configure_optimizers()
    assert isinstance(made["optimizer"], torch.optim.Adagrad)
    assert made["optimizer"].defaults["lr"] == 5e-4 and made["optimizer"].defaults["weight_decay"] == 0
    for method.budget_spent in (0.0, 0.3, 0.5, 1.0):
        assert method._lr_share() == 1


def test_a_falling_rate_starts_anew_with_each_stage():
    method = small(lr_left=0.1, stage_shares=(0.5, 0.75))
    shares = {0.0: 1.0, 0.25: 0.55, 0.5: 1.0, 0.625: 0.55, 0.75: 1.0, 1.0: 0.1}
    for spent, share in shares.items():
        method.budget_spent = spent
        assert method._lr_share() == pytest.approx(share)


def held_out(part, tested_on="test"):
    """What a method asks of the data module when the training is over."""
    inputs = {"val": SimpleNamespace(evenly=lambda count, size: [part])}
    entry = SimpleNamespace(stands_for=lambda split: tested_on)
    return SimpleNamespace(entry=entry, inputs=inputs.__getitem__, batch_size=2)


def cascade_that_finds(*counts):
    """Stages that leave so many joints, and the torso, at the truth, and the others 0.4 of its diameter beside it."""
    limbs = [joint for joint in range(K) if joint not in (LEFT_SHOULDER, RIGHT_HIP)]
    errors = torch.zeros(len(counts), K, 2)
    for error, count in zip(errors, counts, strict=True):
        error[limbs[count:], 0] = 0.4
    diameter = np.hypot(0.14 * SIDE * 2, 0.16 * SIDE * 3) / 2  # input pixels along x, each two of the original
    first = pose_in_box() + errors[0] * diameter / SIDE
    method = rigged(first, *errors.diff(dim=0), ready=len(counts), side=1.0)
    inputs = batch()
    inputs.joints[:] = SIDE / 2 + SIDE * pose_in_box()
    return method, inputs


@pytest.mark.parametrize(
    ("counts", "chosen"),
    [((3, 5, 9), 3), ((3, 5, 5), 2), ((3, 5, 4), 2), ((5, 4, 9), 1), ((3, 3, 3), 1)],
)
def test_stages_answer_while_each_finds_more_joints_of_people_held_out(counts, chosen):
    method, inputs = cascade_that_finds(*counts)
    names = ["stage 1", "stage 2", "stage 3"]
    assert list(method.stages(inputs)) == names
    method.train()
    method.after_fit(held_out(inputs))
    found = method.stages(inputs)
    assert list(found) == (names if chosen == 3 else [*names, f"chosen: stage {chosen}"])
    for predicted, last, own in zip(
        method.predict(inputs), list(found.values())[-1], found[names[chosen - 1]], strict=True
    ):
        assert torch.equal(predicted.joints, last.joints) and torch.equal(predicted.joints, own.joints)
    copy = small(side=1.0)
    copy.load_state_dict(
        {name: tensor for name, tensor in method.state_dict().items() if "nets" not in name}, strict=False
    )
    assert copy.chosen == chosen


def test_all_stages_answer_where_the_people_tested_on_are_the_only_ones_held_out():
    method, inputs = cascade_that_finds(5, 4, 3)
    method.after_fit(held_out(inputs, tested_on="val"))
    assert list(method.stages(inputs)) == ["stage 1", "stage 2", "stage 3"]
