"""The one DataModule: any data set through any view."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from data import DATASETS, Dataset, ReadOptions, data_root
from data.ahead import cores
from data.augment import Augment, recolour
from data.boxes import BoxSource
from data.inputs import Epochs, InOrder, Inputs
from data.types import DataError, PoseBatch, PoseSample
from data.views import View


class PoseDataModule(pl.LightningDataModule):
    """Serve any data set through any view.

    A data set without a `val` split lends ``holdout`` samples of its training split, evenly spaced; they are not
    trained on. Validation draws the learning curves; no weights are selected by it, and only DeepPose asks
    lent samples for more: how many stages answer.
    """

    def __init__(
        self,
        view: View,
        dataset: str = "synthetic",
        seed: int = 0,
        boxes: BoxSource = BoxSource(),  # noqa: B008 frozen
        convention: str = "pc",
        extra: bool = True,
        root: Path | None = None,
        batch_size: int = 32,
        test_batch_size: int | None = None,
        augment: Augment = Augment(),  # noqa: B008 frozen
        holdout: int = 200,
        train_limit: int | None = None,
        test_limit: int | None = None,
        workers: int | None = None,
        cache_gb: float = 2.0,
        train_view: View | None = None,
        tested: str = "test",
    ) -> None:
        """Remember the parts; nothing is read before it is asked for.

        Args:
            view: How the method looks at an image.
            dataset: A key of ``data.DATASETS``.
            seed: Seeds order and augmentation of the training inputs.
            boxes: Where the boxes of top-down views come from.
            convention: Whose left and right: pc, the person's, or oc, the observer's.
            extra: Also train on the extra data that belongs to the set (LSP-extended), where present.
            root: Folder of all data sets; $POSE_DATA where None.
            batch_size: Network inputs a step and device.
            test_batch_size: The same for validation and test; ``batch_size`` where None.
            augment: How training inputs are moved.
            holdout: Training samples kept for validation where the data set has no such split.
            train_limit: Train on the first so many samples only.
            test_limit: Test on the first so many samples only.
            workers: Loader processes; where None, see :func:`default_workers`.
            cache_gb: Bound of the decoded images kept in memory.
            train_view: How it looks at one in training, where that differs.
            tested: The split that ``test`` stands for, for methods that learn from what others find in training images.
        """
        super().__init__()
        self.view, self.train_view, self.tested = view, train_view or view, tested
        self.dataset, self.seed, self.boxes = dataset, seed, boxes
        self.options = ReadOptions(convention, extra)
        self.root, self.batch_size, self.test_batch_size = root, batch_size, test_batch_size or batch_size
        self.augment, self.holdout, self.cache_gb = augment, holdout, cache_gb
        self.train_limit, self.test_limit = train_limit, test_limit
        self.workers = default_workers() if workers is None else workers
        if batch_size < 1 or cache_gb < 0 or self.workers < 0:
            found = f"batch_size {batch_size}, cache_gb {cache_gb}, workers {workers}"
            raise DataError(f"{found}: batch_size from 1, the others from 0 expected")
        self._read, self.samples, self.inputs = cache(self._read_split), cache(self._samples), cache(self._inputs)

    @property
    def entry(self) -> Dataset:
        """The registered data set."""
        return DATASETS[self.dataset]

    def split(self, name: str) -> str:
        """Return the split of the data set that ``train``, ``val`` or ``test`` is."""
        return self.entry.stands_for(self.tested if name == "test" else name)

    def _samples(self, split: str) -> list[PoseSample]:
        """Read ``train``, ``val`` or ``test`` once."""
        has_val = "val" in self.entry.splits
        if split == "test" or (split == "val" and has_val):
            return self._read(self.split(split))[: self.test_limit]
        samples = self._read("train")[: self.train_limit]
        if has_val:
            return samples
        held = np.linspace(0, len(samples) - 1, min(self.holdout, len(samples) // 10)).round().astype(int).tolist()
        if split == "val":
            return [samples[i] for i in held]
        return [sample for i, sample in enumerate(samples) if i not in set(held)]

    def _read_split(self, split: str) -> list[PoseSample]:
        return self.entry.read(split, self.root_folder, self.options)

    @property
    def root_folder(self) -> Path:
        """The folder of all data sets."""
        return self.root or data_root()

    def _inputs(self, split: str) -> Inputs:
        """Return the network inputs of a split."""
        samples = self.samples(split)
        inputs = Inputs(
            samples,
            self.entry.skeleton,
            self.train_view if split == "train" else self.view,
            boxes=self.boxes if split == "test" else self.boxes.in_training(),
            augment=self.augment,
            seed=self.seed,
            max_bytes=int(self.cache_gb * 2**30),
            title=f"drawing {len(samples)} pictures: {split}",
        )
        if not inputs:
            boxes = f"boxes: {self.boxes.label}"
            raise DataError(f"{self.dataset} {split}: {len(samples)} samples hold nobody to look at ({boxes})")
        return inputs

    def _loader(self, split: str, *, train: bool = False) -> DataLoader[PoseBatch]:
        inputs = self.inputs(split)
        size = self.batch_size if train else self.test_batch_size
        return DataLoader(
            inputs,
            batch_size=size,
            sampler=Epochs(len(inputs), self.seed, self._epoch) if train else InOrder(len(inputs)),
            num_workers=self.workers,
            collate_fn=_already_a_batch,
            drop_last=train and len(inputs) >= size,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=train and self.workers > 0,
            multiprocessing_context="fork" if self.workers else None,  # forked workers share the pixels
            worker_init_fn=_one_thread,
        )

    def _epoch(self) -> int:
        return self.trainer.current_epoch if self.trainer else 0

    def train_dataloader(self) -> DataLoader[PoseBatch]:
        """Return shuffled, augmented inputs."""
        return self._loader("train", train=True)

    def val_dataloader(self) -> DataLoader[PoseBatch]:
        """Return the validation inputs in order."""
        return self._loader("val")

    def test_dataloader(self) -> DataLoader[PoseBatch]:
        """Return the test inputs in the order of the split."""
        return self._loader("test")

    def on_after_batch_transfer(self, batch: PoseBatch, dataloader_idx: int) -> PoseBatch:
        """Change the colours of training inputs, on the device."""
        if self.augment.colour == 0 or not (self.trainer and self.trainer.training):
            return batch
        return replace(batch, images=recolour(batch.images, self.augment.colour))


def default_workers() -> int:
    """One loader process a core beyond the first, at most 8; none where training itself uses every core.

    Measured on two cores: 483 images/s without a loader process, 441 with one; loading alone does 9,000.
    """
    return min(8, cores() - 1) if torch.cuda.is_available() else 0


def _already_a_batch(batch: Any) -> Any:
    """``Inputs.__getitems__`` collates; nothing is left to do."""
    return batch


def _one_thread(_: int) -> None:
    """A forked worker must not use OpenCV's threads: they did not survive the fork."""
    cv2.setNumThreads(0)
