"""The square round a face, turned upright, that landmarkers look at."""

from __future__ import annotations

import numpy as np

from counterface.types import Face, Floats


def frame_to_square(face: Face, angle: float, side: int, margin: float) -> Floats:
    """The similarity from frame pixels to a square, in which what lies at an angle is level.

    Args:
        face: its box is the square's middle.
        angle: radians, of the line that is to be level.
        side: of the square, pixels.
        margin: side of the square over the box's longer side.
    """
    centre = (face.box[:2] + face.box[2:]) / 2
    scale = side / (margin * float((face.box[2:] - face.box[:2]).max()))
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]])
    shift = np.full(2, (side - 1) / 2) - turn @ centre
    return np.concatenate([turn, shift[:, None]], axis=1).astype(np.float32)


def eye_angle(face: Face) -> float:
    """The direction from the eye on the image's left to the other, radians; 0 where unknown."""
    if face.keypoints is None or len(face.keypoints) < 2:
        return 0.0
    dx, dy = face.keypoints[1] - face.keypoints[0]
    return float(np.arctan2(dy, dx))
