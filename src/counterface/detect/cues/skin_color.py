"""Skin that changes its colour where the light does not.

Light and white balance change the whole picture by the same factors; a face that is drawn anew in
each frame, or fitted in colour to its frame, changes by itself.

Source: our own measure; on colour that is not stable over time, Gu et al. 2021
(https://arxiv.org/abs/2109.01860).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counterface.detect.cues.cue import Measured
from counterface.detect.cues.residual import Residual, ResidualCue, mean


class SkinColorChange(ResidualCue):
    """How much the colour of the face changes beyond that of what lies around it."""

    name = "skin_color_change"
    title = "Change of skin colour"
    unit = "log share"
    looks_for = "skin that changes its colour from frame to frame where the light does not"

    def measure_residual(self, left: Residual) -> Measured:
        """The logarithm of the median change of chroma, and its course over time."""
        changes = []
        for before, change, face, around in zip(
            left.before, left.change, left.face, left.around, strict=True
        ):
            own = _chroma_step(mean(before, face), mean(change, face))
            shared = _chroma_step(mean(before, around), mean(change, around))
            changes.append(float(np.linalg.norm(own - shared)))
        series = tuple(zip(left.pts.tolist(), changes, strict=True))
        return Measured(float(np.log(np.median(changes) + 1e-4)), series)


def _chroma_step(before: ArrayLike, change: ArrayLike) -> NDArray[np.float64]:
    """By how much red and blue change against green, (2,), logarithms of mean colours' ratios."""
    red, green, blue = np.log1p(np.add(before, change))[:3] - np.log1p(before)[:3]
    return np.array([red - green, blue - green])
