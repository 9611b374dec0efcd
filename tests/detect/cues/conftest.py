from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
from actors import draw_clip
from numpy.typing import NDArray

from counterface.detect.cues.cue import PersonView, SoundView, Window
from counterface.detect.cues.mouth_series import lip_gap
from counterface.detect.cues.view import cut_still, make_window
from counterface.media.sound import RATE, Sound
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


def speak(window: Window, late_s: float = 0.0) -> SoundView:
    """What the person in a window says: a buzz that is as loud as the mouth is open.

    It breaks off where the mouth is nearly shut, as for p, b and m. `late_s` moves it.
    """
    gap = lip_gap(window.landmarks)
    times = np.arange(6 * RATE) / RATE - late_s
    opened = np.interp(times, window.pts, gap / gap.max())
    return buzz(np.where(opened > 0.2, opened, 0))


def buzz(loudness: NDArray[np.float64] | None = None) -> SoundView:
    """Six seconds of a voice: a pulse of 120 Hz with three formants, weaker with pitch.

    `loudness` is that of each sample; None for three syllables a second, with pauses.
    """
    times = np.arange(6 * RATE) / RATE
    pulses = np.zeros(len(times))
    pulses[(np.arange(0, 6, 1 / 120) * RATE).astype(int)] = 1
    spectrum, hertz = np.fft.rfft(pulses), np.fft.rfftfreq(len(times), 1 / RATE)
    peaks = ((600, 1.0), (1400, 0.6), (2600, 0.3))
    formants = sum(a * np.exp(-(((hertz - f) / 150) ** 2)) for f, a in peaks)
    voice = np.fft.irfft(spectrum * formants, len(times))
    voice *= np.clip(np.sin(2 * np.pi * 3 * times), 0, 1) if loudness is None else loudness
    voice += np.random.default_rng(0).normal(0, voice.std() / 100, len(times))
    samples = (voice / np.abs(voice).max() / 2).astype(np.float32)
    sound = Sound(samples, RATE, Fraction(0), "pcm_s16le", RATE, 1, 1)
    return SoundView(sound, ((0.0, 2.9), (3.1, 6.0)))


def grainy(frame: Frame, grain: NDArray[np.float64]) -> Image:
    return np.clip(frame.image + grain, 0, 255).astype(np.uint8)
