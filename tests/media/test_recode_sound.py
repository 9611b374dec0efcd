"""Sound after codecs: as long as before, and worse."""

from __future__ import annotations

import numpy as np
import pytest

from counterface.errors import MediaError
from counterface.media.recode_sound import CODECS, recode_sound
from counterface.media.sound import RATE
from counterface.types import Floats


def tone(hertz: float, count: int = RATE) -> Floats:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(count) / RATE)).astype(np.float32)


@pytest.mark.parametrize("codec", CODECS)
def test_a_tone_keeps_its_length_level_and_pitch(codec: str) -> None:
    rates, bits = CODECS[codec][2:]
    made = recode_sound(tone(500), RATE, codec, rates[-1], bits[-1])
    assert made.shape == (RATE,)
    assert made.dtype == np.float32
    inner = made[4000:12_000]
    assert np.sqrt(np.mean(inner**2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)
    assert np.abs(np.fft.rfft(inner)).argmax() == 250


def test_a_low_rate_takes_high_pitches_away() -> None:
    made = recode_sound(tone(6000), RATE, "mulaw", 8_000)
    assert np.sqrt(np.mean(made**2)) < 0.01


def test_an_unknown_codec_and_a_rate_that_it_lacks_are_refused() -> None:
    with pytest.raises(MediaError, match="use one of aac, mp3"):
        recode_sound(tone(500), RATE, "wax", 8_000)
    with pytest.raises(MediaError, match="opus at 44100 samples"):
        recode_sound(tone(500), RATE, "opus", 44_100, 24_000)
