"""A million random joints: each function against a float64 reference that is written in another way, in any split."""

import itertools

import numpy as np
import pytest

from bench.metrics import functional as F
from data.skeletons import COCO17, LSP14

SPLITS = (0, 1, 2, 1000, 30011, None)


@pytest.fixture(scope="module")
def flat():
    """71,429 people of 14 joints in pixels."""
    rng = np.random.default_rng(6)
    truth = rng.uniform(0, 200, (71429, 14, 2))
    found = truth + rng.normal(0, 12, truth.shape)
    found[rng.random((71429, 14)) < 0.05] = np.nan
    return found, truth, rng.integers(0, 3, (71429, 14)), rng.uniform(30, 120, 71429)


@pytest.fixture(scope="module")
def space():
    """58,824 people of 17 joints in millimetres."""
    rng = np.random.default_rng(7)
    truth = rng.normal(0, 300, (58824, 17, 3))
    found = 1.1 * truth[..., [1, 0, 2]] * [1, -1, 1] + rng.normal(0, 60, truth.shape)  # a quarter turn
    near = truth + rng.normal(0, 60, truth.shape)
    found[::2] = near[::2]
    visible = rng.integers(0, 3, (58824, 17))
    found[rng.random((58824, 17)) < 0.02] = np.nan
    return found, truth, visible


def complex_errors(found, truth):
    return abs((found - truth)[..., 0] + 1j * (found - truth)[..., 1])


def in_parts(function, *arrays):
    return np.concatenate([function(*(a[i:j] for a in arrays)) for i, j in itertools.pairwise(SPLITS)])


@pytest.mark.parametrize("function", [F.pck, F.pckh, F.pdj])
def test_hits_of_joints(flat, function):
    found, truth, visible, norm = flat
    expected = ~(complex_errors(found, truth) > 0.3 * norm[:, None]) & ~np.isnan(found[..., 0]) & (visible != 0)
    assert np.array_equal(in_parts(lambda *part: function(*part, 0.3), *flat), expected)


def test_areas_and_curves(flat):
    found, truth, visible, norm = flat
    ratio = np.nan_to_num(complex_errors(found, truth) / norm[:, None], nan=9.0)
    drawn = [np.where(visible > 0, ratio <= step / 100, False) for step in range(21)]
    area = sum(0.5 * a.astype(np.float32) + 0.5 * b for a, b in itertools.pairwise(drawn)) / 20
    assert np.abs(in_parts(F.pck_auc, *flat) - area).max() < 1e-6
    curve = np.stack([hits.sum(0) / (visible > 0).sum(0) for hits in drawn])
    assert F.pdj_curve(*flat, tuple(step / 100 for step in range(21))) == pytest.approx(curve, abs=1e-12)


@pytest.mark.parametrize("strict", [True, False])
def test_hits_of_sticks(flat, strict):
    points, true = ((p[..., 0] + 1j * p[..., 1]) for p in flat[:2])
    expected = []
    for _, (one, other) in LSP14.sticks:
        a, b = (sum(true[:, j] for j in ids) / len(ids) for ids in (one, other))
        x, y = (sum(points[:, j] for j in ids) / len(ids) for ids in (one, other))
        off = np.maximum(abs(x - a), abs(y - b)) if strict else (abs(x - a) + abs(y - b)) / 2
        expected.append((off <= abs(a - b) / 2) & np.logical_and.reduce([flat[2][:, j] > 0 for j in one + other]))
    found = in_parts(lambda f, t, v: F.pcp(f, t, v, LSP14.sticks, strict=strict), *flat[:3])
    assert np.array_equal(found, np.stack(expected, 1))


def test_similarities():
    rng = np.random.default_rng(8)
    truth, found = rng.uniform(0, 90, (240, 17, 2)), rng.uniform(0, 90, (246, 17, 2))  # 1,003,680 pairs of joints
    found[rng.random((246, 17)) < 0.05] = np.nan
    visible, area, sigmas = rng.integers(0, 3, (240, 17)), rng.uniform(500, 9000, 240), np.array(COCO17.sigmas)
    expected = np.zeros((246, 240))
    for p in range(240):
        seen = np.flatnonzero(visible[p])
        exponent = (complex_errors(found, truth[p])[:, seen] / sigmas[seen]) ** 2 / (8 * area[p])
        expected[:, p] = np.nansum(np.exp(-exponent), 1) / len(seen)
    parts = [F.oks(found[i:j], truth, visible, area, sigmas) for i, j in itertools.pairwise((0, 1, 100, None))]
    assert np.abs(np.concatenate(parts) - expected).max() < 1e-12


