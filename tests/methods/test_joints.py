import pytest
import torch

from data.skeletons import LSP14, MPII16
from methods.joints import kept, mirror, spread

LEFT_OUT = {"mpii16": ("pelvis", "thorax")}


def test_only_the_named_joints_of_the_named_skeleton_are_left_out():
    assert kept(MPII16, LEFT_OUT) == (0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15)
    assert kept(LSP14, LEFT_OUT) == tuple(range(14))


def test_mirror_pairs_left_with_right_among_the_chosen():
    chosen = kept(MPII16, LEFT_OUT)
    names = [MPII16.joints[i] for i in chosen]
    swapped = {"left": "right", "right": "left"}
    for name, other in zip(names, mirror(MPII16, chosen), strict=True):
        side, _, part = name.partition("_")
        assert names[other] == (f"{swapped[side]}_{part}" if side in swapped else name)


def test_a_side_chosen_alone_is_refused():
    with pytest.raises(ValueError):
        mirror(MPII16, (0, 1, 2))


def test_spread_puts_values_back_and_leaves_nan():
    values = torch.arange(8.0).reshape(2, 2, 2)
    everything = spread(values, (0, 3), 5)
    assert torch.equal(everything[:, [0, 3]], values)
    assert everything[:, [1, 2, 4]].isnan().all() and everything.shape == (2, 5, 2)
