"""The values that cross stages: frozen, without logic.

Convention: images are RGB uint8 (H, W, 3); boxes are xyxy pixels, float32 (4,); points are xy
pixels with the centre of the top-left pixel at (0, 0); matrices are 2x3 and say their direction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # RGB (H, W, 3)
Mask = NDArray[np.float32]  # (H, W) in [0, 1]
Floats = NDArray[np.float32]  # points, boxes, matrices, scores
Progress = Callable[[int, int | None, str], None]  # done, total (None: unknown), what is going on


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture of a video, upright."""

    image: Image
    index: int  # position in the stream, 0 first, as counted by the reader that made it
    pts: Fraction  # presentation time, seconds


@dataclass(frozen=True, slots=True)
class Pose:
    """Head rotation, degrees: yaw > 0 looks to image right, pitch > 0 up, roll > 0 clockwise."""

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face in one image."""

    box: Floats  # (4,) xyxy pixels
    score: float  # of the face detector, [0, 1]
    # (K, 2) of the face detector; image-left eye, image-right eye first
    keypoints: Floats | None = None
    landmarks: Floats | None = None  # (68, 2) iBUG order
    dense: Floats | None = None  # (N, 2) of the landmark backend, e.g. 468 mesh points
    pose: Pose | None = None
    embedding: Floats | None = None  # identity


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """One aligned face."""

    image: Image  # (size, size, 3)
    frame_to_crop: Floats  # (2, 3)
    template: str
    face: Face  # in frame pixels
    frame_index: int = 0
    pts: Fraction = Fraction(0)
    frame_shape: tuple[int, int] = (0, 0)  # height and width of the frame, pixels


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """A face at a moment of a video."""

    frame_index: int
    pts: Fraction
    face: Face


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One person's faces over frames, in time order."""

    id: int
    sightings: tuple[Sighting, ...] = field(default_factory=tuple)


class Verdict(StrEnum):
    """What a scan concludes about a file."""

    LIKELY_MANIPULATED = "likely_manipulated"
    NO_MANIPULATION_FOUND = "no_manipulation_found"
    INCONCLUSIVE = "inconclusive"
    NO_FACE = "no_face"
