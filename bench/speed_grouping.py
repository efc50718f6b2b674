"""How long it takes to tell people apart: OpenPose's grouping of maps and fields, AlphaPose's NMS of poses."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from methods.openpose import PEAK_DISTANCE
from methods.paf import OPENPOSE_LIMBS, STRIDE, draw_fields, draw_parts
from methods.people import assemble, connect, find_peaks
from methods.pose_nms import ALPHAPOSE, pose_nms

PEOPLE, SIZE = 10, (368, 656)  # people drawn; h, w of the input
SPREAD = 45.0  # pixels, of a person's joints about their middle
SEEN = 0.85  # share of the joints
NOISE = 0.02, 0.05  # of maps and of fields
POSES, TIMES = 100, 5  # poses for NMS, each person found so many times
APART = 2.0  # pixels, of the joints of one person's poses
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

    def group() -> None:
        found = find_peaks(maps, apart=PEAK_DISTANCE / STRIDE)
        assemble(found, connect(found, fields, OPENPOSE_LIMBS, reach=h / 2), OPENPOSE_LIMBS, len(maps))

    return _median_ms(group)


def pose_nms_ms(poses: int = POSES) -> float:
    """Return the median milliseconds of AlphaPose's NMS of poses of 17 joints, on one core."""
    rng = np.random.default_rng(0)
    people = -(-poses // TIMES)
    centre = rng.uniform((0, 0), SIZE[::-1], (people, 1, 2))
    joints = np.repeat(centre + rng.normal(0, SPREAD, (people, 17, 2)), TIMES, 0)[:poses]
    joints, scores = joints + rng.normal(0, APART, joints.shape), rng.random((poses, 17))
    return _median_ms(lambda: pose_nms(joints, scores, None, ALPHAPOSE))


def _median_ms(work: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[1:])
