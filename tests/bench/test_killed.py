"""A real process, really killed."""

import os
import signal
import subprocess
import sys

import pytest

from bench.record import RunRecord
from tests.bench.conftest import TINY

LONG = [word if word != "3" else "40" for word in TINY]  # epochs


def start(out):
    command = [sys.executable, "-m", "bench", "run", "--method", "simplebaseline", "--wandb", "disabled", *LONG]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, "text": True}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*command, "--out", str(out)], env=environment, preexec_fn=hear_ctrl_c, **pipes)


def hear_ctrl_c():
    """A shell's background job ignores SIGINT, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def until_epoch(process, number):
    seen = []
    for line in process.stderr:
        seen.append(line)
        if line.startswith(f"epoch {number:3d}"):
            return
    raise AssertionError("".join(seen))


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 1)])
def test_a_stopped_run_goes_on_from_its_last_whole_epoch(stop, code, tmp_path):
    first = start(tmp_path)
    until_epoch(first, 3)
    first.send_signal(stop)
    out, errors = first.communicate(timeout=60)
    assert first.returncode == code and "Traceback" not in errors
    assert "record: " not in out and not list((tmp_path / "runs").glob("*.json")), "nothing half-written"
    second = start(tmp_path)
    out, errors = second.communicate(timeout=120)
    assert second.returncode == 0, errors
    epochs = [int(line[5:9]) for line in errors.splitlines() if line.startswith("epoch")]
    assert "going on from" in errors and epochs[0] >= 3 and epochs[-1] == 40
    record = RunRecord.read(next((tmp_path / "runs").glob("*.json")))
    curves = (tmp_path / "runs" / record.id / "curves.csv").read_text().splitlines()
    assert [int(row.split(",")[0]) for row in curves[1:]] == list(range(1, 41)), "no epoch lost or doubled"
