"""Soft shadows of people on the ground they stand on."""

from __future__ import annotations

import cv2
import numpy as np

from data.synthetic.figure import Figure, Scene
from data.types import UInt8Array

AIRBORNE = {"jump": 0.35}  # metres between the lowest point and the ground, by kind of pose
DARKNESS = 0.45  # share of the light that a shadow takes; default
STEEPEST = 0.5  # the light's share that comes from above, at least; keeps shadows short


def cast_shadow(image: UInt8Array, scene: Scene, figure: Figure) -> None:
    """Darken the outline of one person's shadow in place, where the camera sees the ground from above."""
    rotation = scene.camera.rotation
    if rotation[2, 1] > -0.03:  # looking level or up: the ground is a line
        return
    light = scene.light @ rotation  # world axes, towards the person
    slant = light[[0, 2]] / max(-light[1], STEEPEST)
    ground = figure.points[:, 1].min() - AIRBORNE.get(figure.kind, 0.0)
    fallen = figure.points.copy()
    fallen[:, [0, 2]] += (figure.points[:, 1] - ground)[:, None] * slant
    fallen[:, 1] = ground
    seen = scene.camera.see(fallen)
    seen = seen[seen[:, 2] > 0.1]  # metres before the camera
    outline = cv2.convexHull(scene.camera.project(seen).astype(np.float32)).astype(np.int32)
    dark = np.zeros(image.shape[:2], np.uint8)
    cv2.fillConvexPoly(dark, outline, 255)
    soft = 255 - DARKNESS * cv2.blur(dark, (9, 9))
    cv2.multiply(image, cv2.merge([soft.astype(np.uint8)] * 3), image, 1.0 / 255.0)
