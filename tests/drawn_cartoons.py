"""Flat cartoon faces that a face detector finds: areas of one colour with outlines."""

from __future__ import annotations

import cv2
import numpy as np

from counterface.types import Image

SKINS = ((248, 210, 170), (120, 80, 60), (255, 220, 120), (200, 150, 110))


def draw_cartoon(seed: int = 0, size: int = 400) -> Image:
    """A face in flat colours; the seed picks colours, widths and proportions."""
    rng = np.random.default_rng(seed)
    image = np.empty((size, size, 3), np.uint8)
    image[:] = rng.integers(120, 255, 3)
    skin = SKINS[int(rng.integers(len(SKINS)))]
    dark = tuple(int(value) for value in rng.integers(10, 70, 3))
    middle = size // 2, int(size * 0.52)
    wide, tall = int(size * rng.uniform(0.2, 0.28)), int(size * rng.uniform(0.28, 0.36))
    line = max(1, round(size * rng.uniform(0.003, 0.012)))
    _ellipse(image, middle, (wide, tall), skin, -1)
    _ellipse(image, middle, (wide, tall), dark, line)
    hair = middle[0], middle[1] - int(0.45 * tall)
    _ellipse(image, hair, (int(1.05 * wide), int(0.6 * tall)), dark, -1, (180, 360))
    for side in (-1, 1):
        eye = middle[0] + side * int(0.42 * wide), middle[1] - int(0.12 * tall)
        open_ = int(0.21 * wide), int(0.16 * wide)
        _ellipse(image, eye, open_, (255, 255, 255), -1)
        _ellipse(image, eye, open_, dark, line)
        _ellipse(image, eye, (int(0.09 * wide), int(0.09 * wide)), dark, -1)
        brow = eye[0], eye[1] - int(0.26 * wide)
        _ellipse(image, brow, (int(0.22 * wide), int(0.08 * wide)), dark, 2 * line, (200, 340))
    shade = tuple(int(0.7 * value) for value in skin)
    x, y = middle
    nose = [(x, y), (x - int(0.1 * wide), y + int(0.25 * tall)), (x, y + int(0.27 * tall))]
    cv2.polylines(image, [np.array(nose)], False, shade, line, cv2.LINE_AA)
    mouth = x, y + int(0.45 * tall)
    _ellipse(image, mouth, (int(0.4 * wide), int(0.15 * tall)), (170, 30, 40), 2 * line, (10, 170))
    return image


def _ellipse(
    image: Image,
    middle: tuple[int, int],
    axes: tuple[int, int],
    colour: tuple[int, ...],
    width: int,
    arc: tuple[int, int] = (0, 360),
) -> None:
    cv2.ellipse(image, middle, axes, 0, *arc, colour, width, cv2.LINE_AA)
