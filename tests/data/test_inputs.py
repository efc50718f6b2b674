"""The way from a sample to a batch and back."""

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from data.augment import Augment, about_middle, recolour
from data.boxes import BoxSource
from data.inputs import NO_EPOCH, Epochs, InOrder, Inputs
from data.module import _already_a_batch
from data.pixels import PixelStore
from data.skeletons import LSP14
from data.types import DataError, PoseSample, apply_affine
from data.views import PersonCrop, WholeImage
from tests.conftest import Picture

STILL = Augment(scale=0, rotation=0, flip=0)
MIRROR = Augment(scale=0, rotation=0, flip=1)


def inputs(samples, view=None, augment=None, seed=0):
    view = view or PersonCrop((64, 48))
    return Inputs(
        samples, LSP14, view, boxes=BoxSource(), augment=augment or Augment(translation=0.1), seed=seed, max_bytes=2**20
    )


@pytest.mark.parametrize(
    "view", [PersonCrop((64, 48)), PersonCrop((32, 32), stretch=True), WholeImage((60, 90))], ids=str
)
@pytest.mark.parametrize("epoch", [NO_EPOCH, 0, 3])
def test_to_image_brings_every_joint_home(crowds, view, epoch):
    made = inputs(crowds, view)
    batch = made.__getitems__([(epoch, i) for i in range(len(made))])
    for b, people in enumerate(batch.people):
        _, flipped = made.geometry(epoch, b)
        for slot, person in enumerate(people):
            home = apply_affine(batch.joints[b, slot].double(), batch.to_image[b])
            order = list(LSP14.flip) if flipped else list(range(14))
            np.testing.assert_allclose(home, person.joints[order], atol=1e-3)


def test_padding_people_are_unlabelled(crowds):
    batch = inputs(crowds, WholeImage((60, 90))).__getitems__([(NO_EPOCH, i) for i in range(4)])
    assert batch.joints.shape == (4, 3, 14, 2)
    for b in range(4):
        assert (batch.visible[b, b:] == 0).all()
        assert (batch.visible[b, :b] > 0).any(-1).all()


def test_flip_swaps_left_and_right(samples):
    plain, mirrored = (inputs(samples, augment=a).__getitems__([(0, 0)]) for a in (STILL, MIRROR))
    w = plain.images.shape[-1]
    left, right = LSP14.joints.index("left_wrist"), LSP14.joints.index("right_wrist")
    assert mirrored.joints[0, 0, right, 0] == pytest.approx(w - plain.joints[0, 0, left, 0].item(), abs=1e-4)
    assert mirrored.joints[0, 0, right, 1] == pytest.approx(plain.joints[0, 0, left, 1].item(), abs=1e-4)
    assert mirrored.visible[0, 0, right] == plain.visible[0, 0, left]


def test_flip_twice_is_no_flip():
    once = about_middle(np.array([48.0, 64.0]), 1.0, 0.0, np.zeros(2), flip=True)
    points = np.random.default_rng(0).normal(size=(10, 2))
    np.testing.assert_allclose(apply_affine(apply_affine(points, once), once), points, atol=1e-12)


def test_rotation_and_zoom_follow_their_definition():
    affine = about_middle(np.array([100.0, 100.0]), 2.0, np.pi / 2, np.array([3.0, 0.0]), flip=False)
    np.testing.assert_allclose(apply_affine(np.array([60.0, 50.0]), affine), [53, 70], atol=1e-9)


def test_augmentation_stays_within_its_limits():
    rng, augment = np.random.default_rng(1), Augment(scale=0.3, rotation=40, translation=0.1)
    drawn = [augment.draw(rng, np.array([48.0, 64.0])) for _ in range(4000)]
    zooms = np.array([np.sqrt(abs(np.linalg.det(a[:, :2]))) for a, _ in drawn])
    angles = np.array([np.rad2deg(np.arctan2(a[1, 0], a[1, 1])) for a, _ in drawn])
    assert 1 / zooms.max() >= 0.7 - 1e-9 and 1 / zooms.min() <= 1.3 + 1e-9
    assert np.abs(angles).max() <= 80 + 1e-9
    assert np.mean(np.abs(angles) > 1e-6) == pytest.approx(0.6, abs=0.03)
    assert np.mean([flip for _, flip in drawn]) == pytest.approx(0.5, abs=0.03)


