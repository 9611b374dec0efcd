"""Masks of where the target's face is visible, by a segmentation net, steady over time."""

from __future__ import annotations

import cv2
import numpy as np

from counterface.faces.align import crop_matrix, invert, warp_image
from counterface.faces.segment import FaceSegmenter
from counterface.swap.conversion.placement import PlacedFace
from counterface.swap.conversion.steady import SteadyMasks
from counterface.types import Floats, Image, Mask


class SegmentedMasks:
    """The masks of consecutive frames."""

    def __init__(self, segmenter: FaceSegmenter, steady: float) -> None:
        """Begin before the first frame.

        Args:
            segmenter: finds where a face is visible.
            steady: share of the last mask that is blended in, [0, 1).
        """
        self._segmenter = segmenter
        self._steady = SteadyMasks(steady)

    def find(self, image: Image, place: PlacedFace, frame_to_crop: Floats, size: int) -> Mask:
        """The mask of a face over its crop, float32 (size, size) in [0, 1].

        Args:
            image: the next frame that shows the face, RGB uint8 (H, W, 3).
            place: the face.
            frame_to_crop: (2, 3) for `size` pixels.
            size: side of the crop.

        Raises:
            WeightsError: the net cannot be run.
        """
        side = self._segmenter.size
        matrix = crop_matrix(place.landmarks, self._segmenter.template, side)
        crop = warp_image(image, matrix, side, "grey")
        (mask,) = self._segmenter.segment(crop[None])
        mask = self._steady.blend(place.track, mask, crop)
        there = frame_to_crop.astype(np.float64) @ np.vstack([invert(matrix), [0, 0, 1]])
        moved = cv2.warpAffine(mask, there, (size, size), flags=cv2.INTER_LINEAR)
        return np.asarray(np.clip(moved, 0, 1), dtype=np.float32)
