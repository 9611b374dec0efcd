"""Flicker of the face's fine detail that motion does not explain.

A face that is made frame by frame has its pores, hairs and creases drawn anew each time, where a
filmed face carries them along.

Source: Gu et al., "Spatiotemporal inconsistency learning for deepfake video detection", 2021
(https://arxiv.org/abs/2109.01860), which learns such inconsistency; our own measure.
"""

from __future__ import annotations

import cv2
import numpy as np

from counterface.detect.cues.cue import Measured
from counterface.detect.cues.regions import band
from counterface.detect.cues.residual import Residual, ResidualCue, mean

FLAT = 0.5  # grey levels of texture: below it a region has no detail that could flicker


class DetailFlicker(ResidualCue):
    """Unexplained change of fine detail over the detail, in the face against around it."""

    name = "detail_flicker"
    title = "Flicker of detail"
    unit = "log ratio"
    looks_for = "fine detail of the face that changes from frame to frame without motion"

    def measure_residual(self, left: Residual) -> Measured:
        """The logarithm of the ratio of the two medians over time, and the face's course."""
        inside: list[float] = []
        beyond: list[float] = []
        for before, change, face, around in zip(
            left.before, left.change, left.face, left.around, strict=True
        ):
            flicker = np.abs(band(cv2.cvtColor(change, cv2.COLOR_RGB2GRAY), 0, 2))
            grey = cv2.cvtColor(before, cv2.COLOR_RGB2GRAY).astype(np.float32)
            detail = np.abs(band(grey, 0, 2))
            for region, shares in ((face, inside), (around, beyond)):
                shares.append(mean(flicker, region)[0] / (mean(detail, region)[0] + FLAT))
        ratio = (np.median(inside) + 1e-3) / (np.median(beyond) + 1e-3)
        series = tuple(zip(left.pts.tolist(), inside, strict=True))
        return Measured(float(np.log(ratio)), series)
