"""Scenes of one to eight drawn people on one ground, near and far, behind each other and cut by the border."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from data.synthetic.body import Posed, rotations
from data.synthetic.camera import Camera, extent
from data.synthetic.figure import Figure, Scene
from data.synthetic.scene import draw_figure, draw_light
from data.types import FloatArray, Person

MOST = 8  # people
FARTHEST = 4.0  # times as far as the nearest may stand, so as many times smaller
APART = 0.55  # metres between two people on the ground
NEAREST = 0.8  # metres between the camera and a person's nearest point
BEYOND = 0.05  # share of the width by which somebody's middle may lie outside
NEAR_HEIGHT = (0.55, 0.95)  # share of the image that somebody upright at the least distance takes; default
CAMERA_HEIGHT = (0.9, 2.6)  # metres above the ground; default
FACING = 0.55  # share of people who look towards the camera; the others look anywhere
FACING_STD = np.radians(40.0)  # deviation of how those are turned; both make 76 % fronts, COCO's photographs have 74 %
AIRBORNE = 0.3  # metres that somebody who jumps is above it
ATTEMPTS = 40  # places tried for a person before the scene goes without
LEAST_AREA = (
    0.002  # of the image that must be seen of a person; smaller ones are ignored, as a data set's annotators do
)
LEAST_JOINTS = 4  # in the image; the same


def draw_crowd(rng: np.random.Generator, size: int) -> Scene:
    """Draw a scene with one to eight people; the first stands nearest to the least distance."""
    camera, least = _camera(rng, size)
    figures: list[Figure] = []
    for _ in range(1 + int(rng.integers(MOST))):
        figure = _turned(draw_figure(rng), _facing(rng))
        placed = _placed(rng, figure, camera, size, least, figures)
        figures += [placed] if placed else []
    return Scene(tuple(figures), camera, *draw_light(rng), size)


def _camera(rng: np.random.Generator, size: int) -> tuple[Camera, float]:
    """Place a camera above the ground that looks along it; return also the least distance of people in metres."""
    height, pitch, roll = rng.uniform(*CAMERA_HEIGHT), np.radians(rng.uniform(-2.0, 16.0)), np.radians(rng.normal(0, 2))
    least = rng.uniform(2.2, 4.0)
    turn = rotations(np.array([[pitch, 0.0, 0.0], [0.0, roll, 0.0]]))
    rotation = np.asarray(np.diag([1.0, -1.0, -1.0]) @ turn[1] @ turn[0])
    focal = rng.uniform(*NEAR_HEIGHT) * size * least / 1.7
    centre = np.array([0.5 * size - 0.5, 0.5 * size - 0.5])
    aim = np.array([0.0, 0.95, -1.6 * least])  # the middle of somebody upright appears near the middle of the image
    camera = Camera(rotation, -rotation @ np.array([0.0, height, 0.0]), focal, centre)
    return replace(camera, centre=centre - (camera.project(camera.see(aim[None]))[0] - centre) * (0.0, 1.0)), least


def _facing(rng: np.random.Generator) -> float:
    """Draw the angle between where somebody looks and the camera: most people in photographs show their front."""
    return rng.normal(0.0, FACING_STD) if rng.random() < FACING else rng.uniform(0.0, 2.0 * np.pi)


def _turned(figure: Figure, angle: float) -> Figure:
    """Turn a figure about the vertical."""
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]])
    posed = Posed(turn @ figure.posed.rotation, figure.posed.origin @ turn.T)
    return replace(figure, posed=posed, points=figure.points @ turn.T)


def _placed(
    rng: np.random.Generator, figure: Figure, camera: Camera, size: int, least: float, others: list[Figure]
) -> Figure | None:
    """Put a figure on the ground where the camera sees it and nobody else stands; None where no place was found."""
    low, high = extent(figure.points[figure.used])
    middle = 0.5 * (low + high)
    lift = AIRBORNE if figure.kind == "jump" else 0.0
    for _ in range(ATTEMPTS):
        away = least * FARTHEST ** rng.random()
        column = rng.uniform(-BEYOND, 1.0 + BEYOND) * size
        x = (column - camera.centre[0]) * away / camera.focal
        shift = np.array([x, lift, -away]) - (middle[0], low[1], middle[2])
        where = shift[[0, 2]] + middle[[0, 2]]
        free = all(np.linalg.norm(where - _middle(other)) >= APART for other in others)
        if free and camera.see(figure.points[figure.used] + shift)[:, 2].min() >= NEAREST:
            return figure.moved(shift)
    return None


def _middle(figure: Figure) -> FloatArray:
    """Where a figure stands on the ground: (2,) metres."""
    low, high = extent(figure.points[figure.used])
    return np.asarray(0.5 * (low + high)[[0, 2]])


def annotated(people: Sequence[Person], size: int) -> tuple[Person, ...]:
    """Leave out who is not in the picture at all, and mark who is too small or too much hidden to count."""
    found = []
    for person in people:
        if person.area > 0 or person.visible.any():
            small = person.area < LEAST_AREA * size**2 or np.count_nonzero(person.visible) < LEAST_JOINTS
            found.append(replace(person, ignore=bool(small)))
    return tuple(found)
