"""What happens to speech on its way: rooms, noise, levels, rates and codecs, drawn by chance.

Real and synthetic speech go through the same ways, so that a network learns neither.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from counterface.media.recode_sound import CODECS, recode_sound
from counterface.media.sound import RATE
from counterface.types import Floats

_TAIL_S = (0.1, 0.6)  # of a room, until 60 dB are gone
_NOISE_DB = (8.0, 45.0)  # of speech over noise


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
