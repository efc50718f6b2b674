"""The same people seen through every method of a table, as a picture inside the page."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path

from bench.errors import one_line
from bench.report.rows import Table

PEOPLE = 4  # rows of the picture
TILE = 180  # pixels of a tile's side
MOST = 12  # methods in one picture


def gallery(table: Table) -> tuple[str | None, str]:
    """Draw the picture.

    Returns:
        The JPEG as base64, None where there is none; and in words what it shows, or why it is not there.
    """
    rows = [row for row in table.rows if row.entries[0].predictions.is_file()][:MOST]
    if not rows:
        return None, "no predictions lie beside these records"
    from bench.show import show

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gallery.jpg"
        try:
            show([row.entries[0].path for row in rows], path, images=PEOPLE, size=TILE)
        except Exception as error:
            if getattr(error, "exit_code", None) is None:
                raise
            return None, one_line(error)
        picture = base64.b64encode(path.read_bytes()).decode()
    labels = ", ".join(row.label for row in rows)
    return picture, f"{PEOPLE} test images, a row each; from the left: the truth, then {labels}"
