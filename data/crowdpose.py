"""CrowdPose (Li et al., CVPR 2019): the official JSON, one sample per image with all its people.

Coordinates are used as they are. The file gives no areas (its evaluation takes 0.53 of the box) and counts neither head
nor neck in ``num_keypoints``. As in COCO, a crowd region or a person with a count of 0 is ``ignore``. Each image has a
crowd index, for the evaluation: `crowd_index`. Images without annotated people are left out of the samples.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.annotations import find_folder, names_in, quote, read_json, require_images
from data.types import DataError, ImageFile, Person, PoseSample

if TYPE_CHECKING:
    from data import ReadOptions

FOLDERS = ("crowdpose", "CrowdPose")
SPLITS = ("train", "val", "test")
JOINTS = 14
JSON_FOLDERS = ("", "json", "annotations")  # where people put the files: bare, as the archive unpacks, as COCO


def read(split: str, root: Path, options: ReadOptions) -> list[PoseSample]:
    """Read the images of one split that have annotated people, in the order of the file.

    val and test can be read, and scored, without any images; loading the pixels is then an error.

    Args:
        split: train, val or test.
        root: folder of all data sets.
        options: ``convention`` must be pc; ``extra`` has nothing to add.

    Raises:
        DataError: if an option is unknown, or the folder is not as published.
    """
    if options.convention != "pc":
        raise DataError(f"crowdpose: no convention {options.convention!r}; expected pc")
    path = annotation_file(split, root)
    pictures = find_folder(root, FOLDERS) / "images"
    samples = read_annotations(path, pictures)
    if split == "train" or pictures.is_dir():
        require_images(pictures, [s.pixels.path.name for s in samples if isinstance(s.pixels, ImageFile)])
    return samples


def annotation_file(split: str, root: Path) -> Path:
    """Find the official file of a split.

    Raises:
        DataError: if there is no such split, or the file is missing.
    """
    if split not in SPLITS:
        raise DataError(f"crowdpose: no split {split!r}; expected {', '.join(SPLITS)}")
    folder, name = find_folder(root, FOLDERS), f"crowdpose_{split}.json"
    found = next((folder / part / name for part in JSON_FOLDERS if (folder / part / name).is_file()), None)
    if found is None:
        raise DataError(f"{folder}: holds {quote(names_in(folder))}; expected {name} in it, in json or in annotations")
    return found


def read_annotations(path: Path, pictures: Path) -> list[PoseSample]:
    """Read an official file; the images need not be there until their pixels are loaded.

    Raises:
        DataError: if the file is not a CrowdPose file.
    """
    try:
        return _samples(read_json(path), pictures)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: {error!r} on reading; is this a CrowdPose file?") from error


def crowd_index(path: Path) -> dict[int, float]:
    """Return the crowd index of each image of an official file, by image id: 0 is no crowding; some exceed 1.

    Raises:
        DataError: if the file has none.
    """
    try:
        return {image["id"]: float(image["crowdIndex"]) for image in read_json(path)["images"]}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: {error!r} on reading; is this a CrowdPose file?") from error


def _samples(content: Any, pictures: Path) -> list[PoseSample]:
    people: dict[int, list[Person]] = {}
    for annotation in content["annotations"]:
        people.setdefault(annotation["image_id"], []).append(_person(annotation))
    images = [image for image in content["images"] if image["id"] in people]
    unlisted = people.keys() - {image["id"] for image in images}
    if unlisted:
        raise ValueError(f"annotations of image {min(unlisted)}, which is not listed")
    return [
        PoseSample(i["id"], ImageFile(pictures / i["file_name"]), (i["height"], i["width"]), tuple(people[i["id"]]))
        for i in images
    ]


def _person(annotation: Any) -> Person:
    joints = np.array(annotation["keypoints"], np.float64).reshape(JOINTS, 3)  # x, y, v of each joint
    x, y, width, height = annotation["bbox"]
    return Person(
        joints=joints[:, :2],
        visible=joints[:, 2].astype(np.int64),
        box=np.array([x, y, x + width, y + height], np.float64),
        ignore=bool(annotation["iscrowd"]) or annotation["num_keypoints"] == 0,
    )
