"""Heat-maps against slow drawings and slow decoders in float64; protocol checklist 3 to 6."""

import cv2
import numpy as np
import pytest
import torch

from data.types import apply_affine, invert_affine
from data.views import Look, PersonCrop
from methods import heatmaps

H, W = 20, 30


def slow_target(x, y, sigma, h, w):
    """One classic target and its weight, cell by cell."""
    mu, reach = (int(x / 4 + 0.5), int(y / 4 + 0.5)), int(3 * sigma)
    target, touched = np.zeros((h, w)), False
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            if 0 <= mu[0] + dx < w and 0 <= mu[1] + dy < h:
                target[mu[1] + dy, mu[0] + dx] = np.exp(-(dx * dx + dy * dy) / (2 * sigma**2))
                touched = True
    return target, float(touched)


def slow_dark(heatmap, kernel):
    """DARK's decoder in NumPy and OpenCV, one map."""
    h, w = heatmap.shape
    py, px = np.unravel_index(heatmap.argmax(), heatmap.shape)
    edge = kernel // 2
    smooth = cv2.GaussianBlur(np.pad(heatmap, edge), (kernel, kernel), 0)[edge:-edge, edge:-edge]
    log = np.log(np.maximum(smooth * heatmap.max() / smooth.max(), 1e-10))
    if not (1 < px < w - 2 and 1 < py < h - 2):
        return np.array([px, py], float)
    gradient = np.array([log[py, px + 1] - log[py, px - 1], log[py + 1, px] - log[py - 1, px]]) / 2
    dxx = (log[py, px + 2] - 2 * log[py, px] + log[py, px - 2]) / 4
    dyy = (log[py + 2, px] - 2 * log[py, px] + log[py - 2, px]) / 4
    dxy = (log[py + 1, px + 1] - log[py - 1, px + 1] - log[py + 1, px - 1] + log[py - 1, px - 1]) / 4
    return np.array([px, py]) - np.linalg.solve([[dxx, dxy], [dxy, dyy]], gradient)


def slow_udp(heatmap, kernel):
    """UDP's decoder in NumPy and OpenCV, one map."""
    py, px = np.unravel_index(heatmap.argmax(), heatmap.shape)
    if heatmap[py, px] <= 0:
        return np.zeros(2)
    log = np.log(np.clip(cv2.GaussianBlur(heatmap, (kernel, kernel), 0), 1e-3, 50))
    log, y, x = np.pad(log, 1, mode="edge"), py + 1, px + 1
    gradient = np.array([log[y, x + 1] - log[y, x - 1], log[y + 1, x] - log[y - 1, x]]) / 2
    dxx = log[y, x + 1] - 2 * log[y, x] + log[y, x - 1]
    dyy = log[y + 1, x] - 2 * log[y, x] + log[y - 1, x]
    cross = log[y + 1, x + 1] - log[y, x + 1] - log[y + 1, x] + log[y, x]  # of the corner below and right
    dxy = (cross + log[y - 1, x - 1] - log[y, x - 1] - log[y - 1, x] + log[y, x]) / 2  # and of that above and left
    return np.array([px, py]) - np.linalg.solve([[dxx, dxy], [dxy, dyy]], gradient)


def slow_quarter(heatmap):
    """The classic decoder, one map."""
    h, w = heatmap.shape
    py, px = np.unravel_index(heatmap.argmax(), heatmap.shape)
    if heatmap[py, px] <= 0:
        return np.zeros(2)
    if not (1 < px < w - 1 and 1 < py < h - 1):
        return np.array([px, py], float)
    slope = [heatmap[py, px + 1] - heatmap[py, px - 1], heatmap[py + 1, px] - heatmap[py - 1, px]]
    return np.array([px, py]) + 0.25 * np.sign(slope)


def smooth_noise(seed):
    """Maps (4, 50, H, W) whose peaks lie anywhere, borders included."""
    noise = torch.randn(4, 50, H, W, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return heatmaps.blur(noise, 5) + 0.5


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.0, 3.0])
def test_classic_targets_equal_a_slow_drawing(sigma):
    rng = np.random.default_rng(0)
    joints = rng.uniform(-60, 60 + 4 * W, (5, 40, 2))
    targets, weights = heatmaps.encode(torch.from_numpy(joints), torch.ones(5, 40), (H, W), sigma, stride=4)
    slow = [[slow_target(*joint, sigma, H, W) for joint in row] for row in joints]
    assert 0 < weights.mean() < 1  # some of each
    np.testing.assert_allclose(targets, [[target for target, _ in row] for row in slow], atol=1e-12)
    np.testing.assert_array_equal(weights, [[weight for _, weight in row] for row in slow])


