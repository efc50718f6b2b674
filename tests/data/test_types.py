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
