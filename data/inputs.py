"""The network inputs of one split: cut, augmented, padded and batched; the same for (seed, epoch, position)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from data.ahead import draw_ahead, needs_drawing
from data.augment import Augment, half_box
from data.boxes import BoxSource
from data.ignored import counted
from data.pixels import PixelStore
from data.types import FloatArray, PoseBatch, PoseSample, Skeleton, apply_affine, compose_affine, invert_affine
from data.views import Look, PersonCrop, View

HALF_BODY, MOVED = 0x4A1F, 0x30BE  # name the random numbers of half bodies and moved boxes: the others stay as they are
NO_EPOCH = -1  # the epoch of an input that is not augmented
Key = tuple[int, int]  # epoch, position in the list of inputs


class Epochs(Sampler[Key]):
    """Every position once an epoch, shuffled by (seed, epoch): the same order after a resumption."""

    def __init__(self, length: int, seed: int, epoch: Callable[[], int]) -> None:
        """``epoch`` is asked at the start of each pass."""
        self.length, self.seed, self.epoch = length, seed, epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Key]:
        epoch = self.epoch()
        for position in np.random.default_rng((self.seed, epoch)).permutation(self.length):
            yield epoch, int(position)


class InOrder(Sampler[Key]):
    """Every position once, in the order of the split, without augmentation."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Key]:
        return ((NO_EPOCH, position) for position in range(self.length))


