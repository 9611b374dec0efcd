"""Keras 2's way to store the weights of a net, so that no real file is needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np


def write_keras(path: Path, layers: Mapping[str, Mapping[str, Any]], dtype: str = "<f4") -> None:
    """A file with `/layer/layer/array:0` for every layer and array."""
    with h5py.File(path, "w") as file:
        for layer, arrays in layers.items():
            for name, values in arrays.items():
                file[f"{layer}/{layer}/{name}:0"] = np.asarray(values).astype(dtype)
