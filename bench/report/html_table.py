"""A table of the page: it scrolls by itself, so that the page does not on a phone; its heads are buttons that sort."""

from __future__ import annotations

from html import escape


def scrolled(title: str, heads: str, rows: str) -> str:
    """Lay out a table from its heads and rows, which are HTML."""
    return (
        f"<div class='scroll' tabindex='0' role='region' aria-label='{escape(title, quote=True)}'><table>"
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def head(name: str, *, text: bool = False) -> str:
    """Lay out the head of a column of numbers, or of text, which sorts upwards first."""
    kind = " class='text' data-first='up'" if text else ""
    return f"<th scope='col'{kind}><button type='button'>{escape(name)}</button></th>"


def breakable(label: str) -> str:
    """Escape a name so that a narrow column may break it behind an underscore."""
    return escape(label).replace("_", "_<wbr>")