@pytest.mark.parametrize(("sigma", "side"), [(2.0, 13), (3.0, 19)])
def test_a_target_is_one_at_the_rounded_centre_and_zero_beyond_three_sigmas(sigma, side):
    joint = torch.tensor([[[81.9, 98.1]]])  # cell int(20.475 + .5), int(24.525 + .5)
    target = heatmaps.encode(joint, torch.ones(1, 1), (64, 48), sigma, stride=4)[0][0, 0]
    rows, columns = target.nonzero().T
    assert target[25, 20] == 1.0
    assert (columns.min(), columns.max()) == (20 - side // 2, 20 + side // 2)
    assert (rows.min(), rows.max()) == (25 - side // 2, 25 + side // 2)


def test_the_centre_is_truncated_towards_zero():
    joint = torch.tensor([[[-5.9, 10.0]]])  # int(-5.9 / 4 + .5) is 0, its floor is -1
    target = heatmaps.encode(joint, torch.ones(1, 1), (H, W), 2.0, stride=4)[0][0, 0]
    assert target[3, 0] == 1.0


@pytest.mark.parametrize(("encode", "partly"), [(heatmaps.encode, 1.0), (heatmaps.encode_unbiased, 0.0)])
def test_joints_without_label_and_windows_wholly_outside_weigh_nothing(encode, partly):
    x = torch.tensor([40.0, torch.nan, -31.0, -29.0, -23.0])  # classic cells ., ., -7, -6, -5; three sigmas are 6 cells
    joints = torch.stack([x, torch.full((5,), 40.0)], -1)[None]
    targets, weights = encode(joints, torch.tensor([[2, 0, 1, 1, 1]]), (H, W), 2.0, stride=4)
    assert weights.tolist() == [[1.0, 0.0, 0.0, partly, 1.0]]
    assert targets.isfinite().all()
    assert targets.flatten(2).any(-1).tolist() == [[bool(weight) for weight in weights[0]]]


def test_unbiased_targets_are_whole_gaussians_between_cells():
    joint = torch.tensor([[[41.0, 30.0]]], dtype=torch.float64)
    target = heatmaps.encode_unbiased(joint, torch.ones(1, 1), (H, W), 2.0, stride=4)[0][0, 0]
    y, x = np.mgrid[:H, :W]
    np.testing.assert_allclose(target, np.exp(-((x - 10.25) ** 2 + (y - 7.5) ** 2) / 8), atol=1e-12)


def test_error_of_a_constant_offset_is_half_its_square_and_weight_zero_keeps_the_denominator():
    targets, weights = torch.rand(2, 4, H, W), torch.ones(2, 4)
    assert heatmaps.weighted_mse(targets + 0.3, targets, weights) == pytest.approx(0.5 * 0.3**2, rel=1e-4)
    weights[:, 0] = 0  # one joint of four
    assert heatmaps.weighted_mse(targets + 0.3, targets, weights) == pytest.approx(0.75 * 0.5 * 0.3**2, rel=1e-4)


def test_quarter_moves_towards_the_higher_neighbours():
    maps = torch.zeros(1, 1, 64, 48)
    maps[0, 0, 30, 20], maps[0, 0, 30, 21], maps[0, 0, 29, 20] = 1.0, 0.5, 0.5
    joints, peaks = heatmaps.quarter(maps)
    assert joints.tolist() == [[[20.25, 29.75]]] and peaks.tolist() == [[1.0]]


@pytest.mark.parametrize(("x", "moves"), [(0, False), (1, False), (2, True), (W - 2, True), (W - 1, False)])
def test_quarter_leaves_peaks_near_the_border(x, moves):
    maps = torch.zeros(1, 1, H, W)
    maps[0, 0, 10, max(0, x - 1)], maps[0, 0, 11, x], maps[0, 0, 10, x] = 0.5, 0.5, 1.0
    expected = [x - 0.25, 10.25] if moves else [x, 10]
    assert heatmaps.quarter(maps)[0].tolist() == [[expected]]


def test_maps_without_a_positive_cell_decode_to_the_corner():
    for decode in heatmaps.DECODERS.values():
        joints, _ = decode(-torch.rand(1, 3, H, W))
        assert not joints.any()


def test_quarter_dark_and_udp_equal_slow_decoders():
    maps = smooth_noise(1)
    slow_ones = (slow_quarter, lambda m: slow_dark(m, 11), lambda m: slow_udp(m, 11))
    for decode, slow in zip((heatmaps.quarter, heatmaps.dark, heatmaps.udp), slow_ones, strict=True):
        joints, peaks = decode(maps)
        expected = [[slow(heatmap) for heatmap in row] for row in maps.numpy()]
        np.testing.assert_allclose(joints, expected, rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(peaks, maps.amax((-2, -1)))


@pytest.mark.parametrize("kernel", [3, 11, 17])
def test_blur_is_that_of_opencv_on_a_border_of_zeros(kernel):
    heatmap = np.random.default_rng(0).random((H, W))
    edge = kernel // 2
    expected = cv2.GaussianBlur(np.pad(heatmap, edge), (kernel, kernel), 0)[edge:-edge, edge:-edge]
    np.testing.assert_allclose(heatmaps.blur(torch.from_numpy(heatmap)[None, None], kernel)[0, 0], expected, atol=1e-12)


def test_dark_recovers_an_off_grid_centre_and_quarter_stays_within_a_quarter():
    cells = 20 + torch.rand(1, 400, 2, generator=torch.Generator().manual_seed(0))
    maps, _ = heatmaps.encode_unbiased(cells * 4, torch.ones(1, 400), (64, 48), 2.0, stride=4)
    assert (heatmaps.dark(maps)[0] - cells).abs().max() < 1e-3
    error = (heatmaps.quarter(maps)[0] - cells).abs().max()
    assert 0.24 < error < 0.25 + 1e-5


def test_udp_recovers_an_off_grid_centre():  # protocol checklist 7
    cells = 20 + torch.rand(1, 400, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    maps, _ = heatmaps.encode_unbiased(cells * 4, torch.ones(1, 400), (64, 48), 2.0, stride=4)
    assert (heatmaps.udp(maps)[0] - cells).abs().max() < 1e-4
    windowed, _ = heatmaps.encode_udp(cells * 4, torch.ones(1, 400), (64, 48), 2.0, stride=4)
    assert (heatmaps.udp(windowed)[0] - cells).abs().max() < 0.01


def test_udp_targets_are_the_whole_gaussian_within_the_classic_window():
    joints = torch.from_numpy(np.random.default_rng(0).uniform(-30, 30 + 4 * W, (5, 40, 2)))
    (y, x), centre = np.mgrid[:H, :W], joints.numpy()[..., None, None] / 4
    whole = np.exp(-((x - centre[:, :, 0]) ** 2 + (y - centre[:, :, 1]) ** 2) / 8)
    classic, classic_weights = heatmaps.encode(joints, torch.ones(5, 40), (H, W), 2.0, stride=4)
    targets, weights = heatmaps.encode_udp(joints, torch.ones(5, 40), (H, W), 2.0, stride=4)
    inside = (classic > 0) & (classic_weights > 0)[..., None, None]
    np.testing.assert_allclose(targets[inside], whole[inside])
    assert not targets[~inside].any()
    np.testing.assert_array_equal(weights, classic_weights)


def test_the_classic_grid_begins_at_pixel_0_and_udps_ends_at_the_last_pixel_too():
    classic = heatmaps.Grid.of(PersonCrop((256, 192)), 4)
    udp = heatmaps.Grid.of(PersonCrop((256, 192), aligned=True), 4)
    last = torch.tensor([[0.0, 0.0], [47.0, 63.0]])
    assert classic.size == udp.size == (64, 48)
    assert classic.pixels(last).tolist() == [[0, 0], [188, 252]]
    np.testing.assert_allclose(udp.pixels(last), [[0, 0], [191, 255]], atol=1e-9)
    middle = heatmaps.Grid.of(PersonCrop((64, 64)), 4, 0.5)
    assert middle.pixels(torch.tensor([3.0, 0.0])).tolist() == [14, 2]
    for grid in (classic, udp, middle):
        np.testing.assert_allclose(grid.cells(grid.pixels(last)), last, atol=1e-9)


def test_image_to_input_to_map_and_back_loses_nothing_on_udps_grid():  # protocol checklist 7
    view = PersonCrop((256, 192), padding=1.25, aligned=True)
    box = np.array([10.0, 20.0, 50.0, 60.0])
    affine, grid = view.to_input(Look(0, 0, box)), heatmaps.Grid.of(view, 4)
    np.testing.assert_allclose(apply_affine(np.array([30.0, 40.0]), affine), [191 / 2, 255 / 2])
    points = np.random.default_rng(0).uniform(0, 60, (1, 50, 2))
    inputs = torch.from_numpy(apply_affine(points, affine))
    back = apply_affine(grid.pixels(grid.cells(inputs)).numpy(), invert_affine(affine))
    np.testing.assert_allclose(back, points, atol=1e-9)


@pytest.mark.parametrize(("aligned", "shift", "pixels"), [(True, 0, 0.0), (False, 1, 1.0), (False, 0, -3.0)])
def test_mirrored_back_maps_lie_exactly_on_udps_grid_alone(aligned, shift, pixels):  # protocol checklist 3
    grid = heatmaps.Grid.of(PersonCrop((4 * H, 4 * W), aligned=aligned), 4)
    at = grid.pixels(torch.stack([torch.arange(float(W)), torch.zeros(W)], -1))[:, 0]  # of the input, by cell
    maps, mirrored = at.expand(1, 1, H, W), (4 * W - 1 - at).expand(1, 1, H, W)  # the network that tells its own x
    moved = 2 * heatmaps.flip_average(maps, mirrored, (0,), shift=shift) - maps
    np.testing.assert_allclose((maps - moved)[..., 1:], pixels, atol=1e-9)  # what stood at x + d stands at x


def test_mirrored_back_maps_of_stride_4_lie_a_quarter_cell_right_after_the_shift():
    pixels = torch.arange(4.0 * W).expand(1, 1, H, 4 * W)  # each pixel holds its own x
    maps, mirrored = pixels[..., ::4], pixels.flip(-1)[..., ::4]  # the identity network of stride 4
    moved = 2 * heatmaps.flip_average(maps, mirrored, (0,), shift=1) - maps
    np.testing.assert_allclose(moved[..., 1:] - maps[..., 1:], -1.0)  # x - 1 stands at x: content moved +.25 cell
    unmoved = 2 * heatmaps.flip_average(maps, mirrored, (0,), shift=0) - maps
    np.testing.assert_allclose(unmoved - maps, 3.0)
    np.testing.assert_allclose(moved[..., 0], unmoved[..., 0])  # column 0 is left as it was


def test_flip_average_swaps_left_and_right():
    left, right = torch.rand(2, 1, 1, H, W)
    maps = torch.cat([left, right], 1)
    seen_in_mirror = torch.cat([right.flip(-1), left.flip(-1)], 1)
    np.testing.assert_allclose(heatmaps.flip_average(maps, seen_in_mirror, (1, 0), shift=0), maps)


@pytest.mark.parametrize("decode", heatmaps.DECODERS.values(), ids=heatmaps.DECODERS)
def test_decoding_targets_commutes_with_the_mirror(decode):
    near = 7 if decode is heatmaps.udp else 4  # UDP's blur mirrors the map at its border, 5 cells away
    cells = torch.randint(near, H - near, (3, 14, 2), generator=torch.Generator().manual_seed(0)).float()
    mirrored = torch.stack([W - 1 - cells[..., 0], cells[..., 1]], -1)
    for joints in (cells, mirrored):
        maps, _ = heatmaps.encode(joints * 4, torch.ones(3, 14), (H, W), 1.0, stride=4)
        np.testing.assert_allclose(decode(maps)[0], joints, atol=1e-4)
        back, _ = decode(maps.flip(-1))
        np.testing.assert_allclose(W - 1 - back[..., 0], joints[..., 0], atol=1e-4)
