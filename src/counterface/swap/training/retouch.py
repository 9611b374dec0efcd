"""Random colours for a training crop, the same for input and target: HSV, LAB, local contrast.

Recipes: LAB jitter and CLAHE as deepfakes/faceswap's augmentation, HSV as DeepFaceLab's
`random_hsv_power`. Ours look values up in tables of 256, which 8-bit pictures lose nothing by.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from counterface.types import Image

CLAHE_LIMIT = 2.0  # contrast a tile may gain
CLAHE_TILES = 4  # a side

Table = NDArray[np.uint8]


def shift_hsv(image: Image, power: float, rng: Generator) -> Image:
    """The image with hue turned by up to `power` / 2 of the circle, the rest moved by as much.

    Args:
        image: RGB uint8 (H, W, 3).
        power: strength of the change of hue, saturation and value, [0, 1]; 0.3 is much.
    """
    turn, saturation, value = rng.uniform(-power / 2, power / 2, 3) * (256, 255, 255)
    levels = np.arange(256)
    tables = (
        ((levels + round(turn)) % 256).astype(np.uint8),
        _clip(levels + saturation),
        _clip(levels + value),
    )
    return _map(image, cv2.COLOR_RGB2HSV_FULL, cv2.COLOR_HSV2RGB_FULL, tables)


def jitter_lab(image: Image, lightness: float, color: float, rng: Generator) -> Image:
    """The image with each LAB plane moved toward its lower or upper end by a random share.

    Args:
        image: RGB uint8 (H, W, 3).
        lightness: the most for L, [0, 1].
        color: the most for a and b, [0, 1].
    """
    shares = rng.uniform(-1, 1, 3) * (lightness, color, color)
    levels = np.arange(256)
    tables = tuple(
        _clip(levels + (255 - levels if share > 0 else levels) * share) for share in shares
    )
    return _map(image, cv2.COLOR_RGB2LAB, cv2.COLOR_LAB2RGB, tables)


def spread_contrast(image: Image) -> Image:
    """The image with its lightness equalised tile by tile, within a limit (CLAHE).

    Zuiderveld, "Contrast limited adaptive histogram equalization", 1994.
    """
    planes = list(cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2LAB)))
    planes[0] = cv2.createCLAHE(CLAHE_LIMIT, (CLAHE_TILES, CLAHE_TILES)).apply(planes[0])
    return np.asarray(cv2.cvtColor(cv2.merge(planes), cv2.COLOR_LAB2RGB))


def _map(image: Image, there: int, back: int, tables: tuple[Table, ...]) -> Image:
    table = np.stack(tables, axis=-1)[None]  # (1, 256, 3)
    return np.asarray(cv2.cvtColor(cv2.LUT(cv2.cvtColor(image, there), table), back))


def _clip(levels: NDArray[np.float64]) -> Table:
    return np.asarray(np.clip(levels + 0.5, 0, 255), dtype=np.uint8)
