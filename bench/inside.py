"""The picture of a method's inside: a row a person, a column a panel."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch

from bench.draw import MIDDLE, TRUTH, draw_people, draw_pose, grid, person_colour, side_colour, titles
from data.inputs import NO_EPOCH, Inputs
from data.types import FloatArray, PoseBatch, Skeleton, UInt8Array
from methods.base import PoseMethod
from methods.inside import Panel

TILE = 224  # pixels of the longer side
DIM, GLOW = 0.35, 0.9  # how much of the input and of the coloured map is seen where they lie over each other
ARROW, LEAST_ARROW = 0.8, 0.25  # cells that a vector of length 1 is drawn long; shorter ones are not drawn
GREY = (150, 150, 150)
ARROWS = 48  # at most along a side: of a finer field every second, third ... is drawn


def inside_sheet(method: PoseMethod, inputs: Inputs, positions: Sequence[int]) -> UInt8Array | None:
    """Draw the inside of a method for some inputs; None for a method that shows nothing."""
    batch = inputs.__getitems__([(NO_EPOCH, position) for position in positions])
    was_training = method.training
    method.eval()
    with torch.inference_mode():
        panels = method.inside(batch.to(method.device))
    method.train(was_training)
    if not panels:
        return None
    columns = [_truth(batch), *panels]
    tiles = [_tile(batch, b, panel, inputs.skeleton) for b in range(len(batch)) for panel in columns]
    sheet = grid(tiles, len(columns))
    return np.concatenate([titles([panel.title for panel in columns], sheet.shape[1]), sheet])


def _truth(batch: PoseBatch) -> Panel:
    if batch.joints.shape[1] > 1:
        known = torch.where((batch.visible > 0)[..., None], batch.joints, torch.nan)
        return Panel("input and truth", people=list(known))
    labelled = (batch.visible[:, 0] > 0)[..., None]
    return Panel("input and truth", joints=torch.where(labelled, batch.joints[:, 0], torch.nan))


def _tile(batch: PoseBatch, b: int, panel: Panel, skeleton: Skeleton) -> UInt8Array:
    """Draw one panel over one input."""
    h, w = batch.images.shape[-2:]
    scale = TILE / max(h, w)
    size = (round(w * scale), round(h * scale))
    images = batch.images if panel.images is None else panel.images
    picture = np.asarray(cv2.resize(images[b].permute(1, 2, 0).cpu().numpy(), size), np.uint8)
    if panel.maps is not None:
        picture = _glow(picture, _array(panel.maps[b].amax(0)), size)
    if panel.arrows is not None:
        _draw_arrows(picture, _array(panel.arrows[b]))
    for i, (start, end) in enumerate([] if panel.segments is None else _array(panel.segments[b]) * scale):
        cv2.line(picture, _pixel(start), _pixel(end), person_colour(i), 1, cv2.LINE_AA)
    for i, point in enumerate([] if panel.points is None else _array(panel.points[b]) * scale):
        group = None if panel.groups is None else int(panel.groups[b][i])
        shade = TRUTH if group is None else GREY if group < 0 else person_colour(group)
        cv2.circle(picture, _pixel(point), 2, shade, -1, cv2.LINE_AA)
    if panel.people is not None:
        draw_people(picture, _array(panel.people[b]) * scale, skeleton, thickness=1)
    if panel.boxes is not None:
        boxes = _array(panel.boxes[b])
        names = skeleton.joints if len(boxes) == len(skeleton.joints) else [""] * len(boxes)
        for corners, name in zip(boxes, names, strict=True):
            if np.isfinite(corners).all():
                line = np.round(corners * scale).astype(np.int32)
                cv2.polylines(picture, [line], True, side_colour(name) if name else MIDDLE, 1, cv2.LINE_AA)
    if panel.joints is not None:
        joints = _array(panel.joints[b]) * scale
        colour = TRUTH if panel.title == "input and truth" else None
        draw_pose(picture, joints, np.ones(len(joints), bool), skeleton, colour=colour, thickness=1)
    return picture


def _glow(picture: UInt8Array, heat: FloatArray, size: tuple[int, int]) -> UInt8Array:
    """Lay a coloured map over a dimmed picture."""
    levels = np.round(255 * np.clip(heat, 0, 1)).astype(np.uint8)
    large = cv2.resize(levels, size, interpolation=cv2.INTER_NEAREST)
    coloured = cv2.cvtColor(cv2.applyColorMap(large, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    return np.asarray(cv2.addWeighted(picture, DIM, coloured, GLOW, 0), np.uint8)


def _draw_arrows(picture: UInt8Array, field: FloatArray) -> None:
    """Draw a field (2, h', w') that lies over the whole picture, an arrow a cell, coloured by its direction."""
    h, w = field.shape[1:]
    step, cell = -(-max(h, w) // ARROWS), np.array([picture.shape[1] / w, picture.shape[0] / h])
    for y, x in zip(*np.nonzero(np.hypot(*field) >= LEAST_ARROW), strict=True):
        if y % step or x % step:
            continue
        start, way = (np.array([x, y]) + 0.5) * cell, field[:, y, x] * cell * ARROW * step
        hue = round(np.degrees(np.arctan2(way[1], way[0])) / 2) % 180
        colour = cv2.cvtColor(np.array([[[hue, 200, 255]]], np.uint8), cv2.COLOR_HSV2RGB)[0, 0].tolist()
        cv2.arrowedLine(
            picture, _pixel(start - way / 2), _pixel(start + way / 2), colour, 1, cv2.LINE_AA, tipLength=0.4
        )


def _pixel(point: FloatArray) -> tuple[int, int]:
    """Round to the pixel of a picture."""
    return round(float(point[0])), round(float(point[1]))


def _array(tensor: torch.Tensor) -> FloatArray:
    return tensor.double().cpu().numpy()
