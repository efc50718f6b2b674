"""Where a run happens: commit, versions, device, memory."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import torch

from bench.record import Environment

REPOSITORY = Path(__file__).parent.parent
PACKAGES = (
    "pytorch-lightning",
    "torchmetrics",
    "torchvision",
    "timm",
    "numpy",
    "opencv-python-headless",
    "scipy",
    "wandb",
)


def environment() -> Environment:
    """Describe the code and the machine."""
    return Environment(
        git_commit=_git("rev-parse", "HEAD"),
        git_dirty=None if (status := _git("status", "--porcelain", "--", ".", ":!results")) is None else bool(status),
        python=platform.python_version(),
        torch=torch.__version__,
        platform=platform.platform(),
        packages={name: version for name in PACKAGES if (version := _version(name))},
    )


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def device_name(device: torch.device) -> str:
    """Name the hardware that a number was measured on."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_processor()}, {torch.get_num_threads()} threads"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def peak_memory_mb(device: torch.device) -> float:
    """Return the peak so far: of the device's allocator on a GPU, of the process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 2**20 if sys.platform == "darwin" else 2**10  # getrusage counts bytes on macOS, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
