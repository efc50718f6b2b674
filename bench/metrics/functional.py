"""Every metric as a pure function on arrays or tensors: the public face of the files beside this one.

Every function answers per person and per item (joint or stick), in the kind of its first argument; the caller counts,
with `share`. The exceptions say so: `oks` compares everybody with everybody, `mpii_ap` and `pdj_curve` need everybody
at once. The same everywhere: ``found`` (N, K, 2) pixels or (N, K, 3) millimetres, NaN where nothing was found, which
misses; ``truth`` alike; ``visible`` (N, K), where 0 is unlabelled: never a hit, and not to be counted. Arithmetic is
float64. Whether an error exactly on its limit counts is each metric's own rule, the default of ``compare``; what lies
on the limit does not depend on the last bit.
"""

from __future__ import annotations

from bench.metrics.arrays import Values, as_floats
from bench.metrics.body3d import auc3d, mpjpe, pa_mpjpe, pck3d
from bench.metrics.groups import mpii_ap
from bench.metrics.joints import diagonal, pck, pck_auc, pckh, pdj, pdj_curve
from bench.metrics.oks import oks
from bench.metrics.sticks import labelled_sticks, pcp

__all__ = [
    "auc3d",
    "diagonal",
    "labelled_sticks",
    "mpii_ap",
    "mpjpe",
    "oks",
    "pa_mpjpe",
    "pck",
    "pck3d",
    "pck_auc",
    "pckh",
    "pcp",
    "pdj",
    "pdj_curve",
    "share",
]


def share(hits: Values, counted: Values) -> float:
    """Divide the hits among the counted items by their number: every counted item weighs the same.

    Example:
        Two of four, and the uncounted fifth does not matter.

        >>> import numpy as np
        >>> share(np.array([1, 1, 0, 0, 1]), np.array([True, True, True, True, False]))
        0.5

    Args:
        hits: any shape; bool, a part of a hit in [0, 1], or an error in millimetres.
        counted: the same shape, bool.

    Returns:
        The mean: a number in [0, 1], or millimetres.

    Raises:
        ValueError: if nothing is counted.
    """
    kept = as_floats(counted) > 0
    if not kept.any():
        raise ValueError(f"0 of {kept.size} items are counted; a share needs at least one")
    return float(as_floats(hits)[kept].mean())
