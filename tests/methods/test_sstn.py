"""The symmetric transformer: there and back is nothing at all, for points, maps and gradients."""

import pytest
import torch
from torch.nn import functional as F

from methods.sstn import LEAST_DET, Localiser, corners, inverse, warp, warp_stacks


def transforms(n=200, least=0.1):
    """Random transforms whose determinant is not near 0."""
    drawn = torch.randn(10 * n, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return drawn[torch.linalg.det(drawn[:, :, :2]).abs() > least][:n]


def composed(second, first):
    """What one transform after another does, as a transform."""
    linear = first[:, :, :2] @ second[:, :, :2]
    return torch.cat([linear, first[:, :, :2] @ second[:, :, 2:] + first[:, :, 2:]], 2)


@pytest.mark.parametrize(
    ("theta", "gamma"),
    [
        ([[0.8, 0, 0.1], [0, 0.8, -0.2]], [[1.25, 0, -0.125], [0, 1.25, 0.25]]),
        ([[0.9, -0.3, 0.2], [0.25, 1.1, -0.1]], [[1.03286, 0.28169, -0.17840], [-0.23474, 0.84507, 0.13146]]),
    ],
)
def test_the_worked_examples_are_undone_by_the_worked_inverses(theta, gamma):  # item 1
    torch.testing.assert_close(inverse(torch.tensor([theta])), torch.tensor([gamma]), atol=1e-5, rtol=0)


def test_there_and_back_is_the_identity_also_for_gradients():  # item 1
    theta = transforms().requires_grad_()
    for both in (composed(theta, inverse(theta)), composed(inverse(theta), theta)):
        torch.testing.assert_close(both, torch.eye(2, 3, dtype=theta.dtype).expand_as(both), atol=1e-5, rtol=0)
        (grad,) = torch.autograd.grad((both * torch.arange(6.0).view(2, 3)).sum(), theta, retain_graph=True)
        assert grad.abs().max() < 1e-5, "what is always the identity does not depend on theta"


def test_gradients_of_the_inverse_are_those_of_finite_differences():
    theta = transforms(5, least=0.5).requires_grad_()
    assert torch.autograd.gradcheck(inverse, theta)


def test_a_transform_that_has_collapsed_is_undone_to_finite_numbers_with_finite_gradients():
    flat = torch.tensor([[[1.0, 2.0, 0.3], [2.0, 4.0, 0.1]], [[0.0, 0, 0], [0, 0, 0]], [[1e-3, 0, 0], [0, -1e-3, 0]]])
    flat.requires_grad_()
    back = inverse(flat)
    back.sum().backward()
    assert back.isfinite().all() and flat.grad.isfinite().all()
    assert back[2, 0, 0].item() == pytest.approx(-1e-3 / -LEAST_DET), "the sign of the determinant stays"
    assert warp(torch.rand(3, 2, 8, 8), back.detach()).isfinite().all()


def smooth_maps(size=64):
    y, x = torch.meshgrid(*(torch.arange(size, dtype=torch.float32),) * 2, indexing="ij")
    return torch.stack([torch.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 50) for cx, cy in ((30, 34), (25, 28))])[None]


def test_a_smooth_map_comes_back_as_it_was():  # item 2
    maps = smooth_maps()
    theta = torch.tensor([[[0.9, -0.2, 0.1], [0.15, 1.05, -0.05]]])
    there = warp(maps, theta)
    assert (there - maps).abs().max() > 0.3, "it was somewhere else meanwhile"
    back = warp(there, inverse(theta))
    assert (back - maps)[..., 8:-8, 8:-8].abs().max() < 0.02


def test_stacks_are_sampled_each_as_by_itself():
    maps, theta = torch.rand(3, 4, 5, 16, 12), transforms(4).float()
    expected = torch.stack([warp(stack, theta) for stack in maps])
    torch.testing.assert_close(warp_stacks(maps, theta), expected)


def test_theta_says_where_in_the_source_a_target_pixel_is_taken_from():
    image = torch.zeros(1, 1, 20, 20)
    image[0, 0, 12, 7] = 1
    theta = torch.tensor([[[0.5, 0, 0], [0, 0.5, 0]]])  # the middle half, twice as large
    seen = warp(image, theta)[0, 0]
    y, x = divmod(int(seen.argmax()), 20)
    # pixel 7 is (7 + 0.5) / 10 - 1 = -0.25, so at -0.5 of what is seen: pixel 4.5; 12 is 0.25, so 0.5: pixel 14.5
    assert x in (4, 5) and y in (14, 15)
    torch.testing.assert_close(
        corners(theta, (20, 20))[0], torch.tensor([[4.5, 4.5], [14.5, 4.5], [14.5, 14.5], [4.5, 14.5]])
    )


def test_a_new_localiser_changes_nothing():  # item 3
    images = torch.rand(2, 3, 64, 48)
    theta = Localiser(18, 8).eval()(images)
    torch.testing.assert_close(theta, torch.eye(2, 3).expand(2, 2, 3))
    assert (warp(images, theta) - images).abs().max() < 1e-5


def test_the_localiser_has_the_parameters_of_a_resnet_18_with_six_answers():  # item 13
    import timm

    parameters = sum(p.numel() for p in Localiser().parameters())
    assert parameters == 11_179_590
    assert parameters == sum(p.numel() for p in timm.create_model("resnet18", num_classes=6).parameters())


def test_the_localiser_is_timms_resnet_18():
    import timm

    torch.manual_seed(0)
    theirs, ours = timm.create_model("resnet18", num_classes=6).eval(), Localiser().eval()
    pairs = zip(theirs.state_dict().values(), ours.state_dict(), strict=True)
    ours.load_state_dict({key: value for value, key in pairs})
    images = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(ours(images).flatten(1), theirs(images))


def test_outside_the_source_there_is_nothing():
    theta = torch.tensor([[[1.0, 0, 3.0], [0, 1.0, 0]]])
    assert not warp(torch.ones(1, 1, 8, 8), theta).any()
    assert F.relu(warp(torch.ones(1, 1, 8, 8), torch.eye(2, 3)[None])).min() == pytest.approx(1.0, abs=1e-5)
