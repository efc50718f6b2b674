"""Weights of others: what fits is loaded, what does not is named, joints are matched by name."""

import pytest
import torch

from data.skeletons import COCO17, CROWDPOSE14, FLIC11, LSP14, MPII16
from data.types import DataError
from methods.hourglass import Hourglass
from methods.hrnet import HRNet
from methods.simplebaseline import SimpleBaseline
from methods.weights import joint_rows, read_state

NARROW = {
    Hourglass: {"stacks": 2, "width": 8, "order": 2, "input_size": (64, 64)},
    HRNet: {"width": 4, "stem": 4, "modules": (1, 1, 1), "input_size": (64, 64)},
    SimpleBaseline: {"depth": 18, "width": 8, "deconv_filters": 16, "input_size": (64, 64), "pretrained": False},
}
PREFIX = {Hourglass: "model.module.", HRNet: "", SimpleBaseline: "module."}
METHODS = pytest.mark.parametrize("method", NARROW)


def build(method, skeleton, seed, **options):
    torch.manual_seed(seed)
    return method(skeleton, **NARROW[method], **options)


def save(method, skeleton, path, *, without=(), **extra):
    """A file as the authors save it, of a network of other weights; its entries."""
    state = build(method, skeleton, 1).net.state_dict()
    if method is Hourglass:  # the port's residuals all have a skip layer
        skips = [name.removesuffix("conv3.conv.weight") for name in state if name.endswith("conv3.conv.weight")]
        state |= {
            f"{name}skip_layer.conv.bias": torch.zeros(3)
            for name in skips
            if f"{name}skip_layer.conv.bias" not in state
        }
    entries = {PREFIX[method] + name: tensor for name, tensor in {**state, **extra}.items() if name not in without}
    torch.save({"state_dict": entries, "epoch": 3} if PREFIX[method] else entries, path)
    return state


def brought(method, skeleton, path):
    """A network that began with the file."""
    model = build(method, skeleton, 2, weights=path)
    model.before_fit(None)
    return model.net.state_dict()


@METHODS
@pytest.mark.parametrize("skeleton", [COCO17, MPII16], ids=lambda s: s.name)
def test_a_file_of_the_authors_is_loaded_entry_by_entry(method, skeleton, tmp_path):
    theirs = save(method, skeleton, tmp_path / "w.pth")
    for name, tensor in brought(method, skeleton, tmp_path / "w.pth").items():
        assert torch.equal(tensor, theirs[name]), name


@METHODS
def test_lsp_takes_the_rows_of_mpiis_joints_of_the_same_name(method, tmp_path):
    theirs = save(method, MPII16, tmp_path / "w.pth")
    own = brought(method, LSP14, tmp_path / "w.pth")
    head = {Hourglass: "outs.1.conv", HRNet: "final_layer", SimpleBaseline: "final_layer"}[method]
    for joint, named in (("left_knee", "left_knee"), ("head_top", "head_top"), ("neck", "upper_neck")):
        here, there = LSP14.joints.index(joint), MPII16.joints.index(named)
        assert torch.equal(own[f"{head}.weight"][here], theirs[f"{head}.weight"][there])
        assert torch.equal(own[f"{head}.bias"][here], theirs[f"{head}.bias"][there])
    if method is Hourglass:  # and the columns that bring the maps back in
        back = "merge_preds.0.conv.conv"
        knees = LSP14.joints.index("left_knee"), MPII16.joints.index("left_knee")
        assert torch.equal(own[f"{back}.weight"][:, knees[0]], theirs[f"{back}.weight"][:, knees[1]])
        assert torch.equal(own[f"{back}.bias"], theirs[f"{back}.bias"])


@METHODS
def test_everything_that_does_not_fit_is_named(method, tmp_path):
    name = next(name for name in build(method, COCO17, 0).net.state_dict() if name.endswith("weight"))
    extra = {"neck.weight": torch.zeros(1), name: torch.zeros(9)}
    lost = "outs.0.conv.bias" if method is Hourglass else "final_layer.bias"
    save(method, COCO17, tmp_path / "w.pth", without=(lost,), **extra)
    with pytest.raises(DataError) as error:
        brought(method, COCO17, tmp_path / "w.pth")
    message = str(error.value)
    assert f"missing: {lost};" in message and "unexpected: neck.weight;" in message
    assert f"of another shape: {name} (9,) for (" in message and "\n" not in message


@METHODS
def test_a_file_without_a_head_names_the_head(method, tmp_path):
    heads = [n for n in build(method, COCO17, 0).net.state_dict() if n.startswith(("outs.", "final_layer.", "merge_p"))]
    save(method, COCO17, tmp_path / "w.pth", without=heads)
    with pytest.raises(DataError, match=f"missing: .*{heads[0]}"):
        brought(method, COCO17, tmp_path / "w.pth")


def test_counters_that_old_files_lack_are_no_error(tmp_path):
    counters = [n for n in build(HRNet, COCO17, 0).net.state_dict() if n.endswith("num_batches_tracked")]
    theirs = save(HRNet, COCO17, tmp_path / "w.pth", without=counters)
    assert torch.equal(brought(HRNet, COCO17, tmp_path / "w.pth")["conv1.weight"], theirs["conv1.weight"])


def test_the_best_weights_of_a_checkpoint_are_read(tmp_path):
    best, last = {"a.weight": torch.ones(1)}, {"module.a.weight": torch.zeros(1)}
    torch.save({"state_dict": last, "best_state_dict": best, "perf": 0.5}, tmp_path / "checkpoint.pth")
    assert read_state(tmp_path / "checkpoint.pth") == best


def test_joints_are_matched_by_name_not_by_number():
    rows = joint_rows(LSP14, 16, "file")
    named = [MPII16.joints[row] for row in rows]
    assert [name.replace("upper_neck", "neck") for name in named] == list(LSP14.joints)
    assert joint_rows(COCO17, 17, "file") == list(range(17))
    assert joint_rows(LSP14, 14, "file") == list(range(14))  # a file with as many joints is taken to be of these


@pytest.mark.parametrize(
    ("skeleton", "count", "words"),
    [
        (CROWDPOSE14, 17, "coco17, which has no head_top, neck"),
        (COCO17, 16, "mpii16, which has no nose, left_eye"),
        (FLIC11, 17, "flic11 has the observer's"),
        (COCO17, 18, "18 joints, of which the order is unknown; expected 17 .coco17. or 16 .mpii16."),
    ],
)
def test_joints_that_cannot_be_matched_are_an_error(skeleton, count, words):
    with pytest.raises(DataError, match=words):
        joint_rows(skeleton, count, "file")


class Surprise:
    """An object that a file must not be able to build."""

    def __init__(self):
        self.opened = True


@pytest.mark.parametrize(
    "content", [None, b"", b"no weights", [1, 2], Surprise()], ids=["absent", "empty", "text", "list", "object"]
)
def test_files_that_hold_no_weights_are_refused(content, tmp_path):
    path = tmp_path / "w.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(DataError, match=r"w\.pth: .*expected a state dict of torch"):
        read_state(path)
