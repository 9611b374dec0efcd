from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from actors import draw_clip

from counterface.detect.cues.cue import PersonView
from counterface.detect.cues.view import cut_still, make_window
from counterface.types import Frame

DRAWN = 36  # frames; drawing is slow


@pytest.fixture(scope="session")
def person() -> PersonView:
    """A drawn actor who turns and speaks, in six seconds of 24 frames.

    The actor goes through the drawn frames and back, and again; the grain is another each time.
    """
    clip = draw_clip([3], DRAWN, 320, 320, Fraction(24))
    grain = np.random.default_rng(0).normal(0, 2, (320, 320, 3))
    seen = []
    for n in range(144):
        at = n % (2 * DRAWN - 2)
        drawn = clip[min(at, 2 * DRAWN - 2 - at)]
        image = np.clip(drawn.frame.image + np.roll(grain, 37 * n, axis=1), 0, 255)
        seen.append((Frame(image.astype(np.uint8), n, n / Fraction(24)), drawn.actors[0].face))
    return PersonView(tuple(cut_still(*seen[n]) for n in range(0, 36, 6)), make_window(seen))
