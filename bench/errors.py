"""The user's mistakes: one line each, exit code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_NAMES = 20  # listed where none is near


class UserError(Exception):
    """What was found, what was expected and what to do, in one line."""

    exit_code = 2


def unknown(kind: str, name: str, valid: Iterable[str]) -> UserError:
    """Build the answer to a name that does not exist, with the nearest that do."""
    names = sorted(valid)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    listed = ", ".join(names[:MOST_NAMES]) + (" ..." if len(names) > MOST_NAMES else "")
    hint = f"did you mean {' or '.join(near)}?" if near else f"choose from {listed}"
    return UserError(f"no {kind} {name!r}: {hint}")


def one_line(error: BaseException) -> str:
    """Return the message; of an error that crossed a loader process, only its last line."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[-1].split("Error: ", 1)[-1] if lines[0].startswith("Caught ") else " ".join(lines)
