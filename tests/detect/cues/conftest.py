from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
from actors import draw_clip
from drawn_voices import speak
from numpy.typing import NDArray

from counterface.detect.cues.cue import PersonView
from counterface.detect.cues.view import cut_still, make_window
from counterface.registry import Registry
from counterface.types import Frame, Image

EMPTY = Registry("phoneme recogniser", "counterface.no_phonemes")
DRAWN = 36  # frames; drawing is slow


@pytest.fixture(autouse=True)
def no_recogniser(monkeypatch: pytest.MonkeyPatch) -> None:
    """No recogniser of phonemes: what is installed must not change a test."""
    monkeypatch.setattr("counterface.detect.phonemes.recogniser.PHONEME_RECOGNISERS", EMPTY)


@pytest.fixture(scope="session")
def person() -> PersonView:
    """A drawn actor who turns, speaks and blinks: six seconds, and six larger stills of JPEG.

    In the window the actor goes through the drawn frames and back, and again; the grain is another
    each time. What is heard meanwhile is a buzz like a voice, while the lips are apart.
    """
    grain = np.random.default_rng(0).normal(0, 2, (480, 480, 3))
    stills = []
    for item in draw_clip([3], 6, 480, 480, Fraction(4)):
        image = grainy(item.frame, np.roll(grain, 37 * item.frame.index, axis=1))
        packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
        kept = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
        stills.append(cut_still(replace(item.frame, image=kept), item.actors[0].face))
    clip = draw_clip([3], DRAWN, 320, 320, Fraction(24))
    seen = []
    for n in range(144):
        at = n % (2 * DRAWN - 2)
        drawn = clip[min(at, 2 * DRAWN - 2 - at)]
        image = grainy(drawn.frame, np.roll(grain, 37 * n, axis=1)[:320, :320])
        seen.append((Frame(image, n, n / Fraction(24)), drawn.actors[0].face))
    window = make_window(seen)
    assert window is not None
    return PersonView(tuple(stills), window, speak(window))


def grainy(frame: Frame, grain: NDArray[np.float64]) -> Image:
    return np.clip(frame.image + grain, 0, 255).astype(np.uint8)
