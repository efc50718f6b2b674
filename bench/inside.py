"""The picture of a method's inside: a row a person, a column a panel."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch

from bench.draw import MIDDLE, TRUTH, draw_pose, grid, side_colour
from data.inputs import NO_EPOCH, Inputs
from data.types import FloatArray, PoseBatch, Skeleton, UInt8Array
from methods.base import PoseMethod
from methods.inside import Panel

TILE = 224  # pixels of the longer side
TITLE_HEIGHT, TITLE_SCALE = 22, 0.45  # pixels; of OpenCV's font
DIM, GLOW = 0.35, 0.9  # how much of the input and of the coloured map is seen where they lie over each other


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
    return np.concatenate([_titles([panel.title for panel in columns], sheet.shape[1]), sheet])


def _truth(batch: PoseBatch) -> Panel:
    labelled = (batch.visible[:, 0] > 0)[..., None]
    return Panel("input and truth", joints=torch.where(labelled, batch.joints[:, 0], torch.nan))


def _tile(batch: PoseBatch, b: int, panel: Panel, skeleton: Skeleton) -> UInt8Array:
    """Draw one panel over one input."""
    h, w = batch.images.shape[-2:]
    scale = TILE / max(h, w)
    size = (round(w * scale), round(h * scale))
    picture = np.asarray(cv2.resize(batch.images[b].permute(1, 2, 0).cpu().numpy(), size), np.uint8)
    if panel.maps is not None:
        picture = _glow(picture, _array(panel.maps[b].amax(0)), size)
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


def _titles(titles: Sequence[str], width: int) -> UInt8Array:
    """Write the titles over their columns."""
    strip = np.full((TITLE_HEIGHT, width, 3), 32, np.uint8)
    for i, title in enumerate(titles):
        place = (i * width // len(titles) + 4, TITLE_HEIGHT - 7)
        cv2.putText(strip, title, place, cv2.FONT_HERSHEY_SIMPLEX, TITLE_SCALE, (235, 235, 235), 1, cv2.LINE_AA)
    return strip


def _array(tensor: torch.Tensor) -> FloatArray:
    return tensor.double().cpu().numpy()
