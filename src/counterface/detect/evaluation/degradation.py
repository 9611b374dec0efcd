"""What pictures go through on their way to a viewer, in five strengths each.

Whole frames are changed, before faces are looked for: a detector that is robust on crops is of no
use where the face is no longer found. JPEG and H.264 are the real codecs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from zlib import crc32

import cv2
import numpy as np

from counterface.datasets.pairs.degrade import reduce_and_enlarge
from counterface.errors import ConfigError
from counterface.media.recompress import recompress_h264, recompress_jpeg
from counterface.types import Frame, Image
from counterface.wording import unknown_name

Seed = tuple[int, ...]


@dataclass(frozen=True)
class Kind:
    """One kind of damage: what its number means, and its five values from mild to strong."""

    unit: str
    values: tuple[float, float, float, float, float]
    change: Callable[[Sequence[Image], float, Seed], list[Image]]


def _jpeg(images: Sequence[Image], quality: float, seed: Seed) -> list[Image]:
    return [recompress_jpeg(image, int(quality)) for image in images]


def _h264(images: Sequence[Image], crf: float, seed: Seed) -> list[Image]:
    """Predicted frames, as nearly all frames of a clip are: a copy moved by a pixel comes first."""
    first = images[0]
    step = np.array([[1, 0, 1], [0, 1, 1]], np.float32)
    moved = cv2.warpAffine(first, step, first.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101)
    return recompress_h264([np.asarray(moved, np.uint8), *images], int(crf))[1:]


def _blur(images: Sequence[Image], sigma: float, seed: Seed) -> list[Image]:
    return [np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8) for image in images]


def _noise(images: Sequence[Image], sigma: float, seed: Seed) -> list[Image]:
    rng = np.random.default_rng(seed)
    fields = (rng.standard_normal(image.shape, dtype=np.float32) * sigma for image in images)
    return [
        np.clip(np.rint(image + field), 0, 255).astype(np.uint8)
        for image, field in zip(images, fields, strict=True)
    ]


def _shrink(images: Sequence[Image], factor: float, seed: Seed) -> list[Image]:
    """The frames scaled down and up: detail is lost, the face keeps its size (range check)."""
    out = []
    for image in images:
        height, width = image.shape[:2]
        small = (max(1, round(width * factor)), max(1, round(height * factor)))
        out.append(reduce_and_enlarge(image, small))
    return out


def _brightness(images: Sequence[Image], gain: float, seed: Seed) -> list[Image]:
    return [
        np.clip(np.rint(image.astype(np.float32) * gain), 0, 255).astype(np.uint8)
        for image in images
    ]


KINDS: Mapping[str, Kind] = {
    "jpeg": Kind("JPEG quality", (90, 70, 50, 30, 15), _jpeg),
    "h264": Kind("H.264 rate factor", (18, 23, 28, 34, 40), _h264),
    "blur": Kind("sigma, pixels of the frame", (0.5, 1, 1.5, 2.5, 4), _blur),
    "noise": Kind("sigma, grey levels", (2, 5, 10, 18, 30), _noise),
    "downscale": Kind("size, and back", (0.75, 0.5, 0.375, 0.25, 0.15), _shrink),
    "brightness": Kind("gain", (0.75, 1.5, 0.5, 2.2, 0.25), _brightness),  # by distance from 1
}
STRENGTHS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Degradation:
    """One kind of damage at one strength, done to the frames of a moment; can be pickled."""

    kind: str
    strength: int  # 1 mild to 5 strong
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(unknown_name("degradation", self.kind, KINDS))
        if self.strength not in STRENGTHS:
            raise ConfigError(f"{self.kind}: strength {self.strength}; use 1 (mild) to 5 (strong)")

    @property
    def value(self) -> float:
        """The amount in the unit of its kind."""
        return KINDS[self.kind].values[self.strength - 1]

    @property
    def name(self) -> str:
        """A name for people and the store of scores; it holds all that changes the result."""
        seed = f"-{self.seed}" if self.kind == "noise" else ""
        return f"{self.kind}-{self.value:g}{seed}"

    def __call__(self, frames: Sequence[Frame]) -> list[Frame]:
        """The frames, RGB uint8 (H, W, 3), as many and of the same shapes; new arrays."""
        if not frames:
            return []
        content = crc32(frames[0].image[::8, ::8].tobytes())
        seed = (self.seed, self.strength, content)  # no two files under the same grain
        changed = KINDS[self.kind].change([f.image for f in frames], self.value, seed)
        return [replace(f, image=i) for f, i in zip(frames, changed, strict=True)]
