"""Copies of made photographs are found, whatever was done to them; other photographs are not."""

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

from data.duplicates import BITS, Pair, Prints, distances, image_hash, near, prints, square
from data.types import Person, PoseSample
from tests.conftest import Picture, make_person

HEIGHT, WIDTH = 220, 180


def photograph(seed, height=HEIGHT, width=WIDTH):
    """Clouds at all scales, each half as strong as the next coarser: the spectrum of photographs."""
    rng = np.random.default_rng(seed)
    total = sum(
        cv2.resize(rng.normal(0, 40 / 2**k, (4 * 2**k, 3 * 2**k, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
        for k in range(5)
    )
    return np.clip(128 + total, 0, 255).astype(np.uint8)


def sample(image, *people, image_id=0):
    return PoseSample(image_id, Picture(np.ascontiguousarray(image)), image.shape[:2], people)


def encoded(image, quality):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


COPIES = {
    "exact": lambda image: image,
    "encoded again": lambda image: encoded(image, 40),
    "half the size": lambda image: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "twice the size": lambda image: cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR),
    "brighter": lambda image: np.clip(1.2 * image + 10, 0, 255).astype(np.uint8),
    "cut by 2 % on each side": lambda image: image[4:-4, 4:-4],
    "cut by 3 % at a corner": lambda image: image[6:, 5:],
}
PHOTOGRAPHS = [photograph(seed) for seed in range(40)]


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
def test_a_copy_is_found_and_only_its_own_photograph(copy):
    train = prints([sample(image) for image in PHOTOGRAPHS])
    test = prints([sample(copy(PHOTOGRAPHS[i])) for i in (3, 17, 31)])
    found = near(train, test)
    assert {(pair.test, pair.train) for pair in found} == {(0, 3), (1, 17), (2, 31)}
    assert all(pair.part == "image" and not pair.mirrored and pair.bits <= BITS for pair in found)


def test_a_mirrored_copy_is_found_and_called_so():
    train, test = prints([sample(image) for image in PHOTOGRAPHS]), prints([sample(PHOTOGRAPHS[5][:, ::-1])])
    assert near(train, test) == [Pair(0, 0, 5, "image", True)]


def test_other_photographs_are_far_apart():
    train, test = (prints([sample(image) for image in half]) for half in (PHOTOGRAPHS[:20], PHOTOGRAPHS[20:]))
    assert near(train, test) == []
    far = distances(test["image"].hashes, train["image"].hashes)
    assert far.mean() == pytest.approx(128, abs=4), "half of 256 bits, as by tossing coins"


def test_an_exact_copy_differs_in_no_bit():
    train, test = prints([sample(PHOTOGRAPHS[0])]), prints([sample(PHOTOGRAPHS[0])])
    assert near(train, test, 0) == [Pair(0, 0, 0, "image", False)]


def moved(person, x, y):
    return replace(person, joints=np.add(person.joints, (x, y)), box=np.add(person.box, (x, y, x, y)))


def test_another_cut_of_a_photograph_is_found_by_its_person():
    scene, person = photograph(100, 400, 400), moved(make_person(1, low=0, high=120), 140, 140)
    one, other = sample(scene[100:320, 80:300], moved(person, -80, -100)), sample(scene[:, 60:], moved(person, -60, 0))
    (pair,) = near(prints([one]), prints([other]))
    assert (pair.part, pair.mirrored) == ("person", False)
    assert near(prints([replace(one, people=())]), prints([replace(other, people=())])) == []


def test_the_square_around_a_person_repeats_the_edge_outside_the_image():
    image = np.zeros((100, 100, 3), np.uint8)
    image[:, 0] = 200
    cut = square(image, Person(np.zeros((2, 2)), np.full(2, 2), np.array([0.0, 10.0, 0.0, 90.0])))
    assert cut.shape == (96, 96, 3), "1.2 times 80"
    assert (cut[:, :49] == 200).all() and (cut[:, 49:] == 0).all(), "columns -48 to 47, of which 0 is bright"


def test_people_too_small_or_to_ignore_and_images_of_one_grey_say_nothing():
    grey, small = np.full((HEIGHT, WIDTH, 3), 90, np.uint8), make_person(2, low=50, high=80)
    assert image_hash(grey) is None
    ignored = replace(make_person(3), ignore=True)
    found = prints([sample(grey), sample(PHOTOGRAPHS[0], small, ignored)])
    assert found["image"].owners.tolist() == [1] and found["person"].owners.tolist() == []
    assert near(found, prints([sample(grey)])) == []


def test_distances_are_those_of_counting_bit_by_bit():
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 2**64, (n, 4), np.uint64) for n in (7, 5))
    by_hand = [[sum(int(x ^ y).bit_count() for x, y in zip(r, s, strict=True)) for s in b] for r in a]
    assert distances(a, b).tolist() == by_hand


def test_ten_thousand_against_a_thousand_hashes_find_what_was_planted():
    """More pairs than one block holds; the images of one split are not compared among each other."""
    rng = np.random.default_rng(1)
    known, asked = (rng.integers(0, 2**64, (n, 4), np.uint64) for n in (10_000, 1000))
    asked[999], asked[0] = known[9999], known[0] ^ np.array([0, 7, 0, 0], np.uint64)
    known[5] = known[6]

    def of(hashes):
        return {
            "image": Prints(np.arange(len(hashes)), hashes, ~hashes),
            "person": Prints(*(np.zeros((0, 4), np.uint64),) * 3),
        }

    found = near(of(known), of(asked), 40)
    assert found == [Pair(0, 999, 9999, "image", False), Pair(3, 0, 0, "image", False)]
    assert all(one.bits <= other.bits for one, other in pairwise(found))


def test_progress_counts_the_images():
    seen = []
    prints([sample(image) for image in PHOTOGRAPHS[:3]], lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
