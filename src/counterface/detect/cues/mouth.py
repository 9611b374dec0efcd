"""Detail within the open mouth: are there teeth, or a smooth dark patch?

Faces that are made to speak show teeth that a network has averaged: their edges are soft. What lies
around the face says how sharp the file is; the face does not, since its lower half, or all of it,
was drawn with the mouth.

Sources: Matern, Riess and Stamminger, "Exploiting visual artifacts to expose deepfakes and face
manipulations", 2019 (https://doi.org/10.1109/WACVW.2019.00020), on teeth without detail; our own
measure.
"""

from __future__ import annotations

import cv2
import numpy as np

from counterface.detect.cues.cue import Still
from counterface.detect.cues.parents import StillCue
from counterface.detect.cues.regions import FEW, Region, face_region, fill, grey, log_ratio
from counterface.types import Floats

INNER_LIPS = slice(60, 68)
UPPER, LOWER = 62, 66  # the middles of the inner lips
OPEN = 0.08  # distance of the inner lips, in distances of the eyes
AROUND = 1.25  # scale of the face's outline


class MouthDetail(StillCue):
    """Fine over middle detail within the lips, against the same around the face."""

    name = "mouth_detail"
    title = "Detail in the mouth"
    unit = "log ratio"
    looks_for = "an open mouth whose teeth are softer than the rest of the frame"
    source = "https://doi.org/10.1109/WACVW.2019.00020"
    nothing = "no picture shows an open mouth that is large enough, and what lies around the face"

    def measure_still(self, still: Still) -> float | None:
        """The ratio in one still; None where the mouth is closed or too small."""
        lips = still.landmarks[INNER_LIPS]
        gap = still.landmarks[LOWER] - still.landmarks[UPPER]
        if np.linalg.norm(gap) < OPEN * still.eye_px:
            return None
        outline: Floats = cv2.convexHull(lips.astype(np.float32))[:, 0]
        plane = grey(still)
        soft, softer = (np.asarray(cv2.GaussianBlur(plane, (0, 0), by)) for by in (1, 2))
        fine, middle = np.subtract(plane, soft, out=plane), np.subtract(soft, softer, out=soft)
        mouth, around = fill(plane.shape, outline), ~face_region(still, AROUND)
        here, there = (_sharpness(fine, middle, region) for region in (mouth, around))
        return None if here is None or there is None else here - there


def _sharpness(fine: Floats, middle: Floats, region: Region) -> float | None:
    """The log ratio of the strengths of two bands (H, W) in a region; None where it is small."""
    mask = region.view(np.uint8)
    count = cv2.countNonZero(mask)
    if count < FEW:
        return None
    one, other = (cv2.norm(part, cv2.NORM_L2, mask) / count**0.5 for part in (fine, middle))
    return log_ratio(one, other)
