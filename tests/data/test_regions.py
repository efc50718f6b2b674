"""Polygons and run lengths of COCO's format become the same regions."""

import cv2
import numpy as np
import pytest
from pycocotools import mask

from data.coco_format import read_samples
from data.regions import polygons
from tests.drawn_coco import annotation, content, write

BLOCK = np.zeros((30, 40), np.uint8)
BLOCK[5:15, 10:30] = 1  # rows 5 to 14, columns 10 to 29


def filled(regions, shape=BLOCK.shape):
    picture = np.zeros(shape, np.uint8)
    cv2.fillPoly(picture, [np.round(corners).astype(np.int32) for corners in regions], 1)
    return picture


def compressed(picture):
    return mask.encode(np.asfortranarray(picture))


def uncompressed(picture):
    flat = picture.ravel(order="F")
    changes = np.flatnonzero(np.diff(np.concatenate([[0], flat, [1 - flat[-1]]])))
    return {"size": list(picture.shape), "counts": np.diff(np.concatenate([[0], changes])).tolist()}


@pytest.mark.parametrize("encode", [compressed, uncompressed])
def test_run_lengths_become_the_outline_of_their_pixels(encode):
    (corners,) = polygons(encode(BLOCK))
    assert sorted(map(tuple, corners.tolist())) == [(10, 5), (10, 14), (29, 5), (29, 14)]
    np.testing.assert_array_equal(filled([corners]), BLOCK)


def test_compressed_counts_may_be_text():
    runs = compressed(BLOCK)
    (corners,) = polygons({"size": runs["size"], "counts": runs["counts"].decode()})
    np.testing.assert_array_equal(filled([corners]), BLOCK)


def test_parts_are_polygons_of_their_own_and_holes_are_filled():
    ring = BLOCK.copy()
    ring[8:12, 15:25] = 0
    ring[20:28, 2:9] = 1
    regions = polygons(compressed(ring))
    assert len(regions) == 2
    expected = BLOCK.copy()
    expected[20:28, 2:9] = 1
    np.testing.assert_array_equal(filled(regions), expected)


def test_polygons_are_taken_as_they_are():
    one, other = polygons([[1, 2, 3.5, 4, 5, 6], [0, 0, 9, 0, 9, 9, 0, 9]])
    assert one.tolist() == [[1, 2], [3.5, 4], [5, 6]] and other.shape == (4, 2)


@pytest.mark.parametrize("nothing", [None, [], {}, [[1, 2, 3, 4]], uncompressed(BLOCK * 0)])
def test_nothing_has_no_region(nothing):
    assert polygons(nothing) == ()


@pytest.mark.parametrize("broken", [[[1, 2, 3]], "mask", {"size": [3, 3]}, {"counts": [9]}, [["a", "b"]]])
def test_what_is_neither_is_told(broken):
    with pytest.raises(ValueError, match="neither polygons nor run lengths"):
        polygons(broken)


def test_only_the_ignored_have_a_region(tmp_path):
    listed = content(1)
    square = [[0, 0, 9, 0, 9, 9, 0, 9]]
    unlabelled = {"num_keypoints": 0, "keypoints": [0] * 15}
    listed["annotations"] = [
        annotation(1, 1, (5, 5), 50, segmentation=square),
        annotation(2, 1, (5, 5), 50, segmentation=square, **unlabelled),
        annotation(3, 1, (5, 5), 50, segmentation=uncompressed(BLOCK), iscrowd=1, **unlabelled),
        annotation(4, 1, (5, 5), 50, **unlabelled),
    ]
    file = write(tmp_path / "birds", {"val": listed}) / "annotations" / "val.json"
    people = read_samples(file, tmp_path, 5, category=7, empty=True)[0].people
    assert [(p.ignore, p.crowd, len(p.region)) for p in people] == [
        (False, False, 0),
        (True, False, 1),
        (True, True, 1),
        (True, False, 0),
    ]
