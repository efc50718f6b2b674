"""Numbers of single images: written whole, averaged without those that lack one."""

import json

import numpy as np

from bench import notes

NAN = float("nan")
NOTED = {"image": [7.0, 8.0, 9.0], "gap": [0.0, NAN, 3.0], "bound": [-4.0, NAN, -6.0]}


def test_every_image_keeps_its_row_and_a_missing_number_is_null(tmp_path):
    notes.write(tmp_path / "images.json", NOTED)
    found = json.loads((tmp_path / "images.json").read_text())
    assert found == {"image": [7.0, 8.0, 9.0], "gap": [0.0, None, 3.0], "bound": [-4.0, None, -6.0]}
    assert [path.name for path in tmp_path.iterdir()] == ["images.json"]


def test_means_and_maxima_leave_out_who_failed_and_count_them():
    found = notes.flat(NOTED)
    assert found == {
        "images/gap/mean": 1.5,
        "images/gap/max": 3.0,
        "images/bound/mean": -5.0,
        "images/bound/max": -4.0,
        "images/without": 1.0,
    }


def test_the_line_says_how_many_failed():
    assert notes.line(NOTED).startswith("3 test images, 1 of them failed; means: gap 1.5 (at most 3)")


def test_the_table_has_a_row_an_image():
    assert notes.rows(NOTED) == [[7.0, 0.0, -4.0], [8.0, None, None], [9.0, 3.0, -6.0]]


def test_nothing_noted_is_nothing_said():
    assert notes.flat({}) == {}


def test_all_failed_has_no_means():
    assert notes.flat({"image": [1.0], "gap": [np.nan]}) == {"images/without": 1.0}
