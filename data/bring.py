"""Put a data set that somebody has, a folder or an archive, where the readers look for it."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from pathlib import Path

from data.types import DataError


def bring(source: Path, root: Path, folder: str) -> Path:
    """Copy a folder, or unpack an archive, as ``root/folder``; whole or not at all.

    Args:
        source: A folder, or a .zip, .tar, .tar.gz ... whose one top folder, if it has just one, is left out.
        root: The folder of all data sets; made where it is missing.
        folder: The data set's name there.

    Raises:
        DataError: if the source is neither, is damaged, reaches outside its folder, or the place is taken.
    """
    target, part = root / folder, root / f".{folder}.part"
    if target.exists():
        raise DataError(f"{target} is already there; remove it first, or leave --from out to check it")
    root.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(part, ignore_errors=True)
    try:
        if source.is_dir():
            shutil.copytree(source, part)
        else:
            _unpack(source, part)
        _top(part).replace(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def _unpack(source: Path, part: Path) -> None:
    try:
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as archive:
                archive.extractall(part)  # ZipFile drops what leads outside
        else:
            with tarfile.open(source) as archive_tar:
                archive_tar.extractall(part, filter="data")  # refuses links and paths that lead outside
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise DataError(f"{source}: a folder, .zip or .tar expected ({type(error).__name__}: {error})") from error


def _top(part: Path) -> Path:
    """Return the one folder inside, where there is nothing else; archives are usually packed so."""
    inside = list(part.iterdir())
    only = inside[0] if len(inside) == 1 else part
    return only if only.is_dir() and only.name not in {"images", "annotations", "annot"} else part
