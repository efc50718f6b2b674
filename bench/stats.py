"""Bootstrap intervals over people (Efron & Tibshirani 1993, the percentile method)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95  # default: the interval of a record, `ci95`
RESAMPLES = 1000  # default: Efron & Tibshirani 1993 advise 1000 for percentile intervals
DECIMALS = 9  # default: sums of fractions that differ by less are the same


def bootstrap_ci(
    hits: NDArray[Any],
    counted: NDArray[Any],
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile interval of the pooled share, resampling people.

    A person enters only through two numbers, its hits and its count, and people are put in the order of these: the
    interval does not depend on the order in which batches or processes brought them.

    Args:
        hits: (N, J) bool, or a part of a hit in [0, 1].
        counted: (N, J) bool; a person with nothing counted is not one of the people.
        level: share of the resamples inside the interval.
        resamples: number of resamples.
        seed: of the random numbers; the same seed gives the same interval.

    Returns:
        The lower and the upper end, in percent.

    Raises:
        ValueError: if nobody has a counted item.
    """
    sums = np.stack([np.where(counted, hits, 0.0).sum(1), np.sum(counted, 1)], 1)
    sums = sums[sums[:, 1] > 0].round(DECIMALS)
    if not len(sums):
        raise ValueError(f"0 of {len(hits)} people have a counted item; an interval needs at least one")
    ordered = sums[np.lexsort(sums.T)].T.copy()  # (2, N)
    n, rng = len(sums), np.random.default_rng(seed)
    pooled = np.stack([ordered.take(rng.integers(n, size=n), axis=1).sum(1) for _ in range(resamples)])
    low, high = np.quantile(100 * pooled[:, 0] / pooled[:, 1], [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
