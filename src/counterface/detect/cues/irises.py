"""The shape of the irises: are both round, and alike?

An iris is a circle, seen as an ellipse; lids cover its top and bottom, its sides are free. A
generator that knows no eyeball draws edges that lie on no ellipse.

Source: Guo et al., "Eyes tell all: irregular pupil shapes reveal GAN-generated faces", 2021
(https://arxiv.org/abs/2109.00162). They fit an ellipse to segmented pupils of large portraits; ours
follows the sides of the whole iris, which smaller faces show too.
"""

from __future__ import annotations

import cv2
import numpy as np

from counterface.detect.cues.cue import Still
from counterface.detect.cues.eyes import Eye, cut_eyes
from counterface.detect.cues.parents import StillCue
from counterface.types import Floats

STEEP = np.deg2rad(30)  # of a direction from the level, at most: lids cover the rest
DIRECTIONS = 24  # on each side
REACH = np.linspace(0.75, 1.4, 40)  # where the edge is looked for, in radii of the iris
SOFT = 1.5  # patch pixels of blur
LEAST = 1e-3  # radii


class PupilShape(StillCue):
    """How far the sides of both irises lie from an ellipse."""

    name = "pupil_shape"
    title = "Shape of the irises"
    unit = "log radii"
    looks_for = "irises that are not round"
    source = "https://arxiv.org/abs/2109.00162"
    nothing = "no picture shows both irises, in eyes of 20 pixels"

    def measure_still(self, still: Still) -> float | None:
        """The logarithm of the mean distance of both; None where an iris is not seen."""
        eyes = cut_eyes(still)
        if eyes is None:
            return None
        missed = [distance_to_ellipse(find_edge(eye)) for eye in eyes]
        return float(np.log(np.mean(missed) + LEAST))


def find_edge(eye: Eye) -> Floats:
    """Points (2 * DIRECTIONS, 2) on the sides of the iris, in radii from its middle.

    In each direction, where brightness rises most.
    """
    right = np.linspace(-STEEP, STEEP, DIRECTIONS)
    angle = np.concatenate([right, right + np.pi])
    way = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    at = np.array(eye.middle) + way[:, None] * (REACH * eye.radius)[None, :, None]
    x, y = at.astype(np.float32).transpose(2, 0, 1)
    soft = cv2.GaussianBlur(eye.plane, (0, 0), SOFT)
    ray = cv2.remap(soft, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    rise = np.gradient(ray, axis=1)
    return np.asarray(way * REACH[rise.argmax(axis=1)][:, None], np.float32)


def distance_to_ellipse(points: Floats) -> float:
    """The mean distance of points (N, 2) to the upright ellipse that fits them.

    Of the nearest three quarters: at the others a lid may lie over the edge.
    """
    x, y = points.astype(np.float64).T
    design = np.stack([y * y, x, y, np.ones_like(x)], axis=1)
    b, c, d, e = np.linalg.lstsq(design, -x * x, rcond=None)[0]
    value = x * x + b * y * y + c * x + d * y + e
    slope = np.hypot(2 * x + c, 2 * b * y + d)  # to first order, value / slope is the distance
    away = np.sort(np.abs(value) / np.maximum(slope, 0.5))
    return float(away[: len(away) * 3 // 4].mean())