def test_uniform_augmentation_fills_its_limits_evenly():
    rng, augment = np.random.default_rng(1), Augment(scale=0.5, rotation=20, rotation_share=1, spread="uniform")
    drawn = [augment.draw(rng, np.array([48.0, 64.0]))[0] for _ in range(4000)]
    zooms = np.array([np.sqrt(abs(np.linalg.det(a[:, :2]))) for a in drawn])
    angles = np.array([np.rad2deg(np.arctan2(a[1, 0], a[1, 1])) for a in drawn])
    for values, low, high in ((zooms, 0.5, 1.5), (angles, -20, 20)):
        shares, _ = np.histogram(values, bins=4, range=(low, high))
        assert shares.sum() == 4000  # none lies outside
        np.testing.assert_allclose(shares / 4000, 0.25, atol=0.03)


def test_the_border_has_the_view_s_colour(samples):
    made = inputs(samples[:1], PersonCrop((64, 64), padding=20.0, border=(10, 20, 30)))
    corner = made.__getitems__([(NO_EPOCH, 0)]).images[0, :, 0, 0]
    assert corner.tolist() == [10, 20, 30]


def test_a_batch_holds_the_others_but_is_asked_for_one(crowds):
    made = inputs(crowds[3:], PersonCrop((64, 64), others=True))
    batch = made.__getitems__([(NO_EPOCH, 2)])
    assert batch.joints.shape[1] == 3 and batch.people == ((crowds[3].people[2],),)
    back = apply_affine(batch.joints.double(), batch.to_image).numpy()
    np.testing.assert_allclose(back[0, 0], crowds[3].people[2].joints, atol=1e-3)
    np.testing.assert_allclose(back[0, 1:], [p.joints for p in crowds[3].people[:2]], atol=1e-3)


def test_pixels_move_as_the_joints_do():
    """A white dot under a joint is under the same joint in the input, whatever the augmentation."""
    picture = np.zeros((200, 240, 3), np.uint8)
    from tests.conftest import make_person

    person = make_person(0, low=60, high=140)
    person.joints[0] = [101, 97]
    person.visible[0] = 2
    cv2.circle(picture, (101, 97), 4, (255, 255, 255), -1)
    made = inputs([PoseSample(0, Picture(picture), (200, 240), (person,))], PersonCrop((96, 96)))
    for epoch in range(8):
        batch = made.__getitems__([(epoch, 0)])
        _, flipped = made.geometry(epoch, 0)
        joint = batch.joints[0, 0, LSP14.flip[0] if flipped else 0].numpy()
        ys, xs = np.nonzero(batch.images[0, 0].numpy() > 127)
        np.testing.assert_allclose([xs.mean(), ys.mean()], joint, atol=0.5)


def collect(samples, workers):
    made = inputs(samples)
    order = Epochs(len(made), seed=7, epoch=lambda: 2)
    loader = DataLoader(made, batch_size=5, sampler=order, num_workers=workers, collate_fn=_already_a_batch)
    batches = list(loader)
    return torch.cat([b.images for b in batches]), torch.cat([b.joints for b in batches])


def test_batches_do_not_depend_on_the_number_of_workers(samples):
    alone = collect(samples, 0)
    for workers in (1, 3):
        for one, other in zip(alone, collect(samples, workers), strict=True):
            assert torch.equal(one, other)


def test_epochs_shuffle_by_seed_and_epoch():
    first, again, later, other = (list(Epochs(50, s, lambda e=e: e)) for s, e in [(0, 0), (0, 0), (0, 1), (1, 0)])
    assert first == again and first != later and first != other
    assert sorted(position for _, position in later) == list(range(50)) and {e for e, _ in later} == {1}
    assert list(InOrder(3)) == [(NO_EPOCH, 0), (NO_EPOCH, 1), (NO_EPOCH, 2)]


def test_recolouring_stays_within_its_gain_and_keeps_uint8():
    images = torch.full((64, 3, 4, 4), 100, dtype=torch.uint8)
    changed = recolour(images, 0.2)
    assert changed.dtype == torch.uint8
    assert changed.min() >= 100 * 0.8**2 - 1 and changed.max() <= 100 * 1.2**2
    assert changed.unique().numel() > 10


def test_pixel_store_loads_once_within_its_bound(samples):
    class Counted(Picture):
        def load(self):
            loads.append(1)
            return self.array

    loads = []
    counted = [PoseSample(s.image_id, Counted(s.pixels.array), s.size, s.people) for s in samples]
    store = PixelStore(counted, max_bytes=5 * 200 * 240 * 3)
    for _ in range(3):
        for index in range(12):
            np.testing.assert_array_equal(store.load(index), samples[index].pixels.array)
    assert store.kept == 5 and len(loads) == 5 + 3 * 7


def test_image_of_another_size_than_its_annotation_is_refused(samples):
    wrong = PoseSample(3, samples[3].pixels, (100, 100), samples[3].people)
    with pytest.raises(DataError, match="image 3"):
        PixelStore([wrong], 2**20).load(0)
