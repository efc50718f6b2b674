"""A progress bar on stderr."""

from __future__ import annotations

from collections.abc import Callable


def bar(title: str) -> Callable[[int, int], None]:
    """Return a function of (done, total) that draws a bar on stderr."""
    from rich.console import Console
    from rich.progress import Progress

    progress = Progress(console=Console(stderr=True), transient=True)
    task = progress.add_task(title)
    progress.start()

    def advance(done: int, total: int) -> None:
        progress.update(task, completed=done, total=total)
        if done >= total:
            progress.stop()

    return advance
