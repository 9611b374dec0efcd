"""The default face detector: MediaPipe's for near faces, CenterFace for small and crowded ones.

MediaPipe's sees the whole picture at 192 pixels and finds faces from about 1/11 of its longer side
on; CenterFace finds small faces and raises few false alarms, but its time grows with the pixels it
is shown. So it is shown a picture reduced to `STILL_MP` or, of a video, `VIDEO_MP` megapixels:
first coarsely as a whole, then finely in tiles, which bounds memory and finds the smaller faces.
Measured recall and time: docs/faces.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from counterface.faces.backends.centerface import SURE_PX, CenterFaceDetector
from counterface.faces.backends.mediapipe import MediapipeFaceDetector
from counterface.faces.face_detector import (
    SAME_FACE_IOU,
    box_overlaps,
    merge_faces,
    require_rgb,
)
from counterface.types import Face, Image

STILL_MP = 6.0  # about 1.5 s on one core
VIDEO_MP = (0.5, 2.0)  # half the frame's pixels within these: what decoding costs grows as they do
TILE = (1280, 960)  # width, height: 0.3 GB of memory
NEAR = 0.05  # of a box: closer to an inner edge of a tile, it may be that of half a face
OVERLAP = 160  # pixels of tiles; larger faces are found in the whole picture


class AutoFaceDetector:
    """Near faces by MediaPipe, small ones by CenterFace; each face once, best score first."""

    def __init__(self, still_mp: float | None = STILL_MP) -> None:
        """Load MediaPipe's detector; CenterFace is loaded, or fetched, when first needed.

        Args:
            still_mp: megapixels of a picture that are searched; None searches all.
        """
        self.still_mp = still_mp
        self.quick = MediapipeFaceDetector()
        self._fine: CenterFaceDetector | None = None

    def detect(self, image: Image) -> list[Face]:
        """The faces of an RGB uint8 (H, W, 3) picture, best score first, with key points.

        Raises:
            ShapeError: not an RGB uint8 image.
            WeightsError: CenterFace cannot be found or fetched.
        """
        require_rgb(image)
        return self._detect(image, self.scale(image.shape[:2]))

    def detect_in_video(self, image: Image) -> list[Face]:
        """The faces of one frame of many, as `detect` finds them, at less cost."""
        require_rgb(image)
        return self._detect(image, self.scale(image.shape[:2], video=True))

    def scale(self, shape: Sequence[int], *, video: bool = False) -> float:
        """The reduction of a picture of this (height, width) before the fine search; up to 1."""
        size_mp = shape[0] * shape[1] / 1e6
        if self.still_mp is None:
            return 1.0
        budget = float(np.clip(size_mp / 2, *VIDEO_MP)) if video else self.still_mp
        return min(1.0, float(np.sqrt(budget / max(size_mp, 1e-6))))

    def smallest(self, shape: Sequence[int], *, video: bool = False) -> float:
        """The height, pixels of the picture, from which on few upright faces are missed."""
        return SURE_PX / self.scale(shape, video=video)

    def _detect(self, image: Image, scale: float) -> list[Face]:
        near = merge_faces(self.quick.detect(image))
        if self._fine is None:
            self._fine = CenterFaceDetector(max_side=10**9)  # is shown no more than a tile
        return prefer(near, detect_in_tiles(self._fine, image, scale))


class FullFaceDetector:
    """As `auto`, but every picture and frame is searched in all its pixels."""

    def __init__(self) -> None:
        """Load MediaPipe's detector."""
        self._auto = AutoFaceDetector(still_mp=None)

    def detect(self, image: Image) -> list[Face]:
        """The faces of an RGB uint8 (H, W, 3) picture, best score first, with key points.

        Raises:
            ShapeError: not an RGB uint8 image.
            WeightsError: CenterFace cannot be found or fetched.
        """
        return self._auto.detect(image)

    def smallest(self, shape: Sequence[int], *, video: bool = False) -> float:
        """The height, pixels of the picture, from which on few upright faces are missed."""
        return self._auto.smallest(shape, video=video)


def prefer(near: Sequence[Face], small: Sequence[Face]) -> list[Face]:
    """Each face once, best score first.

    Where both detectors see one, MediaPipe's box and eyes stand: the mesh was trained on them.
    """
    kept = [*near, *(face for face in small if not _overlaps(face, near))]
    return sorted(kept, key=lambda face: face.score, reverse=True)


def _overlaps(face: Face, others: Sequence[Face]) -> bool:
    if not others:
        return False
    union, _ = box_overlaps(face.box, np.stack([other.box for other in others]))
    return bool(union.max() >= SAME_FACE_IOU)


def detect_in_tiles(detector: CenterFaceDetector, image: Image, scale: float) -> list[Face]:
    """The faces of a picture reduced by `scale`: of the whole, and of tiles where it is large.

    A box that an inner edge of a tile cuts is left out: the next tile, or the whole, shows it.
    """
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    coarse = min(1.0, float(np.sqrt(TILE[0] * TILE[1] / (width * height)))) * scale
    still = np.zeros(2, np.float32)
    found = [_moved(face, still, coarse) for face in detector.detect(_reduced(image, coarse))]
    if coarse == scale:
        return found
    image = _reduced(image, scale)
    height, width = image.shape[:2]
    for y in _starts(height, TILE[1]):
        for x in _starts(width, TILE[0]):
            tile = np.ascontiguousarray(image[y : y + TILE[1], x : x + TILE[0]])
            shift = np.array([x, y], np.float32)
            found += [
                _moved(face, shift, scale)
                for face in detector.detect(tile)
                if not _is_cut(face, tile, x, y, width, height)
            ]
    return merge_faces(found)


def _reduced(image: Image, scale: float) -> Image:
    if scale >= 1:
        return image
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))


def _starts(length: int, tile: int) -> list[int]:
    if length <= tile:
        return [0]
    count = -(-(length - OVERLAP) // (tile - OVERLAP))
    return [round(i * (length - tile) / (count - 1)) for i in range(count)]


def _is_cut(face: Face, tile: Image, x: int, y: int, width: int, height: int) -> bool:
    """Whether an inner edge of the tile cuts the face; the box of half a face ends beside it."""
    left, top, right, bottom = face.box
    high, wide = tile.shape[:2]
    near = max(2.0, NEAR * float(max(right - left, bottom - top)))
    return bool(
        (x > 0 and left < near)
        or (y > 0 and top < near)
        or (x + wide < width and right > wide - near)
        or (y + high < height and bottom > high - near)
    )


def _moved(face: Face, shift: np.ndarray, scale: float) -> Face:
    """A face of a tile in pixels of the whole, unreduced picture."""
    box = (face.box + np.tile(shift, 2) + 0.5) / scale - 0.5
    points = None if face.keypoints is None else (face.keypoints + shift + 0.5) / scale - 0.5
    return replace(
        face,
        box=box.astype(np.float32),
        keypoints=None if points is None else points.astype(np.float32),
    )