class Inputs(Dataset[PoseBatch]):
    """The network inputs of one split, as the view lists them; fetched a batch at a time."""

    def __init__(
        self,
        samples: Sequence[PoseSample],
        skeleton: Skeleton,
        view: View,
        *,
        boxes: BoxSource,
        augment: Augment,
        seed: int,
        max_bytes: int,
        title: str = "drawing",
    ) -> None:
        """Ask the view once what there is to look at; draw what comes from recipes, under a progress bar ``title``."""
        if needs_drawing(samples):
            samples, self.store = draw_ahead(samples, max_bytes, title)
        else:
            self.store = PixelStore(samples, max_bytes)
        self.samples, self.skeleton, self.view, self.augment, self.seed = samples, skeleton, view, augment, seed
        self.looks = view.looks(samples, boxes)

    def __len__(self) -> int:
        return len(self.looks)

    def through(self, view: View, boxes: BoxSource, count: int) -> Inputs:
        """Return ``count`` evenly spaced images as another view sees them, in other boxes; nothing is drawn again."""
        other = copy.copy(self)
        chosen = np.linspace(0, len(self.samples) - 1, min(count, len(self.samples))).round().astype(int)
        other.view, other.looks = view, [look for look in view.looks(self.samples, boxes) if look.sample in set(chosen)]
        return other

    def evenly(self, count: int | None, size: int) -> Iterator[PoseBatch]:
        """Yield ``count`` evenly spaced inputs, or all, unmoved and in batches of ``size``."""
        count = min(len(self), count or len(self))
        keys = [(NO_EPOCH, int(i)) for i in np.linspace(0, len(self) - 1, count).round()]
        for start in range(0, count, size):
            yield self.__getitems__(keys[start : start + size])

    def __getitem__(self, key: Key) -> PoseBatch:
        return self.__getitems__([key])

    def __getitems__(self, keys: Sequence[Key]) -> PoseBatch:
        """Cut, move and pad the inputs ``keys``: one warp an input, uint8."""
        h, w = self.view.size
        images = np.empty((len(keys), h, w, 3), np.uint8)
        to_image, truths, affines, looks = np.empty((len(keys), 2, 3)), [], [], []
        for b, (epoch, position) in enumerate(keys):
            look = self.look(epoch, position)
            affine, flip = self._affine(look, epoch, position)
            picture = self.store.load(look.sample)
            images[b] = cv2.warpAffine(picture, affine, (w, h), flags=cv2.INTER_LINEAR, borderValue=self.view.border)
            to_image[b] = invert_affine(affine)
            truths.append(self.truth(position, affine, flip=flip))
            affines.append(affine)
            looks.append(look)
        joints, visible = _pad(truths)
        return PoseBatch(
            images=torch.from_numpy(images).permute(0, 3, 1, 2),  # channels_last without a copy
            joints=joints,
            visible=visible,
            to_image=torch.from_numpy(to_image),
            image_ids=tuple(self.samples[look.sample].image_id for look in looks),
            people=tuple(self.view.truth(self.samples[look.sample], look) for look in looks),
            counted=self._counted(looks, affines),
            box_scores=torch.tensor([look.score for look in looks], dtype=torch.float32),
            aims=torch.from_numpy(np.stack([self._aim(look) for look in looks])),
        )

    def _aim(self, look: Look) -> FloatArray:
        """Return the box (4,) that an input should show: that of its person, if nothing else is known."""
        if look.aim is not None or look.person is None:
            return look.box if look.aim is None else look.aim
        return self.samples[look.sample].people[look.person].box

    def _counted(self, looks: Sequence[Look], affines: Sequence[FloatArray]) -> torch.Tensor | None:
        """Mark the pixels (B, h, w) that count; None where all do."""
        ignored = [self.view.ignored(self.samples[look.sample]) for look in looks]
        if not any(ignored):
            return None
        masks = [counted(people, affine, self.view.size) for people, affine in zip(ignored, affines, strict=True)]
        return torch.from_numpy(np.stack(masks))

    def geometry(self, epoch: int, position: int) -> tuple[FloatArray, bool]:
        """Return the affine original -> input pixels and whether it mirrors; the same for (seed, epoch, position)."""
        return self._affine(self.look(epoch, position), epoch, position)

    def _affine(self, look: Look, epoch: int, position: int) -> tuple[FloatArray, bool]:
        affine = self.view.to_input(look)
        if epoch == NO_EPOCH:
            return affine, False
        move, flip = self.augment.draw(np.random.default_rng((self.seed, epoch, position)), self.view.extent)
        return compose_affine(move, affine), flip

    def look(self, epoch: int, position: int) -> Look:
        """Return what an input looks at in an epoch; the same for (seed, epoch, position)."""
        look = self.looks[position]
        if epoch == NO_EPOCH:
            return look
        rng = np.random.default_rng((self.seed, epoch, position, MOVED))
        look = self.view.moved(self.samples[look.sample], look, rng)
        return self._halved(look, epoch, position) if self.augment.half_body else look

    def _halved(self, look: Look, epoch: int, position: int) -> Look:
        """Look at half a body, in the share of the inputs that the augmentation says."""
        rng = np.random.default_rng((self.seed, epoch, position, HALF_BODY))
        if not isinstance(self.view, PersonCrop) or look.person is None or rng.random() >= self.augment.half_body:
            return look
        box = half_box(rng, self.samples[look.sample].people[look.person], self.skeleton)
        return look if box is None else replace(look, box=self.view.unpadded(box), aim=self.view.unpadded(box))

    def truth(self, position: int, affine: FloatArray, *, flip: bool = False) -> tuple[FloatArray, FloatArray]:
        """Return the joints (P, K, 2) in input pixels and their visibility (P, K); a mirrored input swaps sides.

        Of people who are ignored no joint is labelled.
        """
        look = self.looks[position]
        people, k = self.view.labelled(self.samples[look.sample], look), len(self.skeleton.joints)
        joints = np.array([person.joints for person in people], np.float64).reshape(-1, k, 2)
        visible = np.array([person.visible * (not person.ignore) for person in people], np.float64).reshape(-1, k)
        order = list(self.skeleton.flip) if flip else slice(None)
        return apply_affine(joints, affine)[:, order], visible[:, order]


def _pad(truths: Sequence[tuple[FloatArray, FloatArray]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Stack (P, K, 2) and (P, K) of each input to (B, P max, K, 2) and (B, P max, K); padding is unlabelled."""
    slots, k = max(1, *(len(j) for j, _ in truths)), truths[0][0].shape[1]
    joints, visible = torch.zeros(len(truths), slots, k, 2), torch.zeros(len(truths), slots, k)
    for b, (j, v) in enumerate(truths):
        joints[b, : len(j)], visible[b, : len(v)] = torch.from_numpy(j), torch.from_numpy(v)
    return joints, visible
