"""The drawn data set: splits, recipes, the same pixels everywhere."""

import hashlib
import multiprocessing
import pickle
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from data import ReadOptions
from data.skeletons import COCO17, LSP14, MPII16
from data.synthetic import SPLITS, Drawn, reader, render
from data.synthetic.background import bank
from data.types import DataError

ROOT = Path("nowhere")
INDICES = (4, 0, 7)


def digest(index: int) -> str:
    render.cache_clear()
    recipe = Drawn(0, index)
    (person,) = recipe.people(COCO17)
    parts = (recipe.load(), person.joints, person.visible, person.box, person.joints3d)
    return hashlib.sha256(b"".join(np.ascontiguousarray(p).tobytes() for p in parts)).hexdigest()


def digests_elsewhere() -> dict[int, str]:
    """In another order, with another global state, and with a bank of its own."""
    bank.cache_clear()
    np.random.seed(3)  # noqa: NPY002 (that the global state does not matter is the point)
    cv2.setRNGSeed(3)
    return {index: digest(index) for index in reversed(INDICES)}


def test_another_process_and_order_draw_the_same_bytes():
    here = {index: digest(index) for index in INDICES}
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(digests_elsewhere).get(timeout=30) == here


def test_the_number_of_opencv_threads_changes_nothing():
    before, threads = digest(3), cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        assert digest(3) == before
    finally:
        cv2.setNumThreads(threads)


def test_pictures_are_rgb_bytes_and_differ():
    pictures = [Drawn(0, index).load() for index in range(6)]
    assert all(p.shape == (256, 256, 3) and p.dtype == np.uint8 for p in pictures)
    assert len({p.tobytes() for p in pictures}) == 6
    assert all(p.std() > 10 for p in pictures)  # not one grey


def test_writing_on_a_picture_does_not_change_the_next_load():
    first = Drawn(1, 1).load()
    kept = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(Drawn(1, 1).load(), kept)


@pytest.mark.parametrize(("split", "count"), [("train", 8192), ("val", 256), ("test", 1000)])
def test_splits_have_their_sizes_and_reading_draws_nothing(split: str, count: int):
    drawn = render.cache_info().misses
    samples = reader(MPII16)(split, ROOT, ReadOptions())
    assert len(samples) == count and [s.image_id for s in samples] == list(range(count))
    assert render.cache_info().misses == drawn


def test_no_recipe_is_in_two_splits():
    recipes = [s.pixels for split in SPLITS for s in reader(LSP14)(split, ROOT, ReadOptions())]
    assert len(set(recipes)) == len(recipes) == 8192 + 256 + 1000


def test_truth_and_pixels_are_drawn_once():
    sample = reader(COCO17)("val", ROOT, ReadOptions())[9]
    render.cache_clear()
    assert len(sample.people) == 1 and sample.pixels.load().shape[:2] == sample.size
    assert render.cache_info().misses == 1


def test_a_sample_survives_pickling_and_replace():
    sample = reader(LSP14)("val", ROOT, ReadOptions())[2]
    again = pickle.loads(pickle.dumps(sample))
    np.testing.assert_array_equal(again.people[0].joints, sample.people[0].joints)
    renamed = replace(sample, image_id=77)
    assert renamed.image_id == 77 and renamed.people == sample.people


def test_an_unknown_split_and_convention_are_refused():
    with pytest.raises(DataError, match="no split 'dev'"):
        reader(LSP14)("dev", ROOT, ReadOptions())
    with pytest.raises(DataError, match="pc"):
        reader(LSP14)("val", ROOT, ReadOptions(convention="oc"))
