import numpy as np
import pytest

from data.boxes import BoxSource
from data.types import DataError, apply_affine, invert_affine
from data.views import Look, PersonCrop, WholeImage


def look(x0, y0, x1, y1, person=0):
    return Look(0, person, np.array([x0, y0, x1, y1], float))


def test_crop_of_the_published_example():
    """Box x=10 y=20 w=40 h=40 for 192x256 (width x height): centre (30, 40), sides 1.25 * 40 and 1.25 * 53.333."""
    affine = PersonCrop((256, 192)).to_input(look(10, 20, 50, 60))
    np.testing.assert_allclose(apply_affine(np.array([30.0, 40.0]), affine), [96, 128])
    np.testing.assert_allclose(apply_affine(np.array([30 + 25, 40.0]), affine), [192, 128])
    np.testing.assert_allclose(apply_affine(np.array([30, 40 + 1.25 * 160 / 3 / 2]), affine), [96, 256])


@pytest.mark.parametrize(("w", "h"), [(10, 80), (80, 10), (33, 57)])
def test_crop_keeps_the_aspect_and_holds_the_box(w, h):
    view = PersonCrop((96, 64))
    affine = view.to_input(look(5, 7, 5 + w, 7 + h))
    assert affine[0, 0] == pytest.approx(affine[1, 1]) and affine[0, 1] == affine[1, 0] == 0
    corners = apply_affine(np.array([[5.0, 7], [5 + w, 7 + h]]), affine)
    assert (corners >= 0).all() and (corners <= [64, 96]).all()


def test_stretched_crop_maps_the_box_onto_the_input():
    affine = PersonCrop((64, 64), padding=1.0, stretch=True).to_input(look(10, 20, 30, 100))
    np.testing.assert_allclose(apply_affine(np.array([[10.0, 20], [30, 100]]), affine), [[0, 0], [64, 64]], atol=1e-12)


def test_box_without_size_still_gives_a_crop():
    affine = PersonCrop((64, 64)).to_input(look(10, 20, 10, 20))
    assert np.isfinite(invert_affine(affine)).all()


def test_whole_image_fits_and_is_centred():
    affine = WholeImage((100, 200)).to_input(look(0, 0, 300, 300, None))
    np.testing.assert_allclose(apply_affine(np.array([[0.0, 0], [300, 300]]), affine), [[50, 0], [150, 100]])


def test_views_list_people_or_images(crowds):
    crops = PersonCrop((64, 64)).looks(crowds, BoxSource())
    assert [(c.sample, c.person) for c in crops] == [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)]
    assert [(c.sample, c.person) for c in WholeImage((64, 64)).looks(crowds, BoxSource())] == [
        (i, None) for i in range(4)
    ]


def test_a_person_can_be_shown_with_the_whole_image(crowds):
    looks = PersonCrop((64, 64), whole=True).looks(crowds, BoxSource())
    assert [(c.sample, c.person) for c in looks] == [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)]
    assert all(c.box.tolist() == [0, 0, 240, 200] for c in looks)


def test_others_follow_the_person_that_is_asked_for(crowds):
    view = PersonCrop((64, 64), others=True)
    (first, second, third), (_, asked, _) = crowds[3].people, view.looks([crowds[3]], BoxSource())
    assert view.labelled(crowds[3], asked) == (second, first, third)
    assert view.truth(crowds[3], asked) == (second,)


def test_jittered_boxes_depend_on_the_image_alone(crowds):
    source = BoxSource.parse("jitter:0.1")
    once, again = source.boxes(crowds[3]), source.boxes(crowds[3])
    np.testing.assert_array_equal([box.corners for box in once], [box.corners for box in again])
    assert all((box.corners != crowds[3].people[box.person].box).all() for box in once)


def test_jitter_has_the_deviation_it_says(samples):
    source, shifts = BoxSource(0.1), []
    for image_id in range(3000):
        sample = samples[0].__class__(image_id, samples[0].pixels, samples[0].size, samples[0].people)
        (_, box, _), truth = source.boxes(sample)[0], sample.people[0].box
        shifts.append((box[:2] + box[2:] - truth[:2] - truth[2:]) / 2 / (truth[2:] - truth[:2]))
    np.testing.assert_allclose(np.std(shifts, axis=0), 0.1, rtol=0.06)


def test_a_detector_that_sees_double_gives_everybody_further_boxes_each_with_its_own_noise(crowds):
    one, three = (BoxSource.parse(text) for text in ("jitter:0.1", "jitter:0.1:2"))
    plain, doubled = one.boxes(crowds[3]), three.boxes(crowds[3])
    people = len(plain)
    assert [box.person for box in doubled] == [box.person for box in plain] * 3
    for box, same in zip(plain, doubled, strict=False):
        np.testing.assert_array_equal(box.corners, same.corners)  # those before stay as they are
    corners = np.stack([box.corners for box in doubled]).reshape(3, people, 4)
    assert (corners[0] != corners[1]).all() and (corners[1] != corners[2]).all()
    assert (one.label, three.label) == ("jitter:0.1", "jitter:0.1:2") and BoxSource.parse(three.label) == three
    assert three.in_training() == one, "nobody is trained on twice"


def test_doubles_without_noise_are_the_same_box_again(crowds):
    source = BoxSource.parse("jitter:0:1")
    assert source.label == "jitter:0.0:1" and BoxSource.parse(source.label) == source
    boxes = source.boxes(crowds[2])
    assert [box.person for box in boxes] == [0, 1, 0, 1]
    np.testing.assert_array_equal(boxes[0].corners, boxes[2].corners)


WRONG = [
    "",
    "jitter",
    "jitter:x",
    "jitter:0",
    "jitter:2",
    "jitter:0.1:x",
    "jitter:0.1:-1",
    "jitter:0.1:10",
    "found.json",
]


@pytest.mark.parametrize("text", WRONG)
def test_unknown_box_source_is_refused(text):
    with pytest.raises(DataError, match="expected truth, or jitter"):
        BoxSource.parse(text)
