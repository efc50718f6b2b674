"""The data sets, by the name used on the command line: skeleton, splits, reader, protocols."""

from __future__ import annotations

import os
from collections import UserDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from data import coco, coco_folder, coco_format, crowdpose, flic, lsp, mpii, mpii_multi, synthetic
from data.skeletons import COCO17, CROWDPOSE14, FLIC11, LSP14, MPII16
from data.types import DataError, PoseSample, Skeleton


@dataclass(frozen=True)
class ReadOptions:
    """What a reader may be told; a reader refuses what it does not know."""

    convention: str = "pc"  # left and right as the person (pc) or the observer (oc) sees them
    extra: bool = True  # also read the extra training data that belongs to the set, where present


Reader = Callable[[str, Path, ReadOptions], list[PoseSample]]
AnnotationFile = Callable[[str, Path], Path]  # (split, folder of all data sets) -> file


@dataclass(frozen=True)
class Dataset:
    """One registered data set."""

    name: str
    title: str
    skeleton: Skeleton
    splits: tuple[str, ...]
    read: Reader  # (split, folder of all data sets, options) -> samples, in the order of the split
    protocols: tuple[str, ...]  # metric ids, the headline first
    people: Literal["single", "multi"] = "single"  # people a sample
    folders: tuple[str, ...] = ()  # accepted names under $POSE_DATA; empty: nothing on disk is needed
    extra_folders: tuple[str, ...] = ()  # the same of extra training data that belongs to the set
    source: str = ""  # how to get it
    annotation_file: AnnotationFile | None = None  # in COCO's format, of the sets whose number is OKS-AP from it
    category: int = coco_format.PERSON  # id of the people there and in results
    conventions: tuple[str, ...] = ("pc",)  # whose left and right the labels can be read with; the first is the default

    def stands_for(self, split: str) -> str:
        """Return the split to read: `val` for a `test` whose labels the data set keeps to itself."""
        return "val" if split == "test" and "test" not in self.splits else split

    @property
    def has_extra(self) -> bool:
        """Whether the extra training data is on this machine."""
        return any((data_root() / folder).is_dir() for folder in self.extra_folders)


def data_root() -> Path:
    """Return the folder of all data sets: $POSE_DATA, or ~/pose-data.

    Raises:
        DataError: if POSE_DATA is set but empty.
    """
    found = os.environ.get("POSE_DATA")
    if found is not None and not found.strip():
        raise DataError("POSE_DATA is set but empty; set it to the folder that holds the data sets, or unset it")
    return Path(found).expanduser() if found else Path.home() / "pose-data"


