"""What every method must do, on a batch of drawn people; a new method is tested by being registered."""

from dataclasses import replace

import pytest
import torch

from bench.config import preset_names, resolve
from data.module import PoseDataModule
from methods import METHODS
from methods.ief import IEF

PEOPLE = 8
NEVER_LEARNS = "frozen."  # AlphaPose's parallel branch


@pytest.fixture(params=METHODS)
def method(request):
    torch.manual_seed(0)
    return resolve(request.param, "small", "synthetic").build_method()


@pytest.fixture
def data(method):
    return PoseDataModule(method.view, "synthetic", batch_size=PEOPLE, train_limit=PEOPLE, test_limit=PEOPLE, workers=0)


@pytest.fixture
def batch(data):
    return next(iter(data.val_dataloader()))


def total(method, batch):
    return torch.stack(list(method.loss(batch).values())).sum()


def test_loss_is_finite_and_reaches_every_parameter_in_some_phase(method, batch):
    trained = any(True for _ in method.parameters())
    reached = set()
    for tenths in range(11):
        method.budget_spent = tenths / 10
        loss = total(method.train(), batch)
        assert loss.isfinite()
        if not trained:
            continue
        method.zero_grad()
        loss.backward()
        found = {name: p.grad for name, p in method.named_parameters() if p.grad is not None}
        assert all(grad.isfinite().all() for grad in found.values())
        reached |= {name for name, grad in found.items() if grad.any()}
        with torch.no_grad():  # a tiny step, for what lies behind weights that begin at 0
            for name, p in method.named_parameters():
                p -= 1e-7 * found.get(name, 0)
    assert reached == {name for name, _ in method.named_parameters() if not name.startswith(NEVER_LEARNS)}


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
        torch.testing.assert_close(other.joints, expected, atol=1e-3, rtol=0, equal_nan=True)


def test_the_loss_does_not_see_unlabelled_joints(method, batch):
    hidden = batch.visible * (torch.arange(batch.visible.shape[-1]) % 3 > 0)  # a third of the joints
    nowhere = torch.where((hidden > 0)[..., None], batch.joints, torch.full_like(batch.joints, 1e4))
    method.eval()
    for tenths in range(0, 11, 2):
        method.budget_spent = tenths / 10
        losses = []
        for joints in (batch.joints, nowhere):
            torch.manual_seed(0)
            with torch.no_grad():
                losses.append(total(method, replace(batch, joints=joints, visible=hidden)))
        torch.testing.assert_close(*losses)


def test_a_checkpoint_brings_back_the_same_predictions(method, data, batch):
    method.before_fit(data)
    other = type(method)(method.skeleton, **method.hparams).eval()
    other.load_state_dict(method.state_dict())
    method.eval()
    with torch.inference_mode():
        for one, two in zip(method.predict(batch), other.predict(batch), strict=True):
            torch.testing.assert_close(one.joints, two.joints, atol=0, rtol=0, equal_nan=True)


def test_an_empty_batch_of_labels_has_a_finite_loss(method, batch):
    for tenths in range(0, 11, 2):
        method.budget_spent = tenths / 10
        assert total(method, replace(batch, visible=torch.zeros_like(batch.visible))).isfinite()


def test_the_last_stage_is_the_prediction(method, batch):
    method.eval()
    with torch.inference_mode():
        stages, found = method.stages(batch), method.predict(batch)
    for one, other in zip(found, list(stages.values())[-1] if stages else found, strict=True):
        torch.testing.assert_close(one.joints, other.joints, atol=0, rtol=0, equal_nan=True)
        torch.testing.assert_close(one.scores, other.scores, atol=0, rtol=0)


def test_the_inside_lies_over_the_inputs(method, batch):
    method.eval()
    with torch.inference_mode():
        panels = method.inside(batch)
    for panel in panels:
        parts = {name: part for name, part in vars(panel).items() if name != "title" and part is not None}
        shapes = {name: part.shape for name, part in parts.items() if isinstance(part, torch.Tensor)}
        assert parts and panel.title
        assert all(len(part) == len(batch) for part in parts.values())
        assert shapes.get("joints", (0, 2))[-1] == 2 and shapes.get("boxes", (0, 4, 2))[-2:] == (4, 2)
    assert len({panel.title for panel in panels}) == len(panels)


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
    method.before_fit(data)
    method.train()
    if isinstance(method, IEF):
        method.jitter = 0.0  # it is there to prevent just this
    for step in range(300):
        method.budget_spent = step / 300
        optimizer.zero_grad()
        total(method, batch).backward()
        optimizer.step()
    with torch.inference_mode():
        found = method.eval().predict(batch)
    for b, one in enumerate(found):
        seen = (batch.visible[b, 0] > 0) & one.joints[0].isfinite().all(-1)
        assert seen.any()
        truth = batch.joints[b, 0].double() @ batch.to_image[b, :, :2].T + batch.to_image[b, :, 2]
        scale = batch.to_image[b, 0, :2].norm()  # original pixels an input pixel
        assert (one.joints[0] - truth)[seen].norm(dim=-1).median() < 4 * scale
