"""Whether a sound belongs to a pair of lips, from what the two towers of a network say of each.

The towers see neither the other's input nor the time at which it stands: they give a vector for
each moment. Lips and sound are held against each other at every lag of up to `MOST_LAG_S`, by the
correlation of the vectors' courses; a match stands out at one lag. After Chung and Zisserman, "Out
of time: automated lip sync in the wild", 2016 (https://doi.org/10.1007/978-3-319-54427-4_19), who
compare distances of single moments.
"""

from __future__ import annotations

from math import log
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from counterface.detect.lip_sync.lips import FPS, Lips
from counterface.detect.open_net import NetInfo, open_net
from counterface.detect.sound.log_mel import BANDS, HOP, log_mel
from counterface.media.sound import RATE, Sound
from counterface.types import Floats

METADATA = "counterface_lip_sync"
PITCHES = 40  # bands of the sound that the network sees, two of `log_mel` in one
ROWS = RATE // HOP  # of the sound, each second
STEPS = 50  # vectors of the sound, each second: two for each of the lips
MOST_LAG_S = 0.6
LAGS = 2 * round(MOST_LAG_S * STEPS) + 1  # from -MOST_LAG_S to MOST_LAG_S
# Lags that count as a match, in steps of 20 ms: viewers notice sound that is early by 45 ms or late
# by 125 ms (ITU-R BT.1359). Genuine uploads were late by 80 to 120.
EARLY, LATE = 2, 6
DEEPEST = 12.0  # in ln of power, about 52 dB below the loudest: what is fainter counts as silence
MOST_ODDS = 12.0
_LOCAL = FPS  # frames of one point of the course, one second
_EVERY = 5  # frames between two points of the course


class LipSyncInfo(NetInfo):
    """What the file of a network says of itself."""

    scale: float = Field(gt=0, description="log-odds for a correlation of 1 over one second")


class Match(NamedTuple):
    """How lips and sound match."""

    log_odds: float  # that they match as they are, up to `EARLY` and `LATE`, not at other lags
    lag_s: float  # of the best match; positive: the sound is heard that much later than it is seen
    correlations: NDArray[np.float64]  # (LAGS,), in [-1, 1]
    course: tuple[tuple[float, float], ...]  # time, seconds on the file's clock; log-odds around it


class LipSyncFile:
    """An ONNX file with the two towers."""

    def __init__(self, path: Path | None = None) -> None:
        """Load a file; None: the one that comes with the package.

        Raises:
            DetectorError: it cannot be read, or is no file of this kind.
        """
        absent = f"no lip-sync file: it has no entry {METADATA!r}"
        self._session, self.info = open_net(path, "lip_sync.onnx", METADATA, LipSyncInfo, absent)

    def vectors(self, points: Floats, sound: Floats) -> tuple[Floats, Floats]:
        """What the towers say.

        Args:
            points: (T, POINTS, 2), as `Lips.points`.
            sound: (S, PITCHES), as `sound_rows`.

        Returns:
            Vectors of the lips, (T, D), and of the sound, ((S + 1) // 2, D).
        """
        given = {"lips": points[None], "sound": sound[None]}
        seen, heard = self._session.run(["lip_vectors", "sound_vectors"], given)
        return seen[0], heard[0]

    def match(self, lips: Lips, sound: Sound) -> Match | None:
        """How lips and sound match; None where the lips or the sound have no course.

        Raises:
            ShapeError: sound of another rate than 16,000 samples a second.
        """
        seen, heard = self.vectors(lips.points, sound_rows(sound, lips.start_s, len(lips.points)))
        parts = lag_parts(seen, heard)
        return None if parts is None else match_of(parts, self.info.scale, lips.start_s)


def sound_rows(sound: Sound, start_s: float, frames: int) -> Floats:
    """How loud each pitch is while lips are seen, and `MOST_LAG_S` before and after.

    Args:
        sound: sound of 16,000 samples a second.
        start_s: time of the first frame of the lips, seconds on the file's clock.
        frames: number of frames, `FPS` a second.

    Returns:
        float32 (S, PITCHES), `ROWS` a second, the first at `start_s - MOST_LAG_S`; in ln of power,
        0 for the loudest, at least -DEEPEST.

    Raises:
        ShapeError: the sound has another rate.
    """
    first = (start_s - MOST_LAG_S - float(sound.start)) * ROWS
    return relative(rows_at(pitch_rows(sound), round(first) + np.arange(count_rows(frames))))


