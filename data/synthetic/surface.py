"""From rings to a surface: the fixed topology, and the corners of one posed and dressed person."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from data.synthetic.body import FRAME, FRAMES, HEAD_SHARE, JOINTS, PARENTS, Posed, Proportions, offsets
from data.synthetic.shape import GIRTHS, LENGTHS, PART, STATURE, STRIPS, TILES, Ring, Strip
from data.types import FloatArray

SEGMENTS = 12  # corners of a ring; default: round enough at 256 pixels
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Topology:
    """What all bodies share. R rings of S corners; F faces of four corners."""

    bones: IntArray  # (R, 2) frame, blended frame
    mix: FloatArray  # (R, S) weight of the second frame
    mixed: IntArray  # rings with a second frame
    central: NDArray[np.bool_]  # (R,) lies between the legs
    length: IntArray  # (R,) index into LENGTHS
    girth: IntArray  # (R, 2) indices into GIRTHS, for the two radii
    along: FloatArray  # (R,)
    radii: FloatArray  # (R, 2)
    centre: FloatArray  # (R, 2)
    forward: NDArray[np.bool_]  # (R,)
    part: IntArray  # (R,)
    v: FloatArray  # (R,)
    before: IntArray  # (R,) neighbouring rings, for the normals
    after: IntArray  # (R,)
    outward: FloatArray  # (R,) sign that makes the normals point out
    faces: IntArray  # (F, 4) corners
    face_part: IntArray  # (F,)
    face_outward: FloatArray  # (F,)
    skull: NDArray[np.bool_]  # (R * S,) corners of the head
    face_v: FloatArray  # (F,)
    texture: NDArray[np.float32]  # (F, 4, 2) pixels of the person's texture


def _mirrored(strip: Strip) -> Strip:
    def right(name: str) -> str:
        return name.replace("left_", "right_")

    rings = tuple(
        Ring(right(r.bone), r.along, r.radii, (-r.centre[0], r.centre[1]), r.v, right(r.blend), r.mix)
        for r in strip.rings
    )
    return Strip(
        right(strip.part), strip.tile, strip.length, strip.girth, rings, strip.depth, strip.forward, strip.coarse
    )


def _strips() -> tuple[Strip, ...]:
    return (*STRIPS, *(_mirrored(strip) for strip in STRIPS if strip.part.startswith("left_")))


def _strip_faces(strip: Strip, first: int) -> tuple[list[list[int]], list[list[tuple[float, float]]], list[float]]:
    """Corners, texture positions and mean v of one strip whose first ring is number ``first``."""
    x, y, width, height = TILES[strip.tile]
    step = 2 if strip.coarse else 1
    corners, texture, rows = [], [], []
    for i, (upper, lower) in enumerate(zip(strip.rings, strip.rings[1:], strict=False)):
        for s in range(0, SEGMENTS, step):
            ring = [(i, s), (i, s + step), (i + 1, s + step), (i + 1, s)]
            corners.append([(first + r) * SEGMENTS + c % SEGMENTS for r, c in ring])
            uv = [(c / SEGMENTS, strip.rings[r].v) for r, c in ring]
            texture.append([(x + 0.5 + u * (width - 2), y + 0.5 + v * (height - 2)) for u, v in uv])
            rows.append(0.5 * (upper.v + lower.v))
    return corners, texture, rows


def _mixes(ring: Ring) -> FloatArray:
    if ring.mix >= 0:
        return np.full(SEGMENTS, ring.mix)
    side = circle()[:, 0]  # +1 on the left
    return 0.5 - 0.5 * np.sin(0.5 * np.pi * side)


def _winding(strip: Strip) -> float:
    """+1 or -1: the sign that makes the normals of a strip point out."""
    grows = strip.rings[0].along < strip.rings[-1].along
    return 1.0 if grows == strip.forward else -1.0


@lru_cache(maxsize=1)
def circle() -> FloatArray:
    """Return (S, 2): the corners of a ring of radius 1, from the back over the left."""
    turn = 2.0 * np.pi * np.arange(SEGMENTS) / SEGMENTS - 0.5 * np.pi
    return np.stack([np.cos(turn), np.sin(turn)], -1)


@lru_cache(maxsize=1)
def topology() -> Topology:
    """Build what all bodies share; once per process."""
    strips = _strips()
    owner = [strip for strip in strips for _ in strip.rings]
    rings = [ring for strip in strips for ring in strip.rings]
    starts = np.cumsum([0, *(len(strip.rings) for strip in strips)])
    part, rising = np.array([PART[s.part] for s in owner]), np.array([_winding(s) for s in owner])
    pieces = [_strip_faces(strip, int(start)) for strip, start in zip(strips, starts[:-1], strict=True)]
    numbers = np.arange(len(rings))
    faces = np.array([c for corners, _, _ in pieces for c in corners])
    return Topology(
        bones=np.array([[FRAME[r.bone], FRAME[r.blend or r.bone]] for r in rings]),
        mix=np.stack([_mixes(r) for r in rings]),
        mixed=np.flatnonzero([r.mix != 0 for r in rings]),
        central=np.array([r.mix < 0 for r in rings]),
        length=np.array([LENGTHS.index(s.length) for s in owner]),
        girth=np.array([[GIRTHS.index(s.girth), GIRTHS.index(s.depth or s.girth)] for s in owner]),
        along=np.array([r.along for r in rings]),
        radii=np.array([r.radii for r in rings]),
        centre=np.array([r.centre for r in rings]),
        forward=np.array([s.forward for s in owner]),
        part=part,
        v=np.array([r.v for r in rings]),
        before=np.maximum(numbers - 1, np.repeat(starts[:-1], np.diff(starts))),
        after=np.minimum(numbers + 1, np.repeat(starts[1:] - 1, np.diff(starts))),
        outward=rising,
        faces=faces,
        face_outward=rising[faces[:, 0] // SEGMENTS],
        skull=np.repeat(part == PART["head"], SEGMENTS),
        face_part=np.array([PART[s.part] for s, (c, _, _) in zip(strips, pieces, strict=True) for _ in c]),
        face_v=np.array([v for _, _, rows in pieces for v in rows]),
        texture=np.array([t for _, texture, _ in pieces for t in texture], np.float32),
    )


def _rest_origins(body: Proportions) -> FloatArray:
    """(F, 3) where each frame is in the standing body, relative to the pelvis."""
    shift = offsets(body)
    origin = np.zeros((len(FRAMES), 3))
    for i in range(1, len(JOINTS)):
        origin[i] = origin[PARENTS[i]] + shift[i]
    for i in range(len(JOINTS), len(FRAMES)):
        origin[i] = origin[FRAME[FRAMES[i].removesuffix("_half")]]
    return origin


def _rest_corners(body: Proportions, padding: FloatArray, origin: FloatArray) -> FloatArray:
    """(R, S, 3) of the standing body; ``padding`` (R,) metres of cloth."""
    top = topology()
    lengths = np.array([getattr(body, name) for name in LENGTHS])
    girths = np.array([getattr(body, name) for name in GIRTHS]) / STATURE
    girths[GIRTHS.index("head")] /= HEAD_SHARE
    scale = girths[top.girth]
    ring = circle() * (top.radii * scale + padding[:, None])[:, None] + (top.centre * scale)[:, None]  # (R, S, 2)
    base = origin[top.bones[:, 0]].copy()
    base[top.central, 0] = 0.0
    along = np.broadcast_to((top.along * lengths[top.length])[:, None], ring.shape[:2])
    up, ahead = top.forward[:, None], ring[..., 1]
    local = np.stack([ring[..., 0], np.where(up, ahead, along), np.where(up, along, ahead)], -1)
    return np.asarray(base[:, None] + local)


def _moved(rest: FloatArray, bone: IntArray, origin: FloatArray, posed: Posed) -> FloatArray:
    """Rings (R, S, 3) carried along, each by its own frame."""
    local = rest - origin[bone][:, None]
    return np.asarray(local @ posed.rotation[bone].transpose(0, 2, 1) + posed.origin[bone][:, None])


def corners(body: Proportions, posed: Posed, padding: FloatArray) -> FloatArray:
    """Return (R * S, 3) metres in the world: every corner, moved with its one or two frames."""
    top = topology()
    origin = _rest_origins(body)
    rest = _rest_corners(body, padding, origin)
    moved = _moved(rest, top.bones[:, 0], origin, posed)
    rows = top.mixed
    moved[rows] += top.mix[rows, :, None] * (_moved(rest[rows], top.bones[rows, 1], origin, posed) - moved[rows])
    return moved.reshape(-1, 3)


def normals(points: FloatArray) -> FloatArray:
    """Return (R * S, 3) unit normals that point out of the body."""
    top = topology()
    grid = points.reshape(-1, SEGMENTS, 3)
    around = np.roll(grid, -1, 1) - np.roll(grid, 1, 1)
    along = grid[top.after] - grid[top.before]
    (ax, ay, az), (bx, by, bz) = np.moveaxis(around, 2, 0), np.moveaxis(along, 2, 0)
    found = np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])  # (3, R, S)
    found *= top.outward[:, None] / np.sqrt((found * found).sum(0) + 1e-24)
    return np.ascontiguousarray(found.reshape(3, -1).T)
