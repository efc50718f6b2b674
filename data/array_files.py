"""Arrays in the files of MATLAB (5 and 7.3) and HDF5: most annotation and prediction files of the field."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from data.annotations import quote, require_file
from data.types import DataError


def read_mat(path: Path, variable: str) -> NDArray[np.generic]:
    """Return one variable of a MATLAB file.

    Raises:
        DataError: if the file is missing or damaged, or has no such variable.
    """
    content = _load_mat(path)
    if variable not in content:
        raise DataError(f"{path}: holds {quote(content)}; expected the variable {variable}")
    return np.asarray(content[variable])


def read_hdf5(path: Path, variable: str) -> NDArray[np.generic]:
    """Return one variable of an HDF5 file, as the hourglass code stores its annotations.

    Raises:
        DataError: if the file is missing or damaged, or has no such variable.
    """
    with _open_hdf5(path) as file:
        if variable not in file:
            raise DataError(f"{path}: holds {quote(file)}; expected the variable {variable}")
        return np.asarray(file[variable][()])


def numeric_arrays(path: Path, ndim: int) -> dict[str, NDArray[np.generic]]:
    """Return every array of numbers with ``ndim`` axes in a .mat or HDF5 file, by name.

    An HDF5 file keeps the arrays of MATLAB 7.3 with their axes reversed; they are returned as they are kept.

    Raises:
        DataError: if the file is missing or damaged.
    """
    if h5py.is_hdf5(require_file(path)):
        with _open_hdf5(path) as file:
            kept = [name for name, item in file.items() if isinstance(item, h5py.Dataset) and item.ndim == ndim]
            found = {name: np.asarray(file[name][()]) for name in kept}
    else:
        found = {name: np.asarray(value) for name, value in _load_mat(path).items()}
    return {name: array for name, array in found.items() if array.ndim == ndim and array.dtype.kind in "iuf"}


def _load_mat(path: Path) -> dict[str, Any]:
    """Return the variables of a MATLAB 5 file, without its header."""
    require_file(path)
    try:
        content = loadmat(path)
    except Exception as error:  # a damaged file raises whatever its bytes lead to: ValueError, zlib.error, TypeError
        size = path.stat().st_size
        raise DataError(f"{path}: {size:,} bytes that are not a readable .mat file; bring it again") from error
    return {name: value for name, value in content.items() if not name.startswith("__")}


@contextmanager
def _open_hdf5(path: Path) -> Iterator[h5py.File]:
    require_file(path)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError) as error:  # h5py's answers to damaged files
        size = path.stat().st_size
        raise DataError(f"{path}: {size:,} bytes that are not a readable HDF5 file; bring it again") from error
