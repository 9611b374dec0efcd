"""Highlights in the eyes: do both eyes mirror the same lights?

Both eyes see the same lamps and windows, so that the highlights on their irises have the same place
and shape. A face that is drawn has no lamps to mirror.

Source: Hu, Li and Lyu, "Exposing GAN-generated faces using inconsistent corneal specular
highlights", 2020 (https://arxiv.org/abs/2009.11924). They compare masks of highlights in portraits
of about 1000 pixels; ours weighs highlights by their brightness, for smaller eyes.
"""

from __future__ import annotations

import cv2
import numpy as np

from counterface.detect.cues.cue import Still
from counterface.detect.cues.eyes import Eye, cut_eyes, disc
from counterface.detect.cues.parents import StillCue
from counterface.types import Floats

BRIGHT = 25.0  # grey levels by which a highlight exceeds what lies round it, at least
SOFT = 1.5  # patch pixels of blur: about how well the iris is placed
PART = 0.75  # of the iris' radius that is searched: beyond lie lids
LOWEST = 0.35  # radii below the middle: lights stand above, lids shine below
SIDE = 25  # patch pixels of what is compared


class EyeReflections(StillCue):
    """How far the highlights of both irises overlap."""

    name = "eye_reflections"
    title = "Highlights of the eyes"
    unit = "overlap"
    looks_for = "eyes that do not mirror the same lights"
    source = "https://arxiv.org/abs/2009.11924"
    nothing = "no picture shows both irises, each with a highlight, in eyes of 20 pixels"

    def measure_still(self, still: Still) -> float | None:
        """The overlap in one still, in [0, 1]; None where an eye has no highlight."""
        eyes = cut_eyes(still)
        if eyes is None:
            return None
        left, right = (find_highlight(eye) for eye in eyes)
        if left is None or right is None:
            return None
        return float(np.minimum(left, right).sum() / np.maximum(left, right).sum())


def find_highlight(eye: Eye) -> Floats | None:
    """The highlights about the middle of the iris (SIDE, SIDE), 1 in all; None without one."""
    part = disc(eye.middle, PART * eye.radius)
    part[int(eye.middle[1] + LOWEST * eye.radius) :] = 0
    usual = float(np.percentile(eye.plane[part > 0], 75))  # a light iris round its pupil is usual
    over = np.minimum(eye.spots, eye.plane - usual) * part
    if over.max() < BRIGHT:
        return None
    bright = cv2.GaussianBlur(np.clip(over - BRIGHT / 2, 0, None), (0, 0), SOFT)
    cut = cv2.getRectSubPix(bright, (SIDE, SIDE), eye.middle)
    return np.asarray(cut / cut.sum(), np.float32)