def test_errors_in_space(space):
    found, truth, visible = space
    x, y, z = np.moveaxis((found - found[:, 14:15]) - (truth - truth[:, 14:15]), -1, 0)
    squares = np.where(np.isnan(x), np.inf, x * x + y * y + z * z)
    seen = visible > 0
    assert np.array_equal(in_parts(lambda *part: F.pck3d(*part, 14), *space), seen & (squares < 150.0**2))
    steps = sum((squares < float(limit) ** 2).astype(np.int64) for limit in range(0, 155, 5))
    assert np.abs(in_parts(lambda *part: F.auc3d(*part, 14), *space) - seen * steps / 31).max() < 1e-12
    lengths = in_parts(lambda *part: F.mpjpe(*part, 14), *space)
    assert np.allclose(lengths, np.where(seen, np.sqrt(squares), np.nan), rtol=1e-12, equal_nan=True)


def test_errors_after_alignment(space):
    expected = horn(*space)
    assert np.allclose(in_parts(F.pa_mpjpe, *space), expected, rtol=1e-7, atol=1e-7, equal_nan=True)


def horn(found, truth, visible):
    """Align by the unit quaternion of the largest eigenvalue (Horn 1987)."""
    seen, there = visible > 0, ~np.isnan(found[..., 0])
    weight = (seen & there) / (seen & there).sum(1, keepdims=True)
    a = np.nan_to_num(found) - np.einsum("nk,nkd->nd", weight, np.nan_to_num(found))[:, None]
    b = truth - np.einsum("nk,nkd->nd", weight, truth)[:, None]
    s = np.einsum("nk,nki,nkj->ijn", weight, a, b)
    matrix = np.empty((len(found), 4, 4))
    matrix[:, 0, 0] = np.trace(s)
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        matrix[:, 0, i + 1] = matrix[:, i + 1, 0] = s[j, k] - s[k, j]
        matrix[:, i + 1, i + 1] = 2 * s[i, i] - np.trace(s)
        matrix[:, i + 1, j + 1] = matrix[:, j + 1, i + 1] = s[i, j] + s[j, i]
    q = np.linalg.eigh(matrix)[1][:, :, -1]
    turned = a + 2 * np.cross(q[:, None, 1:], np.cross(q[:, None, 1:], a) + q[:, None, :1] * a)
    scale = np.einsum("nk,nkd,nkd->n", weight, b, turned) / np.einsum("nk,nkd->n", weight, a * a)
    errors = np.sqrt(np.square(scale[:, None, None] * turned - b).sum(-1))
    return np.where(seen, np.where(there, errors, np.inf), np.nan)


def test_average_precision_of_groups():
    rng = np.random.default_rng(9)
    truth = rng.uniform(0, 99, (2000, 1, 14, 2))
    found = truth + rng.normal(0, 12, (2000, 36, 14, 2))  # 1,008,000 joints
    found[rng.random(found.shape[:3]) < 0.02] = np.nan
    scores, visible, heads = rng.random(found.shape[:3]), rng.integers(0, 2, (2000, 1, 14)), rng.uniform(15, 30, 2000)
    near = (complex_errors(found, truth) <= heads[:, None, None] / 2) & (visible > 0)
    winner = np.arange(36) == near.sum(2).argmax(1)[:, None]
    hits, wanted = near & winner[..., None], visible.sum((0, 1))
    expected = []
    for k in range(14):
        there = ~np.isnan(found[:, :, k, 0])
        falling = np.sort(-scores[:, :, k][there])
        right = np.sort(-scores[:, :, k][there & hits[:, :, k]])
        precision = np.arange(1, len(right) + 1) / (np.searchsorted(falling, right) + 1)
        expected.append(np.fmax.accumulate(precision[::-1]).sum() / wanted[k])
    groups = (found, scores, truth, visible, heads[:, None])
    assert F.mpii_ap(*groups) == pytest.approx(expected, abs=1e-12)
    shuffled = rng.permutation(2000)
    assert F.mpii_ap(*(part[shuffled] for part in groups)) == pytest.approx(expected, abs=1e-12)
