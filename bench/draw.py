"""Pictures: people with their joints, and sheets of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.errors import UserError
from bench.record import atomically
from data.types import FloatArray, Person, PoseSample, Skeleton, UInt8Array, apply_affine
from data.views import Look, PersonCrop, View, WholeImage

# Okabe & Ito's colours, safe for the colour-blind: the person's left, right and middle; RGB.
LEFT, RIGHT, MIDDLE = (86, 180, 233), (230, 159, 0), (0, 158, 115)
TRUTH = (255, 255, 255)
# One colour a person, in turn: Okabe & Ito's eight but black, then lighter ones of Paul Tol's.
PEOPLE = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167)),
    *((119, 221, 119), (238, 136, 102), (170, 170, 0), (153, 221, 255), (255, 170, 187)),
)
BORDER, BACKGROUND = 2, 32  # pixels between the tiles of a sheet, and their grey
SUBPIXEL = 4  # fractional bits of OpenCV's drawing coordinates
TITLE_HEIGHT, TITLE_SCALE = 22, 0.45  # pixels; of OpenCV's font
FAR = 1 << 14  # pixels; beyond it OpenCV's fixed-point coordinates overflow


def side_colour(name: str) -> tuple[int, int, int]:
    """Return the colour of a joint by its name."""
    return LEFT if name.startswith("left") else RIGHT if name.startswith("right") else MIDDLE


def draw_pose(
    picture: UInt8Array,
    joints: FloatArray,
    labelled: NDArray[np.bool_],
    skeleton: Skeleton,
    *,
    colour: tuple[int, int, int] | None = None,
    thickness: int = 2,
) -> None:
    """Draw limbs and joints into ``picture``.

    Args:
        picture: (H, W, 3) RGB, changed in place.
        joints: (K, 2) pixels of ``picture``.
        labelled: (K,) which joints to draw; NaN and far outside are left out as well.
        skeleton: names and limbs.
        colour: One colour for all; None colours by the person's side.
        thickness: Of the limbs, in pixels.
    """
    good = labelled & np.isfinite(joints).all(-1) & (np.abs(np.nan_to_num(joints)) < FAR).all(-1)
    points = np.nan_to_num(np.where(good[:, None], joints, 0) * 2**SUBPIXEL).round().astype(int)
    for a, b in skeleton.limbs:
        if good[a] and good[b]:
            tint = colour or side_colour(skeleton.joints[a if skeleton.joints[a][:4] != "neck" else b])
            cv2.line(picture, tuple(points[a]), tuple(points[b]), tint, thickness, cv2.LINE_AA, SUBPIXEL)
    for k in np.flatnonzero(good):
        tint, radius = colour or side_colour(skeleton.joints[k]), (thickness + 1) << SUBPIXEL
        cv2.circle(picture, tuple(points[k]), radius, tint, -1, cv2.LINE_AA, SUBPIXEL)


def tile(sample: PoseSample, view: View, look: Look) -> tuple[UInt8Array, FloatArray]:
    """Cut one region of a sample to the view's size; return it with the affine original -> tile pixels."""
    h, w = view.size
    affine = view.to_input(look)
    shrinks = np.sqrt(abs(np.linalg.det(affine[:, :2]))) < 1
    flags = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.warpAffine(sample.pixels.load(), affine, (w, h), flags=flags), np.uint8), affine


def truth_sheet(
    samples: Sequence[PoseSample], skeleton: Skeleton, *, size: int = 192, joints: bool = True
) -> UInt8Array:
    """Draw whole images with their true joints; occluded ones are left hollow of colour."""
    view, tiles = WholeImage((size, size)), []
    for sample in samples:
        look = Look(0, None, np.array([0.0, 0.0, sample.size[1], sample.size[0]]))
        picture, affine = tile(sample, view, look)
        for person in sample.people if joints else ():
            draw_pose(picture, apply_affine(person.joints, affine), person.visible > 0, skeleton, thickness=1)
        tiles.append(picture)
    return grid(tiles)


