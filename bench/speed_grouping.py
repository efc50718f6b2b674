"""How long grouping takes: OpenPose's peaks, pairs and people, from maps and fields to who is there."""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch

from methods.openpose import PEAK_DISTANCE
from methods.paf import OPENPOSE_LIMBS, STRIDE, draw_fields, draw_parts
from methods.people import assemble, connect, find_peaks

PEOPLE, SIZE = 10, (368, 656)  # people drawn; h, w of the input
SPREAD = 45.0  # pixels, of a person's joints about their middle
SEEN = 0.85  # share of the joints
NOISE = 0.02, 0.05  # of maps and of fields
REPEATS = 30


def grouping_ms(people: int = PEOPLE) -> float:
    """Return the median milliseconds of grouping ``people`` drawn at random, from noisy maps of stride 8, on one core.

    Their joints lie at random, so more pairs are scored than for people who stand.
    """
    rng = np.random.default_rng(0)
    h, w = (side // STRIDE for side in SIZE)
    centre = rng.uniform((30, 30), (SIZE[1] - 30, SIZE[0] - 30), (people, 1, 2))
    joints = torch.from_numpy(centre + rng.normal(0, SPREAD, (people, 18, 2)))[None]
    visible = torch.from_numpy((rng.random((1, people, 18)) < SEEN).astype(np.int64))
    maps = draw_parts(joints, visible, (h, w))[0, :-1].numpy()
    fields = draw_fields(joints, visible, (h, w), OPENPOSE_LIMBS)[0].numpy()
    maps = (maps + rng.normal(0, NOISE[0], maps.shape)).astype(np.float32)
    fields = (fields + rng.normal(0, NOISE[1], fields.shape)).astype(np.float32)
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        found = find_peaks(maps, apart=PEAK_DISTANCE / STRIDE)
        assemble(found, connect(found, fields, OPENPOSE_LIMBS, reach=h / 2), OPENPOSE_LIMBS, len(maps))
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[1:])
