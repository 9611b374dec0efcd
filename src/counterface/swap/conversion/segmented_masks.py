"""Masks of where a face is visible, by a segmentation net, steady over time.

The target's tells what lies before its face. That of the face that was made tells what came along
with it: hair and background of the source.
"""

from __future__ import annotations

import cv2
import numpy as np

from counterface.faces.align import compose, crop_matrix, invert, warp_image, warp_points
from counterface.faces.segment import FaceSegmenter
from counterface.swap.conversion.placement import PlacedFace
from counterface.swap.conversion.steady import SteadyMasks
from counterface.types import Floats, Image, Mask

SEGMENTED = frozenset({"segmented", "made"})  # what masks are called that come from a segmenter
_WHOLE = np.eye(2, 3, dtype=np.float32)


class SegmentedMasks:
    """The masks of consecutive frames."""

    def __init__(self, segmenter: FaceSegmenter, steady: float) -> None:
        """Begin before the first frame.

        Args:
            segmenter: finds where a face is visible.
            steady: share of the last mask that is blended in, [0, 1).
        """
        self._segmenter = segmenter
        self._target, self._made = SteadyMasks(steady), SteadyMasks(steady)

    def of_target(self, image: Image, place: PlacedFace, frame_to_crop: Floats, size: int) -> Mask:
        """The mask of the target's face over its crop, float32 (size, size) in [0, 1].

        Args:
            image: the next frame that shows the face, RGB uint8 (H, W, 3).
            place: the face.
            frame_to_crop: (2, 3) for `size` pixels.
            size: side of the crop.

        Raises:
            WeightsError: the net cannot be run.
        """
        return self._find(self._target, image, place.track, place.landmarks, frame_to_crop, size)

    def of_made(self, face: Image, place: PlacedFace, frame_to_crop: Floats) -> Mask:
        """The mask of a face that was made over its crop, float32 (R, R) in [0, 1].

        Args:
            face: RGB uint8 (R, R, 3), made for the next frame that shows the target's face.
            place: the target's face.
            frame_to_crop: (2, 3) for R pixels.

        Raises:
            WeightsError: the net cannot be run.
        """
        landmarks = warp_points(place.landmarks, frame_to_crop)
        return self._find(self._made, face, place.track, landmarks, _WHOLE, len(face))

    def _find(
        self,
        steady: SteadyMasks,
        image: Image,
        track: int,
        landmarks: Floats,
        to_crop: Floats,
        size: int,
    ) -> Mask:
        side = self._segmenter.size
        matrix = crop_matrix(landmarks, self._segmenter.template, side)
        seen = warp_image(image, matrix, side, "grey")
        (mask,) = self._segmenter.segment(seen[None])
        mask = steady.blend(track, mask, seen)
        there = compose(to_crop.astype(np.float64), invert(matrix))
        moved = cv2.warpAffine(mask, there, (size, size), flags=cv2.INTER_LINEAR)
        return np.asarray(np.clip(moved, 0, 1), dtype=np.float32)
