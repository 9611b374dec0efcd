"""One actor's face as the perfect swap onto another: same pose, warped by true landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from actors import FRONTAL, Actor, Expression, add_actor

from counterface.faces.align import crop_matrix, warp_image
from counterface.swap.merge.merge_face import Swapped
from counterface.types import Image, Pose


@dataclass(frozen=True, eq=False)
class DrawnSwap:
    """A target frame, and the source's face made for it."""

    target: Actor
    source: Actor
    swapped: Swapped


def draw_swap(
    source: int = 1,
    target: int = 2,
    *,
    size: int = 128,
    eyes: float = 44.0,
    pose: Pose = FRONTAL,
    template: str = "whole_face",
    centre: tuple[float, float] = (160, 110),
) -> DrawnSwap:
    """A swap in a 320x240 frame; `source` equal to `target` gives the unchanged crop.

    Args:
        size: side of the generated crop, pixels.
        eyes: pixels between the eyes in the frame.
        centre: xy of the point between the eyes.
    """
    room = np.full((240, 320, 3), (90, 110, 130), np.uint8)
    room[::, ::40] = 60
    place = np.array(centre, dtype=np.float64)
    below = add_actor(room, target, pose, Expression(), place, eyes)
    above = add_actor(room, source, pose, Expression(), place, eyes)
    face = warp_image(above.image, crop_matrix(above.landmarks, template, size), size)
    matrix = crop_matrix(below.landmarks, template, size)
    return DrawnSwap(below, above, Swapped(face, None, matrix, below.landmarks))


def psnr(image: Image, other: Image, where: np.ndarray | None = None) -> float:
    """Peak signal to noise ratio, dB, of the pixels chosen."""
    difference = image.astype(np.float64) - other
    chosen = difference if where is None else difference[where]
    return float(10 * np.log10(255**2 / max(float((chosen**2).mean()), 1e-9)))