def pitch_rows(sound: Sound) -> Floats:
    """How loud each pitch is, (R, PITCHES), `ROWS` a second; in ln of power."""
    rows = log_mel(sound).reshape(-1, PITCHES, BANDS // PITCHES).mean(axis=2)
    return np.asarray(rows, np.float32)


def count_rows(frames: int) -> int:
    """Rows of sound that belong to so many frames of lips."""
    return (frames - 1) * ROWS // FPS + (LAGS - 1) * ROWS // STEPS + 1


def rows_at(rows: Floats, at: NDArray[np.floating[Any]] | NDArray[np.integer[Any]]) -> Floats:
    """Rows at some places, between which is interpolated; -inf outside of the sound."""
    low = np.floor(at).astype(np.intp)
    there = (low >= 0) & (at <= len(rows) - 1)
    found = np.full((len(at), PITCHES), -np.inf, np.float32)
    low = low[there]
    share = (at[there] - low).astype(np.float32)[:, None]
    high = np.minimum(low + 1, len(rows) - 1)
    found[there] = rows[low] * (1 - share) + rows[high] * share
    return found


def relative(rows: Floats) -> Floats:
    """Rows against the loudest of their values, which becomes 0; at least -DEEPEST."""
    loudest = rows.max() if rows.size else -np.inf
    if not np.isfinite(loudest):
        return np.full_like(rows, -DEEPEST)
    return np.maximum(rows - loudest, -DEEPEST)


def lag_parts(seen: Floats, heard: Floats) -> NDArray[np.float64] | None:
    """What each moment adds to the correlation at each lag, (LAGS, T).

    Args:
        seen: vectors of the lips, (T, D), `FPS` a second.
        heard: vectors of the sound, (2 T - 1 + LAGS - 1, D), `STEPS` a second.

    Returns:
        Products that add up to the correlations of courses; None where one has no course.
    """
    frames = len(seen)
    at = np.arange(LAGS)[:, None] + 2 * np.arange(frames)  # (LAGS, T)
    moved = heard.astype(np.float64)[at]  # (LAGS, T, D)
    moved -= moved.mean(axis=1, keepdims=True)
    still = seen.astype(np.float64) - seen.mean(axis=0, dtype=np.float64)
    size = np.sqrt((still**2).sum())
    sizes = np.sqrt((moved**2).sum(axis=(1, 2)))
    if size < 1e-6 or sizes.min() < 1e-6:
        return None
    return np.asarray(np.einsum("td,ltd->lt", still, moved) / (size * sizes[:, None]))


def match_of(parts: NDArray[np.float64], scale: float, start_s: float) -> Match:
    """The match that parts of `lag_parts` add up to."""
    whole = parts.sum(axis=1)
    frames = parts.shape[1]
    best = int(whole.argmax())
    course = []
    for first in range(0, max(1, frames - _LOCAL + 1), _EVERY):
        near = parts[:, first : first + _LOCAL]
        part = near.sum(axis=1) * frames / near.shape[1]
        middle = start_s + (first + (near.shape[1] - 1) / 2) / FPS
        course.append((middle, log_odds(part, scale, near.shape[1])))
    return Match(log_odds(whole, scale, frames), (best - LAGS // 2) / STEPS, whole, tuple(course))


def log_odds(correlations: NDArray[np.float64], scale: float, frames: int) -> float:
    """Log-odds of the lags that count as a match against as many others.

    Longer stretches are surer: the scale grows with the root of their length.
    """
    said = correlations * scale * (frames / FPS) ** 0.5
    chances = np.exp(said - said.max())
    match = slice(LAGS // 2 - EARLY, LAGS // 2 + LATE + 1)
    near, rest = chances[match].mean(), np.delete(chances, match).mean()
    return float(np.clip(log(max(near, 1e-12)) - log(max(rest, 1e-12)), -MOST_ODDS, MOST_ODDS))
