"""MOTA by hand, 100 (1 - (misses + false positives + switches) / truths), and against CLEAR MOT in plain loops."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from bench.metrics.mota import FAULTS, Counts, Followed, by_row, count
from data.skeletons import COCO17, LSP14, MPII16
from data.types import Person

HEAD = 10.0
HERE, THERE = np.array([20.0, 20.0]), np.array([120.0, 20.0])
K = 2


def person(track, where, *, visible=(2,) * K, head=HEAD):
    joints = np.tile(where, (K, 1)).astype(float)
    return Person(joints, np.array(visible), np.zeros(4), head_size=head, track=track)


def found(*people):
    """Who was found in one frame: (identity, place of all joints)."""
    joints = np.array([np.tile(where, (K, 1)) for _, where in people], float).reshape(-1, K, 2)
    return Followed(joints, np.array([track for track, _ in people], np.int64))


def mota(seen, truth):
    return count(seen, truth).mota().tolist()


ALONE = [(person(0, HERE),)] * 4  # one person through four frames
PAIR = [(person(0, HERE), person(1, THERE))] * 4


def test_a_perfect_track_is_100():
    assert mota([found((7, HERE))] * 4, ALONE) == [100, 100]
    assert mota([found((3, THERE), (5, HERE))] * 4, PAIR) == [100, 100]


def test_one_miss_of_four():
    seen = [found((7, HERE)), found(), found((7, HERE)), found((7, HERE))]
    counts = count(seen, ALONE)
    assert counts.mota().tolist() == [75, 75]
    assert (counts.truths.tolist(), counts.misses.tolist(), counts.switches.tolist()) == ([4, 4], [1, 1], [0, 0])


def test_a_joint_that_was_not_found_is_a_miss_of_that_joint_alone():
    lacking = found((7, HERE))
    lacking.joints[0, 1] = np.nan
    assert mota([found((7, HERE))] * 3 + [lacking], ALONE) == [100, 75]


def test_one_false_positive():
    counts = count([found((7, HERE))] * 3 + [found((7, HERE), (8, THERE))], ALONE)
    assert counts.mota().tolist() == [75, 75]
    assert counts.false_positives.tolist() == [1, 1]


def test_one_switch_of_identity_counts_once():
    counts = count([found((7, HERE))] * 2 + [found((8, HERE))] * 2, ALONE)
    assert counts.mota().tolist() == [75, 75]
    assert counts.switches.tolist() == [1, 1]


def test_two_people_who_swap_identities_are_two_switches():
    straight, crossed = found((3, HERE), (5, THERE)), found((5, HERE), (3, THERE))
    assert mota([straight, straight, crossed, crossed], PAIR) == [75, 75]  # 2 of 8


def test_a_switch_across_a_gap_is_a_switch():
    seen = [found((7, HERE)), found(), found((8, HERE)), found((8, HERE))]
    assert mota(seen, ALONE) == [50, 50]  # a miss and a switch


def test_half_a_head_away_is_near_and_more_is_a_miss_and_a_false_positive():
    near, far = HERE + np.array([3.0, 4.0]), HERE + np.array([3.0, 4.001])
    assert mota([found((7, near))] * 4, ALONE) == [100, 100]
    assert mota([found((7, HERE))] * 3 + [found((7, far))], ALONE) == [50, 50]


def test_each_person_has_their_own_head():
    truth = [(person(0, HERE, head=10), person(1, THERE, head=4))] * 4
    off = np.array([0.0, 4.0])  # within half of 10, not of 4
    assert mota([found((0, HERE + off), (1, THERE + off))] * 4, truth) == [0, 0]  # 4 misses and 4 too many of 8


def test_a_joint_without_a_label_is_no_truth_and_finding_it_is_one_too_many():
    truth = [*ALONE[:3], (person(0, HERE, visible=(2, 0)),)]
    assert mota([found((7, HERE))] * 4, truth) == pytest.approx([100, 100 * (1 - 1 / 3)])


def test_who_was_matched_before_stays_matched_though_somebody_else_is_nearer():
    """The rule of CLEAR MOT; least distance alone would count a switch."""
    close = HERE + np.array([1.0, 0.0])
    counts = count([found((7, HERE)), found((7, close), (8, HERE))], ALONE[:2])
    assert (counts.switches.tolist(), counts.false_positives.tolist()) == ([0, 0], [1, 1])


def test_frames_with_nobody_count_for_what_is_in_them():
    assert mota([found()] * 4, ALONE) == [0, 0]
    nobody = count([found((1, HERE))] * 4, [()] * 4)
    assert nobody.false_positives.tolist() == [4, 4] and np.isnan(nobody.mota()).all()
    assert count([found()], [()]).truths.tolist() == [0, 0]


def test_sequences_add_up_and_do_not_know_each_other():
    first, second = count([found((7, HERE))] * 4, ALONE), count([found((8, HERE))] * 2 + [found()] * 2, ALONE)
    total = first + second
    assert total.switches.tolist() == [0, 0], "another sequence, another person"
    assert total.mota().tolist() == [75, 75]  # 2 of 8


def clear_mot(seen, truth, joint):
    """(truths, misses, false positives, switches) in plain loops: keep pairs, then the assignment of least distance."""
    last, counts = {}, np.zeros(4, int)
    for people, true in zip(seen, truth, strict=True):
        persons = {p.track: p for p in true if p.visible[joint]}
        places = {
            int(t): j[joint] for t, j in zip(people.tracks, people.joints, strict=True) if np.isfinite(j[joint]).all()
        }
        apart = {
            (a, b): d
            for a, p in persons.items()
            for b, where in places.items()
            if (d := np.hypot(*(p.joints[joint] - where)) / p.head_size) <= 0.5
        }
        pairs = {}
        for a in persons:
            if (a, last.get(a)) in apart and last[a] not in pairs.values():
                pairs[a] = last[a]
        left = [a for a in persons if a not in pairs]
        free = [b for b in places if b not in pairs.values()] + [None] * len(left)
        best = min(
            (tuple(zip(left, order, strict=False)) for order in permutations(free, len(left))),
            key=lambda some: (
                -sum(pair in apart for pair in some),
                sum(apart.get(pair, 0) for pair in some),
            ),
        )
        pairs |= {a: b for a, b in best if (a, b) in apart}
        switches = sum(last.get(a, b) != b for a, b in pairs.items())
        counts += (len(persons), len(persons) - len(pairs), len(places) - len(pairs), switches)
        last |= pairs
    return counts.tolist()


@pytest.mark.parametrize("seed", range(12))
def test_counts_are_those_of_plain_loops(seed):
    rng = np.random.default_rng(seed)
    truth, seen = [], []
    for _ in range(8):
        true = [person(t, rng.uniform(0, 14, 2), visible=rng.integers(0, 3, K)) for t in range(3) if rng.random() < 0.8]
        joints = rng.uniform(0, 14, (3, K, 2))
        joints[rng.random((3, K)) < 0.2] = np.nan
        truth.append(true)
        seen.append(Followed(joints, rng.permutation(4)[:3]))
    counts = count(seen, truth)
    for k in range(K):
        got = [int(getattr(counts, name)[k]) for name in ("truths", *FAULTS)]
        assert got == clear_mot(seen, truth, k)


# the table


def test_a_row_is_the_mean_of_its_joints_and_the_total_that_of_all_joints():
    values = np.arange(14.0)
    rows = by_row(values, LSP14)
    assert rows["knee"] == (1 + 4) / 2 and rows["head"] == (12 + 13) / 2
    assert rows["total"] == np.arange(14).mean()
    assert list(rows) == [*dict(LSP14.rows), "total"]


def test_the_head_row_takes_the_neck_in_and_pelvis_and_thorax_count_nowhere():
    values = np.zeros(16)
    values[8] = 10  # the neck
    values[6:8] = 1000
    assert by_row(values, MPII16)["head"] == 5
    assert by_row(values, MPII16)["total"] == pytest.approx(10 / 14)
    assert by_row(np.arange(17.0), COCO17)["head"] == 2


def test_joints_without_truth_are_left_out_of_the_means():
    values = np.full(14, np.nan)
    values[1] = 60
    rows = by_row(values, LSP14)
    assert (rows["knee"], rows["ankle"], rows["total"]) == (60, None, 60)


def test_the_faults_in_percent_and_mota_make_100():
    counts = Counts(*(np.array(c) for c in ([10, 4, 0], [1, 2, 0], [2, 4, 3], [1, 0, 0])))
    assert counts.percent("misses")[:2].tolist() == [10, 50]
    assert counts.mota()[:2].tolist() == [60, -50] and np.isnan(counts.mota()[2])


@pytest.mark.parametrize(
    ("seen", "truth", "message"),
    [
        ([], [], "0 frames"),
        ([found()], [(), ()], "1 frames with found people, 2 with true"),
        ([found((1, HERE), (1, THERE))], [()], "a different one"),
        ([found()], [(replace(person(0, HERE), track=None),)], "a different one"),
        ([found()], [(person(0, HERE, head=0.0),)], "expected > 0"),
    ],
)
def test_what_cannot_be_counted_is_refused(seen, truth, message):
    with pytest.raises(ValueError, match=message):
        count(seen, truth)
