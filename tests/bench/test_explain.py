"""Which protocol gives a number: by hand, and Tompson's published predictions on MPII."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import data
from bench.errors import UserError
from bench.explain import THRESHOLDS, TOTAL, explain, nearest, of_people, protocols
from data.skeletons import COCO17, LSP14, MPII16
from data.types import Person, PoseSample

HEAD = 100.0  # pixels


def person(skeleton=MPII16, unlabelled=(), head=HEAD):
    joints = np.stack([np.arange(len(skeleton.joints)) * 300.0, np.zeros(len(skeleton.joints))], 1)
    visible = np.full(len(skeleton.joints), 2)
    visible[list(unlabelled)] = 0
    return Person(joints, visible, np.zeros(4), head_size=head)


def off_by(people, errors):
    """The truth, with joint j of person i moved by errors[i][j] pixels."""
    found = np.stack([one.joints for one in people])
    for row, joints in enumerate(errors):
        for joint, error in joints.items():
            found[row, joint, 1] += error
    return found


def first(value, found, people, skeleton=MPII16):
    return nearest(value, of_people(value, found, people, skeleton))[0]


def test_threshold_0_1_and_0_11_are_told_apart():
    people = [person()]
    found = off_by(people, [dict.fromkeys((0, 1, 2, 9), 10.5)])  # of a head of 100 px
    missed, hit = first(71.4, found, people), first(100.0, found, people)
    assert (missed.protocol, missed.row, missed.value) == ("pckh@0.1", TOTAL, pytest.approx(1000 / 14))
    assert missed.distance == 0
    assert missed.words.startswith("joints within 0.1 of the head size")
    by_id = {v.protocol: v.value for v in of_people(0, found, people, MPII16) if (v.row, v.origin) == (TOTAL, 0)}
    assert by_id["pckh@0.11"] == by_id["pckh@0.2"] == by_id["pckh@0.5"] == 100
    assert hit.departures == 0


def test_plain_mean_and_weighted_are_told_apart():
    people = [person(), person(unlabelled=(0,)), person(unlabelled=(0,))]
    found = off_by(people, [{0: 90}, {}, {}])
    assert first(92.9, found, people).protocol == "pckh@0.5/plain-mean"  # 13 of 14 joints
    assert first(97.5, found, people).protocol == "pckh@0.5"  # 39 of 40 labelled joints


def test_all_joints_and_strictly_less_are_told_apart():
    people = [person()]
    assert first(93.8, off_by(people, [{6: 90}]), people).protocol == "pckh@0.5/all-joints"
    limits = {9: 50, 8: -50} | dict.fromkeys(range(6), 30)  # no shift brings both within, or both out
    assert first(85.7, off_by(people, [limits]), people).protocol == "pckh@0.5/strictly-less"


def test_a_single_row_and_the_official_head_are_found():
    people = [person()] * 4
    found = off_by(people, [{10: 90}, {10: 90}, {10: 90}, {8: 90}])
    wrist = first(62.5, found, people)
    assert (wrist.protocol, wrist.row) == ("pckh@0.5", "wrist")
    assert "row wrist alone" in wrist.words
    head = first(87.5, found, people)
    assert (head.protocol, head.row) == ("pckh@0.5/official-head", "head")


def test_predictions_that_count_from_one_are_found():
    people = [person()]
    found = off_by(people, [dict.fromkeys(range(14), 49.5)]) + 1
    plain = [v for v in of_people(100, found, people, MPII16) if (v.protocol, v.row) == ("pckh@0.5", TOTAL)]
    assert {v.origin: round(v.value, 1) for v in plain} == {
        0: 14.3,
        -1: 100.0,
        1: 14.3,
    }  # two of 14 scored joints are where they are
    assert first(100.0, found, people).value == 100.0


def test_what_the_data_does_not_allow_is_left_out():
    without_heads = of_people(50, off_by([person(LSP14)], [{}]), [person(LSP14, head=np.nan)], LSP14)
    assert not any(v.protocol.startswith("pckh") for v in without_heads)
    assert any(v.protocol == "pcp@0.5/loose" for v in without_heads)
    headless = of_people(50, off_by([person(COCO17)], [{}]), [person(COCO17)], COCO17)
    assert not any("official-head" in v.protocol for v in headless)


def test_nearest_is_first_and_every_threshold_is_tried():
    people = [person()]
    listed = nearest(60.0, of_people(60.0, off_by(people, [{j: 5.0 * j for j in range(16)}]), people, MPII16))
    distances = [v.distance for v in listed]
    assert distances == sorted(distances)
    assert listed[0].distance == pytest.approx(abs(round(listed[0].value, 1) - 60))
    ids = {protocol.id for protocol in protocols()}
    assert {f"{name}@{t}" for name in ("pck", "pckh") for t in THRESHOLDS} <= ids
    assert {"words", "value", "distance", "protocol", "row", "convention", "origin"} == listed[0].to_dict().keys()


@pytest.fixture
def lsp(monkeypatch):
    """One person, whose left and right are swapped in the observer's labels."""

    def read(split, root, options):
        one = person(LSP14)
        swapped = replace(one, joints=one.joints[list(LSP14.flip)])
        return [PoseSample(0, None, (9, 9), (swapped if options.convention == "oc" else one,))]

    monkeypatch.setitem(data.DATASETS, "lsp", replace(data.DATASETS["lsp"], read=read))


def test_the_observers_left_and_right_are_found(lsp, tmp_path):
    np.savez(tmp_path / "p.npz", joints=person(LSP14).joints[None, list(LSP14.flip)])
    answer = explain(100.0, tmp_path / "p.npz", "lsp", say=print)[0]
    assert (answer.protocol, answer.convention) == ("pck@0.2", "oc")
    assert "observer's" in answer.words


def test_mistakes_are_one_line(lsp, tmp_path):
    np.savez(tmp_path / "p.npz", joints=np.zeros((2, 14, 2)))
    for wrong, value, dataset, split in (
        (r"shape \(2, 14, 2\)", 1.0, "lsp", "test"),
        ("no data set", 1.0, "lps", "test"),
        ("several people", 1.0, "coco", "test"),
        ("--value nan", float("nan"), "lsp", "test"),
        ("--split middle", 1.0, "lsp", "middle"),
    ):
        with pytest.raises(UserError, match=wrong):
            explain(value, tmp_path / "p.npz", dataset, split=split, say=print)


def test_tompsons_printed_numbers_are_explained():
    root = Path(os.environ.get("POSE_DATA", ""))
    file = root / "parity/mpii_tompson/pred.mat"
    if not os.environ.get("POSE_DATA") or not file.exists() or not (root / "mpii/annot/gt_valid.mat").exists():
        pytest.skip("POSE_DATA does not hold parity/mpii_tompson/pred.mat and mpii/annot/gt_valid.mat")
    told = []
    variants = explain(28.97, file, "mpii", say=told.append)
    assert variants[0].protocol == "pckh@0.1"
    assert "counted from 1" in told[0]
    for value, protocol, row in (
        (33.14, "pckh@0.11", TOTAL),
        (81.46, "pckh@0.5/plain-mean", TOTAL),
        (82.34, "pckh@0.5", TOTAL),
        (76.74, "pckh@0.5", "wrist"),
    ):
        again = [replace(v, distance=abs(round(v.value, 2) - value)) for v in variants]
        assert (nearest(value, again)[0].protocol, nearest(value, again)[0].row) == (protocol, row)
