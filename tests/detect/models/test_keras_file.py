"""Keras files: what was written is what is read, and a damaged file is an error, never a crash."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from drawn_keras import write_keras

from counterface.detect.models.parts.keras_file import read_keras_weights
from counterface.errors import TrainingError

RNG = np.random.default_rng(0)
LAYERS = {
    f"conv2d_{number}": {"kernel": RNG.normal(size=(3, 3, 2, 4)), "bias": RNG.normal(size=4)}
    for number in range(1, 6)
}


def test_arrays_come_back_by_layer_and_name(tmp_path: Path):
    write_keras(tmp_path / "net.h5", LAYERS)
    found = read_keras_weights(tmp_path / "net.h5")
    assert set(found) == set(LAYERS)
    for layer, arrays in LAYERS.items():
        for name, values in arrays.items():
            assert found[layer][name].dtype == np.float32
            assert np.array_equal(found[layer][name], values.astype(np.float32))


def test_other_files_are_refused_with_the_reason(tmp_path: Path):
    path = tmp_path / "net.h5"
    with pytest.raises(TrainingError, match="cannot be read"):
        read_keras_weights(path)
    path.write_bytes(b"PK\x03\x04" * 100)
    with pytest.raises(TrainingError, match="not an HDF5 file"):
        read_keras_weights(path)
    write_keras(path, LAYERS, dtype="<f8")
    with pytest.raises(TrainingError, match="not little-endian float32"):
        read_keras_weights(path)
    write_keras(path, {})
    with pytest.raises(TrainingError, match=r"without arrays|cannot be used"):
        read_keras_weights(path)


def test_a_damaged_file_ends_in_our_error(tmp_path: Path):
    path = tmp_path / "net.h5"
    write_keras(path, LAYERS)
    content = path.read_bytes()
    rng = np.random.default_rng(1)
    refused = 0
    for number in range(300):
        damaged = bytearray(content[: int(rng.integers(8, len(content) + 1))])
        for at in rng.integers(8, len(damaged) + 1, 20 * (number % 2)):
            damaged[min(at, len(damaged) - 1)] = int(rng.integers(256))
        path.write_bytes(damaged)
        try:
            read_keras_weights(path)
        except TrainingError:
            refused += 1
    assert refused > 250


def test_what_names_other_files_is_refused_or_left_out(tmp_path: Path):
    path, secret = tmp_path / "net.h5", tmp_path / "secret"
    secret.write_bytes(np.ones(4, "<f4").tobytes())
    write_keras(tmp_path / "other.h5", {"conv2d_2": {"bias": np.ones(4)}})
    write_keras(path, {"conv2d_1": {"bias": np.zeros(4)}})
    with h5py.File(path, "a") as file:
        file["conv2d_2"] = h5py.ExternalLink("other.h5", "conv2d_2")
        file["again"] = h5py.SoftLink("/")  # a circle
    assert set(read_keras_weights(path)) == {"conv2d_1"}
    with h5py.File(path, "a") as file:
        file.create_dataset("dense/kernel:0", (4,), "<f4", external=[(str(secret), 0, 16)])
    with pytest.raises(TrainingError, match="elsewhere"):
        read_keras_weights(path)
    virtual = h5py.VirtualLayout((4,), "<f4")
    virtual[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "conv2d_2/conv2d_2/bias:0", (4,))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("dense/kernel:0", virtual)
    with pytest.raises(TrainingError, match="elsewhere"):
        read_keras_weights(path)


def test_an_array_larger_than_its_file_is_refused(tmp_path: Path):
    path = tmp_path / "net.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("dense/kernel:0", (1 << 40,), "<f4")  # no byte of it is stored
    with pytest.raises(TrainingError, match="bytes for the shape"):
        read_keras_weights(path)
