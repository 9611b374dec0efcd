"""What happens to speech on its way: pace, rooms, noise, levels, rates and codecs, by chance.

Real and synthetic speech go through the same ways, so that a network learns neither.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from counterface.detect.sound.speech import Spans
from counterface.media.recode_sound import CODECS, recode_sound
from counterface.media.sound import RATE, Sound
from counterface.types import Floats

_PACES = (0.95, 1.05)  # films are played 4 % faster as PAL, and pitch moves with it
_TAIL_S = (0.1, 0.6)  # of a room, until 60 dB are gone
_NOISE_DB = (8.0, 45.0)  # of speech over noise


def worn_sound(sound: Sound, spans: Spans, rng: np.random.Generator) -> tuple[Sound, Spans]:
    """A sound after a way by chance, and where somebody speaks in it.

    Another pace of up to 5 % (30 %), as a player or a television standard makes it: pitch moves
    with it. Then `worn`.

    Args:
        sound: sound of 16,000 samples a second.
        spans: start and end of speech, seconds on the file's clock.
        rng: of the way.
    """
    if rng.random() < 0.3:
        pace, start = rng.uniform(*_PACES), float(sound.start)
        sound = replace(sound, samples=at_pace(sound.samples, pace))
        spans = tuple((start + (a - start) / pace, start + (b - start) / pace) for a, b in spans)
    return replace(sound, samples=worn(sound.samples, rng)), spans


def at_pace(samples: Floats, pace: float) -> Floats:
    """The samples played so many times as fast, (N / pace,); what would pass 8 kHz is gone."""
    count = round(len(samples) / pace)
    spectrum = np.fft.rfft(samples)[: count // 2 + 1]
    return (np.fft.irfft(spectrum, count) * (count / len(samples))).astype(np.float32)


def worn(samples: Floats, rng: np.random.Generator) -> Floats:
    """Speech of 16,000 samples a second after a way by chance, float32 in [-1, 1].

    Room (30 %), noise (60 %), another level, then codecs: one, or two (30 %), or none (10 %).
    """
    made = samples.astype(np.float32)
    if rng.random() < 0.3:
        made = with_room(made, rng)
    if rng.random() < 0.6:
        made = with_noise(made, rng)
    loudest = float(np.abs(made).max()) or 1.0
    made = made * np.float32(10 ** (-rng.uniform(0, 25) / 20) / loudest)
    times = int(rng.choice([0, 1, 2], p=[0.1, 0.6, 0.3]))
    for _ in range(times):
        codec = str(rng.choice(list(CODECS)))
        rates, bits = CODECS[codec][2:]
        made = recode_sound(made, RATE, codec, int(rng.choice(rates)), int(rng.choice(bits)))
    return made


def with_room(samples: Floats, rng: np.random.Generator) -> Floats:
    """The samples in a room: noise that fades, behind the direct sound."""
    tail_s = rng.uniform(*_TAIL_S)
    times = np.arange(int(tail_s * RATE)) / RATE
    tail = rng.normal(0, 1, len(times)) * np.exp(-6.9 * times / tail_s)
    tail *= rng.uniform(0.1, 0.7) / np.sqrt((tail**2).sum())
    tail[0] = 1.0
    size = len(samples) + len(tail)
    made = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)
    return made[: len(samples)].astype(np.float32)


def with_noise(samples: Floats, rng: np.random.Generator) -> Floats:
    """The samples with noise whose power falls by 0 to 6 dB an octave."""
    spectrum: Any = np.fft.rfft(rng.normal(0, 1, len(samples)))
    hertz = np.maximum(np.fft.rfftfreq(len(samples), 1 / RATE), 50)
    noise = np.fft.irfft(spectrum * hertz ** -rng.uniform(0, 1), len(samples))
    ratio = 10 ** (-rng.uniform(*_NOISE_DB) / 20)
    noise *= ratio * np.sqrt(np.mean(samples**2) / max(float(np.mean(noise**2)), 1e-12))
    return (samples + noise).astype(np.float32)
