import numpy as np
import pytest

from bench.ilp_scenes import CLASSES, KEPT, MIRROR, MOST, draw_candidates, fit_pairs
from bench.speed_ilp import draw_growth, measure_program
from data import DATASETS, ReadOptions
from methods.ilp_costs import EPSILON


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    drawn = DATASETS["synthetic-multi-mpii"].read("train", tmp_path_factory.mktemp("none"), ReadOptions())[:50]
    return [sample for sample in drawn if any(not person.ignore for person in sample.people)]


@pytest.fixture(scope="module")
def drawn(samples):
    rng = np.random.default_rng(0)
    return [draw_candidates(sample, rng) for sample in samples]


def test_mirrored_classes_are_an_involution():
    assert [MIRROR[MIRROR[c]] for c in range(CLASSES)] == list(range(CLASSES))


def test_candidates_have_classes_that_a_detector_keeps(drawn):
    for found in drawn:
        assert 0 < len(found.unary) <= MOST
        assert ((found.unary == 0) | ((found.unary >= KEPT) & (found.unary <= 1))).all()
        assert (found.unary > 0).any(1).all()


def test_fitted_pairs_tell_one_person_from_two(drawn):
    rng = np.random.default_rng(1)
    model = fit_pairs(drawn[:30], rng)
    same, other = [], []
    for found in drawn[30:]:
        pairwise, label = model.pairwise(found), found.unary.argmax(1)
        assert ((pairwise >= 0) & (pairwise <= 1)).all()
        d, e = np.triu_indices(len(label), 1)
        probability = pairwise[d, e, label[d], label[e]]
        known = (found.person[d] >= 0) & (found.person[e] >= 0) & (label[d] != label[e])
        one = found.person[d] == found.person[e]
        same.append(probability[known & one])
        other.append(probability[known & ~one])
    assert np.median(np.concatenate(same)) > 0.7
    assert np.median(np.concatenate(other)) < 0.4


def test_same_class_probability_is_that_of_the_specification(drawn):
    found = drawn[0]
    pairwise = fit_pairs(drawn, np.random.default_rng(0)).pairwise(found)
    dist = np.linalg.norm(found.positions[0] - found.positions[1])
    assert pairwise[0, 1, 3, 3] == pytest.approx(1 / (1 + np.exp(0.2 * dist - 7.5)), rel=1e-5)
    assert EPSILON < 1 / (1 + np.exp(0.2 * 65 - 7.5)) < 2 * EPSILON


def test_program_is_timed_and_its_growth_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.speed_ilp.CROWD", 30)
    monkeypatch.setattr("bench.speed_ilp.DRAWN_IMAGES", 30)
    monkeypatch.setattr("bench.speed_ilp.NAIVE", 1)
    report = measure_program(tmp_path, lambda _: None, people=(1,), instances=2)
    (size,) = report.sizes
    assert report.images == "synthetic-multi-mpii" and size.people == 1 and size.instances == 2
    assert size.proven == 1 and size.greedy_gap_percent >= size.local_gap_percent >= 0
    assert len(report.points) == 2 and len(report.lines()) == 2
    draw_growth(report, tmp_path / "growth.svg")
    assert b"<svg" in (tmp_path / "growth.svg").read_bytes()
