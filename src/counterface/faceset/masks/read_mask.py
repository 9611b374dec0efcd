"""The mask of a crop, as it lies in a faceset."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from counterface.errors import FacesetError
from counterface.media.sandbox import read_image
from counterface.types import Mask


def read_mask(path: Path, shape: tuple[int, ...]) -> Mask:
    """The mask of a faceset's crop, float32 in [0, 1].

    Raises:
        FacesetError: its size is not that of its crop.
        MediaError: it cannot be read.
    """
    mask = read_image(path)[..., 0]
    if mask.shape != shape:
        raise FacesetError(
            f"{path} is {mask.shape[1]}x{mask.shape[0]}, its crop is "
            f"{shape[1]}x{shape[0]}; delete it or restore it"
        )
    return np.asarray(mask.astype(np.float32) / np.float32(255))
