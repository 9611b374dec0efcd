"""The pulse is found where it is painted, and flickering light is none."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from counterface.detect.cues.cue import Measured, NotApplicable, PersonView, Window
from counterface.testing.cues import load_cue

BLOOD = np.array([0.33, 0.77, 0.53])  # how much a beat moves R, G and B (de Haan 2014)
SKIN = np.array([190, 140, 115], np.float32)
COUNT, FPS = 144, 24


def painted(share: NDArray[np.float64], count: int = COUNT, fps: float = FPS) -> Window:
    """Skin with grain whose colour changes by `share`, (T, 1 or 224, 1, 3) of itself."""
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 2, (224, 224, 3)).astype(np.float32)
    frames = [
        np.clip(SKIN * (1 + one) + np.roll(grain, 41 * n, axis=0), 0, 255).round()
        for n, one in enumerate(share[:count].astype(np.float32))
    ]
    points = np.zeros((count, 68, 2), np.float32)
    return Window(np.stack(frames).astype(np.uint8), points, np.arange(count) / fps)


def beat(per_min: float, late: float = 0.0) -> NDArray[np.float64]:
    """A wave of this rate, (T, 1, 1, 1), `late` seconds late."""
    time = np.arange(COUNT) / FPS - late
    return np.sin(2 * np.pi * per_min / 60 * time)[:, None, None, None]


def value(name: str, window: Window) -> float:
    found = load_cue(name).measure(PersonView((), window))
    assert isinstance(found, Measured), found
    return found.value


@pytest.fixture(scope="module")
def alive() -> Window:
    return painted(0.005 * beat(72) * BLOOD)


def test_a_pulse_of_72_a_minute_is_found(alive: Window) -> None:
    dead = painted(np.zeros((COUNT, 1, 1, 3)))
    assert value("pulse", alive) > value("pulse", dead) + 5
    assert value("pulse_agreement", alive) > 0.8
    assert value("pulse_agreement", dead) < 0.5


def test_light_that_beats_is_no_pulse(alive: Window) -> None:
    lamp = painted(0.02 * beat(72) * np.ones(3))
    assert value("pulse", lamp) < value("pulse", alive) - 3


def test_a_forehead_that_beats_late_does_not_agree() -> None:
    above = (np.arange(224) < 80)[None, :, None, None]
    late = 0.005 * np.where(above, beat(72, late=0.4), beat(72)) * BLOOD
    assert value("pulse_agreement", painted(late)) < 0.4


@pytest.mark.parametrize(
    ("count", "fps", "says"), [(96, 24, "4.0 s in"), (80, 12, "12.0 frames a second")]
)
def test_a_pulse_needs_time_and_frames(count: int, fps: float, says: str) -> None:
    window = painted(np.zeros((COUNT, 1, 1, 3)), count, fps)
    found = load_cue("pulse").measure(PersonView((), window))
    assert isinstance(found, NotApplicable)
    assert says in found.reason
