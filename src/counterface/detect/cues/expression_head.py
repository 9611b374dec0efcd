"""Does the face speak and frown as its head moves?

People nod and turn with their words, each in their own way; a face that is driven by someone else's
voice or face, or whose mouth was drawn anew, loses the link.

Source: Agarwal and Farid, "Protecting world leaders against deep fakes", CVPR workshops 2019, which
learns the correlations of one person; ours is one mean for everybody, from landmarks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from counterface.detect.cues.cue import Measured, Window
from counterface.detect.cues.jitter import without_head
from counterface.detect.cues.parents import WindowCue

STILL = 2e-3  # eye distances; what strays less from its mean has no course


class ExpressionHead(WindowCue):
    """How closely the shape of mouth and brows follows the turning and nodding of the head."""

    name = "expression_head"
    title = "Expression and head"
    unit = "correlation"
    looks_for = "a mouth and brows that move without regard to the head"
    source = (
        "https://openaccess.thecvf.com/content_CVPRW_2019/html/Media_Forensics/"
        "Agarwal_Protecting_World_Leaders_Against_Deep_Fakes_CVPRW_2019_paper.html"
    )
    wants_s = 6.0
    min_s = 2.0
    nothing = "the head or the face keeps still"

    def measure_window(self, window: Window) -> Measured | None:
        """The mean size of the correlations of each expression with each turn, [0, 1]."""
        points = without_head(window.landmarks).astype(np.float64)
        head, face = _standard(_turns(points)), _standard(_expressions(points))
        if not head.size or not face.size:
            return None
        return Measured(float(np.abs(head.T @ face / len(points)).mean()))


def _turns(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The tip of the nose against its root, (T, 2): it turns and nods with the head.

    `points` are landmarks without the head's place, size and tilt, (T, 68, 2), so that a camera
    that shakes, rolls or zooms moves nothing.
    """
    return points[:, 30] - points[:, 27]


def _expressions(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Opening and width of the mouth and height of each brow, (T, 4)."""
    upper, lower, left, right = (points[:, n] for n in (62, 66, 60, 64))
    return np.stack(
        [
            np.linalg.norm(upper - lower, axis=1),
            np.linalg.norm(left - right, axis=1),
            points[:, 17:22, 1].mean(axis=1),
            points[:, 22:27, 1].mean(axis=1),
        ],
        axis=1,
    )


def _standard(courses: NDArray[np.float64]) -> NDArray[np.float64]:
    """The courses (T, N) that move, with mean 0 and deviation 1."""
    moves = courses[:, courses.std(axis=0) > STILL]
    return np.asarray((moves - moves.mean(axis=0)) / moves.std(axis=0))
