"""The surface of the body as tables of rings: each strip is a tube through elliptic cross-sections.

Radii and sideways offsets are metres for a person of `STATURE`, drawn by eye; positions along a tube are shares of the
length it follows. Left limbs are written down, right limbs are their mirror images.
"""

from __future__ import annotations

from dataclasses import dataclass

STATURE = 1.75  # metres; the person for whom the radii below hold
LENGTHS = ("trunk", "neck", "head", "upper_arm", "forearm", "hand", "thigh", "shank", "foot")
GIRTHS = ("breadth", "belly", "limb_girth", "head", "height")

PARTS = (
    *("torso", "neck", "head", "hair", "skirt"),
    *("left_ear", "left_upper_arm", "left_forearm", "left_hand", "left_thigh", "left_shank", "left_foot"),
    *("right_ear", "right_upper_arm", "right_forearm", "right_hand", "right_thigh", "right_shank", "right_foot"),
)
PART = {name: i for i, name in enumerate(PARTS)}

# name: x, y, width, height in the texture of one person
TILES = {
    "torso": (0, 0, 128, 96),
    "head": (128, 0, 128, 96),
    "arm": (0, 96, 64, 96),
    "leg": (64, 96, 64, 96),
    "hair": (128, 96, 64, 64),
    "skirt": (192, 96, 64, 64),
    "shoe": (128, 160, 64, 32),
    "skin": (192, 160, 64, 32),
}
TEXTURE_SIZE = (192, 256)  # H, W


@dataclass(frozen=True)
class Ring:
    """One cross-section, in the frame ``bone`` (mixed with ``blend`` by ``mix``; mix < 0: by left and right)."""

    bone: str
    along: float  # share of the length, up (or forward, for a strip that runs forward)
    radii: tuple[float, float]  # sideways; forward (or up)
    centre: tuple[float, float] = (0.0, 0.0)  # sideways; forward (or up)
    v: float = 0.0  # row in the texture, 0..1
    blend: str = ""
    mix: float = 0.0


@dataclass(frozen=True)
class Strip:
    """A tube through its rings."""

    part: str
    tile: str
    length: str
    girth: str
    rings: tuple[Ring, ...]
    depth: str = ""  # girth of the forward radius, where it is another
    forward: bool = False  # the tube runs forward (a foot, a nose) instead of up
    coarse: bool = False  # small: half as many corners to a ring


def _tube(bone: str, rows: tuple[tuple[float, ...], ...]) -> tuple[Ring, ...]:
    """Rows of along, radius sideways, radius forward, centre sideways, centre forward, v."""
    return tuple(Ring(bone, a, (rx, rz), (cx, cz), v) for a, rx, rz, cx, cz, v in rows)


