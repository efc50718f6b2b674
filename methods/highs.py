"""HiGHS, without the greeting that its first instance writes to stdout, where a command's JSON document may stand."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

import highspy


def new_highs() -> highspy.Highs:
    """Return a solver with nothing in it that says nothing."""
    _greet()
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    highs.setOptionValue("output_flag", False)
    return highs


@cache
def _greet() -> None:
    """Let HiGHS greet on stderr; it does so once a process, from C, so Python's stdout cannot stop it."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        highspy.Highs()  # type: ignore[no-untyped-call]
        ctypes.CDLL(None).fflush(None)  # what C still holds would follow once stdout is back
    finally:
        os.dup2(kept, 1)
        os.close(kept)
