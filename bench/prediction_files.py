"""Anybody's predictions of one person each: .npz, .mat and HDF5 files, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from bench.errors import UserError
from data.annotations import quote
from data.array_files import numeric_arrays
from data.types import DataError, FloatArray

MATLAB_ORIGIN = 1  # MATLAB and Torch count pixels from 1, and so do the prediction files they wrote
ORIGIN_1 = (".mat", ".h5", ".hdf5")  # endings of such files
PREFERRED = ("preds", "pred", "joints")  # names of the array: the HRNet and hourglass code, LSP's evaluation code, ours
LAYOUT = (0, 1, 2)  # of the axes: people, joints, x y


@dataclass(frozen=True, eq=False)
class Found:
    """One pose for each person of a split."""

    joints: FloatArray  # (N, K, 2) 0-based pixels of the original image; NaN where nothing was found
    note: str = ""  # how the file was understood, where it leaves that open


def read_found(path: Path, k: int) -> Found:
    """Read one pose a person, from any of the known formats.

    Our own .npz counts pixels from 0. Files of MATLAB and Torch (.mat, .h5) count them from 1, which is taken off.
    Their axes may come in another order, as (2, K, N), where only one order fits; (N, K, 2) always wins.

    Args:
        path: .npz with ``joints``, or .mat or HDF5 with ``preds``, ``pred`` or one array of three axes.
        k: joints of the data set.

    Raises:
        UserError: if the file is missing or damaged, or holds no such array or one whose axes fit in no or many orders.
    """
    if path.suffix.lower() not in ORIGIN_1:
        return Found(read_joints(path))
    try:
        arrays = numeric_arrays(path, ndim=3)
    except DataError as error:
        raise UserError(str(error)) from error
    name = next((wanted for wanted in PREFERRED if wanted in arrays), next(iter(arrays)) if len(arrays) == 1 else None)
    if name is None:
        raise UserError(f"{path}: arrays of three axes: {quote(arrays)}; one, or preds (N, {k}, 2), expected")
    array = np.asarray(arrays[name], np.float64)
    axes = _axes(path, array.shape, k)
    turned = "" if axes == LAYOUT else f" turned to {tuple(array.shape[axis] for axis in axes)}"
    note = (
        f"{path.name}: {name} {array.shape}{turned} read as pixels counted from {MATLAB_ORIGIN}, as MATLAB writes them"
    )
    return Found(array.transpose(axes) - MATLAB_ORIGIN, note)


def _axes(path: Path, shape: tuple[int, ...], k: int) -> tuple[int, ...]:
    """Return the order of the axes that gives (N, K, 2), or (N, another number of joints, 2) where none does."""
    fitting = [axes for axes in permutations(LAYOUT) if (shape[axes[1]], shape[axes[2]]) == (k, 2)]
    if LAYOUT in fitting:
        return LAYOUT
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise UserError(f"{path}: the axes of {shape} can be read in {len(fitting)} orders; write (N, {k}, 2)")
    if shape.count(2) != 1:
        raise UserError(f"{path}: joints of shape {shape}; (N, {k}, 2) expected: {k} joints, x and y")
    joints, people = sorted((axis for axis in LAYOUT if shape[axis] != 2), key=lambda axis: shape[axis])
    return people, joints, shape.index(2)


def read_joints(path: Path) -> FloatArray:
    """Read ``joints`` (N, K, 2) of an .npz file, without executing anything in it.

    Raises:
        UserError: if the file is missing, damaged, or has no such array.
    """
    wanted = "an .npz file with joints (N, K, 2) expected"
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile) or "joints" not in archive:
                held = list(getattr(archive, "files", ["one bare array"]))
                raise UserError(f"{path}: holds {held}; {wanted}")
            return np.asarray(archive["joints"], np.float64)
    except (OSError, ValueError, BadZipFile, EOFError) as error:
        raise UserError(f"{path}: cannot be read ({type(error).__name__}); {wanted}") from error
