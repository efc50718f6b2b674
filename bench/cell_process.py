"""The process of a cell: how it dies with its runner, and how a worker of a Ray cluster runs it.

A Ray worker imports this file before its first cell, so nothing here may need torch or Ray.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, linux/prctl.h
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # opened before a fork: other threads may hold the loader


def end_with_parent() -> None:
    """Let the kernel kill this process when the runner dies, however it dies; hear Ctrl-C even in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if LIBC is not None:
        LIBC.prctl(DEATH_SIGNAL, signal.SIGKILL)


def run_cell(command: list[str], log: str, folder: str, environment: Mapping[str, str]) -> int:
    """Run one cell to its end; it ends with the worker that started it.

    Args:
        command: starts the cell.
        log: takes all that it says; relative to the folder.
        folder: the checkout, where the cell runs.
        environment: what differs from the worker's; Ray has set CUDA_VISIBLE_DEVICES if the cell has a GPU.

    Returns:
        The exit code; negative where a signal ended it.
    """
    with Path(folder, log).open("ab") as file:
        return subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            preexec_fn=end_with_parent,
        ).wait()
