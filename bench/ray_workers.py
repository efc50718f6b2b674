"""A sweep on a Ray cluster that is already there: Ray places the cells, each still its own process with its own lock.

All nodes must see the same checkout and results folder, as on a shared file system.
"""

from __future__ import annotations

import logging
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.errors import UserError, one_line
from bench.jobs import TAKEN, Job, held, settle
from bench.plan import recorded
from bench.workers import end_with_parent

POLL_SECONDS = 0.5  # default: between two looks at the cluster
AHEAD = 2  # default: cells given to Ray for each of its cores, so that it always has one to place
LOST = 1  # what a cell on a node that is gone counts as: it is tried again


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
    task = ray.remote(_run_cell)
    running: dict[Any, Job] = {}
    try:
        while not all(job.over for job in jobs):
            room = AHEAD * int(ray.cluster_resources().get("CPU", 1)) - len(running)
            for job in [job for job in jobs if job.ready][: max(0, room)]:
                if (future := _submit(ray, task, job, out)) is not None:
                    running[future] = job
            ended, _ = ray.wait(list(running), num_returns=len(running), timeout=POLL_SECONDS) if running else ([], [])
            for future in ended:
                settle(running.pop(future), _code(ray, future), out, retries)
            watch(jobs)
            time.sleep(0 if running else POLL_SECONDS)
        watch(jobs)
    finally:
        for future in running:
            ray.cancel(future, force=True)
        ray.shutdown()


def _connect(address: str) -> Any:
    try:
        import ray
    except ImportError as error:
        raise UserError("--ray: Ray is not installed; pip install -e '.[ray]' brings it") from error
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises half a dozen kinds for a cluster that is not there
        raise UserError(f"--ray {address}: no cluster ({one_line(error)}); `ray start --head` starts one") from error
    return ray


def _submit(ray: Any, task: Any, job: Job, out: Path) -> Any:
    if recorded(job.cell, out):
        job.enter("done")
        return None
    if held(job.cell, out):
        job.enter("elsewhere", TAKEN)
        return None
    job.log.parent.mkdir(parents=True, exist_ok=True)
    job.attempts += 1
    job.enter("running", job.reason)
    has_gpus = ray.cluster_resources().get("GPU", 0) > 0
    gpus = job.cell.gpus if job.cell.gpus is not None else int(has_gpus)
    options = {"num_cpus": job.cell.cpus or 1, "num_gpus": gpus, "max_retries": 0}
    placed = task.options(**options)
    return placed.remote(job.cell.command(out), str(job.log), str(Path.cwd()), job.cell.cpus or 1)


def _code(ray: Any, future: Any) -> int:
    try:
        return int(ray.get(future))
    except ray.exceptions.RayError:
        return LOST


def _run_cell(command: list[str], log: str, folder: str, cpus: int) -> int:
    """Run one cell on a node; it ends with the worker that started it. Ray has set CUDA_VISIBLE_DEVICES."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(cpus)}
    with Path(log).open("ab") as file:
        return subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            preexec_fn=end_with_parent,
        ).wait()
