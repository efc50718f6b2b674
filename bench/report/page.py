"""One self-contained page over all records."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.report.build import Report


def page(report: Report) -> str:
    """Write the page."""
    return ""
