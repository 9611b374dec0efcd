"""Splotches: soft patches of the face that grow lighter, darker or greyer from frame to frame.

Light moves over a face evenly; a network that draws a face anew in each frame misses the shade of
a cheek by a little, each time elsewhere.

Source: our own measure; on colour that is not stable over time, Gu et al. 2021
(https://arxiv.org/abs/2109.01860).
"""

from __future__ import annotations

import cv2
import numpy as np

from counterface.detect.cues.cue import Measured
from counterface.detect.cues.residual import SIDE, Residual, ResidualCue
from counterface.types import Floats

COARSE = SIDE // 4  # pixels of the side of the face's soft shades


class FaceSplotches(ResidualCue):
    """How unevenly the soft, unexplained change is spread over the face."""

    name = "face_splotches"
    title = "Splotches on the face"
    unit = "log grey levels"
    looks_for = "soft patches of the face that change their shade from frame to frame"

    def measure_residual(self, left: Residual) -> Measured:
        """The logarithm of the median over time of the deviation within the face."""
        uneven = [
            _unevenness(_soft(before.astype(np.float32))[face], _soft(change)[face])
            for before, change, face in zip(
                left.before, left.change, left.face[:, 2::4, 2::4], strict=True
            )
        ]
        series = tuple(zip(left.pts.tolist(), uneven, strict=True))
        return Measured(float(np.log(np.median(uneven) + 1e-2)), series)


def _soft(picture: Floats) -> Floats:
    """A picture (SIDE, SIDE, 3) without detail, (COARSE, COARSE, 3)."""
    small = cv2.resize(picture, (COARSE, COARSE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), 1), np.float32)


def _unevenness(shades: Floats, change: Floats) -> float:
    """The deviation of a change of shades, both (N, 3), without what brighter light makes of it."""
    shades, change = shades - shades.mean(axis=0), change - change.mean(axis=0)
    gain = (shades * change).sum(axis=0) / np.maximum((shades**2).sum(axis=0), 1e-6)
    return float((change - gain * shades).std(axis=0).mean())