_TORSO = (
    Ring("pelvis", -0.185, (0.03, 0.04), (0, -0.005), 1.0),
    Ring("pelvis", -0.16, (0.100, 0.080), (0, -0.012), 0.97),
    Ring("pelvis", -0.09, (0.152, 0.104), (0, -0.015), 0.90),
    Ring("pelvis", 0.0, (0.166, 0.114), (0, -0.014), 0.83),
    Ring("pelvis", 0.09, (0.160, 0.110), (0, -0.008), 0.75, "spine", 0.15),
    Ring("pelvis", 0.18, (0.147, 0.103), (0, -0.004), 0.67, "spine", 0.5),
    Ring("spine", 0.03, (0.137, 0.099), (0, 0.012), 0.58, "chest", 0.05),
    Ring("spine", 0.14, (0.138, 0.101), (0, 0.014), 0.49, "chest", 0.3),
    Ring("spine", 0.25, (0.147, 0.108), (0, 0.016), 0.40, "chest", 0.6),
    Ring("chest", 0.04, (0.156, 0.115), (0, 0.016), 0.31, "spine", 0.1),
    Ring("chest", 0.14, (0.163, 0.115), (0, 0.014), 0.23),
    Ring("chest", 0.22, (0.166, 0.105), (0, 0.006), 0.16),
    Ring("chest", 0.29, (0.162, 0.088), (0, 0.0), 0.10),
    Ring("chest", 0.345, (0.135, 0.074), (0, -0.004), 0.06),
    Ring("chest", 0.385, (0.085, 0.064), (0, -0.004), 0.03),
    Ring("chest", 0.41, (0.055, 0.050), (0, 0.0), 0.0),
)
_NECK = (
    Ring("neck", -0.6, (0.064, 0.062), (0, -0.006), 1.0),
    Ring("neck", 0.0, (0.060, 0.060), (0, -0.004), 0.8),
    Ring("neck", 0.45, (0.055, 0.058), (0, 0.0), 0.5, "head", 0.4),
    Ring("head", 0.0, (0.054, 0.058), (0, 0.0), 0.3),
    Ring("head", 0.10, (0.050, 0.055), (0, 0.0), 0.0),
)
_HEAD = _tube(
    "head",
    (
        (0.912, 0.004, 0.005, 0, -0.006, 0.0),
        (0.898, 0.030, 0.040, 0, -0.006, 0.03),
        (0.85, 0.052, 0.068, 0, -0.005, 0.07),
        (0.77, 0.067, 0.086, 0, -0.004, 0.15),
        (0.66, 0.074, 0.095, 0, -0.001, 0.25),
        (0.54, 0.077, 0.098, 0, 0.0, 0.37),
        (0.44, 0.076, 0.096, 0, 0.001, 0.47),
        (0.34, 0.074, 0.092, 0, 0.003, 0.57),
        (0.24, 0.071, 0.088, 0, 0.006, 0.67),
        (0.14, 0.066, 0.080, 0, 0.012, 0.77),
        (0.04, 0.057, 0.068, 0, 0.022, 0.87),
        (-0.04, 0.043, 0.048, 0, 0.036, 0.95),
        (-0.085, 0.026, 0.026, 0, 0.050, 0.99),
        (-0.09, 0.004, 0.004, 0, 0.052, 1.0),
    ),
)
_NOSE = tuple(
    Ring("head", a, (rx, ry), (0, cy), v)
    for a, rx, ry, cy, v in (
        (0.33, 0.017, 0.034, 0.080, 0.1),
        (0.43, 0.015, 0.026, 0.072, 0.4),
        (0.49, 0.012, 0.015, 0.064, 0.8),
        (0.515, 0.003, 0.004, 0.062, 1.0),
    )
)
_EAR = _tube(
    "head",
    (
        (0.45, 0.004, 0.006, 0.074, -0.012, 0.0),
        (0.42, 0.010, 0.018, 0.078, -0.012, 0.3),
        (0.32, 0.010, 0.018, 0.078, -0.008, 0.6),
        (0.23, 0.004, 0.006, 0.072, 0.0, 1.0),
    ),
)
_HAIR = _tube(
    "head",
    (
        (0.965, 0.005, 0.006, 0, -0.012, 0.0),
        (0.95, 0.034, 0.045, 0, -0.011, 0.05),
        (0.90, 0.060, 0.078, 0, -0.010, 0.10),
        (0.81, 0.077, 0.098, 0, -0.010, 0.20),
        (0.70, 0.084, 0.103, 0, -0.012, 0.30),
        (0.58, 0.087, 0.092, 0, -0.030, 0.40),
        (0.45, 0.087, 0.075, 0, -0.050, 0.50),
        (0.30, 0.083, 0.063, 0, -0.062, 0.60),
        (0.15, 0.080, 0.054, 0, -0.066, 0.70),
        (-0.05, 0.082, 0.046, 0, -0.064, 0.80),
        (-0.25, 0.086, 0.040, 0, -0.066, 0.90),
        (-0.45, 0.080, 0.034, 0, -0.078, 1.0),
    ),
)
_UPPER_ARM = _tube(
    "left_shoulder",
    (
        (0.185, 0.010, 0.010, -0.010, 0, 0.0),
        (0.165, 0.034, 0.036, -0.009, 0, 0.02),
        (0.10, 0.053, 0.056, -0.006, 0, 0.05),
        (0.0, 0.060, 0.063, -0.002, 0, 0.10),
        (-0.13, 0.057, 0.060, 0.0, 0, 0.16),
        (-0.32, 0.050, 0.054, 0.0, 0.002, 0.24),
        (-0.52, 0.046, 0.050, 0.0, 0.002, 0.32),
        (-0.72, 0.042, 0.045, 0.0, 0, 0.40),
        (-0.88, 0.039, 0.041, 0.0, 0, 0.46),
    ),
)
_ELBOW = Ring("left_elbow_half", 0.0, (0.039, 0.042), (0, -0.003), 0.50)
_FOREARM = (
    _ELBOW,
    *_tube(
        "left_elbow",
        (
            (-0.12, 0.042, 0.042, 0, 0.0, 0.56),
            (-0.28, 0.043, 0.041, 0, 0.002, 0.64),
            (-0.50, 0.037, 0.036, 0, 0.002, 0.75),
            (-0.75, 0.029, 0.031, 0, 0, 0.87),
            (-0.95, 0.023, 0.029, 0, 0, 0.98),
            (-1.03, 0.021, 0.028, 0, 0, 1.0),
        ),
    ),
)
_HAND = _tube(
    "left_wrist",
    (
        (0.06, 0.018, 0.024, 0, 0, 0.0),
        (-0.08, 0.018, 0.028, 0, 0, 0.1),
        (-0.25, 0.018, 0.040, 0, 0.002, 0.3),
        (-0.46, 0.017, 0.042, -0.002, 0.0, 0.5),
        (-0.70, 0.013, 0.036, -0.009, -0.002, 0.7),
        (-0.90, 0.010, 0.028, -0.019, -0.003, 0.9),
        (-0.98, 0.005, 0.014, -0.024, -0.004, 1.0),
    ),
)
_THUMB = _tube(
    "left_wrist",
    (
        (-0.06, 0.012, 0.012, 0, 0.020, 0.2),
        (-0.25, 0.013, 0.013, -0.004, 0.042, 0.4),
        (-0.45, 0.011, 0.011, -0.010, 0.056, 0.6),
        (-0.56, 0.004, 0.004, -0.012, 0.060, 0.8),
    ),
)
_THIGH = _tube(
    "left_hip",
    (
        (0.22, 0.012, 0.015, 0.004, -0.02, 0.0),
        (0.19, 0.052, 0.060, 0.006, -0.018, 0.02),
        (0.10, 0.080, 0.092, 0.010, -0.016, 0.05),
        (-0.02, 0.090, 0.098, 0.008, -0.012, 0.08),
        (-0.15, 0.090, 0.094, 0.004, -0.006, 0.14),
        (-0.32, 0.082, 0.086, 0.0, 0.002, 0.21),
        (-0.50, 0.074, 0.077, 0.0, 0.004, 0.29),
        (-0.68, 0.065, 0.068, 0.0, 0.004, 0.37),
        (-0.86, 0.056, 0.060, 0.0, 0.002, 0.45),
    ),
)
_KNEE = Ring("left_knee_half", 0.0, (0.054, 0.060), (0, 0.002), 0.50)
_SHANK = (
    _KNEE,
    *_tube(
        "left_knee",
        (
            (-0.12, 0.052, 0.054, 0, -0.004, 0.56),
            (-0.26, 0.054, 0.056, 0, -0.014, 0.63),
            (-0.42, 0.051, 0.053, 0, -0.015, 0.71),
            (-0.60, 0.043, 0.044, 0, -0.010, 0.80),
            (-0.78, 0.035, 0.037, 0, -0.006, 0.89),
            (-0.94, 0.032, 0.036, 0, -0.006, 0.97),
            (-1.04, 0.030, 0.034, 0, -0.006, 1.0),
        ),
    ),
)
_FOOT = tuple(
    Ring("left_ankle", a, (rx, ry), (cx, cy), v)
    for a, rx, ry, cx, cy, v in (
        (-0.245, 0.006, 0.008, 0.0, -0.040, 0.0),
        (-0.22, 0.028, 0.030, 0.0, -0.038, 0.05),
        (-0.12, 0.036, 0.045, 0.0, -0.026, 0.15),
        (0.02, 0.038, 0.050, 0.0, -0.021, 0.30),
        (0.18, 0.040, 0.042, 0.0, -0.029, 0.45),
        (0.36, 0.044, 0.032, 0.002, -0.038, 0.60),
        (0.54, 0.047, 0.025, 0.003, -0.045, 0.75),
        (0.70, 0.041, 0.021, 0.001, -0.049, 0.88),
        (0.79, 0.026, 0.015, -0.002, -0.053, 0.96),
        (0.82, 0.006, 0.005, -0.003, -0.055, 1.0),
    )
)
_SKIRT = (
    Ring("pelvis", 0.16, (0.153, 0.110), (0, -0.004), 0.0, "spine", 0.4),
    Ring("pelvis", 0.05, (0.176, 0.124), (0, -0.010), 0.15),
    Ring("pelvis", -0.08, (0.186, 0.134), (0, -0.010), 0.30),
    Ring("left_hip", -0.30, (0.200, 0.146), (0, 0.0), 0.50, "right_hip", -1.0),
    Ring("left_hip", -0.55, (0.212, 0.158), (0, 0.0), 0.70, "right_hip", -1.0),
    Ring("left_hip", -0.85, (0.224, 0.170), (0, 0.0), 0.90, "right_hip", -1.0),
    Ring("left_hip", -1.10, (0.234, 0.180), (0, 0.0), 1.0, "right_hip", -1.0),
)

STRIPS = (
    Strip("torso", "torso", "trunk", "breadth", _TORSO, depth="belly"),
    Strip("neck", "skin", "neck", "limb_girth", _NECK),
    Strip("head", "head", "head", "head", _HEAD),
    Strip("head", "skin", "head", "head", _NOSE, forward=True, coarse=True),
    Strip("hair", "hair", "head", "head", _HAIR),
    Strip("skirt", "skirt", "trunk", "belly", _SKIRT),
    Strip("left_ear", "skin", "head", "head", _EAR, coarse=True),
    Strip("left_upper_arm", "arm", "upper_arm", "limb_girth", (*_UPPER_ARM, _ELBOW)),
    Strip("left_forearm", "arm", "forearm", "limb_girth", _FOREARM),
    Strip("left_hand", "skin", "hand", "height", _HAND),
    Strip("left_hand", "skin", "hand", "height", _THUMB, coarse=True),
    Strip("left_thigh", "leg", "thigh", "limb_girth", (*_THIGH, _KNEE)),
    Strip("left_shank", "leg", "shank", "limb_girth", _SHANK),
    Strip("left_foot", "shoe", "foot", "height", _FOOT, forward=True),
)
