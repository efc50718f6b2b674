"""What every metric does to its arguments: float64, shapes, distances, and when an error is within its limit."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, from_numpy

from data.types import FloatArray

Values = NDArray[Any] | Tensor
Array = TypeVar("Array", NDArray[Any], Tensor)
Compare = Literal["<=", "<"]  # an error exactly on its limit counts, or does not

TIE = 1e-9  # relative; a millionth of a pixel at 1000 px, far above the rounding of float64


def as_floats(values: Values) -> FloatArray:
    """Return float64 on the host."""
    if isinstance(values, Tensor):
        return values.detach().cpu().double().numpy()
    return np.asarray(values, np.float64)


def like(values: NDArray[Any], model: Array) -> Array:
    """Return the values as a tensor on the device of ``model`` where that is a tensor."""
    if isinstance(model, Tensor):
        return from_numpy(values).to(model.device)
    return values


def paired(
    found: Values, truth: Values, visible: Values, dims: int = 2
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Return found and truth (N, K, dims), and which joints are labelled (N, K).

    Raises:
        ValueError: if shapes differ, or a labelled joint of the truth is not finite.
    """
    a, b, labelled = as_floats(found), as_floats(truth), as_floats(visible) > 0
    if a.shape != b.shape or a.shape != (*labelled.shape, dims) or a.ndim != 3:
        shapes = f"found {a.shape}, truth {b.shape}, visible {labelled.shape}"
        raise ValueError(f"{shapes}; expected (N, K, {dims}), (N, K, {dims}) and (N, K)")
    refuse_unplaced(b, labelled)
    return a, b, labelled


def refuse_unplaced(truth: FloatArray, labelled: NDArray[np.bool_]) -> None:
    """Raise ValueError if a labelled joint of the truth is not finite."""
    broken = np.argwhere(labelled & ~np.isfinite(truth).all(-1))
    if len(broken):
        raise ValueError(
            f"person {broken[0, 0]}: joint {broken[0, 1]} is labelled but not finite; set its visible to 0"
        )


def distances(found: Values, truth: Values, visible: Values) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return the distances (N, K) in pixels, NaN where nothing was found, and which joints are labelled (N, K).

    Raises:
        ValueError: as `paired`.
    """
    a, b, labelled = paired(found, truth, visible)
    return np.linalg.norm(a - b, axis=-1), labelled


def lengths(norm: Values, people: int) -> FloatArray:
    """Return the length of each person, (N,).

    Raises:
        ValueError: if there is not one for each person, or one is not finite and positive.
    """
    each = as_floats(norm)
    if each.shape != (people,):
        raise ValueError(f"norm has shape {each.shape}; expected one length for each of {people} people")
    broken = np.flatnonzero(~(np.isfinite(each) & (each > 0)))
    if len(broken):
        raise ValueError(f"person {broken[0]}: norm is {each[broken[0]]}, expected > 0; leave that person out")
    return each


def within(errors: FloatArray, limits: FloatArray | float, compare: Compare = "<=") -> NDArray[np.bool_]:
    """Say which errors are within their limits; what differs by less than `TIE` lies on the limit."""
    if compare == "<":
        return np.asarray(errors < limits * (1 - TIE))
    return np.asarray(errors <= limits * (1 + TIE))


def first_within(errors: FloatArray, limits: FloatArray, compare: Compare = "<=") -> NDArray[np.int64]:
    """Return the index of the first of T rising limits that each error is within; T for none, and for NaN."""
    if compare == "<":
        return np.searchsorted(limits * (1 - TIE), errors, side="right")
    return np.searchsorted(limits * (1 + TIE), errors, side="left")
