"""The cascade's pieces against plain loops, numpy and numbers worked by hand."""

import math

import numpy as np
import pytest
import torch

from methods.cascade import (
    Residuals,
    corners,
    cut,
    detected,
    diameter,
    improving,
    into_box,
    out_of_box,
    pixel_size,
    simulate,
    taught,
)


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_normalising_by_a_box_and_back_is_the_identity():  # item 3
    points, centre = 100 * random(50, 14, 2), 100 * random(50, 1, 2, seed=1)
    size = 1 + 100 * random(50, 1, 2, seed=2)
    torch.testing.assert_close(out_of_box(into_box(points, centre, size), centre, size), points, atol=1e-4, rtol=0)


def test_the_centre_of_a_box_is_zero_and_its_corners_are_a_half():  # item 3
    centre, size = torch.tensor([30.0, 50.0]), torch.tensor([20.0, 40.0])
    assert into_box(centre, centre, size).tolist() == [0, 0]
    box = corners(centre, size)
    assert box.tolist() == [[20, 30], [40, 30], [40, 70], [20, 70]]
    assert into_box(box, centre, size).tolist() == [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]


def brute_force(image, x, y):
    """Bilinear in float64, 0 beyond the image; pixel centres at integers."""
    x0, y0, value = math.floor(x), math.floor(y), 0.0
    for row, column in ((y0, x0), (y0, x0 + 1), (y0 + 1, x0), (y0 + 1, x0 + 1)):
        if 0 <= row < len(image) and 0 <= column < len(image[0]):
            value += image[row][column] * (1 - abs(x - column)) * (1 - abs(y - row))
    return value


def test_cutting_samples_the_box_evenly_and_finds_zero_beyond_the_image():
    pixels = random(2, 3, 9, 12) - 0.5
    centre, size = random(2, 3, 2, seed=1) * 12, 2 + random(2, 3, 2, seed=2) * 8
    centre[1, 2] = torch.tensor([-1.0, 8.0])  # partly outside
    pieces = cut(pixels, centre, size, 5)
    assert pieces.shape == (6, 3, 5, 5)
    for b in range(2):
        for n in range(3):
            (cx, cy), (sx, sy) = centre[b, n].tolist(), size[b, n].tolist()
            for row in range(5):
                for column in range(5):
                    x, y = cx + sx * ((column + 0.5) / 5 - 0.5), cy + sy * ((row + 0.5) / 5 - 0.5)
                    for c in range(3):
                        expected = brute_force(pixels[b, c].double().tolist(), x, y)
                        assert pieces[3 * b + n, c, row, column].item() == pytest.approx(expected, abs=1e-5)


def test_a_pixel_is_as_large_as_it_was_in_the_original_however_it_was_moved():
    stretched = torch.tensor([[2.0, 0, 7], [0, 3, 9]])
    mirrored = torch.tensor([[-2.0, 0, 7], [0, 3, 9]])
    turned = torch.tensor([[1.2, -3.2, 0], [1.6, 2.4, 0]])  # 3-4-5: by 53 degrees, twice and four times as large
    sizes = pixel_size(torch.stack([stretched, mirrored, turned]).double())
    np.testing.assert_allclose(sizes, [[2, 3], [2, 3], [2, 4]], rtol=1e-6)


def test_the_diameter_is_a_distance_in_the_original_given_in_input_pixels():
    pose = torch.tensor([[[10.0, 10.0], [0, 0], [11.5, 14.0]]])  # 3 and 8 original pixels apart with pixels of 2x2 ...
    one = diameter(pose, torch.tensor([[2.0, 2.0]]), (0, 2), torch.tensor([1.0]))
    np.testing.assert_allclose(one, [[[math.sqrt(73) / 2] * 2]], rtol=1e-6)
    two = diameter(pose, torch.tensor([[2.0, 1.0]]), (0, 2), torch.tensor([1.0]))  # ... 3 and 4: a length of 5
    np.testing.assert_allclose(two, [[[2.5, 5.0]]])


def test_a_pose_collapsed_to_a_point_has_the_least_diameter():
    least = torch.tensor([6.0])
    assert diameter(torch.ones(1, 3, 2), torch.tensor([[2.0, 3.0]]), (0, 2), least).tolist() == [[[3.0, 2.0]]]


