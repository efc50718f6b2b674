"""A sweep on a Ray cluster that is already there: Ray places the cells, each still its own process with its own lock.

All nodes must see the same checkout and results folder, as on a shared file system.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.cell_process import run_cell
from bench.errors import UserError, one_line
from bench.jobs import TAKEN, Job, held, settle
from bench.plan import recorded

POLL_SECONDS = 0.5  # default: between two looks at the cluster
ANSWER_SECONDS = 10.0  # default: that a cluster has to take a connection
AHEAD = 2  # default: cells given to Ray for each of its cores, so that it always has one to place
LOST = 1  # what a cell on a node that is gone counts as: it is tried again
CARRIED = ("POSE_DATA", "WANDB_")  # variables that begin so go along: a worker has those of its node


def run_on_ray(
    jobs: Sequence[Job], out: Path, *, address: str, retries: int, watch: Callable[[Sequence[Job]], None]
) -> None:
    """Run every job to its end on a cluster.

    Args:
        jobs: what to do, in this order.
        out: the results folder, the same on every node.
        address: of the cluster; auto takes the one of this machine.
        retries: attempts beyond the first.
        watch: is shown the jobs again and again.

    Raises:
        UserError: if Ray is not installed or there is no cluster at the address.
    """
    ray = _connect(address)
    task, has_gpus = ray.remote(run_cell), ray.cluster_resources().get("GPU", 0) > 0
    running: dict[Any, Job] = {}
    try:
        while not all(job.over for job in jobs):
            room = AHEAD * int(ray.cluster_resources().get("CPU", 1)) - len(running)
            for job in [job for job in jobs if job.ready][: max(0, room)]:
                if (future := _submit(task, job, out, has_gpus=has_gpus)) is not None:
                    running[future] = job
            ended, _ = ray.wait(list(running), num_returns=len(running), timeout=POLL_SECONDS) if running else ([], [])
            for future in ended:
                code, reason = _ended(ray, future)
                settle(running.pop(future), code, out, retries, reason)
            watch(jobs)
            time.sleep(0 if running else POLL_SECONDS)
        watch(jobs)
    finally:
        for future in running:
            with contextlib.suppress(ray.exceptions.RayError):
                ray.cancel(future, force=True)
        ray.shutdown()


def _connect(address: str) -> Any:
    try:
        import ray
    except ImportError as error:
        raise UserError("--ray: Ray is not installed; pip install -e '.[ray]' brings it") from error
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if port.isdigit():  # Ray itself would wait for minutes, and then end the process
            socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises half a dozen kinds for a cluster that is not there
        raise UserError(f"--ray {address}: no cluster ({one_line(error)}); `ray start --head` starts one") from error
    return ray


def _submit(task: Any, job: Job, out: Path, *, has_gpus: bool) -> Any:
    if recorded(job.cell, out):
        job.enter("done")
        return None
    if held(job.cell, out):
        job.enter("elsewhere", TAKEN)
        return None
    job.log.parent.mkdir(parents=True, exist_ok=True)
    job.attempts += 1
    job.enter("running", job.reason)
    cpus, gpus = job.cell.cpus or 1, int(has_gpus) if job.cell.gpus is None else job.cell.gpus
    environment = {name: value for name, value in os.environ.items() if name.startswith(CARRIED)}
    environment["OMP_NUM_THREADS"] = str(cpus)
    if gpus == 0:
        environment["CUDA_VISIBLE_DEVICES"] = ""  # Ray leaves all devices of the node visible
    placed = task.options(num_cpus=cpus, num_gpus=gpus, max_retries=0)
    return placed.remote(job.cell.command(out), str(job.log), str(Path.cwd()), environment)


def _ended(ray: Any, future: Any) -> tuple[int, str]:
    """Return the exit code of a cell; where Ray lost it, also how."""
    try:
        return int(ray.get(future)), ""
    except ray.exceptions.RayError as error:
        found = getattr(error, "cause", None) or error  # what a worker raised itself comes with its traceback
        return LOST, f"{type(found).__name__}: {one_line(found).split('. ')[0]}"
