"""The command that lists training images in a test split."""

import json
from dataclasses import replace

import cv2
import pytest

import data
from bench.__main__ import main
from data.types import ImageFile, PoseSample
from tests.data.test_duplicates import PHOTOGRAPHS, encoded


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    """A data set whose second test image is the third training image, encoded again."""
    images = {"train": PHOTOGRAPHS[:6], "test": [PHOTOGRAPHS[8], encoded(PHOTOGRAPHS[2], 50), PHOTOGRAPHS[9]]}

    def read(split, root, options):
        return [
            PoseSample(i, ImageFile(root / f"{split}{i}.png"), m.shape[:2], ()) for i, m in enumerate(images[split])
        ]

    for split, found in images.items():
        for i, image in enumerate(found):
            cv2.imwrite(str(tmp_path / f"{split}{i}.png"), image)
    entry = replace(data.DATASETS["lsp"], read=read, splits=tuple(images))
    monkeypatch.setitem(data.DATASETS.data, "lsp", entry)
    monkeypatch.setenv("POSE_DATA", str(tmp_path))
    return tmp_path


def test_the_pair_is_listed_by_its_files_and_drawn(photographs, capsys):
    picture = photographs / "pairs.png"
    assert main(["data", "lsp", "--duplicates", "--preview", str(picture)]) == 0
    head, pair, drawn = capsys.readouterr().out.splitlines()
    assert "3 images against 6 of train, 1 pair within 60 of 256 bits" in head
    assert pair.split()[2:] == ["test1.png", "train2.png", "(image)"]
    assert drawn == f"preview: {picture}" and cv2.imread(str(picture)).shape[1] == 2 * (192 + 2)


def test_the_document_holds_the_same(photographs, capsys):
    assert main(["data", "lsp", "--duplicates", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["split"], found["train_images"], found["test_images"]) == ("test", 6, 3)
    ((bits, pair),) = [(pair.pop("bits"), pair) for pair in found["pairs"]]
    assert pair == {"test": "test1.png", "train": "train2.png", "part": "image", "mirrored": False}
    assert 0 < bits <= found["bits"]


def test_nothing_found_is_no_error(photographs, capsys):
    assert main(["data", "lsp", "--duplicates", "--bits", "0", "--preview", str(photographs / "none.png")]) == 0
    out = capsys.readouterr().out
    assert "0 pairs within 0" in out and "no pair to draw" in out and not (photographs / "none.png").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["synthetic", "--duplicates"], "drawn on the fly"),
        (["lsp", "--duplicates", "--bits", "256"], "expected 0 to 255"),
        (["lsp", "--duplicates", "--preview", "pairs.gif"], "ends in .png or .jpg"),
    ],
)
def test_mistakes_are_answered_in_one_line(photographs, capsys, words, message):
    assert main(["data", *words]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1 and message in error[0]


def test_a_damaged_image_is_named(photographs, capsys):
    (photographs / "train4.png").write_bytes(b"no image")
    assert main(["data", "lsp", "--duplicates"]) == 2
    assert "train4.png" in capsys.readouterr().err
