import io
import tarfile
import zipfile

import pytest

from data.bring import bring
from data.types import DataError


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "from" / "lsp_dataset"
    (made / "images").mkdir(parents=True)
    (made / "joints.mat").write_bytes(b"joints")
    (made / "images" / "im0001.jpg").write_bytes(b"picture")
    return made


def packed(folder, kind):
    path = folder.parent.parent / f"packed.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in folder.rglob("*"):
                archive.write(file, file.relative_to(folder.parent))
    else:
        with tarfile.open(path, "w:gz") as archive:
            archive.add(folder, folder.name)
    return path


@pytest.mark.parametrize("kind", ["folder", "zip", "tar.gz"])
def test_a_folder_and_its_archives_arrive_alike(folder, tmp_path, kind):
    source = folder if kind == "folder" else packed(folder, kind)
    target = bring(source, tmp_path / "root", "lsp")
    assert target == tmp_path / "root" / "lsp"
    assert (target / "joints.mat").read_bytes() == b"joints"
    assert (target / "images" / "im0001.jpg").read_bytes() == b"picture"
    assert [path.name for path in target.parent.iterdir()] == ["lsp"], "nothing half-done is left"


def test_what_is_there_is_not_overwritten(folder, tmp_path):
    bring(folder, tmp_path / "root", "lsp")
    (folder / "joints.mat").write_bytes(b"other")
    with pytest.raises(DataError, match="already there"):
        bring(folder, tmp_path / "root", "lsp")
    assert (tmp_path / "root" / "lsp" / "joints.mat").read_bytes() == b"joints"


def test_a_damaged_archive_leaves_nothing(folder, tmp_path):
    path = packed(folder, "zip")
    path.write_bytes(path.read_bytes()[:40])
    for source in (path, tmp_path / "nowhere.zip"):
        with pytest.raises(DataError, match="expected"):
            bring(source, tmp_path / "root", "lsp")
    assert list((tmp_path / "root").iterdir()) == []


def test_an_archive_cannot_write_outside_its_folder(tmp_path):
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("../../stolen.txt")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"bad"))
    with pytest.raises(DataError, match="expected"):
        bring(path, tmp_path / "root", "lsp")
    assert not (tmp_path / "stolen.txt").exists() and not (tmp_path.parent / "stolen.txt").exists()
