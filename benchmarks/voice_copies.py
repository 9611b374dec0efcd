"""Real speech made anew: the same words in the same voice, with the traces of a program.

Each function takes samples of real speech, 16,000 a second, and a generator of chance, and gives
the speech after a program, float32, with settings drawn by chance. `JUDGED` are left out in turn
by `synthetic_speech.py`; `TRAINED` are small programs of our own that are trained on alone, so that
what is left out is judged by a network that has met its relatives.
"""

from __future__ import annotations

import subprocess
import sys
import types
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from counterface.detect.synthetic_speech.wear import at_pace
from counterface.media.sound import RATE
from counterface.types import Floats

Numbers = NDArray[np.float64]
Spectra = NDArray[np.complex128]
SEMITONES = (2.0, 6.0)  # up or down, of altered voices
TEMPO = (0.8, 1.25)  # of altered voices, whatever the pitch
PITCH_HZ = (60.0, 400.0)
VOICED = 0.45  # least likeness of a row with itself a period later


def griffin_lim(samples: Floats, rng: np.random.Generator) -> Floats:
    """The speech from its mel spectrum alone, phases by Griffin and Lim (1984), fast variant."""
    size, hop = (1024, 256) if rng.random() < 0.5 else (800, 200)
    bands, rounds = int(rng.choice([64, 80, 128])), int(rng.integers(16, 60))
    wanted = through_mels(np.abs(spectra_of(samples, size, hop)), size, bands)
    angles = np.exp(2j * np.pi * rng.random(wanted.shape))
    before = np.zeros_like(angles)
    for _ in range(rounds):
        again = rows_of(sum_of(wanted * angles, size, hop), size, hop)
        angles = again + 0.99 * (again - before)
        angles /= np.maximum(np.abs(angles), 1e-12)
        before = again
    return wave_of(wanted * angles, size, hop, len(samples))


def world(samples: Floats, rng: np.random.Generator) -> Floats:
    """The speech from WORLD's parameters (Morise et al. 2016), coded half the time."""
    pw = _pyworld()
    x = samples.astype(np.float64)
    pitch, times = pw.dio(x, RATE)
    pitch = pw.stonemask(x, pitch, times, RATE)
    envelope = pw.cheaptrick(x, pitch, times, RATE)
    noise = pw.d4c(x, pitch, times, RATE)
    if rng.random() < 0.5:
        size = (envelope.shape[1] - 1) * 2
        coded = pw.code_spectral_envelope(envelope, RATE, int(rng.choice([24, 40, 60])))
        envelope = pw.decode_spectral_envelope(coded, RATE, size)
        noise = pw.decode_aperiodicity(pw.code_aperiodicity(noise, RATE), RATE, size)
    return pw.synthesize(pitch, envelope, noise, RATE)[: len(samples)].astype(np.float32)


def altered(samples: Floats, rng: np.random.Generator) -> Floats:
    """The speech at another pitch and, apart from it, another pace: no synthesis, but an edit.

    Half the time by Rubber Band's phase vocoder, else by resampling and WSOLA (`atempo`).
    """
    pitch, tempo = change(rng)
    chain = f"rubberband=pitch={pitch:.5f}:tempo={tempo:.5f}"
    if rng.random() < 0.5:
        chain = f"asetrate={RATE * pitch:.0f},aresample={RATE},atempo={tempo / pitch:.5f}"
    sound = ["-f", "f32le", "-ar", str(RATE), "-ac", "1"]
    command = ["ffmpeg", "-v", "error", *sound, "-i", "pipe:", "-af", chain, *sound, "pipe:"]
    done = subprocess.run(command, input=samples.tobytes(), capture_output=True, check=True)
    return np.frombuffer(done.stdout, np.float32)


def change(rng: np.random.Generator) -> tuple[float, float]:
    """By what a voice's pitch and pace are multiplied."""
    semitones = float(rng.choice([-1, 1])) * rng.uniform(*SEMITONES)
    return 2 ** (semitones / 12), float(np.exp(rng.uniform(*np.log(TEMPO))))


def spliced(samples: Floats, rng: np.random.Generator) -> Floats:
    """The speech at another pitch and pace, by resampling and SOLA (Roucos and Wilgus 1985)."""
    pitch, tempo = change(rng)
    x = at_pace(samples, pitch).astype(np.float64)
    lap, reach = int(rng.integers(80, 240)), int(rng.integers(100, 200))
    step = lap + int(rng.integers(100, 400))
    made = np.zeros(int(len(x) * pitch / tempo) + step + lap)
    made[: step + lap] = x[: step + lap]
    rising = np.linspace(0, 1, lap)
    for at in range(step, len(made) - step - lap, step):
        first = int(at * tempo / pitch)
        near = x[max(0, first - reach) : first + reach + lap]
        if len(near) < lap + 1 or first + reach + step + lap > len(x):
            break
        rows = np.lib.stride_tricks.sliding_window_view(near, lap)
        likeness = rows @ made[at : at + lap] / np.sqrt((rows**2).sum(1) + 1e-6)
        part = x[max(0, first - reach) + int(likeness.argmax()) :][: step + lap]
        made[at : at + lap] += rising * (part[:lap] - made[at : at + lap])
        made[at + lap : at + step + lap] = part[lap:]
    return made.astype(np.float32)


