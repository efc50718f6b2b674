"""Weights out of files of others: read safely, every entry that does not fit named, joints matched by their names.

The authors' files hold COCO's 17 joints or MPII's 16. Where the skeleton here is another one, each of its joints takes
the rows of the joint of that name, or there is an error: no weights are invented.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from data.skeletons import COCO17, MPII16
from data.types import DataError, Skeleton

WRAPPERS = ("best_state_dict", "state_dict")  # the first that a checkpoint has; HRNet's has both
PREFIXES = ("model.module.", "module.", "model.")  # of DataParallel and of the authors' trainers
AUTHORS = {len(skeleton.joints): skeleton for skeleton in (COCO17, MPII16)}
OBSERVER_SIDED = ("flic11",)  # its left and right are the observer's, those of COCO and MPII the person's
SAME_PLACE = {"neck": "upper_neck"}  # MPII's upper neck is where LSP has its neck; MPII's thorax lies lower
COUNTER = "num_batches_tracked"  # unknown to PyTorch before 0.4.1


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a state dict, bare or within a checkpoint, without the prefixes of wrappers.

    Raises:
        DataError: if the file is missing or something else.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        found = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(f"{path}: no weights could be read ({found}); expected a state dict of torch") from error
    if isinstance(state, dict):
        state = next((state[name] for name in WRAPPERS if isinstance(state.get(name), dict)), state)
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise DataError(f"{path}: holds {type(state).__name__}, not names of tensors; expected a state dict of torch")
    prefix = next((p for p in PREFIXES if state and all(name.startswith(p) for name in state)), "")
    return {name.removeprefix(prefix): tensor for name, tensor in state.items()}


def place(net: nn.Module, state: Mapping[str, Tensor], source: str, *, without: str = "(?!)") -> None:
    """Load every entry of the network, but for those whose names match ``without``.

    Args:
        net: The network.
        state: Entries by name.
        source: Where they are from, for the message.
        without: Entries that stay as they are, a regular expression.

    Raises:
        DataError: naming every entry that is missing, left over or of another shape.
    """
    own = {name: tensor.shape for name, tensor in net.state_dict().items() if not re.match(without, name)}
    theirs = {name: tensor for name, tensor in state.items() if not re.match(without, name)}
    wrong = {
        "missing": sorted(name for name in own.keys() - theirs.keys() if not name.endswith(COUNTER)),
        "unexpected": sorted(theirs.keys() - own.keys()),
        "of another shape": [
            f"{name} {tuple(theirs[name].shape)} for {tuple(own[name])}"
            for name in sorted(own.keys() & theirs.keys())
            if own[name] != theirs[name].shape
        ],
    }
    if any(wrong.values()):
        found = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in wrong.items() if names)
        raise DataError(f"{source}: does not fit this network, check its settings ({found})")
    net.load_state_dict(theirs, strict=False)


def joint_rows(skeleton: Skeleton, count: int, source: str) -> list[int]:
    """Return, for each joint of the skeleton, the place of the same joint among ``count`` of a file.

    Raises:
        DataError: if the file's joints are unknown, or do not have all of the skeleton's.
    """
    theirs = AUTHORS.get(count)
    if theirs is None and count == len(skeleton.joints):
        return list(range(count))
    if theirs is None:
        known = " or ".join(f"{n} ({s.name})" for n, s in AUTHORS.items())
        raise DataError(f"{source}: {count} joints, of which the order is unknown; expected {known}")
    if theirs.name != skeleton.name and skeleton.name in OBSERVER_SIDED:
        raise DataError(f"{source}: joints of {theirs.name} by the person's sides; {skeleton.name} has the observer's")
    names = [SAME_PLACE.get(n, n) if n not in theirs.joints else n for n in skeleton.joints]
    absent = [own for own, name in zip(skeleton.joints, names, strict=True) if name not in theirs.joints]
    if absent:
        raise DataError(f"{source}: joints of {theirs.name}, which has no {', '.join(absent)}; no mapping is possible")
    return [theirs.joints.index(name) for name in names]


def load_weights(
    net: nn.Module,
    path: Path,
    skeleton: Skeleton,
    per_joint: Mapping[str, int],
    *,
    unused: str = "(?!)",
    renamed: Mapping[str, str] | None = None,
) -> None:
    """Load a pose network whole from a file of its authors.

    Args:
        net: The network, its entries named as theirs.
        path: A state dict or a checkpoint with one.
        skeleton: The joints of ``net``.
        per_joint: The axis along which an entry has one slice a joint, by a regular expression of its name; the first
            expression must match an entry of every file.
        unused: Entries of the file that no pass of the authors' network uses, a regular expression.
        renamed: What became of older names: a regular expression of the whole name, and what takes its place.

    Raises:
        DataError: naming what does not fit, or why joints cannot be matched.
    """
    state = {name: tensor for name, tensor in read_state(path).items() if not re.fullmatch(unused, name)}
    for old, new in (renamed or {}).items():
        state = {re.sub(rf"^{old}$", new, name): tensor for name, tensor in state.items()}
    axes = {name: axis for name in state for pattern, axis in per_joint.items() if re.fullmatch(pattern, name)}
    if not axes:
        place(net, state, str(path))  # the head is missing, and named
        return
    first = next(iter(axes))
    rows = joint_rows(skeleton, state[first].shape[axes[first]], str(path))
    for name, axis in axes.items():
        if max(rows) < state[name].shape[axis]:
            state[name] = state[name].index_select(axis, torch.tensor(rows))
    place(net, state, str(path))
