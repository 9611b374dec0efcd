"""Eyes that close are seen, as far as they close, in any light."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from counterface.detect.cues.blink import Blink
from counterface.detect.cues.cue import Measured, NotApplicable, PersonView, Window


@pytest.fixture(scope="module")
def window(person: PersonView) -> Window:
    assert person.window is not None
    return person.window


def blinking(window: Window, *depths: float, frames: int = 6) -> Window:
    """The first crop with lids of skin over the eyes, every two seconds, this opaque."""
    crops = np.repeat(window.crops[:1], len(window.pts), axis=0).astype(np.float32)
    eyes = np.s_[78:112, 40:184]
    skin = np.median(crops[0, 118:150, 60:90], axis=(0, 1))
    for n, depth in enumerate(depths):
        for at in range(48 * n + 20, 48 * n + 20 + frames):
            crops[at][eyes] += depth * (skin - crops[at][eyes])
    return replace(window, crops=crops.round().astype(np.uint8))


def light(window: Window, gain: NDArray[np.float64]) -> Window:
    crops = np.clip(window.crops * gain[:, None, None, None], 0, 255)
    return replace(window, crops=crops.round().astype(np.uint8))


def measure(window: Window) -> Measured:
    found = Blink().measure(PersonView((), window))
    assert isinstance(found, Measured), found
    return found


def test_a_blink_is_as_deep_as_the_eyes_close(window: Window) -> None:
    assert measure(blinking(window, 1.0, 0.8, 1.0)).value > 0.9
    assert measure(blinking(window, 0.3, 0.2, 0.2)).value == pytest.approx(0.3, abs=0.1)
    assert measure(blinking(window)).value == pytest.approx(0, abs=0.02)


def test_the_course_shows_when(window: Window) -> None:
    course = measure(blinking(window, 0.0, 0.9)).series
    time, least = min(course, key=lambda point: point[1])
    assert 68 / 24 <= time <= 74 / 24
    assert least < 0.2


def test_one_bad_frame_is_no_blink(window: Window) -> None:
    assert measure(blinking(window, 1.0, frames=1)).value == pytest.approx(0, abs=0.02)


def test_light_that_changes_is_no_blink(window: Window) -> None:
    gain = 0.75 + 0.2 * np.sin(np.arange(144) / 5)
    assert measure(light(blinking(window), gain)).value < 0.1


def test_a_blink_needs_four_seconds(window: Window) -> None:
    short = Window(window.crops[:60], window.landmarks[:60], window.pts[:60])
    found = Blink().measure(PersonView((), short))
    assert found == NotApplicable("2.5 s in consecutive frames is under 4 s")
