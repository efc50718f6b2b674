"""IEF: what it shows, how it is optimised, and what it refuses."""

import numpy as np
import pytest
import torch

from data.types import DataError
from tests.methods.test_ief import BOUND, SIDE, Says, batch, small


def test_new_weights_learn_ten_times_faster_under_sgd():
    method = small(lr_drops=(0.5,))
    found = method.configure_optimizers()
    optimizer, schedule = found["optimizer"], found["lr_scheduler"]["scheduler"]
    old, new = optimizer.param_groups
    names = {id(p): name for name, p in method.net.named_parameters()}
    assert {names[id(p)] for p in new["params"]} == {"conv1.7x7_s2.extra", "cls3_fc.weight", "cls3_fc.bias"}
    assert len(old["params"]) + len(new["params"]) == len(names)
    assert isinstance(optimizer, torch.optim.SGD) and old["momentum"] == new["momentum"] == 0.9
    assert old["weight_decay"] == new["weight_decay"] == 5e-4
    rates = [(old["lr"], new["lr"])]
    method.budget_spent = 0.5
    optimizer.step()
    schedule.step()
    np.testing.assert_allclose([*rates, (old["lr"], new["lr"])], [(1e-3, 1e-2), (1e-4, 1e-3)], rtol=1e-6)


def test_adam_has_no_weight_decay():
    optimizer = small(optimizer="adam", new_lr=1.0).configure_optimizers()["optimizer"]
    assert isinstance(optimizer, torch.optim.Adam)
    assert all((group["lr"], group["weight_decay"]) == (1e-3, 0) for group in optimizer.param_groups)


def test_stages_are_the_start_and_each_correction():
    method, inputs = small(steps=3), batch()
    method.net = Says(torch.full((28,), 0.5))
    stages = method.stages(inputs)
    assert list(stages) == ["start", "step 1", "step 2", "step 3"]
    for step, people in enumerate(stages.values()):
        expected = method.start + step * 0.5 * BOUND + torch.tensor([10.0, 20.0])
        np.testing.assert_allclose(people[2].joints[0], expected, rtol=1e-5)


def test_the_inside_shows_the_drawn_start_and_every_pose_in_input_pixels():
    method, inputs = small(), batch()
    method.net = Says(torch.full((28,), 0.5))
    panels = method.inside(inputs)
    assert [panel.title for panel in panels] == ["start, as drawn", "step 1", "step 2", "step 3", "step 4"]
    for step, panel in enumerate(panels):
        np.testing.assert_allclose(panel.joints[1], method.start + step * 0.5 * BOUND, rtol=1e-5)
    maps = panels[0].maps
    assert maps.shape == (3, 14, SIDE, SIDE) and 0 <= maps.min() < 0.01 and maps.max() == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"side": 72}, "side 72: expected a multiple of 16"),
        ({"side": 80, "modules": ("3a", "5b")}, "side 80: expected a multiple of 32"),
        ({"side": 0}, "side 0"),
        ({"steps": 0}, "steps 0: expected at least 1"),
        ({"bound": 0.0}, "bound 0.0"),
        ({"jitter": -1.0}, "jitter -1.0"),
        ({"width": 0.0}, "width 0.0"),
        ({"modules": ()}, r"modules \(\): expected some of 3a, 3b"),
        ({"modules": ("4a", "3a")}, "modules 4a, 3a: expected some of 3a, 3b"),
        ({"modules": ("3a", "6a")}, "modules 3a, 6a: expected some of 3a, 3b"),
    ],
)
def test_impossible_settings_are_refused_in_one_line(options, words):
    with pytest.raises(DataError, match=words) as error:
        small(**options)
    assert "\n" not in str(error.value)


def test_the_options_in_a_checkpoint_can_be_read_without_trusting_it(tmp_path):
    torch.save(dict(small(backbone_weights=tmp_path / "trunk.pth").hparams), tmp_path / "options")
    options = torch.load(tmp_path / "options", weights_only=True)
    assert options["backbone_weights"] == str(tmp_path / "trunk.pth") and options["steps"] == 4
