"""What every method must do, on a batch of drawn people; a new method is tested by being registered."""

from dataclasses import replace

import pytest
import torch

from bench.config import preset_names, resolve
from data.module import PoseDataModule
from methods import METHODS

PEOPLE = 8


@pytest.fixture(params=METHODS)
def method(request):
    torch.manual_seed(0)
    return resolve(request.param, "small", "synthetic").build_method()


@pytest.fixture
def data(method):
    return PoseDataModule(method.view, "synthetic", batch_size=PEOPLE, train_limit=PEOPLE, workers=0)


@pytest.fixture
def batch(data):
    return next(iter(data.val_dataloader()))


def total(method, batch):
    return torch.stack(list(method.loss(batch).values())).sum()


def test_loss_is_finite_and_reaches_every_parameter(method, batch):
    loss = total(method.train(), batch)
    assert loss.isfinite()
    if not list(method.parameters()):
        return
    loss.backward()
    for name, parameter in method.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_one_prediction_an_input_with_one_score_a_joint(method, batch):
    with torch.inference_mode():
        found = method.eval().predict(batch)
    k = len(method.skeleton.joints)
    assert len(found) == len(batch)
    for one in found:
        n = len(one.scores)
        assert one.joints.shape == (n, k, 2) and one.joint_scores.shape == (n, k)


def test_predictions_are_in_pixels_of_the_original_image(method, batch):
    """The same input cut from twice as large an image, 100 px right and 50 px down, is found there."""
    moved = batch.to_image * 2
    moved[:, :, 2] += torch.tensor([100.0, 50.0])
    method.eval()
    with torch.inference_mode():
        here, there = method.predict(batch), method.predict(replace(batch, to_image=moved))
    for one, other in zip(here, there, strict=True):
        expected = one.joints * 2 + torch.tensor([100.0, 50.0])
        torch.testing.assert_close(other.joints, expected, atol=1e-3, rtol=0)


def test_the_loss_does_not_see_unlabelled_joints(method, batch):
    nowhere = torch.where((batch.visible > 0)[..., None], batch.joints, torch.full_like(batch.joints, 1e4))
    method.eval()
    with torch.no_grad():
        torch.testing.assert_close(total(method, replace(batch, joints=nowhere)), total(method, batch))


def test_a_checkpoint_brings_back_the_same_predictions(method, data, batch):
    method.before_fit(data)
    other = type(method)(method.skeleton, **method.hparams).eval()
    other.load_state_dict(method.state_dict())
    method.eval()
    with torch.inference_mode():
        for one, two in zip(method.predict(batch), other.predict(batch), strict=True):
            assert torch.equal(one.joints, two.joints)


def test_an_empty_batch_of_labels_has_a_finite_loss(method, batch):
    assert total(method, replace(batch, visible=torch.zeros_like(batch.visible))).isfinite()


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_both_presets_and_they_resolve_on_every_skeleton(name):
    assert {"paper", "small"} <= set(preset_names(name))
    for dataset in ("synthetic", "synthetic-lsp", "synthetic-coco"):
        assert resolve(name, "small", dataset).id.startswith(f"{name}-small--{dataset}--s0--")


@pytest.mark.slow
def test_overfits_one_batch(method, data):
    if not list(method.parameters()):
        pytest.skip(f"{type(method).__name__} has nothing to train")
    batch, optimizer = next(iter(data.train_dataloader())), torch.optim.Adam(method.parameters(), 1e-3)
    method.train()
    for _ in range(300):
        optimizer.zero_grad()
        total(method, batch).backward()
        optimizer.step()
    with torch.inference_mode():
        found = method.eval().predict(batch)
    for b, one in enumerate(found):
        seen = batch.visible[b, 0] > 0
        truth = batch.joints[b, 0].double() @ batch.to_image[b, :, :2].T + batch.to_image[b, :, 2]
        scale = batch.to_image[b, 0].norm()  # original pixels an input pixel
        assert (one.joints[0] - truth)[seen].norm(dim=-1).median() < 4 * scale
