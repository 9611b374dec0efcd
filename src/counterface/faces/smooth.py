"""Steadier landmarks over time: the One-Euro filter, and a number for how much they shake.

Casiez, Roussel, Vogel, "1-Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in
Interactive Systems", CHI 2012. Ours filters all points of a face with one speed, that of its mean
point in face sizes per second, so that a face keeps its shape while it moves; shape itself is
filtered by the points' own speed about that mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from counterface.errors import ShapeError
from counterface.types import Floats

MIN_CUTOFF = 1.5  # Hz, of a face at rest; lower is steadier and later
BETA = 8.0  # Hz more for each face size per second; higher follows fast motion closer
SPEED_CUTOFF = 1.0  # Hz, of the speed itself; the paper's default

Values = NDArray[np.float64]


class OneEuro:
    """A low-pass filter whose cut-off rises with speed; for one signal of any shape."""

    def __init__(self, min_cutoff: float = MIN_CUTOFF, beta: float = BETA) -> None:
        """Start without a past.

        Args:
            min_cutoff: Hz at rest, > 0.
            beta: Hz for each unit of speed, >= 0.
        """
        self.min_cutoff, self.beta = min_cutoff, beta
        self._time: float | None = None
        self._value: Values
        self._speed: Values

    def step(self, value: Values, time_s: float) -> Values:
        """The filtered value at a time; the first comes back as it is.

        Raises:
            ShapeError: time does not move forward.
        """
        if self._time is None:
            self._time, self._value, self._speed = time_s, value, np.zeros_like(value)
            return value
        gap = time_s - self._time
        if gap <= 0:
            raise ShapeError(f"time must move forward, got {time_s} s after {self._time} s")
        self._speed = _ease(self._speed, (value - self._value) / gap, SPEED_CUTOFF, gap)
        cutoff = self.min_cutoff + self.beta * np.linalg.norm(self._speed, axis=-1, keepdims=True)
        self._value = _ease(self._value, value, cutoff, gap)
        self._time = time_s
        return self._value


def _ease(old: Values, new: Values, cutoff: Values | float, gap: float) -> Values:
    share = 1 / (1 + 1 / (2 * np.pi * cutoff * gap))
    return np.asarray(old + share * (new - old))


def smooth_points(
    points: Sequence[Floats],
    times_s: Sequence[float],
    min_cutoff: float = MIN_CUTOFF,
    beta: float = BETA,
) -> list[Floats]:
    """The same points with less shake, forward in time.

    Args:
        points: (N, 2) pixels at each time, the same N.
        times_s: increasing seconds.

    Raises:
        ShapeError: counts or shapes differ, or time does not increase.
    """
    if len(points) != len(times_s) or len({p.shape for p in points}) > 1:
        raise ShapeError(
            f"expected equal points for each time, got {len(points)} arrays of shapes "
            f"{sorted({p.shape for p in points})} and {len(times_s)} times"
        )
    if not points:
        return []
    size = face_size(points[0])
    place, form = OneEuro(min_cutoff, beta), OneEuro(min_cutoff, beta)
    smoothed = []
    for at, time_s in zip(points, times_s, strict=True):
        scaled = at.astype(np.float64) / size
        mean = scaled.mean(axis=0, keepdims=True)
        steady = place.step(mean, time_s) + form.step(scaled - mean, time_s)
        smoothed.append((steady * size).astype(np.float32))
    return smoothed


def smooth_both_ways(
    points: Sequence[Floats],
    times_s: Sequence[float],
    min_cutoff: float = MIN_CUTOFF,
    beta: float = BETA,
) -> list[Floats]:
    """The mean of `smooth_points` forward and backward in time: steadier, and it does not lag.

    For footage that is there as a whole. Arguments and errors as there.
    """
    forward = smooth_points(points, times_s, min_cutoff, beta)
    backward = smooth_points(points[::-1], [-t for t in reversed(times_s)], min_cutoff, beta)
    half = np.float32(0.5)
    return [half * (a + b) for a, b in zip(forward, reversed(backward), strict=True)]


def face_size(points: Floats) -> float:
    """The side of the square with the area of the points' bounding box, pixels."""
    width, height = points.max(axis=0) - points.min(axis=0)
    return max(float(np.sqrt(width * height)), 1.0)


def jitter(points: Sequence[Floats], times: Sequence[float | Fraction] | None = None) -> float:
    """How much points shake, in parts of the face size: 0 is perfectly smooth.

    The root mean square of how far each point lies from the middle of its two neighbours in time,
    divided so that independent noise of standard deviation s pixels on each coordinate gives
    s / face size. Steady motion gives 0; a quick turn counts as a little shake.

    Args:
        points: (N, 2) at each time.
        times: seconds; equal steps where left out. With uneven ones the middle is weighted.

    Raises:
        ShapeError: fewer than three times, or counts differ.
    """
    if len(points) < 3 or (times is not None and len(times) != len(points)):
        raise ShapeError(f"jitter needs three or more times with points, got {len(points)}")
    at = np.stack(points).astype(np.float64)
    t = np.arange(len(at)) if times is None else np.array([float(x) for x in times])
    share = ((t[1:-1] - t[:-2]) / (t[2:] - t[:-2]))[:, None, None]
    off = at[1:-1] - ((1 - share) * at[:-2] + share * at[2:])
    gain = 1 + share**2 + (1 - share) ** 2  # variance of `off` for unit noise
    size = float(np.mean([face_size(p) for p in points]))
    return float(np.sqrt(np.mean(off**2 / gain))) / size
