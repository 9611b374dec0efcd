"""A jaw line that does not turn with the eyes and the nose.

A swap keeps the contour of the target's head and draws the source's features into it. Where the two
do not turn as one body, the jaw's landmarks leave the places that the inner ones give them.

Source: Yang, Li and Lyu, "Exposing deep fakes using inconsistent head poses", ICASSP 2019
(https://arxiv.org/abs/1811.00661), which compares two poses of a mean head; ours needs no mean
head: the shape comes from the motion itself (Tomasi and Kanade, "Shape and motion from image
streams under orthography", 1992).
"""

from __future__ import annotations

import numpy as np

from counterface.detect.cues.cue import Measured, Window
from counterface.detect.cues.parents import WindowCue
from counterface.faces.landmarks import LEFT_EYE, RIGHT_EYE

INNER = [
    *range(27, 36),
    36,
    39,
    42,
    45,
]  # nose and corners of the eyes: expression moves them least
OUTER = [*range(4), *range(13, 17)]  # the jaw line beside the ears; speech moves the chin
RANK = 3  # of a rigid body's motion without perspective


class HeadPose(WindowCue):
    """How far the jaw line strays from where the motion of eyes and nose puts it."""

    name = "head_pose"
    title = "Pose of contour and features"
    unit = "log eye distances"
    looks_for = "a contour of the head that does not turn with the eyes and the nose"
    source = "https://arxiv.org/abs/1811.00661"

    def measure_window(self, window: Window) -> Measured | None:
        """The logarithm of the root mean square distance, and its course over time."""
        points = window.landmarks.astype(np.float64)
        across = points[:, RIGHT_EYE].mean(axis=1) - points[:, LEFT_EYE].mean(axis=1)
        size = float(np.median(np.linalg.norm(across, axis=1)))
        if size < 1e-6:
            return None
        middle = points[:, INNER].mean(axis=1, keepdims=True)
        # A row for x and one for y of each frame: all inner points move by the same three columns.
        inner, outer = (
            ((points[:, chosen] - middle) / size).transpose(0, 2, 1).reshape(-1, len(chosen))
            for chosen in (INNER, OUTER)
        )
        motion = np.linalg.svd(inner, full_matrices=False)[0][:, :RANK]
        strayed = outer - motion @ (motion.T @ outer)
        square = (strayed**2).reshape(len(points), 2, -1).sum(axis=1).mean(axis=1)
        series = tuple(zip(window.pts.tolist(), np.sqrt(square).tolist(), strict=True))
        return Measured(float(0.5 * np.log(square.mean() + 1e-8)), series)
