"""Talks in which mouths open as voices get loud; each person has a mouth and a voice."""

from __future__ import annotations

import numpy as np

from counterface.detect.lip_sync.lips import FPS, POINTS
from counterface.detect.lip_sync.match import PITCHES, ROWS
from counterface.detect.lip_sync.talks import Talk
from counterface.faces.align import MEAN_SHAPE
from counterface.faces.landmarks import INNER, MOUTH
from counterface.types import Floats

LOWER = [6, 7, 8, 9, 10, 17, 18, 19, *range(20, POINTS)]  # lower lip and chin


def draw_talk(seed: int, seconds: float = 6.0, late_s: float = 0.0) -> Talk:
    """One person; the sound comes so much later than the lips move."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * ROWS)) / ROWS
    steps = np.linspace(0, seconds, round(seconds * 10) + 1)  # ten a second
    opening = np.interp(times, steps, rng.random(len(steps)))
    points = draw_points(np.interp(np.arange(int(seconds * FPS)) / FPS, times, opening), rng)
    voice = np.sin(np.arange(PITCHES) * rng.uniform(0.2, 0.4)) + rng.normal(0, 0.2, PITCHES)
    heard = np.interp(times - late_s, times, opening)[:, None]
    rows = 8 * heard + voice + rng.normal(0, 0.5, (len(times), PITCHES)) - 10
    return Talk(f"talk {seed}", points, rows.astype(np.float32), 0.0, seconds)


def draw_points(opening: Floats, rng: np.random.Generator) -> Floats:
    """Lips and chin, (T, POINTS, 2), of a mouth that opens so far, 0 to 1."""
    lips = MEAN_SHAPE[MOUTH.start - INNER.start :]
    chin = np.stack([np.linspace(-0.5, 0.5, POINTS - len(lips)), np.full(POINTS - len(lips), 1.8)])
    shape = np.concatenate([lips, chin.T]) * np.exp(rng.normal(0, 0.1, 2))
    points = np.repeat(shape[None], len(opening), axis=0)
    points[:, LOWER, 1] += 0.3 * opening[:, None]
    points += rng.normal(0, 0.004, points.shape)
    return points.astype(np.float32)
