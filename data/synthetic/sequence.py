"""Short sequences of drawn people: one or two who walk and move, each with an identity; the camera stands still.

A body goes from one drawn pose to the next while its root follows an arc on the ground. Background, light and lens are
those of the first frame throughout, the grain of the sensor too; nothing stands before the people but each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from data.synthetic.appearance import dress
from data.synthetic.background import draw_background
from data.synthetic.body import Proportions, draw_proportions, pose, rotations
from data.synthetic.camera import Camera, frame_person
from data.synthetic.clutter import add_clutter
from data.synthetic.figure import Figure, Scene
from data.synthetic.lens import photograph
from data.synthetic.poses import draw_pose
from data.synthetic.scene import clothe, draw_light, judge_all, paint
from data.types import DataError, FloatArray, Person, PoseSample, Skeleton, UInt8Array

STREAM = 3  # of random numbers; 0, 1 and 2 are the splits of the single pictures
FRAMES = 16
SIDE = 384  # pixels; default: people who walk need more room than one who stands
FRAME_SECONDS = 1 / 15
POSE_SECONDS = 0.6  # from one drawn pose to the next; default
FASTEST = 1.5  # metres a second, a brisk walk
TURN = 40.0  # degrees a second; spread of how fast the direction of walking changes
ON_FEET = ("stand", "walk", "bend", "kneel")  # nobody leaps, sits down or turns over within half a second
SPREAD = 0.9  # metres; of where people start
APART = 0.75  # metres between two roots, so that nobody walks through anybody
NEAREST = 1.2  # metres between the camera and what it sees
LEAST_IN_SIGHT = 3  # joints inside the image; with fewer a person is not annotated

Keys = tuple[FloatArray, FloatArray]  # joint angles (N, J, 3) and roots (N, 3, 3) of the poses that are gone through


@dataclass(frozen=True, eq=False)
class DrawnFrame:
    """One picture of a sequence, drawn already."""

    image: UInt8Array

    def load(self) -> UInt8Array:
        """Return (size, size, 3) RGB, not to be written to."""
        return self.image


def draw_sequence(
    number: int, skeleton: Skeleton, *, frames: int = FRAMES, size: int = SIDE, seed: int = 0
) -> tuple[PoseSample, ...]:
    """Draw the frames of one sequence, the same for (seed, number); `Person.track` tells the people apart.

    Args:
        number: which sequence.
        skeleton: whose joints to annotate.
        frames: how many, 15 a second.
        size: side of the square pictures.
        seed: of all sequences.

    Returns:
        A sample a frame, with image ids that no other sequence has.

    Raises:
        DataError: for no frames or pictures without room.
    """
    if frames < 1 or size < 64:
        raise DataError(f"{frames} frames of {size} pixels: expected at least 1 frame of at least 64 pixels")
    rng = np.random.default_rng([seed, STREAM, number])
    people = _people(rng, np.arange(frames) * np.float64(FRAME_SECONDS))
    camera = _camera(rng, people, size)
    light, ambient = draw_light(rng)
    background = add_clutter(rng, draw_background(rng, size))
    lens = int(rng.integers(2**32))
    samples = []
    for i in range(frames):
        scene = Scene(tuple(person[i] for person in people), camera, light, ambient, size)
        image, buffer, outlines = paint(rng, scene, background.copy())
        image = photograph(np.random.default_rng(lens), image)
        image.flags.writeable = False
        found = [truth.person(skeleton) for truth in judge_all(scene, outlines, buffer)]
        samples.append(PoseSample(number * frames + i, DrawnFrame(image), (size, size), _annotated(found)))
    return tuple(samples)


def _annotated(people: list[Person]) -> tuple[Person, ...]:
    """Give everyone in sight an identity: their number."""
    tracked = (replace(person, track=track) for track, person in enumerate(people))
    return tuple(person for person in tracked if np.count_nonzero(person.visible) >= LEAST_IN_SIGHT)


def _people(rng: np.random.Generator, seconds: FloatArray) -> list[list[Figure]]:
    """Draw one person or two in all T frames."""
    routes = _routes(rng, 1 + int(rng.integers(2)), seconds)
    return [_person(rng, seconds, places, headings) for places, headings in routes]


def _routes(rng: np.random.Generator, people: int, seconds: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
    """Draw routes until nobody comes too near to anybody."""
    while True:
        routes = [_route(rng, seconds) for _ in range(people)]
        first, last = routes[0][0], routes[-1][0]
        if people == 1 or np.linalg.norm(first - last, axis=1).min() >= APART:
            return routes


def _route(rng: np.random.Generator, seconds: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Draw an arc on the ground: places (T, 3) in metres, and headings (T,) in radians, along the arc."""
    start, speed = rng.normal(0.0, SPREAD, 2), rng.uniform(0.0, FASTEST)
    headings = rng.uniform(0.0, 2.0 * np.pi) + np.radians(rng.normal(0.0, TURN)) * seconds
    steps = np.stack([np.sin(headings), np.zeros(len(seconds)), np.cos(headings)], 1) * speed * FRAME_SECONDS
    places = np.cumsum(steps, axis=0) - steps[0]
    places[:, [0, 2]] += start
    return places, headings


def _person(rng: np.random.Generator, seconds: FloatArray, places: FloatArray, headings: FloatArray) -> list[Figure]:
    """Draw a body, its clothes and what it does in all T frames."""
    body, outfit = draw_proportions(rng), dress(rng)
    angles, roots = between(_keys(rng, body, float(seconds[-1])), seconds)
    roots = rotations(headings[:, None] * (0.0, 0.0, 1.0)) @ roots
    figures = []
    for i in range(len(seconds)):
        figure = clothe(body, pose(body, angles[i], roots[i]), outfit, "walk")
        figures.append(figure.moved(places[i] - (0.0, figure.points[:, 1].min(), 0.0)))
    return figures


def _keys(rng: np.random.Generator, body: Proportions, seconds: float) -> Keys:
    """Draw the poses to go through, one every `POSE_SECONDS`."""
    found: list[tuple[FloatArray, FloatArray]] = []
    while len(found) < 2 + int(seconds / POSE_SECONDS):
        kind, angles, posed = draw_pose(rng, body)
        if kind in ON_FEET:
            found.append((angles, posed.rotation[0]))
    return np.stack([angles for angles, _ in found]), np.stack([root for _, root in found])


def between(keys: Keys, seconds: FloatArray) -> Keys:
    """Return joint angles (T, J, 3) and roots (T, 3, 3) on the way, slow at each pose and faster in between.

    Every set of angles lies between two drawn ones, hence within the anatomical limits.
    """
    angles, roots = keys
    before, share = np.divmod(seconds / POSE_SECONDS, 1.0)
    place = before + 0.5 - 0.5 * np.cos(np.pi * share)
    low = before.astype(np.int64)
    weight = (place - low)[:, None, None]
    turned = Slerp(np.arange(len(roots)), Rotation.from_matrix(roots))(place).as_matrix()
    return angles[low] + weight * (angles[low + 1] - angles[low]), turned


def _camera(rng: np.random.Generator, people: list[list[Figure]], size: int) -> Camera:
    """Place a camera that sees all that happens, from no nearer than `NEAREST`."""
    points = np.concatenate([figure.points[figure.used] for person in people for figure in person])
    while True:
        camera = frame_person(rng, points, size)
        if camera.see(points)[:, 2].min() >= NEAREST:
            return camera
