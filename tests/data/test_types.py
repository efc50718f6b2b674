import cv2
import numpy as np
import pytest
import torch

from data.types import DataError, ImageFile, apply_affine, compose_affine, invert_affine

RNG = np.random.default_rng(0)
AFFINE = np.array([[0.5, -2.0, 3.0], [1.5, 0.25, -7.0]])


def test_affine_follows_its_definition():
    x, y = 3.0, 4.0
    by_hand = [0.5 * x - 2.0 * y + 3.0, 1.5 * x + 0.25 * y - 7.0]
    np.testing.assert_allclose(apply_affine(np.array([x, y]), AFFINE), by_hand)


def test_inverse_undoes_and_composition_does_one_after_the_other():
    points, other = RNG.normal(size=(5, 14, 2)), RNG.normal(size=(2, 3))
    there = apply_affine(points, AFFINE)
    np.testing.assert_allclose(apply_affine(there, invert_affine(AFFINE)), points, atol=1e-12)
    np.testing.assert_allclose(apply_affine(points, compose_affine(other, AFFINE)), apply_affine(there, other))


def test_batched_affines_equal_one_by_one():
    points, affines = torch.from_numpy(RNG.normal(size=(4, 3, 14, 2))), torch.from_numpy(RNG.normal(size=(4, 2, 3)))
    together = apply_affine(points, affines)
    for b in range(4):
        torch.testing.assert_close(together[b], apply_affine(points[b], affines[b]))


def test_singular_affine_is_refused():
    with pytest.raises(ValueError, match="cannot be undone"):
        invert_affine(np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0]]))


@pytest.fixture
def jpeg(tmp_path):
    path = tmp_path / "im0001.jpg"
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:, :, 2] = 200  # OpenCV's order is BGR: this is red
    cv2.imwrite(str(path), picture)
    return path


def test_image_file_is_rgb_of_the_stored_size(jpeg):
    image = ImageFile(jpeg).load()
    assert image.shape == (40, 60, 3) and image.dtype == np.uint8
    assert image[20, 30, 0] > 180 and image[20, 30, 2] < 20


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9, 0.99])
def test_truncated_jpeg_is_refused_by_name(jpeg, keep):
    raw = jpeg.read_bytes()
    jpeg.write_bytes(raw[: int(len(raw) * keep)])
    with pytest.raises(DataError, match=r"im0001\.jpg"):
        ImageFile(jpeg).load()


def test_missing_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        ImageFile(tmp_path / "im0002.jpg").load()
    (tmp_path / "im0003.jpg").write_text("<html>not found</html>")
    with pytest.raises(DataError, match="not an image"):
        ImageFile(tmp_path / "im0003.jpg").load()


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_a_channel_become_8_by_their_upper_half(tmp_path, suffix):
    ramp = np.linspace(0, 65535, 60).astype(np.uint16)[None].repeat(40, 0)
    cv2.imwrite(str(tmp_path / f"deep{suffix}"), np.dstack([ramp // 4, ramp // 2, ramp]))
    image = ImageFile(tmp_path / f"deep{suffix}").load()
    assert image.dtype == np.uint8
    for channel, share in enumerate((1, 2, 4)):  # OpenCV's order is BGR: red is the ramp itself
        np.testing.assert_allclose(image[..., channel], ramp // share // 256, atol=1)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_grey_becomes_three_equal_channels(tmp_path, depth):
    ramp = np.linspace(0, np.iinfo(depth).max, 60).astype(depth)[None].repeat(40, 0)
    cv2.imwrite(str(tmp_path / "grey.png"), ramp)
    image = ImageFile(tmp_path / "grey.png").load()
    assert image.shape == (40, 60, 3) and (image == image[..., :1]).all()
    assert image[0, 0, 0] == 0 and image[0, -1, 0] == 255


def test_the_transparency_of_an_image_is_left_out(tmp_path):
    cv2.imwrite(str(tmp_path / "clear.png"), np.full((4, 5, 4), (10, 20, 30, 0), np.uint8))
    assert (ImageFile(tmp_path / "clear.png").load() == [30, 20, 10]).all()
