from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest
from actors import draw_clip

from counterface.detect.cues.cue import PersonView
from counterface.detect.cues.view import cut_still, make_window


@pytest.fixture(scope="session")
def person() -> PersonView:
    """A drawn actor who turns, speaks and blinks, seen in 48 frames of JPEG."""
    clip = draw_clip([3], 48, 480, 480, Fraction(24))
    seen = [(frame.frame, frame.actors[0].face) for frame in clip]
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 2, (480, 480, 3))
    for frame, _ in seen:
        grainy = np.clip(frame.image + grain, 0, 255).astype(np.uint8)
        packed = cv2.imencode(".jpg", grainy, [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
        frame.image[:] = cv2.imdecode(packed, cv2.IMREAD_COLOR)
        grain = np.roll(grain, 37, axis=1)
    return PersonView(tuple(cut_still(*seen[n]) for n in range(0, 48, 8)), make_window(seen))
