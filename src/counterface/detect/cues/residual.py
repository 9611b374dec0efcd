"""What motion does not explain from one frame to the next, for cues on flicker.

The flow between two aligned crops, reduced, moves the later one back onto the earlier; what then
still differs was not moved but drawn anew, or lit anew. Computed once for all cues on a window.

Source: Kroeger et al., "Fast optical flow using dense inverse search", ECCV 2016
(https://arxiv.org/abs/1603.03590), of which OpenCV's form is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from counterface.detect.cues.cue import WINDOW_TEMPLATE, Measured, Window
from counterface.detect.cues.parents import WindowCue
from counterface.detect.cues.regions import FEW, face_outline, fill
from counterface.faces.align import crop_matrix, warp_points
from counterface.types import Floats, Image

SIDE = 112  # of the reduced crops, pixels
MOST_FRAMES = 60  # of a window, from its middle
FACE, AROUND = 0.8, 1.12  # scales of the face's outline: within, and beyond
SAME = 0.05  # grey levels; frames that differ by less are one frame shown twice


@dataclass(frozen=True, slots=True, eq=False)
class Residual:
    """N pairs of consecutive frames; repeated frames are left out."""

    pts: NDArray[np.float64]  # (N,) of the later frame, seconds
    before: Image  # (N, SIDE, SIDE, 3), the earlier frame
    change: Floats  # (N, SIDE, SIDE, 3), the later frame moved back, minus the earlier
    face: NDArray[np.bool_]  # (N, SIDE, SIDE)
    around: NDArray[np.bool_]  # (N, SIDE, SIDE), away from the face


@lru_cache(maxsize=1)  # cues on one window follow each other
def residual(window: Window) -> Residual | None:
    """What motion leaves over in a window; None where fewer than 8 pairs can be compared."""
    skip = max(0, (len(window.pts) - MOST_FRAMES) // 2)
    chosen = slice(skip, skip + MOST_FRAMES)
    pictures = [
        cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        for crop in window.crops[chosen]
    ]
    planes = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures]
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    found = []
    for n, (points, time) in enumerate(
        zip(window.landmarks[chosen][:-1], window.pts[chosen][1:], strict=True)
    ):
        if float(np.mean(cv2.absdiff(planes[n], planes[n + 1]))) < SAME:
            continue
        face, around = _regions(points)
        if min(face.sum(), around.sum()) < FEW:
            continue
        moved = flow.calc(planes[n], planes[n + 1], None)
        later = cv2.remap(
            pictures[n + 1],
            columns + moved[..., 0],
            rows + moved[..., 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        change = later.astype(np.float32) - pictures[n]
        found.append((time, pictures[n], change, face, around))
    if len(found) < 8:
        return None
    pts, before, changes, faces, arounds = zip(*found, strict=True)
    return Residual(
        np.array(pts), np.stack(before), np.stack(changes), np.stack(faces), np.stack(arounds)
    )


class ResidualCue(WindowCue):
    """A cue on what motion does not explain; a child says what it measures of it."""

    source = "https://arxiv.org/abs/2109.01860"
    nothing = "too few frames differ, or nothing around the face is in the picture"

    def measure_residual(self, left: Residual) -> Measured:
        """The measure of what is left over."""
        raise NotImplementedError

    def measure_window(self, window: Window) -> Measured | None:
        """The measure of what motion leaves over; None where too few frames can be compared."""
        left = residual(window)
        return None if left is None else self.measure_residual(left)


def mean(picture: Image | Floats, region: NDArray[np.bool_]) -> tuple[float, ...]:
    """The mean of each channel of a picture (H, W[, C]) in a region (H, W)."""
    return tuple(cv2.mean(picture, region.view(np.uint8)))


def _regions(points: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The face and what lies around it in a reduced crop, of landmarks in the frame (68, 2)."""
    placed = warp_points(points, crop_matrix(points, WINDOW_TEMPLATE, SIDE))
    shape = (SIDE, SIDE)
    return fill(shape, face_outline(placed, FACE)), ~fill(shape, face_outline(placed, AROUND))
