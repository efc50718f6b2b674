"""MPII's several-people list on drawn lines, and on the real list where POSE_DATA names it."""

import os
from pathlib import Path

import numpy as np
import pytest

from data import ReadOptions, mpii, mpii_multi
from data.types import DataError

REAL = Path(os.environ.get("POSE_DATA") or "absent")
real = pytest.mark.skipif(not (REAL / "mpii").is_dir(), reason="POSE_DATA names no folder that holds mpii/")


def _line(image: int, y: int = 5, *, x: str = "0 " + " ".join(map(str, range(2, 17)))) -> str:
    """Joint k lies at (k + 1, y), MATLAB pixels; the right ankle is missing; the scale is 2."""
    return f"{image:09d}.jpg\t1 2 30 40\t15 20 2.0\t{x} \t{' '.join(['0'] + [str(y)] * 15)}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """454 images of three people and 46 of two."""
    (tmp_path / "mpii" / "annot").mkdir(parents=True)
    path = tmp_path / "mpii" / "annot" / mpii_multi.FILE
    images = [n % 500 for n in range(1454)]
    path.write_text("\n".join(_line(n, 5 + i // 500) for i, n in enumerate(images)))
    return path


def _read(path: Path) -> list[mpii_multi.PoseSample]:
    return mpii_multi.read("val", path.parent.parent.parent, ReadOptions())


def test_people_of_one_image_come_together_in_pixels_from_0(path: Path) -> None:
    samples = _read(path)
    assert [s.image_id for s in samples] == list(range(500)) and len(samples[0].people) == 3
    second = samples[0].people[1]
    assert second.visible.tolist() == [0] + [2] * 15
    np.testing.assert_array_equal(second.joints[1:], [[k, 5.0] for k in range(1, 16)])
    np.testing.assert_array_equal(second.box, [0, 1, 29, 39])
    assert second.head_size == 50.0  # 25 px times the scale


def test_a_joint_on_the_edge_of_the_image_is_labelled(path: Path) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join([_line(0, 0), *lines[1:]]))
    assert _read(path)[0].people[0].visible.tolist() == [0] + [2] * 15  # y is 0, x is not


def test_a_picture_that_is_not_there_cannot_be_looked_at(path: Path) -> None:
    with pytest.raises(DataError, match=r"000000007\.jpg: cannot be read"):
        _read(path)[7].pixels.load()


def test_damage_is_told(path: Path) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-1]))
    with pytest.raises(DataError, match=r"1,453 people in 500 images, expected 1,454 in 500"):
        _read(path)
    path.write_text("\n".join([*lines[:3], _line(3, x="1 2 3")]))
    with pytest.raises(DataError, match=r"line 4 has fields of 1, 4, 3, 3, 16 numbers; expected 1, 4, 3, 16, 16"):
        _read(path)
    path.write_text(lines[0].replace("15 20", "15 here"))
    with pytest.raises(DataError, match=r"line 1: .*'here'; a number expected"):
        _read(path)
    path.unlink()
    with pytest.raises(DataError, match=r"holds nothing; expected rmpe_multiperson_val\.txt"):
        _read(path)


def test_unknown_split_and_convention_are_refused(path: Path) -> None:
    with pytest.raises(DataError, match="no split 'test'; expected val"):
        mpii_multi.read("test", path.parent, ReadOptions())
    with pytest.raises(DataError, match="no convention 'oc'; expected pc"):
        mpii_multi.read("val", path.parent, ReadOptions("oc"))


@real
def test_real_list_has_1454_people_in_500_images() -> None:
    samples = mpii_multi.read("val", REAL, ReadOptions())
    people = [person for sample in samples for person in sample.people]
    assert (len(samples), len(people)) == (500, 1454)
    assert all(person.head_size > 0 and not person.ignore for person in people)


@real
def test_real_heads_are_those_of_the_head_boxes_of_the_146_people_in_both_lists() -> None:
    """The head boxes of gt_valid.mat are independent of the scale in the list."""
    known: dict[int, list[mpii.Person]] = {}
    for sample in mpii.read("val", REAL, ReadOptions()):
        known.setdefault(int(sample.pixels.path.stem), []).append(sample.people[0])
    ratios = []
    for sample in mpii_multi.read("val", REAL, ReadOptions()):
        for person in sample.people:
            twins = [k for k in known.get(sample.image_id, []) if _same(k, person)]
            ratios += [person.head_size / twin.head_size for twin in twins]
    assert len(ratios) == 146
    np.testing.assert_allclose(ratios, 1, atol=1e-6)


def _same(one: mpii.Person, other: mpii.Person) -> bool:
    """The list rounds its joints to whole pixels, and the head box moves the neck."""
    both = (one.visible > 0) & (other.visible > 0)
    return both.sum() >= 4 and float(np.median(np.linalg.norm(one.joints - other.joints, axis=1)[both])) < 5
