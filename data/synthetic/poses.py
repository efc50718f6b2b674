"""The mixture of poses: templates of joint angles with a wide spread, clipped to the anatomical limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.synthetic.body import INDEX, JOINTS, LIMITS, Posed, Proportions, pose, rotations
from data.types import FloatArray

# The share of each kind among the drawn poses; default: half upright, half of what standard benchmarks find hard.
KINDS = {
    "stand": 0.17,
    "walk": 0.20,
    "sit": 0.17,
    "bend": 0.12,
    "jump": 0.13,
    "kneel": 0.08,
    "lie": 0.06,
    "upside_down": 0.07,
}
ATTEMPTS = 6  # default: draws of the arms before one that touches the trunk is accepted


def _blank() -> FloatArray:
    return np.zeros((len(JOINTS), 3))


def _legs(angles: FloatArray, side: str, hip: tuple[float, float, float], knee: float, ankle: float = 0.0) -> None:
    angles[INDEX[f"{side}_hip"]] = hip
    angles[INDEX[f"{side}_knee"], 0] = knee
    angles[INDEX[f"{side}_ankle"], 0] = ankle


def _stand(rng: np.random.Generator) -> FloatArray:
    angles = _blank()
    apart = rng.uniform(2.0, 22.0)
    for side in ("left", "right"):
        lift = rng.exponential(6.0)
        _legs(angles, side, (lift, apart * rng.uniform(0.4, 1.0), rng.normal(8.0, 8.0)), 1.6 * lift)
    if rng.random() < 0.2:  # one leg raised
        side = "left" if rng.random() < 0.5 else "right"
        _legs(angles, side, (rng.uniform(30, 110), rng.uniform(0, 40), rng.normal(0, 15)), rng.uniform(0, 130))
    return angles


def _walk(rng: np.random.Generator) -> FloatArray:
    """From a stroll to a sprint: legs in opposition."""
    angles = _blank()
    speed = rng.uniform(0.5, 1.9)
    front, back = ("left", "right") if rng.random() < 0.5 else ("right", "left")
    ahead = rng.uniform(12.0, 40.0) * speed
    _legs(angles, front, (ahead, rng.normal(3, 4), rng.normal(3, 5)), rng.uniform(0.0, 45.0) * speed, -5.0)
    _legs(angles, back, (rng.uniform(-20, 5), rng.normal(3, 4), rng.normal(3, 5)), rng.uniform(5, 55) * speed, 20.0)
    angles[INDEX["spine"], 0] = rng.uniform(-3.0, 10.0) * speed
    return angles


def _sit(rng: np.random.Generator) -> FloatArray:
    angles = _blank()
    apart = rng.uniform(0.0, 30.0)
    floor = rng.random() < 0.25
    for side in ("left", "right"):
        knee = rng.uniform(5.0, 60.0) if floor else rng.uniform(60.0, 115.0)
        hip = (rng.uniform(75.0, 105.0), apart * rng.uniform(0.5, 1.2), rng.normal(8.0, 12.0))
        _legs(angles, side, hip, knee, rng.uniform(-10.0, 20.0))
    if rng.random() < 0.2:  # cross-legged
        for side in ("left", "right"):
            _legs(angles, side, (rng.uniform(85, 105), rng.uniform(28, 45), 40.0), rng.uniform(110, 135), 20.0)
    angles[INDEX["spine"], 0] = rng.uniform(-8.0, 30.0)
    return angles


def _bend(rng: np.random.Generator) -> FloatArray:
    """Leaning over, squatting, stretching down."""
    angles = _blank()
    down = rng.uniform(0.3, 1.0)
    squat = rng.uniform(0.0, 130.0) if rng.random() < 0.5 else rng.uniform(0.0, 20.0)
    apart = rng.uniform(2.0, 35.0)
    for side in ("left", "right"):
        hip = 75.0 * down * (1.0 if squat < 25.0 else 0.4) + 0.75 * squat + rng.normal(0, 6)
        _legs(angles, side, (hip, apart * rng.uniform(0.5, 1.0), rng.uniform(0, 25)), squat, -0.15 * squat)
    angles[INDEX["spine"], 0] = 40.0 * down
    angles[INDEX["chest"], 0] = 25.0 * down
    angles[INDEX["head"], 0] = rng.uniform(-25.0, 20.0)
    return angles


def _jump(rng: np.random.Generator) -> FloatArray:
    angles = _blank()
    for side in ("left", "right"):
        hip = (rng.uniform(-20.0, 110.0), rng.uniform(0.0, 45.0), rng.normal(5.0, 12.0))
        _legs(angles, side, hip, rng.uniform(0.0, 130.0), rng.uniform(0.0, 40.0))
    angles[INDEX["spine"], 0] = rng.uniform(-18.0, 25.0)
    return angles


def _kneel(rng: np.random.Generator) -> FloatArray:
    """A lunge or kneeling on one knee or both."""
    angles = _blank()
    front, back = ("left", "right") if rng.random() < 0.5 else ("right", "left")
    _legs(angles, back, (rng.uniform(-20, 20), rng.uniform(0, 15), rng.normal(5, 6)), rng.uniform(60, 110), 30.0)
    if rng.random() < 0.65:
        hip = (rng.uniform(70, 100), rng.uniform(0, 25), rng.normal(8, 8))
        _legs(angles, front, hip, rng.uniform(60, 110))
    else:
        _legs(angles, front, (rng.uniform(-5, 30), rng.uniform(0, 15), rng.normal(5, 6)), rng.uniform(85, 125), 35.0)
    angles[INDEX["spine"], 0] = rng.uniform(-5.0, 25.0)
    return angles


_ANY_LEGS = (_stand, _sit, _jump, _walk)


def _legs_of(kind: str, rng: np.random.Generator) -> FloatArray:
    table = {"stand": _stand, "walk": _walk, "sit": _sit, "bend": _bend, "jump": _jump, "kneel": _kneel}
    return table[kind](rng) if kind in table else _ANY_LEGS[int(rng.integers(len(_ANY_LEGS)))](rng)


def _root(kind: str, rng: np.random.Generator) -> FloatArray:
    """(3, 3) of the pelvis in the world, whose y points up."""
    lean = rng.normal(0.0, 5.0, 2)
    tilt, roll = lean
    if kind == "jump":
        tilt, roll = rng.normal(0.0, 18.0, 2)
    if kind == "lie":
        tilt, roll = rng.choice(np.array([-90.0, 90.0])) + lean[0], rng.uniform(-180.0, 180.0)
    if kind == "upside_down":
        tilt, roll = 180.0 + rng.normal(0.0, 22.0), rng.normal(0.0, 12.0)
    if kind == "bend":
        tilt += rng.uniform(0.0, 15.0)
    turned = rotations(np.radians([[tilt, 0.0, 0.0], [0.0, roll, 0.0]]))
    return np.asarray(turned[0] @ turned[1] if kind != "lie" else turned[0] @ _about_own_axis(roll))


def _about_own_axis(degrees: float) -> FloatArray:
    return np.asarray(rotations(np.radians([[0.0, 0.0, degrees]]))[0])


@dataclass(frozen=True)
class Arm:
    """Flexion, abduction and rotation of a shoulder, flexion of its elbow: middle and spread, degrees."""

    middle: tuple[float, float, float, float]
    spread: tuple[float, float, float, float]


ARMS = (
    Arm((5, 10, 0, 20), (12, 7, 20, 15)),  # hanging
    Arm((10, 38, -55, 85), (10, 8, 12, 15)),  # hand on the hip
    Arm((70, 10, -10, 50), (28, 22, 30, 35)),  # reaching forward
    Arm((10, 75, 20, 35), (20, 15, 40, 35)),  # out to the side
    Arm((160, 25, 0, 30), (22, 20, 35, 30)),  # raised
    Arm((25, 15, -45, 95), (18, 10, 20, 25)),  # before the belly or chest
    Arm((110, 40, 10, 110), (30, 20, 30, 20)),  # hand near the head
    Arm((-25, 15, -20, 30), (12, 8, 20, 30)),  # behind
)
_USUAL = np.array([0.24, 0.10, 0.17, 0.12, 0.15, 0.11, 0.07, 0.04])  # default: share of each in ARMS
_RAISED = np.array([0.03, 0.02, 0.25, 0.25, 0.40, 0.02, 0.03, 0.0])
_RAISING = ("jump", "upside_down")


def _one_arm(rng: np.random.Generator, kind: str) -> FloatArray:
    share = np.cumsum(_RAISED if kind in _RAISING else _USUAL)
    arm = ARMS[min(int(np.searchsorted(share, rng.random())), len(ARMS) - 1)]
    return np.array(arm.middle) + rng.normal(0.0, 1.0, 4) * arm.spread


def _draw_arms(rng: np.random.Generator, kind: str, angles: FloatArray) -> None:
    """Two arms, alike in a third of the poses."""
    first = _one_arm(rng, kind)
    second = first + rng.normal(0.0, 6.0, 4) if rng.random() < 0.35 else _one_arm(rng, kind)
    for side, drawn in (("left", first), ("right", second)):
        raised = np.clip((drawn[0] - 60.0) * 0.12 + drawn[1] * 0.12, -5.0, 25.0)
        angles[INDEX[f"{side}_clavicle"]] = (0.0, raised, 0.0)
        angles[INDEX[f"{side}_shoulder"]] = drawn[:3]
        angles[INDEX[f"{side}_elbow"]] = (drawn[3], 0.0, rng.normal(0.0, 35.0))
        angles[INDEX[f"{side}_wrist"]] = (rng.normal(0, 8), rng.normal(5, 20), 0.0)


def clip_to_limits(angles: FloatArray) -> FloatArray:
    """Bring (J, 3) degrees into the ranges of `LIMITS`."""
    return np.clip(angles, LIMITS[..., 0], LIMITS[..., 1])


def _inside_trunk(body: Proportions, posed: Posed) -> bool:
    """Whether an elbow, wrist or hand lies inside the trunk, the head or the thighs."""
    ends = []
    for side in ("left", "right"):
        elbow, wrist = INDEX[f"{side}_elbow"], INDEX[f"{side}_wrist"]
        tip = posed.origin[wrist] - posed.rotation[wrist][:, 1] * 0.8 * body.hand
        ends += [posed.origin[elbow], 0.5 * (posed.origin[elbow] + posed.origin[wrist]), posed.origin[wrist], tip]
    points = np.array(ends)  # (8, 3)
    names = ("spine", "chest", "head")
    names_low = ("left_hip", "right_hip")
    bones = [INDEX[n] for n in (*names, *names_low)]
    shift = (0.0, 0.12 * body.trunk, 0.4 * body.head, -0.4 * body.thigh, -0.4 * body.thigh)
    local = np.einsum("bji,bpj->bpi", posed.rotation[bones], points[None] - posed.origin[bones][:, None])
    local[..., 1] -= np.array(shift)[:, None]
    unit = body.height
    sizes = np.array([(0.115, 0.13, 0.085), (0.12, 0.12, 0.09), (0.06, 0.09, 0.075), *[(0.055, 0.13, 0.06)] * 2]) * unit
    return bool((((local / sizes[:, None]) ** 2).sum(-1) < 1.0).any())


def draw_pose(rng: np.random.Generator, body: Proportions) -> tuple[str, FloatArray, Posed]:
    """Draw a pose that the body can take.

    Returns:
        its kind, the joint angles (J, 3) in degrees, and every frame in the world.
    """
    kinds, shares = tuple(KINDS), np.cumsum(tuple(KINDS.values()))
    kind = kinds[min(int(np.searchsorted(shares, rng.random())), len(kinds) - 1)]
    angles = _legs_of(kind, rng)
    trunk = [INDEX[name] for name in ("spine", "chest", "neck", "head")]
    angles[trunk] += rng.normal(0.0, 1.0, (4, 3)) * (6.0, 6.0, 9.0)
    root = _root(kind, rng)
    for _ in range(ATTEMPTS):
        _draw_arms(rng, kind, angles)
        allowed = clip_to_limits(angles)
        posed = pose(body, allowed, root)
        if not _inside_trunk(body, posed):
            break
    return kind, allowed, posed
