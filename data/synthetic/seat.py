"""A stool under who sits above the ground, in the depth order like everything else."""

from __future__ import annotations

import numpy as np

from data.synthetic.body import INDEX
from data.synthetic.figure import Figure, Scene
from data.synthetic.renderer import NOBODY, Faces, facing
from data.synthetic.shape import PART, STATURE
from data.types import FloatArray

CELLS = 5  # faces along an edge: small faces sort well by depth
TEXTURE_SIDE = 64  # rows of material that a scene appends to its texture
PATCH = 8.0  # pixels of it that every face shows
LOWEST = 0.18  # metres between seat and ground; lower, the person sits on the ground
SLAB, POST = (0.21, 0.03), 0.04  # metres for a person of `STATURE`: half width and half thickness; half width
BELOW = 0.115  # metres from the hip joints down to the seat, for a person of `STATURE`


def box(low: FloatArray, high: FloatArray) -> FloatArray:
    """Return (F, 4, 3) the outside of a box in faces wound like those of a body: outside if they turn clockwise."""
    steps = np.stack(np.meshgrid(np.arange(CELLS), np.arange(CELLS), indexing="ij"), -1).reshape(-1, 1, 2)
    square = (steps + np.array([(0, 0), (1, 0), (1, 1), (0, 1)])) / CELLS  # (cells^2, 4, 2)
    sides = []
    for axis in range(3):
        one, two = (axis + 1) % 3, (axis + 2) % 3
        for far in (0.0, 1.0):
            unit = np.full((*square.shape[:2], 3), far)
            unit[..., one], unit[..., two] = (square if far else square[..., ::-1]).transpose(2, 0, 1)
            sides.append(low + unit * (high - low))
    return np.concatenate(sides)


def seat_quads(figure: Figure) -> FloatArray:
    """Return (F, 4, 3) metres in the world: a stool under the pelvis; F = 0 for who sits on the ground."""
    unit = figure.body.height / STATURE
    pelvis, ahead = figure.posed.origin[INDEX["pelvis"]], figure.posed.rotation[INDEX["pelvis"]][:, 2]
    ground, top = figure.points[:, 1].min(), pelvis[1] - BELOW * unit
    if top - ground < LOWEST:
        return np.zeros((0, 4, 3))
    wide, thick = SLAB[0] * unit, SLAB[1] * unit
    slab = box(np.array([-wide, top - 2 * thick, -wide]), np.array([wide, top, wide]))
    post = box(np.array([-POST, ground, -POST]), np.array([POST, top - 2 * thick, POST]))
    quads = np.concatenate([slab, post])
    turn = np.arctan2(ahead[0], ahead[2])
    x, z = quads[..., 0].copy(), quads[..., 2].copy()
    quads[..., 0] = x * np.cos(turn) + z * np.sin(turn) + pelvis[0] + 0.1 * unit * np.sin(turn)
    quads[..., 2] = z * np.cos(turn) - x * np.sin(turn) + pelvis[2] + 0.1 * unit * np.cos(turn)
    return quads


def seat_faces(scene: Scene, figure: Figure, row: int) -> Faces:
    """The faces of a stool that look at the camera; its material begins at ``row`` of the scene's texture."""
    quads = seat_quads(figure)
    seen = scene.camera.see(quads.reshape(-1, 3))
    pixels = scene.camera.project(seen).reshape(-1, 4, 2)
    turned = facing(pixels, np.ones(len(pixels)))
    corners = seen.reshape(-1, 4, 3)[turned]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0])
    shine = normal @ -scene.light / np.linalg.norm(normal, axis=1)
    light = np.repeat((scene.ambient + (1.0 - scene.ambient) * np.clip(shine, 0.0, 1.0))[:, None], 4, 1)
    window = np.array([(1.0, row + 1.0), (1.0 + PATCH, row + 1.0 + PATCH)])
    texture = np.repeat(window[None], len(corners), 0)
    part = np.full(len(corners), PART["torso"])  # of nobody: it shows no joint
    return Faces(pixels[turned], corners[..., 2].mean(1), light, texture, part, np.full(len(corners), NOBODY))