def result_sheet(
    shown: Sequence[tuple[PoseSample, Person]], found: Sequence[FloatArray], skeleton: Skeleton, *, size: int = 256
) -> UInt8Array:
    """Draw people, each with the truth (white, thin) and the prediction (coloured by side)."""
    view, tiles = PersonCrop((size, size), padding=1.5), []
    for (sample, person), joints in zip(shown, found, strict=True):
        picture, affine = tile(sample, view, Look(0, 0, person.box))
        everything = np.ones(len(skeleton.joints), bool)
        draw_pose(picture, apply_affine(joints, affine), everything, skeleton)
        truth = apply_affine(person.joints, affine)
        draw_pose(picture, truth, person.visible > 0, skeleton, colour=TRUTH, thickness=1)
        tiles.append(picture)
    return grid(tiles)


def person_colour(index: int) -> tuple[int, int, int]:
    """Return the colour of the person of this number; after a dozen they come again."""
    return PEOPLE[index % len(PEOPLE)]


def draw_people(
    picture: UInt8Array, people: FloatArray, skeleton: Skeleton, *, thickness: int = 2, sides: bool = False
) -> None:
    """Draw everybody of (N, K, 2) pixels into ``picture``, each in an own colour or by side; NaN is left out."""
    everything = np.ones(len(skeleton.joints), bool)
    for i, joints in enumerate(people):
        draw_pose(
            picture, joints, everything, skeleton, colour=None if sides else person_colour(i), thickness=thickness
        )


def people_tile(
    sample: PoseSample,
    skeleton: Skeleton,
    found: FloatArray | None,
    *,
    size: int = 320,
    truth: bool = True,
    sides: bool = False,
) -> UInt8Array:
    """Draw a whole image with those who were found in colours and, thin and white, those who are there.

    Args:
        sample: The image.
        skeleton: Names and limbs.
        found: (N, K, 2) original pixels; where None, the truth is drawn in colours instead.
        size: Height and width, the aspect kept.
        truth: Draw the truth too; those to ignore are left out.
        sides: Colour by left and right, not by person.
    """
    picture, affine = tile(sample, WholeImage((size, size)), Look(0, None, np.array([0.0, 0.0, *sample.size[::-1]])))
    counted = [person for person in sample.people if not person.ignore]
    if found is not None:
        draw_people(picture, apply_affine(found, affine), skeleton, sides=sides)
    for i, person in enumerate(counted if truth or found is None else ()):
        colour, thickness = (TRUTH, 1) if found is not None else (None if sides else person_colour(i), 2)
        joints = apply_affine(person.joints, affine)
        draw_pose(picture, joints, person.visible > 0, skeleton, colour=colour, thickness=thickness)
    return picture


def grid(tiles: Sequence[UInt8Array], columns: int | None = None) -> UInt8Array:
    """Lay tiles of one size out in rows, about as wide as high."""
    columns = columns or int(np.ceil(np.sqrt(len(tiles))))
    h, w = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * (h + BORDER), columns * (w + BORDER), 3), BACKGROUND, np.uint8)
    for i, picture in enumerate(tiles):
        y, x = (i // columns) * (h + BORDER), (i % columns) * (w + BORDER)
        sheet[y : y + h, x : x + w] = picture
    return sheet


def titles(names: Sequence[str], width: int) -> UInt8Array:
    """Write names over columns of equal width."""
    strip = np.full((TITLE_HEIGHT, width, 3), BACKGROUND, np.uint8)
    for i, name in enumerate(names):
        place = (i * width // len(names) + 4, TITLE_HEIGHT - 7)
        cv2.putText(strip, name, place, cv2.FONT_HERSHEY_SIMPLEX, TITLE_SCALE, (235, 235, 235), 1, cv2.LINE_AA)
    return strip


def require_picture_path(path: Path, option: str) -> None:
    """Raise UserError where no picture can be written, naming the option of the command."""
    if path.suffix.lower() not in {".png", ".jpg", ".jpeg"}:
        raise UserError(f"{option} {path}: a name that ends in .png or .jpg expected")
    if not path.parent.is_dir():
        raise UserError(f"{option} {path}: there is no folder {path.parent}; make it first")


def write_picture(path: Path, picture: UInt8Array) -> None:
    """Write an RGB picture in the format of the path's suffix, whole or not at all.

    Raises:
        OSError: if it cannot be written.
    """
    good, encoded = cv2.imencode(path.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not good:
        raise OSError(f"{path}: OpenCV cannot write {path.suffix}")
    with atomically(path) as temporary:
        temporary.write_bytes(encoded.tobytes())