DRAWN = "drawn on the fly: nothing to bring, nothing on disk"
TORSO_AND_STICKS = ("pck@0.2", "pck@0.1", "pcp@0.5/strict", "pcp@0.5/loose")
OKS_AP = ("ap", "ap50", "ap75", "apm", "apl", "ar", "ar50", "ar75", "arm", "arl")
_ENTRIES = (
    Dataset(
        name="synthetic",
        title="Drawn people, MPII's joints",
        skeleton=MPII16,
        splits=tuple(synthetic.SPLITS),
        read=synthetic.reader(MPII16),
        protocols=("pck@0.2", "pck@0.1", "pckh@0.5", "pckh@0.1", "pcp@0.5/strict", "pcp@0.5/loose"),
        source=DRAWN,
    ),
    Dataset(
        name="synthetic-lsp",
        title="The same drawn people, LSP's joints",
        skeleton=LSP14,
        splits=tuple(synthetic.SPLITS),
        read=synthetic.reader(LSP14),
        protocols=TORSO_AND_STICKS,
        source=DRAWN,
    ),
    Dataset(
        name="synthetic-coco",
        title="The same drawn people, COCO's joints",
        skeleton=COCO17,
        splits=tuple(synthetic.SPLITS),
        read=synthetic.reader(COCO17),
        protocols=TORSO_AND_STICKS,
        source=DRAWN,
    ),
    Dataset(
        name="synthetic-multi",
        title="One to eight drawn people a picture, COCO's joints",
        skeleton=COCO17,
        splits=tuple(synthetic.MULTI_SPLITS),
        read=synthetic.reader(COCO17, crowd=True),
        protocols=OKS_AP,
        people="multi",
        source=DRAWN,
    ),
    Dataset(
        name="synthetic-multi-mpii",
        title="The same scenes, MPII's joints",
        skeleton=MPII16,
        splits=tuple(synthetic.MULTI_SPLITS),
        read=synthetic.reader(MPII16, crowd=True),
        protocols=("mpii-ap", "ap", "ap50", "ap75"),
        people="multi",
        source=DRAWN,
    ),
    Dataset(
        name="lsp",
        title="Leeds Sports Pose, trained with LSP-extended where present",
        skeleton=LSP14,
        splits=tuple(lsp.SPLITS),
        read=lsp.read,
        protocols=TORSO_AND_STICKS,
        folders=lsp.FOLDERS,
        extra_folders=lsp.EXTRA_FOLDERS,
        source="put lsp/ (joints.mat, images/) and, for training, lspet/ under $POSE_DATA; sam.johnson.io/research",
        conventions=tuple(lsp.CONVENTIONS),
    ),
    Dataset(
        name="mpii",
        title="MPII Human Pose, one person a crop",
        skeleton=MPII16,
        splits=mpii.SPLITS,
        read=mpii.read,
        protocols=("pckh@0.5", "pckh@0.1", "pckh@0.11", "pckh@0.5/official-head", "pckh@0.5/plain-mean"),
        folders=mpii.FOLDERS,
        source="put mpii/ (annot/gt_valid.mat, annot/*.json, images/) under $POSE_DATA; human-pose.mpi-inf.mpg.de",
    ),
    Dataset(
        name="coco",
        title="COCO 2017 keypoints, crops of truth boxes",
        skeleton=COCO17,
        splits=coco.SPLITS,
        read=coco.read,
        protocols=OKS_AP,
        people="multi",
        folders=coco.FOLDERS,
        annotation_file=coco.annotation_file,
        source="put coco/ (annotations/, images/) under $POSE_DATA; cocodataset.org",
    ),
    Dataset(
        name="crowdpose",
        title="CrowdPose, crops of truth boxes",
        skeleton=CROWDPOSE14,
        splits=crowdpose.SPLITS,
        read=crowdpose.read,
        protocols=(*OKS_AP, "ap-easy", "ap-medium", "ap-hard"),
        people="multi",
        folders=crowdpose.FOLDERS,
        annotation_file=crowdpose.annotation_file,
        source="put crowdpose/ (crowdpose_{train,val,test}.json, images/) under $POSE_DATA; Jeff-sjtu/CrowdPose",
    ),
    Dataset(
        name="mpii-multi",
        title="MPII's groups of people, to score predictions on",
        skeleton=MPII16,
        splits=mpii_multi.SPLITS,
        read=mpii_multi.read,
        protocols=("mpii-ap",),
        people="multi",
        folders=mpii.FOLDERS,
        source="put mpii/annot/rmpe_multiperson_val.txt under $POSE_DATA; the RMPE repository",
    ),
    Dataset(
        name="flic",
        title="Frames Labeled In Cinema, upper bodies",
        skeleton=FLIC11,
        splits=tuple(flic.SPLITS),
        read=flic.read,
        protocols=("pdj@0.2", "pdj@0.1", "pdj@0.05", "pdj@0.2/hgt"),
        folders=flic.FOLDERS,
        source="put flic/ (flic-joints-oc.mat or valid.h5, and the frames) under $POSE_DATA; bensapp.github.io",
        conventions=flic.CONVENTIONS,
    ),
)


class Registry(UserDict[str, Dataset]):
    """The registered data sets, and every folder of $POSE_DATA in COCO's layout by its name; registered names win.

    A folder counts by what it holds when it is asked for. One that is broken is in the registry, and asking for it says
    what is wrong; it is not listed.
    """

    def __init__(self, entries: Iterable[Dataset], root: Path | None = None) -> None:
        """Look for folders in ``root``; in :func:`data_root` where None."""
        super().__init__({entry.name: entry for entry in entries})
        self.root = root

    def under(self, root: Path | None) -> Registry:
        """Return the same with the folders of another root."""
        return Registry(self.data.values(), root) if root else self

    def __missing__(self, name: str) -> Dataset:
        if name not in self:
            raise KeyError(name)
        return _of_folder((self.root or data_root()) / name)

    def __contains__(self, name: object) -> bool:
        if name in self.data or not isinstance(name, str):
            return name in self.data
        with suppress(DataError):  # POSE_DATA is empty
            return bool(coco_folder.NAME.fullmatch(name)) and coco_folder.is_coco_folder(
                (self.root or data_root()) / name
            )
        return False

    def __iter__(self) -> Iterator[str]:
        yield from self.data
        with suppress(DataError, OSError):
            for path in sorted((self.root or data_root()).iterdir()):
                if path.name not in self.data and coco_folder.is_coco_folder(path):
                    with suppress(DataError, OSError):
                        coco_folder.look(path)
                        yield path.name

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _of_folder(path: Path) -> Dataset:
    """Describe a folder in COCO's layout."""
    found = coco_folder.look(path)
    return Dataset(
        name=path.name,
        title="A folder in COCO's layout",
        skeleton=found.category.skeleton,
        splits=found.splits,
        read=partial(coco_folder.read, name=path.name),
        protocols=OKS_AP,
        people="multi",
        folders=(path.name,),
        source=f"{path.name}/ (annotations/, images/) under $POSE_DATA",
        annotation_file=partial(coco_folder.annotation_file, name=path.name),
        category=found.category.id,
    )


DATASETS = Registry(_ENTRIES)
