"""Three ways to sharpen a generated face, which is softer than the footage as a rule."""

from __future__ import annotations

import cv2
import numpy as np

from counterface.errors import ConfigError
from counterface.types import Image
from counterface.wording import unknown_name

_LEAVE = 3.0  # grey levels: smaller steps are grain and compression, which `unsharp` leaves


def sharpen_image(image: Image, kind: str, amount: float, radius: float) -> Image:
    """The image with its detail raised, RGB uint8 of the same shape.

    Args:
        image: RGB uint8 (H, W, 3).
        kind: `box` and `gaussian` add the difference from a mean over a square or a bell;
            `unsharp` is `gaussian` that leaves differences under 3 grey levels alone.
        amount: share of the difference that is added, 0 changes nothing.
        radius: pixels: half the side of the square, standard deviation of the bell.

    Raises:
        ConfigError: no such kind.
    """
    if kind not in (kinds := ("box", "gaussian", "unsharp")):
        raise ConfigError(unknown_name("sharpening", kind, kinds))
    if kind == "box":
        side = 2 * max(1, round(radius)) + 1
        soft = cv2.blur(image, (side, side), borderType=cv2.BORDER_REPLICATE)
    else:
        soft = cv2.GaussianBlur(image, (0, 0), max(radius, 0.3), borderType=cv2.BORDER_REPLICATE)
    if kind != "unsharp":
        return np.asarray(cv2.addWeighted(image, 1 + amount, soft, -amount, 0), dtype=np.uint8)
    detail = image.astype(np.float32) - soft
    size = np.abs(detail)
    raised = np.sign(detail) * np.maximum(size - _LEAVE, 0)  # no step at the threshold
    return np.asarray(np.clip(np.round(image + amount * raised), 0, 255), dtype=np.uint8)
