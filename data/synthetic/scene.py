"""From a recipe to a picture and its truth: people, camera, background, objects, lens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data.synthetic.appearance import Outfit, dress
from data.synthetic.background import draw_background, material
from data.synthetic.body import Posed, Proportions, draw_proportions
from data.synthetic.camera import frame_person
from data.synthetic.clutter import add_clutter, occlude
from data.synthetic.figure import Figure, Scene
from data.synthetic.lens import photograph
from data.synthetic.poses import draw_pose
from data.synthetic.renderer import FaceBuffer, Faces, facing, join, rasterise, shade, soften_edges
from data.synthetic.seat import TEXTURE_SIDE, seat_faces
from data.synthetic.shadow import cast_shadow
from data.synthetic.surface import corners, normals, topology
from data.synthetic.truth import Truth, judge
from data.types import FloatArray, UInt8Array

Outline = tuple[FloatArray, FloatArray]  # pixels of one person's body and skull


def clothe(body: Proportions, posed: Posed, outfit: Outfit, kind: str) -> Figure:
    """Put clothes on a posed body."""
    points = corners(body, posed, outfit.padding)
    used = np.zeros(len(points), bool)
    used[topology().faces[outfit.worn]] = True
    return Figure(body, posed, outfit, kind, points, used)


def draw_figure(rng: np.random.Generator) -> Figure:
    """Draw one dressed person, standing at the origin of the world."""
    body = draw_proportions(rng)
    kind, _, posed = draw_pose(rng, body)
    return clothe(body, posed, dress(rng), kind)


def draw_light(rng: np.random.Generator) -> tuple[FloatArray, float]:
    """Draw where the light comes from, (3,) in camera axes, and how much of it comes from everywhere."""
    light = np.array([rng.normal(0.0, 0.6), rng.uniform(0.1, 1.0), rng.uniform(0.2, 1.0)])
    return light / np.linalg.norm(light), float(rng.uniform(0.45, 0.75))


def draw_single(rng: np.random.Generator, size: int) -> Scene:
    """Draw a scene with one person."""
    figure = draw_figure(rng)
    camera = frame_person(rng, figure.points[figure.used], size)
    return Scene((figure,), camera, *draw_light(rng), size)


def _faces(scene: Scene, person: int) -> tuple[Faces, Outline]:
    """The faces of one person that look at the camera; the pixels of the body and of the skull."""
    top, figure = topology(), scene.figures[person]
    seen = scene.camera.see(figure.points)
    pixels = scene.camera.project(seen)
    shine = normals(figure.points) @ scene.camera.rotation.T @ -scene.light
    light = scene.ambient + (1.15 - scene.ambient) * np.clip(0.8 * shine + 0.2, 0.0, 1.0)
    quads = pixels[top.faces]
    turned = facing(quads, top.face_outward) & figure.outfit.worn
    near = top.faces[turned]
    texture = top.texture[turned][:, ::2] + (0.0, person * figure.outfit.texture.shape[0])
    whose = np.full(len(near), person)
    faces = Faces(quads[turned], seen[near, 2] @ np.full(4, 0.25), light[near], texture, top.face_part[turned], whose)
    return faces, (pixels[figure.used], pixels[top.skull])


def paint(
    rng: np.random.Generator, scene: Scene, image: UInt8Array
) -> tuple[UInt8Array, FaceBuffer, tuple[Outline, ...]]:
    """Paint people, their shadows and seats on a background, which is changed.

    Returns:
        (H, W, 3) pixels, what is seen at each of them, and the outline of every person.
    """
    drawn = [_faces(scene, person) for person in range(len(scene.figures))]
    textures = [figure.outfit.texture for figure in scene.figures]
    row = sum(len(texture) for texture in textures)
    seats = [seat_faces(scene, figure, row) for figure in scene.figures if figure.kind == "sit"]
    buffer = rasterise(join([faces for faces, _ in drawn] + seats), scene.size)
    for figure in scene.figures:
        cast_shadow(image, scene, figure)
    if seats:
        textures.append(material(rng, TEXTURE_SIDE, textures[0].shape[1]))
    shade(image, buffer, np.concatenate(textures))
    return soften_edges(image, buffer), buffer, tuple(outline for _, outline in drawn)


def judge_all(scene: Scene, outlines: Sequence[Outline], buffer: FaceBuffer) -> tuple[Truth, ...]:
    """Say what is true of every person."""
    return tuple(
        judge(figure.body, figure.posed, outline, scene.camera, buffer, person)
        for person, (figure, outline) in enumerate(zip(scene.figures, outlines, strict=True))
    )


def draw(rng: np.random.Generator, scene: Scene) -> tuple[UInt8Array, FaceBuffer, tuple[Truth, ...]]:
    """Draw a scene: (H, W, 3) pixels, what is seen at each of them, and the truth about every person."""
    image, buffer, outlines = paint(rng, scene, add_clutter(rng, draw_background(rng, scene.size)))
    targets = np.concatenate([scene.camera.project(scene.camera.see(f.posed.origin)) for f in scene.figures])
    occlude(rng, image, targets, buffer)
    truth = judge_all(scene, outlines, buffer)
    return photograph(rng, image), buffer, truth
