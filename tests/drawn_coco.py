"""A folder in COCO's layout, drawn: stick figures of five joints that no data set has."""

import json
from pathlib import Path

import cv2
import numpy as np

JOINTS = ["Beak", "wing_left", "wing_right", "l foot", "r foot"]
CATEGORY = {"id": 7, "name": "bird", "keypoints": JOINTS, "skeleton": [[1, 2], [1, 3], [2, 4], [3, 5]]}
SHAPE = np.array([[0.5, 0.05], [0.95, 0.4], [0.05, 0.4], [0.8, 0.95], [0.2, 0.95]])  # x, y in units of the box
SIZE = (120, 160)  # H, W


def annotation(number, image_id, corner, side, **changes):
    """A bird in a square box, every joint labelled."""
    joints = np.asarray(corner, float) + side * SHAPE
    facts = {"id": number, "image_id": image_id, "category_id": 7, "iscrowd": 0, "num_keypoints": 5}
    facts |= {"keypoints": np.column_stack([joints, np.full(5, 2)]).ravel().tolist(), "area": 0.5 * side**2}
    return {**facts, "bbox": [*map(float, corner), side, side], **changes}


def content(count, first_id=1, birds=2):
    """``count`` images of some birds each, side by side."""
    rng = np.random.default_rng(first_id)
    images = [
        {"id": first_id + i, "file_name": f"{first_id + i:04d}.png", "height": SIZE[0], "width": SIZE[1]}
        for i in range(count)
    ]
    annotations = [
        annotation(100 * image["id"] + b, image["id"], (5 + 75 * b, rng.uniform(5, 45)), rng.uniform(50, 70))
        for image in images
        for b in range(birds)
    ]
    return {"images": images, "annotations": annotations, "categories": [CATEGORY]}


def draw(path, listed):
    """Paint the birds of one image of a content."""
    image_id = int(path.stem)
    picture = np.full((*SIZE, 3), 90, np.uint8)
    for bird in (a for a in listed["annotations"] if a["image_id"] == image_id):
        joints = np.array(bird["keypoints"]).reshape(-1, 3)[:, :2].round().astype(int)
        for k, joint in enumerate(joints):
            cv2.line(picture, joints[0].tolist(), joint.tolist(), (200, 200, 200), 2)
            cv2.circle(picture, joint.tolist(), 4, (40 * k, 255 - 40 * k, 128), -1)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture)


def write(folder: Path, splits, images="images/{}", files="{}.json") -> Path:
    """Write the contents of the splits and their pictures."""
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    for split, listed in splits.items():
        (folder / "annotations" / files.format(split)).write_text(json.dumps(listed))
        for image in listed["images"]:
            draw(folder / images.format(split) / image["file_name"], listed)
    return folder


def birds(root: Path) -> Path:
    """Write the data set ``birds``: 8 images to train, 4 for val, the last of them without birds."""
    val = content(4, 101)
    val["annotations"] = [a for a in val["annotations"] if a["image_id"] < 104]
    return write(root / "birds", {"train": content(8), "val": val})
