"""The training of Adversarial PoseNet: items 10, 11 and 13 of the fidelity checklist, its length and its resumption."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from tests.methods.test_adversarial_posenet import batch, small

pytestmark = pytest.mark.filterwarnings("ignore:You defined a `validation_step`")
SILENT = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")


def parts(method):
    return {"G": method.generator, **method.discriminators}


def changed(method, before):
    """Which networks have other parameters than before."""
    return {
        name
        for name, net in parts(method).items()
        if any(not torch.equal(p, q) for p, q in zip(net.parameters(), before[name], strict=True))
    }


def snapshot(method):
    return {name: [p.detach().clone() for p in net.parameters()] for name, net in parts(method).items()}


def train(method, epochs=1, batches=1, callbacks=(), checkpoint=None):
    """Train on copies of one batch."""
    options = {"max_epochs": epochs, "accelerator": "cpu", **dict.fromkeys(SILENT, False)}
    trainer = pl.Trainer(callbacks=list(callbacks), **options)
    trainer.fit(method, DataLoader([batch()] * batches, batch_size=None), ckpt_path=checkpoint, weights_only=True)
    return trainer


def recorded(method):
    """Train on one batch; return which networks each step changed, and by which terms."""
    steps, step = [], method._step

    def record(optimizer, terms):
        before = snapshot(method)
        step(optimizer, terms)
        steps.append((list(terms), changed(method, before)))

    method._step = record
    train(method)
    return steps


def test_an_iteration_is_algorithm_1_and_each_step_changes_one_network():  # item 10
    errors = ["G pose", "G occlusion"]
    assert recorded(small()) == [
        (errors, {"G"}),
        (["P"], {"P"}),
        (["C"], {"C"}),
        ([*errors, "G by P", "G by C"], {"G"}),
    ]


def test_the_discriminators_pass_the_generator_a_gradient_and_take_none():  # items 10 and 11
    method, one = small(), batch()
    maps, truth = method(one.images), method._truth(one)
    sum(method._persuaded(maps, truth).values()).backward()  # without any squared error
    assert any(p.grad is not None and p.grad.any() for p in method.generator.pose_hg.parameters())
    assert all(p.grad is None for p in method.discriminators.parameters())


def test_the_discriminators_own_terms_do_not_reach_the_generator():  # item 10
    method, one = small(), batch()
    sum(method._judged(method(one.images), method._truth(one)).values()).backward()
    assert all(p.grad is None for p in method.generator.parameters())
    assert all(p.grad is not None for p in method.discriminators.parameters())


def test_the_generators_maps_are_made_anew_for_its_second_step():
    method, calls = small(), []
    method.generator.register_forward_hook(lambda _, __, out: calls.append(out.detach().clone()))
    train(method)
    assert len(calls) == 2 and not torch.equal(*calls)


def test_true_and_found_maps_never_share_a_batch():
    method, seen = small(), []
    method.discriminators["P"].register_forward_hook(lambda _, inputs, __: seen.append(inputs[1].detach()))
    one = batch()
    maps = method(one.images)
    method._judged(maps, method._truth(one))
    assert torch.equal(seen[0], method._truth(one).maps) and torch.equal(seen[1], maps[-1])


@pytest.mark.parametrize(
    ("chosen", "names"), [("both", ["P", "C"]), ("pose", ["P"]), ("confidence", ["C"]), ("none", [])]
)
def test_discriminators_can_be_left_out(chosen, names):  # item 13
    method = small(discriminators=chosen)
    assert list(method.discriminators) == names
    errors = ["G pose", "G occlusion"]
    first, *rest = recorded(method)
    assert first == (errors, {"G"})
    assert [terms for terms, _ in rest[:-1]] == [[name] for name in names]
    assert [terms for terms, _ in rest[-1:]] == ([[*errors, *(f"G by {name}" for name in names)]] if names else [])


def test_the_discriminators_wait_for_the_warm_up_to_end():
    method, one = small(warm_up=0.25), batch()
    terms = {}
    for spent in (0.2, 0.25, 1.0):
        method.budget_spent = spent
        terms[spent] = set(method.loss(one))
    assert terms[0.2] == {"G pose", "G occlusion"}
    assert terms[0.25] == terms[1.0] == {"G pose", "G occlusion", "P", "C", "G by P", "G by C"}


class Listen(pl.Callback):
    """Keep what every batch was trained with: the progress before it and the learning rates."""

    def __init__(self):
        self.progress, self.rates = [], []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.progress.append(module.progress)
        self.rates.append([o.param_groups[0]["lr"] for o in trainer.optimizers])


def test_progress_counts_batches_and_the_learning_rates_of_all_three_fall():
    listen = Listen()
    trainer = train(small(lr_drops=(0.5,), warm_up=0.25), epochs=2, batches=2, callbacks=[listen])
    assert listen.progress == [0, 0.25, 0.5, 0.75] and trainer.lightning_module.progress == 1
    np.testing.assert_allclose(listen.rates, [[2.5e-4] * 3] * 2 + [[5e-5] * 3] * 2)
    logged = {f"train/{name}" for name in ("G pose", "G occlusion", "P", "C", "G by P", "G by C", "loss")}
    assert logged <= set(trainer.callback_metrics)


class Save(pl.Callback):
    """Write a checkpoint after the first epoch."""

    def __init__(self, path):
        self.path = path

    def on_train_epoch_end(self, trainer, module):
        if trainer.current_epoch == 0:
            trainer.save_checkpoint(self.path)


def test_a_resumed_training_goes_on_where_it_was(tmp_path):
    whole, again, listen = small(), small(), Listen()
    train(whole, epochs=2, batches=2, callbacks=[Save(tmp_path / "first.ckpt")])
    train(again, epochs=2, batches=2, callbacks=[listen], checkpoint=tmp_path / "first.ckpt")
    assert listen.progress == [0.5, 0.75]
    for one, other in zip(whole.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_the_optimizer_is_rmsprop_at_the_papers_rate_one_a_network():
    method = small()
    optimizers = method.configure_optimizers()
    assert [type(o) for o in optimizers] == [torch.optim.RMSprop] * 3
    assert {o.param_groups[0]["lr"] for o in optimizers} == {2.5e-4}
    for optimizer, net in zip(optimizers, parts(method).values(), strict=True):
        assert [id(p) for p in optimizer.param_groups[0]["params"]] == [id(p) for p in net.parameters()]