def lpc(samples: Floats, rng: np.random.Generator) -> Floats:
    """The speech from pulses and noise through linear prediction (Atal and Hanauer 1971)."""
    size, hop, order = 512, int(rng.choice([80, 128, 160])), int(rng.integers(14, 25))
    rows = cut(samples, size, hop) * hann(size)
    powers = np.fft.irfft(np.abs(np.fft.rfft(rows, 2 * size)) ** 2)[:, : order + 1]
    powers[:, 0] = powers[:, 0] * 1.0001 + 1e-9
    places = np.abs(np.subtract.outer(np.arange(order), np.arange(order)))
    weights = np.linalg.solve(powers[:, places], powers[:, 1:, None])[..., 0]
    left = np.maximum(powers[:, 0] - (weights * powers[:, 1:]).sum(1), 1e-12)
    shape = np.fft.rfft(np.hstack([np.ones((len(rows), 1)), -weights]), 2 * size)
    source = cut(excitation(samples, hop, rng.uniform(2000, 6000), rng), size, hop) * hann(size)
    level = np.sqrt(left / np.maximum((source**2).sum(1), 1e-9))
    made = np.fft.irfft(np.fft.rfft(source, 2 * size) * level[:, None] / shape)
    whole = np.zeros(hop * len(made) + 2 * size)
    for t, part in enumerate(made):
        whole[t * hop : t * hop + 2 * size] += part
    return (whole[size // 2 :][: len(samples)] * (2 * hop / size)).astype(np.float32)


def harmonics(samples: Floats, rng: np.random.Generator) -> Floats:
    """The speech as a sum of harmonics below a pitch and noise above (Stylianou 2001)."""
    size, hop = 512, int(rng.choice([80, 160]))
    source = spectra_of(excitation(samples, hop, rng.uniform(3000, 7000), rng), size, hop)
    wanted = np.abs(spectra_of(samples, size, hop))
    width = int(rng.integers(3, 8))  # lines of 31 Hz over which levels are smoothed

    def smooth(levels: Numbers) -> Numbers:
        wide = np.pad(levels**2, ((0, 0), (width, width)), mode="edge").cumsum(1)
        wide = np.pad(wide, ((0, 0), (1, 0)))
        return np.sqrt((wide[:, 2 * width + 1 :] - wide[:, : -2 * width - 1]) / (2 * width + 1))

    gain = smooth(wanted) / np.maximum(smooth(np.abs(source)), 1e-9)
    return wave_of(source * gain, size, hop, len(samples))


def phases(samples: Floats, rng: np.random.Generator) -> Floats:
    """The speech with each line's phase running on from a start by chance, as phase vocoders do.

    Half the time from a mel spectrum, and half the time with another pitch.
    """
    size = int(rng.choice([512, 800, 1024]))
    hop = size // int(rng.choice([4, 8]))
    found = spectra_of(samples, size, hop)
    lines = 2 * np.pi * np.arange(found.shape[1]) * hop / size
    turns = np.angle(found[1:] * np.conj(found[:-1]) * np.exp(-1j * lines)) + lines
    wanted = np.abs(found)
    if rng.random() < 0.5:
        wanted = through_mels(wanted, size, int(rng.choice([64, 80, 128])))
    step = round(hop * change(rng)[0]) if rng.random() < 0.5 else hop
    first = rng.uniform(0, 2 * np.pi, (1, found.shape[1]))
    running = np.concatenate([first, first + turns.cumsum(0) * step / hop])
    running += rng.uniform(0, 0.6) * rng.normal(0, 1, running.shape)
    made = wave_of(wanted * np.exp(1j * running), size, step, len(samples) * step // hop)
    return at_pace(made, step / hop)


Copy = Callable[[Floats, np.random.Generator], Floats]
JUDGED: dict[str, Copy] = {"griffin_lim": griffin_lim, "world": world, "altered": altered}
TRAINED: dict[str, Copy] = {
    "lpc": lpc,
    "harmonics": harmonics,
    "phases": phases,
    "spliced": spliced,
}


def hann(size: int) -> Numbers:
    """The periodic window."""
    return np.hanning(size + 1)[:-1]


def cut(samples: Floats | Numbers, size: int, hop: int) -> Numbers:
    """Rows of `size` samples, one each `hop`, centred on multiples of it, (1 + N // hop, size)."""
    padded = np.pad(np.asarray(samples, np.float64), size // 2 + hop)
    rows = np.lib.stride_tricks.sliding_window_view(padded, size)[hop::hop]
    return rows[: 1 + len(samples) // hop]


def rows_of(samples: Numbers, size: int, hop: int) -> Spectra:
    """The spectra of samples that rows were summed to."""
    whole = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
    return np.fft.rfft(whole * hann(size))


def spectra_of(samples: Floats | Numbers, size: int, hop: int) -> Spectra:
    """The spectrum of each row."""
    return np.fft.rfft(cut(samples, size, hop) * hann(size))


def sum_of(spectra: Spectra, size: int, hop: int) -> Numbers:
    """The samples that come nearest to the spectra, with half a row before and behind."""
    window = hann(size)
    parts = np.fft.irfft(spectra, size) * window
    made = np.zeros(hop * (len(parts) - 1) + size)
    weight = np.zeros_like(made)
    for t, part in enumerate(parts):
        made[t * hop : t * hop + size] += part
        weight[t * hop : t * hop + size] += window**2
    return made / np.maximum(weight, 1e-6)


def wave_of(spectra: Spectra, size: int, hop: int, count: int) -> Floats:
    """The samples of the spectra."""
    return sum_of(spectra, size, hop)[size // 2 :][:count].astype(np.float32)


def through_mels(levels: Numbers, size: int, bands: int) -> Numbers:
    """The levels that are left of a mel spectrum of so many bands."""
    mels = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), bands + 2)
    edges = (700 * (10 ** (mels / 2595) - 1))[:, None]
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    rising = (hertz - edges[:-2]) / np.diff(edges, axis=0)[:-1]
    falling = (edges[2:] - hertz) / np.diff(edges, axis=0)[1:]
    bank = np.maximum(0, np.minimum(rising, falling))
    return np.maximum(1e-8, (levels @ bank.T) @ np.linalg.pinv(bank).T)


def pitch_of(samples: Floats, hop: int) -> Numbers:
    """The pitch in Hz each `hop` samples, by autocorrelation; 0 where nothing is periodic."""
    size = 1024
    rows = cut(samples, size, hop) * hann(size)
    likeness = np.fft.irfft(np.abs(np.fft.rfft(rows, 2 * size)) ** 2)[:, :size]
    window = np.fft.irfft(np.abs(np.fft.rfft(hann(size), 2 * size)) ** 2)[:size]
    likeness /= np.maximum(likeness[:, :1], 1e-9) * np.maximum(window / window[0], 0.05)
    shortest, longest = int(RATE / PITCH_HZ[1]), int(RATE / PITCH_HZ[0])
    inside = likeness[:, shortest:longest] - 1e-3 * np.arange(longest - shortest) / 10
    lags = shortest + inside.argmax(1)
    near = np.lib.stride_tricks.sliding_window_view(np.pad(lags, 2, mode="edge"), 5)
    return np.where(inside.max(1) > VOICED, RATE / np.median(near, axis=1), 0)


def excitation(samples: Floats, hop: int, highest_hz: float, rng: np.random.Generator) -> Numbers:
    """Pulses at the pitch of the samples up to a frequency, noise above and where none is."""
    pitch = pitch_of(samples, hop)
    voiced = pitch > 0
    known = (
        np.interp(np.arange(len(pitch)), np.flatnonzero(voiced), pitch[voiced])
        if (voiced.any())
        else np.full(len(pitch), 100.0)
    )
    at = np.arange(len(samples)) / hop
    course = np.interp(at, np.arange(len(pitch)), known)
    periods = np.cumsum(course / RATE)
    pulses = np.diff(np.floor(periods), prepend=0) * np.sqrt(RATE / course)
    noise = rng.normal(0, 1, len(samples))
    size, step = 512, 128
    low = np.fft.rfftfreq(size, 1 / RATE) < highest_hz
    at = np.arange(1 + len(samples) // step) * step / hop
    share = np.interp(at, np.arange(len(pitch)), voiced)
    of_pulses = spectra_of(pulses, size, step) * (share[:, None] * low)
    of_noise = spectra_of(noise, size, step) * np.sqrt(1 - share[:, None] * low)
    return sum_of(of_pulses + of_noise, size, step)[size // 2 :][: len(samples)]


def _pyworld() -> types.ModuleType:
    """pyworld, which asks setuptools for its own version."""
    if "pkg_resources" not in sys.modules:
        stand_in = types.ModuleType("pkg_resources")
        stand_in.get_distribution = lambda name: types.SimpleNamespace(version="")  # type: ignore[attr-defined]
        sys.modules["pkg_resources"] = stand_in
    import pyworld

    return pyworld
