"""Where a command's output goes: a document to stdout, lines for people to stderr."""

from __future__ import annotations

import json
import os
import select
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def emit(document: object) -> None:
    """Write the one JSON document that stdout holds."""
    json.dump(document, sys.stdout, indent=1, allow_nan=False)
    sys.stdout.write("\n")


def console(*, to_people: bool) -> Console:
    """Return a console on stdout, or on stderr when stdout belongs to a document."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else 200  # a pipe has no width; tables stay whole
    return Console(stderr=not to_people, highlight=False, width=width)


def say(line: str) -> None:
    """Write a line for people."""
    print(line, file=sys.stderr, flush=True)


def reader_left() -> bool:
    """Say whether nobody reads stdout any more, as after ``| head``; what is still to be written then goes nowhere."""
    try:
        pipe = select.poll()
        pipe.register(sys.stdout.fileno(), 0)
        left = any(event & select.POLLERR for _, event in pipe.poll(0))
    except (AttributeError, OSError, ValueError):  # no poll on this system, or stdout is no file
        return False
    if left:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
    return left
