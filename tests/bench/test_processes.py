"""Two real processes over gloo give the numbers of one."""

from multiprocessing import Queue

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from bench.metrics.people import PeopleMetric
from bench.metrics.person import PersonMetric
from data.skeletons import MPII16
from data.types import Person, PosePrediction

IDS = ("pck@0.2", "pck-auc@0.2", "pcp@0.5/strict", "pckh@0.5/plain-mean", "mpii-ap")
PEOPLE = 41


def people():
    rng = np.random.default_rng(11)
    truth = rng.uniform(0, 200, (PEOPLE, 16, 2))
    found = truth + rng.normal(0, 12, truth.shape)
    found[rng.random(found.shape[:2]) < 0.05] = np.nan
    visible, heads, scores = rng.integers(0, 3, (PEOPLE, 16)), rng.uniform(20, 40, PEOPLE), rng.random((PEOPLE, 16))
    true = [(Person(t, v, np.zeros(4), head_size=h),) for t, v, h in zip(truth, visible, heads, strict=True)]
    predictions = [
        PosePrediction(torch.tensor(f)[None], torch.tensor(s)[None], torch.ones(1))
        for f, s in zip(found, scores, strict=True)
    ]
    return predictions, true


def values(chosen):
    predictions, true = people()
    results = {}
    for metric in IDS:
        tally = (PeopleMetric if metric == "mpii-ap" else PersonMetric)(metric, MPII16)
        for i in chosen:
            tally.update([predictions[i]], (true[i],))
        results[metric] = tally.compute()
    return results


def worker(rank: int, store: str, parts: list[range], answers: "Queue[object]") -> None:
    torch.set_num_threads(1)  # a forked child must not wait for its parent's threads
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    answers.put(values(parts[rank]))
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.parametrize("parts", [[range(1, PEOPLE, 2), range(0, PEOPLE, 2)], [range(0), range(PEOPLE)]])
def test_two_processes_give_the_value_and_interval_of_one(parts, tmp_path, monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    context = mp.get_context("fork")
    answers = context.Queue()
    workers = [context.Process(target=worker, args=(r, str(tmp_path / "store"), parts, answers)) for r in (0, 1)]
    for process in workers:
        process.start()
    results = [answers.get(timeout=60) for _ in workers]
    for process in workers:
        process.join(timeout=60)
    expected = values(range(PEOPLE))
    for found in results:
        for metric in IDS:
            assert found[metric].value == pytest.approx(expected[metric].value, abs=1e-9)
            assert found[metric].ci95 == pytest.approx(expected[metric].ci95, abs=1e-9)
            assert found[metric].per_joint == pytest.approx(expected[metric].per_joint, abs=1e-9)
            assert found[metric].n == expected[metric].n
