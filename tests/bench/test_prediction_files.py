"""Prediction files of any known form become (N, K, 2) joints counted from 0, or one line that says why not."""

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from bench.errors import UserError
from bench.prediction_files import read_found


def drawn(people=5, k=14):
    """Joint j of person i at (10 i + j, 100 + j)."""
    i, j = np.arange(people, dtype=float)[:, None], np.arange(k, dtype=float)[None]
    return np.stack([10 * i + j, 100 + j + 0 * i], -1)


def answer(path, k=14):
    with pytest.raises(UserError) as caught:
        read_found(path, k)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    return str(caught.value)


def test_npz_is_counted_from_0(tmp_path):
    np.savez(tmp_path / "a.npz", joints=drawn())
    found = read_found(tmp_path / "a.npz", 14)
    np.testing.assert_array_equal(found.joints, drawn())
    assert found.note == ""


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1, 0), (1, 2, 0)], ids=["hrnet", "lsp", "mpii truth"])
@pytest.mark.parametrize("name", ["preds", "pred", "anything"])
def test_mat_is_counted_from_1_in_any_order_of_its_axes(tmp_path, axes, name):
    savemat(tmp_path / "a.mat", {name: (drawn() + 1).transpose(axes), "threshold": 0.5})
    found = read_found(tmp_path / "a.mat", 14)
    np.testing.assert_array_equal(found.joints, drawn())
    assert "counted from 1" in found.note and ("turned to (5, 14, 2)" in found.note) == (axes != (0, 1, 2))


def test_hdf5_is_counted_from_1_and_heat_maps_beside_it_are_left_alone(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["preds"], file["heatmaps"] = drawn() + 1, np.zeros((5, 14, 4, 4))
    np.testing.assert_array_equal(read_found(tmp_path / "a.h5", 14).joints, drawn())


def test_matlab_7_files_are_hdf5_with_reversed_axes(tmp_path):
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["preds"] = (drawn() + 1).transpose(2, 1, 0)
    np.testing.assert_array_equal(read_found(tmp_path / "a.mat", 14).joints, drawn())


def test_the_documented_order_wins_where_several_fit(tmp_path):
    square = drawn(people=14)
    savemat(tmp_path / "a.mat", {"preds": square + 1})
    np.testing.assert_array_equal(read_found(tmp_path / "a.mat", 14).joints, square)
    savemat(tmp_path / "a.mat", {"preds": (square + 1).transpose(2, 0, 1)})
    assert "(2, 14, 14) can be read in 2 orders; write (N, 14, 2)" in answer(tmp_path / "a.mat")


def test_arrays_that_are_no_joints_are_told(tmp_path):
    savemat(tmp_path / "a.mat", {"preds": np.zeros((5, 3, 7))})
    assert "joints of shape (5, 3, 7); (N, 14, 2) expected" in answer(tmp_path / "a.mat")
    savemat(tmp_path / "a.mat", {"one": np.zeros((5, 14, 2)), "two": np.zeros((5, 14, 2))})
    assert "arrays of three axes: one, two; one, or preds (N, 14, 2), expected" in answer(tmp_path / "a.mat")
    np.savez(tmp_path / "a.npz", poses=drawn())
    assert "holds ['poses']; an .npz file with joints (N, K, 2) expected" in answer(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.npz", "a.mat", "a.h5"])
def test_missing_and_damaged_files_are_told(tmp_path, name):
    with pytest.raises(UserError, match=name):
        read_found(tmp_path / name, 14)
    (tmp_path / name).write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(50))
    answer(tmp_path / name)


def test_nothing_in_a_file_is_executed(tmp_path):
    np.savez(tmp_path / "a.npz", joints=np.array([print], object))
    assert "cannot be read (ValueError)" in answer(tmp_path / "a.npz")
