"""What Lightning says to people who write training scripts is no news to people who read a benchmark."""

from __future__ import annotations

import logging
import warnings


def quieten() -> None:
    """Silence Lightning's hints and warnings."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", module=name)
