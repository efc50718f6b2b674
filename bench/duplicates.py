"""``bench data D --duplicates``: images of the training split that look like images of a test split."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import draw
from bench.bar import bar
from bench.errors import UserError
from bench.terminal import emit
from data import DATASETS, ReadOptions, data_root
from data.duplicates import BITS, FREQUENCIES, Pair, near, prints
from data.types import ImageFile, PoseSample, UInt8Array
from data.views import Look, WholeImage

MOST_DRAWN = 48  # default: pairs in one picture, the closest
TILE, COLUMNS = 192, 6  # default: pixels of a tile's side; three pairs in a row
ALL_BITS = FREQUENCIES**2
Progress = Callable[[str], Callable[[int, int], None]]


@dataclass(frozen=True)
class Overlap:
    """What one split has in common with the training split."""

    dataset: str
    split: str
    bits: int
    train: Sequence[PoseSample]
    test: Sequence[PoseSample]
    pairs: tuple[Pair, ...]
    root: Path

    def to_dict(self) -> dict[str, object]:
        """Return the form of the command's document."""
        sizes = {"train_images": len(self.train), "test_images": len(self.test)}
        pairs = [
            {"bits": pair.bits, "test": test, "train": train, "part": pair.part, "mirrored": pair.mirrored}
            for pair, test, train in self._named()
        ]
        return {"dataset": self.dataset, "split": self.split, "bits": self.bits, **sizes, "pairs": pairs}

    def lines(self) -> Iterator[str]:
        """Say it to people."""
        sizes = f"{len(self.test):,} images against {len(self.train):,} of train"
        count = f"{len(self.pairs):,} {'pair' if len(self.pairs) == 1 else 'pairs'}"
        yield f"{self.dataset} {self.split}: {sizes}, {count} within {self.bits} of {ALL_BITS} bits"
        for pair, test, train in self._named():
            words = f"{pair.part}{', mirrored' if pair.mirrored else ''}"
            yield f"  {pair.bits:3} bits  {test}  {train}  ({words})"

    def _named(self) -> Iterator[tuple[Pair, str, str]]:
        for pair in self.pairs:
            yield pair, self._name(self.test[pair.test]), self._name(self.train[pair.train])

    def _name(self, sample: PoseSample) -> str:
        """Return an image's file under the folder of all data sets."""
        if not isinstance(sample.pixels, ImageFile):
            return str(sample.image_id)
        path = sample.pixels.path
        return str(path.relative_to(self.root) if path.is_relative_to(self.root) else path)


def list_duplicates(arguments: argparse.Namespace) -> None:
    """Print the pairs, and draw them where a picture is asked for; errors as `overlaps`."""
    path: Path | None = arguments.preview
    if path is not None:
        draw.require_picture_path(path, "--preview")
    found = overlaps(arguments.dataset, root=arguments.root, bits=arguments.bits, progress=bar)
    drawn = path is not None and draw_pairs(found, path)
    if arguments.json:
        return emit([overlap.to_dict() for overlap in found])
    print(*(line for overlap in found for line in overlap.lines()), sep="\n")
    if path is not None:
        print(f"preview: {path}" if drawn else "preview: no pair to draw")


def overlaps(dataset: str, *, root: Path | None, bits: int | None, progress: Progress) -> list[Overlap]:
    """Look for images of the training split, with its extra images, in each other split.

    Args:
        dataset: a registered name, or a folder in COCO's layout.
        root: folder of all data sets; $POSE_DATA where None.
        bits: that may differ; `data.duplicates.BITS` where None.
        progress: makes a bar of a title.

    Raises:
        UserError: if the images are drawn, or the bits are no number of bits.
        data.types.DataError: if the folder is not a copy of the data set, or an image cannot be read.
    """
    entry, bits, root = DATASETS.under(root)[dataset], BITS if bits is None else bits, root or data_root()
    if not entry.folders:
        raise UserError(
            f"--duplicates: {dataset} is {entry.source}; its splits are drawn from different random numbers"
        )
    if not 0 <= bits < ALL_BITS:
        raise UserError(
            f"--bits {bits}: expected 0 to {ALL_BITS - 1}; unrelated images differ in about {ALL_BITS // 2}"
        )
    splits = {split: entry.read(split, root, ReadOptions()) for split in entry.splits}
    if "train" not in splits or len(splits) < 2:
        raise UserError(f"--duplicates: {dataset} has {', '.join(splits)}; train and another split expected")
    known = {split: prints(samples, progress(f"{dataset} {split}")) for split, samples in splits.items()}
    train, of_train = splits.pop("train"), known.pop("train")
    return [
        Overlap(dataset, split, bits, train, samples, tuple(near(of_train, known[split], bits)), root)
        for split, samples in splits.items()
    ]


def draw_pairs(found: Sequence[Overlap], path: Path) -> bool:
    """Draw the closest pairs, the test image left of the training image; False where there is no pair to draw."""
    tiles = [
        _tile(sample)
        for overlap in found
        for pair in overlap.pairs[:MOST_DRAWN]
        for sample in (overlap.test[pair.test], overlap.train[pair.train])
    ]
    if tiles:
        draw.write_picture(path, draw.grid(tiles, min(COLUMNS, len(tiles))))
    return bool(tiles)


def _tile(sample: PoseSample) -> UInt8Array:
    whole = Look(0, None, np.array([0.0, 0.0, *sample.size[::-1]]))
    return draw.tile(sample, WholeImage((TILE, TILE)), whole)[0]
