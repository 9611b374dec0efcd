"""The weights of a Keras `.h5` file, read as data by h5py; nothing in it is run.

A file may name others to read from (external links and storage, virtual arrays): they are refused.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from counterface.errors import TrainingError
from counterface.project_files import read_bytes, reading
from counterface.types import Floats

SIGNATURE = b"\x89HDF\r\n\x1a\n"
LARGEST = 1_000_000_000  # bytes of a file that is read into memory


def read_keras_weights(path: Path) -> dict[str, dict[str, Floats]]:
    """Each layer's arrays, as `found["conv2d_1"]["kernel"]`, in the shapes of Keras.

    Raises:
        TrainingError: not an HDF5 file, a damaged one, or one that is stored in another way.
    """
    with reading(path, TrainingError):
        content = read_bytes(path, LARGEST)
    if not content.startswith(SIGNATURE):
        raise TrainingError(f"{path}: not an HDF5 file; Keras weights end in .h5")
    found: dict[str, dict[str, Floats]] = {}

    def keep(name: str, entry: Any) -> None:
        if isinstance(entry, h5py.Dataset):
            layer, _, leaf = name.rpartition("/")
            array = _read(name, entry, len(content))
            found.setdefault(layer.rpartition("/")[2], {})[leaf.partition(":")[0]] = array

    advice = "wanted are float32 arrays stored whole, as Keras 2 writes them"
    with (
        reading(path, TrainingError, advice, what="an HDF5 file that cannot be used"),
        h5py.File(io.BytesIO(content), "r") as file,
    ):
        file.visititems(keep)  # each object once; links to other files are not followed
    if not found:
        raise TrainingError(f"{path}: an HDF5 file without arrays")
    return found


def _read(name: str, entry: Any, most: int) -> Floats:
    if entry.dtype != np.dtype("<f4"):
        raise ValueError(f"{name}: not little-endian float32")
    # in pieces, compressed, virtual, or in another file
    if entry.id.get_create_plist().get_layout() != h5py.h5d.CONTIGUOUS or entry.external:
        raise ValueError(f"{name}: is stored in pieces, compressed or elsewhere")
    if entry.nbytes > most:
        raise ValueError(f"{name}: {entry.nbytes} bytes for the shape {entry.shape}")
    return np.asarray(entry[()])
