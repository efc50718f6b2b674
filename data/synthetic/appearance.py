"""Clothes, skin, hair and face of one person: a texture, the thickness of the cloth, and which strips are worn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from data.synthetic.background import bank, crop
from data.synthetic.shape import PART, PARTS, TEXTURE_SIZE, TILES
from data.synthetic.surface import topology
from data.types import FloatArray, UInt8Array

Colour = tuple[int, int, int]

SKIN = ((255, 219, 192), (241, 194, 160), (224, 172, 130), (198, 134, 92), (150, 98, 66), (104, 66, 46), (70, 46, 34))
HAIR = ((28, 22, 18), (62, 42, 28), (96, 62, 36), (148, 104, 58), (206, 168, 104), (150, 68, 34), (150, 148, 146))
WAIST = 0.70  # row of the torso texture where trousers begin
SKIRT_SHARE = 0.16  # default: of the drawn people
HAT_SHARE = 0.12
LEAST_CONTRAST = 110  # between garments and skin, summed over the three channels; by eye
EYE_ACROSS = 0.0672  # share of the head's girth between the middle of the face and an eye; see truth.EYE
EYE_ROW, BROW_ROW, MOUTH_ROW = 0.50, 0.425, 0.80


@dataclass(frozen=True, eq=False)
class Outfit:
    """What one person looks like."""

    texture: UInt8Array  # (h, w, 3), laid out as TILES
    padding: FloatArray  # (R,) metres of cloth round each ring
    worn: NDArray[np.bool_]  # (F,) faces that are drawn


@dataclass(frozen=True)
class _Style:
    """The choices behind an outfit."""

    skin: Colour
    hair: Colour
    hair_length: float  # row of the hair strip where it ends; 0 is a shaved head
    top: Colour
    bottom: Colour
    shoes: Colour
    sleeve: float  # row of the arm where the sleeve ends
    hem: float  # row of the leg where the trousers end
    skirt: float  # row of the skirt where it ends; 0 is no skirt
    hat: bool


def _mixed(rng: np.random.Generator, palette: tuple[Colour, ...]) -> Colour:
    place = rng.random() * (len(palette) - 1)
    low = int(place)
    share = place - low
    a, b = palette[low], palette[min(low + 1, len(palette) - 1)]
    red, green, blue = (int(p + share * (q - p)) for p, q in zip(a, b, strict=True))
    return red, green, blue


def cloth_colour(rng: np.random.Generator) -> Colour:
    """Draw any colour, greys and muted ones more often."""
    value = rng.uniform(30.0, 245.0)
    strength = rng.beta(1.0, 1.8)
    hue = rng.uniform(0.0, 6.0)
    parts = [value * (1.0 - strength * min(1.0, max(0.0, abs((hue + k) % 6.0 - 3.0) - 1.0))) for k in (0.0, 2.0, 4.0)]
    return int(parts[0]), int(parts[1]), int(parts[2])


def _unlike(rng: np.random.Generator, skin: Colour) -> Colour:
    """Draw the colour of a garment that nobody takes for bare skin."""
    colour = cloth_colour(rng)
    while sum(abs(a - b) for a, b in zip(colour, skin, strict=True)) < LEAST_CONTRAST:
        colour = cloth_colour(rng)
    return colour


def _draw_style(rng: np.random.Generator) -> _Style:
    dress = rng.random() < SKIRT_SHARE
    skin = _mixed(rng, SKIN)
    top = _unlike(rng, skin)
    hem = (0.34, 0.46, 0.97, 0.97, 0.97)[int(rng.integers(5))]
    bottom = top if rng.random() < (0.4 if dress else 0.06) else _unlike(rng, skin)
    return _Style(
        skin=skin,
        hair=_mixed(rng, HAIR),
        hair_length=(0.0, 0.45, 0.55, 0.55, 0.65, 0.75, 1.0)[int(rng.integers(7))],
        top=top,
        bottom=bottom,
        shoes=cloth_colour(rng),
        sleeve=(0.0, 0.22, 0.26, 0.34, 0.97, 0.97)[int(rng.integers(6))],
        hem=(0.0 if rng.random() < 0.6 else 0.97) if dress else hem,
        skirt=rng.uniform(0.55, 1.0) if dress else 0.0,
        hat=rng.random() < HAT_SHARE,
    )


def _tile(texture: UInt8Array, name: str) -> UInt8Array:
    x, y, width, height = TILES[name]
    return texture[y : y + height, x : x + width]


def _pattern(rng: np.random.Generator, tile: UInt8Array, colour: Colour) -> None:
    """Stripes, checks or dots over a tile; half of all clothes are plain."""
    kind = int(rng.integers(8))
    height, width = tile.shape[:2]
    step, wide = int(rng.integers(6, 16)), int(rng.integers(2, 6))
    if kind in (0, 2):
        for y in range(0, height, step):
            tile[y : y + wide] = colour
    if kind in (1, 2):
        for x in range(0, width, max(step, 8)):
            tile[:, x : x + wide] = colour
    if kind == 3:
        for y in range(4, height, step):
            for x in range(4 + (y // step % 2) * step // 2, width, step):
                cv2.circle(tile, (x, y), wide // 2 + 1, colour, -1)


def _front(rng: np.random.Generator, tile: UInt8Array, style: _Style) -> None:
    """What tells the front of a shirt from its back: neckline, buttons, zip, print, pocket, tie, open jacket."""
    second = cloth_colour(rng)
    waist = int(WAIST * tile.shape[0])
    kind = int(rng.integers(6))
    if kind == 0:  # buttons, with the pocket on the person's left
        cv2.line(tile, (64, 6), (64, waist), tuple(int(0.7 * c) for c in style.top), 1)
        for y in range(12, waist, 9):
            cv2.circle(tile, (65, y), 1, second, -1)
        cv2.rectangle(tile, (47, 22), (56, 33), tuple(int(0.75 * c) for c in style.top), 1)
    if kind == 1:  # a zip
        cv2.line(tile, (64, 4), (64, waist), second, 2)
    if kind == 2:  # a print
        cv2.rectangle(tile, (52, 22), (76, 40), second, -1)
        cv2.circle(tile, (64, 31), 6, cloth_colour(rng), -1)
    if kind == 3:  # a round print with a stripe
        cv2.circle(tile, (64, 30), 12, second, -1)
        cv2.line(tile, (54, 36), (74, 24), style.top, int(rng.integers(2, 7)))
    if kind == 4:  # an open jacket over a shirt
        inner = np.array([(58, 4), (70, 4), (73, waist), (55, waist)], np.int32)
        cv2.fillConvexPoly(tile, inner, second)
    if kind == 5:  # a tie
        cv2.fillConvexPoly(tile, np.array([(62, 5), (66, 5), (68, 50), (64, 55), (60, 50)], np.int32), second)
    depth = int(rng.integers(7, 20))
    neckline = np.array([(55, 0), (73, 0), (64, depth)], np.int32)
    cv2.fillConvexPoly(tile, neckline, style.skin)


def _paint_torso(rng: np.random.Generator, tile: UInt8Array, style: _Style, second: Colour) -> None:
    tile[:] = style.top
    _pattern(rng, tile, second)
    tile[:2] = style.skin
    waist = int(WAIST * tile.shape[0])
    tile[waist:] = style.bottom
    if rng.random() < 0.5:
        tile[waist : waist + 3] = tuple(int(0.45 * c) for c in style.bottom)
    cv2.line(tile, (64, waist), (64, tile.shape[0] - 8), tuple(int(0.6 * c) for c in style.bottom), 1)
    _front(rng, tile, style)


def _paint_head(rng: np.random.Generator, tile: UInt8Array, style: _Style) -> None:
    """A face on the front half, hair on the rest."""
    height, width = tile.shape[:2]
    middle, apart = width // 2, round(EYE_ACROSS * width)
    tile[:] = style.skin
    if style.hair_length > 0:
        side = int(0.27 * width)
        tile[: int(0.20 * height)] = style.hair
        tile[: int(0.78 * height), : middle - side] = style.hair
        tile[: int(0.78 * height), middle + side :] = style.hair
    shadow = tuple(int(0.82 * c) for c in style.skin)
    lips = (min(255, int(0.75 * style.skin[0] + 40)), int(0.55 * style.skin[1]), int(0.55 * style.skin[2]))
    eye, brow, mouth = (int(row * (height - 2)) for row in (EYE_ROW, BROW_ROW, MOUTH_ROW))
    if rng.random() < 0.15:  # a beard
        cv2.ellipse(tile, (middle, int(0.92 * height)), (22, 16), 0, 0, 360, style.hair, -1)
    for x in (middle - apart, middle + apart):
        cv2.ellipse(tile, (x, eye), (6, 5), 0, 0, 360, shadow, -1)
        cv2.ellipse(tile, (x, eye), (5, 3), 0, 0, 360, (238, 238, 238), -1)
        cv2.circle(tile, (x, eye), 2, (34, 24, 20), -1)
        cv2.line(tile, (x - 5, brow), (x + 5, brow), tuple(int(0.7 * c) for c in style.hair), 2)
    cv2.ellipse(tile, (middle, mouth), (9, int(rng.integers(2, 4))), 0, 0, 360, lips, -1)
    if rng.random() < 0.15:  # glasses
        for x in (middle - apart, middle + apart):
            cv2.rectangle(tile, (x - 6, eye - 5), (x + 6, eye + 5), (30, 30, 34), 1)


def _paint(rng: np.random.Generator, style: _Style) -> UInt8Array:
    texture = np.empty((*TEXTURE_SIZE, 3), np.uint8)
    second = cloth_colour(rng)
    arm, leg, shoe, skirt = (_tile(texture, name) for name in ("arm", "leg", "shoe", "skirt"))
    arm[:], leg[:], skirt[:] = style.top, style.bottom, style.bottom
    _pattern(rng, arm, second)
    _pattern(rng, skirt, second)
    arm[int(style.sleeve * len(arm)) :] = style.skin
    leg[int(style.hem * len(leg)) :] = style.skin
    if rng.random() < 0.5:  # socks
        sock = max(style.hem, rng.uniform(0.75, 0.95))
        leg[int(sock * len(leg)) :] = second
    shoe[:] = style.shoes
    shoe[:, :10] = shoe[:, -10:] = tuple(int(0.4 * c) for c in style.shoes)  # the sole
    shoe[8:16, 24:40] = second  # laces
    _tile(texture, "skin")[:] = style.skin
    _tile(texture, "hair")[:] = cloth_colour(rng) if style.hat else style.hair
    _paint_torso(rng, _tile(texture, "torso"), style, second)
    _paint_head(rng, _tile(texture, "head"), style)
    grain = crop(rng, bank().grain, TEXTURE_SIZE)
    return np.asarray(cv2.multiply(texture, grain, scale=1.0 / 128.0), np.uint8)


@lru_cache(maxsize=1)
def _clothed() -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of the R rings belong to the torso, the arms, the legs."""
    names = [PARTS[part] for part in topology().part]
    torso, arms, legs = (np.array([n.endswith(ends) for n in names]) for ends in ("torso", "arm", ("thigh", "shank")))
    return torso, arms, legs


def _padding(rng: np.random.Generator, style: _Style) -> FloatArray:
    top = topology()
    torso, arms, legs = _clothed()
    sleeve, hem = rng.uniform(0.001, 0.014), rng.uniform(0.001, 0.02)
    covered = (arms & (top.v <= style.sleeve)) * sleeve + (legs & (top.v <= style.hem)) * hem
    return np.asarray(covered + torso * rng.uniform(0.0, 0.008), np.float64)


def dress(rng: np.random.Generator) -> Outfit:
    """Draw an outfit."""
    style = _draw_style(rng)
    top = topology()
    length = 0.5 if style.hat else style.hair_length
    worn = np.ones(len(top.faces), bool)
    worn &= (top.face_part != PART["hair"]) | (top.face_v < length)
    worn &= (top.face_part != PART["skirt"]) | (top.face_v < style.skirt)
    if style.skirt > 0:  # what it always covers
        thighs = np.isin(top.face_part, (PART["left_thigh"], PART["right_thigh"]))
        worn &= ~((top.face_part == PART["torso"]) & (top.face_v > WAIST + 0.03)) & ~(thighs & (top.face_v < 0.15))
    return Outfit(_paint(rng, style), _padding(rng, style), worn)
