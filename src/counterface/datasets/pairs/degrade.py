"""What a picture meets between the editor and the judge: colour, scaling, noise, codecs.

Both pictures of a pair get the same treatment with the same parameters, so that none of it tells
the classes apart; strong settings on real faces also teach that compression is no manipulation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.random import Generator

from counterface.media.recompress import recompress_h264, recompress_jpeg
from counterface.types import Floats, Image

Step = Callable[[Image], Image]


def degrade(images: Sequence[Image], rng: Generator, *, strength: float = 1.0) -> list[Image]:
    """The images after one shared random chain of scaling, blur, noise and compression.

    Args:
        images: RGB uint8 (H, W, 3), all of one shape.
        rng: the only source of chance.
        strength: 0 leaves the images, 1 is the training setting.
    """
    out = list(images)
    for step in _chain(out[0].shape[0], rng, strength):
        out = [step(image) for image in out]
    return out


def _chain(size: int, rng: Generator, strength: float) -> list[Step]:
    steps: list[Step] = []
    if rng.random() < 0.25 * strength:
        steps.append(_rescale(size, float(rng.uniform(0.4, 0.9)), rng))
    if rng.random() < 0.15 * strength:
        sigma = float(rng.uniform(0.3, 1.3))
        steps.append(lambda image: _image(cv2.GaussianBlur(image, (0, 0), sigma)))
    if rng.random() < 0.1 * strength:
        spread = float(rng.uniform(5, 30))
        steps.append(lambda image: _image(cv2.bilateralFilter(image, 5, spread, 2.0)))
    if rng.random() < 0.2 * strength:
        steps.append(_noise(size, float(rng.uniform(1, 6)), rng))
    codec = rng.random()
    if codec < 0.35 * strength:
        steps.append(_h264(rng))
    elif codec < 0.75 * strength:
        quality = int(rng.integers(40, 98))
        steps.append(lambda image: recompress_jpeg(image, quality))
    return steps


def _image(array: object) -> Image:
    return np.asarray(array, dtype=np.uint8)


def _rescale(size: int, factor: float, rng: Generator) -> Step:
    small = max(32, round(size * factor))
    back = [cv2.INTER_LINEAR, cv2.INTER_CUBIC][rng.integers(2)]

    return lambda image: reduce_and_enlarge(image, (small, small), back)


def reduce_and_enlarge(image: Image, small: tuple[int, int], way: int = cv2.INTER_LINEAR) -> Image:
    """A picture as sharp as a smaller one, at the size that it had.

    Args:
        image: RGB uint8 (H, W, 3).
        small: width and height that it is reduced to by area averaging.
        way: OpenCV's interpolation on the way back.
    """
    low = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return _image(cv2.resize(low, image.shape[1::-1], interpolation=way))


def _noise(size: int, sigma: float, rng: Generator) -> Step:
    # one field for both pictures: sensor grain lies over the whole frame after an edit is filmed
    field = rng.standard_normal((size, size, 1), dtype=np.float32) * sigma

    def step(image: Image) -> Image:
        return _image(np.clip(image + field, 0, 255))

    return step


def _h264(rng: Generator) -> Step:
    """The picture after x264, as a key frame or as one predicted from a slightly moved frame."""
    crf = int(rng.integers(18, 37))
    moved: Floats | None = None
    if rng.random() < 0.4:
        shift = rng.uniform(-2.5, 2.5, 2)
        moved = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], dtype=np.float32)

    def step(image: Image) -> Image:
        if moved is None:
            return recompress_h264([image], crf)[-1]
        size = image.shape[1::-1]
        before = _image(cv2.warpAffine(image, moved, size, borderMode=cv2.BORDER_REFLECT_101))
        return recompress_h264([before, image], crf)[-1]

    return step
