"""``bench predict``: a trained method on somebody's own pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from bench import draw
from bench.errors import UserError, unknown
from bench.predictions import coco_results
from bench.record import atomically
from data import DATASETS
from data.augment import Augment
from data.boxes import BoxSource
from data.inputs import NO_EPOCH, Inputs
from data.types import ImageFile, Person, PosePrediction, PoseSample
from data.views import PersonCrop
from methods import METHODS
from methods.base import PoseMethod

Progress = Callable[[int, int], None]  # told how many of how many are done
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


def load_method(path: Path, changed: Mapping[str, object] | None = None) -> PoseMethod:
    """Rebuild a trained method from its checkpoint alone; nothing in the file is executed.

    Args:
        path: The checkpoint.
        changed: Options of the method that take the place of the checkpoint's; they must leave the network as it is.

    Raises:
        UserError: if the file is not a checkpoint of this suite, or of a method that is not here, or does not fit.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds for a damaged file
        raise UserError(f"{path}: not a checkpoint ({type(error).__name__}); last.ckpt of a run expected") from error
    if not isinstance(state, dict) or "vitruvian" not in state:
        raise UserError(f"{path}: a checkpoint, but not of this suite; last.ckpt of a run expected")
    about = state["vitruvian"]
    if about["method"] not in METHODS:
        raise unknown("method", about["method"], METHODS)
    if about["dataset"] not in DATASETS:
        raise UserError(
            f"{path}: trained on {about['dataset']}, whose joints are not known here; put it under $POSE_DATA"
        )
    method = METHODS[about["method"]](
        DATASETS[about["dataset"]].skeleton, **{**about["method_options"], **(changed or {})}
    )
    try:
        method.load_state_dict(state["state_dict"])
    except RuntimeError as error:
        if changed:
            raise UserError(f"{path}: does not fit {', '.join(changed)} as given; only options of the test") from error
        raise UserError(
            f"{path}: does not fit {about['method']} on today's {about['dataset']}; other joints?"
        ) from error
    return method.eval()


def find_images(paths: Sequence[Path]) -> list[Path]:
    """List the pictures among files and folders, each folder's in order of name.

    Raises:
        UserError: if a path does not exist or a folder has none.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UserError(f"--images {path}: there is no such file or folder")
        here = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        if not here:
            raise UserError(f"--images {path}: holds no picture ({', '.join(sorted(SUFFIXES))})")
        found += here
    return found


def predict(checkpoint: Path, images: Sequence[Path], out: Path, *, progress: Progress | None = None) -> Path:
    """Run a trained method on pictures; write each with its joints, and all results as a COCO list.

    A method that works on crops takes the whole picture as its crop: cut the pictures first if people are small.

    Returns:
        The path of ``results.json``; its image ids count the pictures from 1, named in ``images.json``.
    """
    method, paths = load_method(checkpoint), find_images(images)
    out.mkdir(parents=True, exist_ok=True)
    ids, everyone = list(range(1, len(paths) + 1)), []
    for image_id, path in zip(ids, paths, strict=True):
        sample = _sample(method, path, image_id)
        found = _find(method, sample)
        everyone.append(found)
        draw.write_picture(out / f"{image_id:05d}-{path.stem}.jpg", _drawn(method, sample, found))
        if progress:
            progress(image_id, len(paths))
    with atomically(out / "results.json") as temporary:
        temporary.write_text(json.dumps(coco_results(everyone, ids)))
    with atomically(out / "images.json") as temporary:
        temporary.write_text(json.dumps(dict(zip(ids, map(str, paths), strict=True)), indent=1))
    return out / "results.json"


def _sample(method: PoseMethod, path: Path, image_id: int) -> PoseSample:
    pixels = ImageFile(path)
    height, width = pixels.load().shape[:2]
    k = len(method.skeleton.joints)
    nobody = Person(np.zeros((k, 2)), np.zeros(k, np.int64), np.array([0.0, 0.0, width, height]))
    return PoseSample(image_id, pixels, (height, width), (nobody,))


def _find(method: PoseMethod, sample: PoseSample) -> PosePrediction:
    view = replace(method.view, padding=1.0) if isinstance(method.view, PersonCrop) else method.view
    inputs = Inputs([sample], method.skeleton, view, boxes=BoxSource(), augment=Augment(), seed=0, max_bytes=0)
    with torch.inference_mode():
        return method.predict(inputs[NO_EPOCH, 0])[0].cpu()


def _drawn(
    method: PoseMethod, sample: PoseSample, found: PosePrediction
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    picture = sample.pixels.load().copy()
    thickness = max(2, min(sample.size) // 150)
    for joints in found.joints.double().numpy():
        draw.draw_pose(picture, joints, np.ones(len(joints), bool), method.skeleton, thickness=thickness)
    return picture