def test_residuals_are_numpys_mean_and_covariance_of_the_labelled_errors():
    rng = np.random.default_rng(0)
    errors = rng.normal(size=(70, 4, 2)) @ np.array([[0.3, 0.1], [0.0, 0.2]]) + [0.1, -0.4]
    labelled = rng.random((70, 4)) < 0.7
    labelled[:, 3] = False
    residuals = Residuals(4)
    for part in (slice(0, 33), slice(33, 70)):
        hidden = np.where(labelled[part][..., None], errors[part], 1e4)
        residuals.add(torch.from_numpy(hidden), torch.from_numpy(labelled[part]))
    for joint in range(3):
        known = errors[labelled[:, joint], joint]
        np.testing.assert_allclose(residuals.mean[joint], known.mean(0), atol=1e-12)
        np.testing.assert_allclose(residuals.covariance[joint], np.cov(known.T, bias=True), atol=1e-12)
    assert not residuals.mean[3].any() and not residuals.covariance[3].any()


def test_simulated_errors_have_the_mean_and_covariance_asked_for():
    torch.manual_seed(0)
    mean, covariance = torch.tensor([0.3, -0.1]), torch.tensor([[0.09, -0.05], [-0.05, 0.04]])
    drawn = simulate(mean.expand(40_000, 2), covariance.expand(40_000, 2, 2))
    np.testing.assert_allclose(drawn.mean(0), mean, atol=0.006)  # four standard errors of 0.3 / 200
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.003)


def test_simulated_errors_of_a_singular_covariance_lie_on_its_line():
    torch.manual_seed(0)
    line = simulate(torch.zeros(100, 2), torch.tensor([[1.0, 2.0], [2.0, 4.0]]).expand(100, 2, 2))
    torch.testing.assert_close(line[:, 1], 2 * line[:, 0])
    upright = simulate(torch.zeros(100, 2), torch.tensor([[0.0, 0.0], [0.0, 4.0]]).expand(100, 2, 2))
    assert not upright[:, 0].any() and upright[:, 1].std() > 1
    assert (simulate(torch.ones(5, 2), torch.zeros(5, 2, 2)) == 1).all()


def test_joints_are_detected_within_a_fifth_of_the_true_torso():
    truth = torch.tensor([[[0.0, 0.0], [30.0, 20.0], [5.0, 5.0]]]).repeat(2, 1, 1)  # shoulder, hip, another
    pixel = torch.tensor([[2.0, 3.0], [2.0, 3.0]])  # a torso of (60, 60) original pixels: reach 16.97
    poses = truth + torch.zeros(3, 1, 1, 2)
    poses[0, 0, 0, 0] += 8.4  # 16.8 original pixels
    poses[1, 0, 0, 0] += 8.6  # 17.2
    poses[2, 0, 2, 1] -= 5.7  # 17.1
    labelled = torch.ones(2, 3, dtype=torch.bool)
    assert detected(poses, truth, labelled, pixel, (0, 1)).tolist() == [6, 5, 5]
    labelled[1, 1] = False  # no end of the torso: the second person does not count
    assert detected(poses, truth, labelled, pixel, (0, 1)).tolist() == [3, 2, 2]
    labelled[0, 2] = False
    assert detected(poses, truth, labelled, pixel, (0, 1)).tolist() == [2, 1, 2]


@pytest.mark.parametrize(
    ("found", "kept"), [([5], 1), ([5, 6, 7], 3), ([5, 6, 6], 2), ([5, 4, 9], 1), ([5, 5, 9], 1), ([0, 0], 1)]
)
def test_stages_are_kept_while_each_finds_more_than_the_one_before(found, kept):
    assert improving(found) == kept


def test_a_box_teaches_its_own_joint_or_all_labelled_ones_inside_it():
    truth = torch.tensor([[[10.0, 10.0], [12.0, 10.0], [13.1, 10.0], [10.0, 11.0]]])
    labelled = torch.tensor([[True, True, True, False]])
    joints, centre, size = (
        torch.tensor([[0, 2]]),
        torch.tensor([[[10.0, 10.0], [30.0, 10.0]]]),
        torch.full((1, 2, 2), 6.0),
    )
    where, own = taught(truth, labelled, joints, centre, size, inside=False)
    assert own.tolist() == [[[True, False, False, False], [False, False, True, False]]]
    torch.testing.assert_close(where[0, 0, 1], torch.tensor([2 / 6, 0.0]))
    _, inside = taught(truth, labelled, joints, centre, size, inside=True)
    assert inside.tolist() == [[[True, True, False, False], [False, False, True, False]]]
