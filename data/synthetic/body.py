"""An articulated body: 19 joints, their anatomical limits, drawn proportions, forward kinematics.

Body axes: x to the person's left, y up, z forward; metres. At rest the person stands with the arms hanging.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.types import FloatArray

_SIDE = ("clavicle", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_TRUNK = ("pelvis", "spine", "chest", "neck", "head")
JOINTS = (*_TRUNK, *(f"left_{name}" for name in _SIDE), *(f"right_{name}" for name in _SIDE))
INDEX = {name: i for i, name in enumerate(JOINTS)}
_SIDE_PARENT = {
    "clavicle": "chest",
    "shoulder": "clavicle",
    "elbow": "shoulder",
    "wrist": "elbow",
    "hip": "pelvis",
    "knee": "hip",
    "ankle": "knee",
}
_TRUNK_PARENT = {"spine": "pelvis", "chest": "spine", "neck": "chest", "head": "neck"}


def _parent(joint: str) -> int:
    side, _, name = joint.rpartition("_")
    if not side:
        return INDEX[_TRUNK_PARENT[joint]] if joint != "pelvis" else -1
    above = _SIDE_PARENT[name]
    return INDEX[above] if above in _TRUNK else INDEX[f"{side}_{above}"]


PARENTS = tuple(_parent(joint) for joint in JOINTS)  # parents come before their children
HALVES = ("left_elbow", "right_elbow", "left_knee", "right_knee")  # frames turned half way, for smooth bends
FRAMES = (*JOINTS, *(f"{joint}_half" for joint in HALVES))
FRAME = {name: i for i, name in enumerate(FRAMES)}

# Degrees (low, high) of flexion, abduction (or side bend) and outward rotation. Passive ranges of motion as in the
# AAOS tables ("Joint Motion: Method of Measuring and Recording", 1965), rounded inwards; the trunk is split over two
# joints, the neck over two. A wrist has (radial deviation, flexion, none); an elbow (flexion, none, supination).
_LIMITS: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "pelvis": ((0, 0), (0, 0), (0, 0)),
    "spine": ((-18, 45), (-20, 20), (-20, 20)),
    "chest": ((-10, 30), (-15, 15), (-20, 20)),
    "neck": ((-25, 25), (-20, 20), (-30, 30)),
    "head": ((-25, 25), (-15, 15), (-35, 35)),
    "clavicle": ((-5, 5), (-5, 25), (-10, 10)),
    "shoulder": ((-50, 180), (-35, 95), (-80, 70)),
    "elbow": ((0, 145), (0, 0), (-75, 75)),
    "wrist": ((-15, 15), (-60, 60), (0, 0)),
    "hip": ((-20, 120), (-20, 45), (-30, 40)),
    "knee": ((0, 140), (0, 0), (0, 0)),
    "ankle": ((-18, 45), (-15, 15), (0, 0)),
}
LIMITS = np.array([_LIMITS[joint.rpartition("_")[2]] for joint in JOINTS], np.float64)  # (J, 3, 2) degrees

_SIGNS = {  # anatomical angle -> right-handed angle about x, z, y, for the left side and the trunk
    "clavicle": (1, 1, 1),
    "shoulder": (-1, 1, 1),
    "elbow": (-1, 1, 1),
    "wrist": (-1, -1, 1),
    "hip": (-1, 1, 1),
}


def _signs(joint: str) -> tuple[int, int, int]:
    flex, side, turn = _SIGNS.get(joint.rpartition("_")[2], (1, -1, 1) if joint in _TRUNK else (1, 1, 1))
    return (flex, -side, -turn) if joint.startswith("right") else (flex, side, turn)


SIGNS = np.array([_signs(joint) for joint in JOINTS], np.float64)  # (J, 3)


@dataclass(frozen=True)
class Proportions:
    """The lengths of one body in metres, and how thick it is relative to an average adult of that height."""

    height: float
    head: float  # chin to crown
    neck: float
    trunk: float  # mid hips to the base of the neck
    shoulders: float  # half the distance between the shoulder joints
    hips: float  # half the distance between the hip joints
    upper_arm: float
    forearm: float
    hand: float
    thigh: float
    shank: float
    foot: float
    limb_girth: float
    belly: float
    breadth: float  # of the rib cage


# Shares of the stature: Drillis & Contini 1966, as drawn in Winter, "Biomechanics and Motor Control", fig. 4.1; hip
# joints by eye, because Winter gives the wider hip bones. A child of 1 m has a head of 0.19 and legs a tenth shorter.
ADULT, CHILD = 1.5, 1.0  # metres at which the adult and the child shares hold
CHILD_SHARE = 0.2  # default: of the drawn people
HEAD_SHARE, CHILD_HEAD_SHARE = 0.135, 0.19


def draw_proportions(rng: np.random.Generator) -> Proportions:
    """Draw a body: one in five a child, the rest adults of both builds."""
    child = rng.random() < CHILD_SHARE
    height = rng.uniform(0.98, 1.4) if child else float(np.clip(rng.normal(1.71, 0.1), 1.48, 2.0))
    young = float(np.clip((ADULT - height) / (ADULT - CHILD), 0.0, 1.0))
    slack = rng.normal(1.0, 0.04, 9)  # default: each length varies by 4 % beyond the stature
    build = float(np.clip(rng.normal(1.0, 0.12), 0.78, 1.35))
    male = rng.uniform(-1.0, 1.0)  # broad shoulders at +1, broad hips at -1
    leg = 1.0 - 0.1 * young
    return Proportions(
        height=height,
        head=height * (HEAD_SHARE + (CHILD_HEAD_SHARE - HEAD_SHARE) * young) * (1.0 + 0.5 * (slack[0] - 1.0)),
        neck=height * 0.047 * slack[1],
        trunk=height * 0.308 * slack[2],
        shoulders=height * (0.103 + 0.007 * male) * slack[3],
        hips=height * 0.052 * slack[4],
        upper_arm=height * 0.180 * slack[5],
        forearm=height * 0.147 * slack[6],
        hand=height * 0.108,
        thigh=height * 0.243 * slack[7] * leg,
        shank=height * 0.240 * slack[8] * leg,
        foot=height * 0.150,
        limb_girth=height * build * (1.0 + 0.12 * young),
        belly=height * build * build * (1.0 + 0.08 * young) * (1.0 - 0.04 * male),
        breadth=height * (0.5 + 0.5 * build) * (1.0 + 0.04 * male),
    )


def offsets(body: Proportions) -> FloatArray:
    """Return (J, 3) metres: each joint in the frame of its parent."""
    trunk = body.trunk
    table = {
        "pelvis": (0.0, 0.0, 0.0),
        "spine": (0.0, 0.26 * trunk, -0.03 * trunk),
        "chest": (0.0, 0.34 * trunk, 0.0),
        "neck": (0.0, 0.40 * trunk, 0.0),
        "head": (0.0, body.neck, 0.10 * body.neck),
        "clavicle": (0.02 * body.height, 0.32 * trunk, 0.02 * trunk),
        "shoulder": (body.shoulders - 0.02 * body.height, 0.0, 0.0),
        "elbow": (0.0, -body.upper_arm, 0.0),
        "wrist": (0.0, -body.forearm, 0.0),
        "hip": (body.hips, 0.0, 0.0),
        "knee": (0.0, -body.thigh, 0.0),
        "ankle": (0.0, -body.shank, 0.0),
    }
    found = np.array([table[joint.rpartition("_")[2]] for joint in JOINTS])
    found[[joint.startswith("right") for joint in JOINTS], 0] *= -1.0
    return found


def rotations(angles: FloatArray) -> FloatArray:
    """Turn (N, 3) radians about x, z and y into (N, 3, 3): first about y, then z, then x."""
    (cx, cz, cy), (sx, sz, sy) = np.cos(angles).T, np.sin(angles).T
    rows = [
        [cz * cy, -sz, cz * sy],
        [cx * sz * cy + sx * sy, cx * cz, cx * sz * sy - sx * cy],
        [sx * sz * cy - cx * sy, sx * cz, sx * sz * sy + cx * cy],
    ]
    return np.moveaxis(np.array(rows), 2, 0)


@dataclass(frozen=True, eq=False)
class Posed:
    """Where every frame is: ``point = origin + rotation @ local``."""

    rotation: FloatArray  # (F, 3, 3)
    origin: FloatArray  # (F, 3) metres


def pose(body: Proportions, angles: FloatArray, root: FloatArray) -> Posed:
    """Forward kinematics.

    Args:
        body: the lengths.
        angles: (J, 3) degrees in anatomical terms, as in `LIMITS`.
        root: (3, 3) rotation of the pelvis in the world.
    """
    turned = np.radians(angles * SIGNS)
    local, shift = rotations(turned), offsets(body)
    halves = [INDEX[joint] for joint in HALVES]
    half = rotations(turned[halves] * (0.5, 1.0, 0.0))
    rotation, origin = np.empty((len(FRAMES), 3, 3)), np.zeros((len(FRAMES), 3))
    rotation[0] = root
    for i in range(1, len(JOINTS)):
        parent = rotation[PARENTS[i]]
        rotation[i] = parent @ local[i]
        origin[i] = origin[PARENTS[i]] + parent @ shift[i]
    parents = [PARENTS[i] for i in halves]
    rotation[len(JOINTS) :] = rotation[parents] @ half
    origin[len(JOINTS) :] = origin[halves]
    return Posed(rotation, origin)
