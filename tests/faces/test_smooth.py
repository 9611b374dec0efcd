"""Smoothing against motion whose truth is known."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from actors import draw_actor, draw_clip

from counterface.errors import ShapeError
from counterface.faces.smooth import OneEuro, face_size, jitter, smooth_points
from counterface.types import Floats

FPS = 25.0
TIMES = [i / FPS for i in range(50)]


def shaken(points: list[Floats], sigma: float) -> list[Floats]:
    rng = np.random.default_rng(0)
    return [(p + rng.normal(0, sigma, p.shape)).astype(np.float32) for p in points]


def error(points: list[Floats], truth: list[Floats]) -> float:
    return float(np.sqrt(np.mean((np.stack(points) - np.stack(truth)) ** 2)))


def test_jitter_of_noise_is_its_deviation_in_face_sizes() -> None:
    still = [draw_actor(0).landmarks] * 50
    assert jitter(still) == 0
    assert jitter(shaken(still, 0.8)) == pytest.approx(0.8 / face_size(still[0]), rel=0.05)


def test_jitter_of_steady_motion_is_zero_even_at_uneven_times() -> None:
    face = draw_actor(0).landmarks
    times = np.cumsum(np.random.default_rng(1).uniform(0.01, 0.1, 30))
    moving = [(face + 40 * t).astype(np.float32) for t in times]
    assert jitter(moving, list(times)) < 1e-5
    assert jitter(moving) > 1e-3


def test_noise_on_a_still_face_is_more_than_halved() -> None:
    truth = [draw_actor(0).landmarks] * 50
    noisy = shaken(truth, 0.8)
    steady = smooth_points(noisy, TIMES)
    assert jitter(steady) < 0.35 * jitter(noisy)
    assert error(steady[10:], truth[10:]) < 0.6 * error(noisy[10:], truth[10:])


@pytest.mark.slow
def test_noise_on_a_moving_face_falls_without_lag_that_costs_more() -> None:
    drawn = [item.actors[0].landmarks for item in draw_clip([1], 26, fps=Fraction(25))]
    truth = [*drawn, *drawn[-2:0:-1]]  # there and back: drawing is slow
    noisy = shaken(truth, 1.0)
    steady = smooth_points(noisy, TIMES)
    assert jitter(steady) < 0.5 * jitter(noisy)
    assert error(steady, truth) < error(noisy, truth)


def test_a_face_that_jumps_is_followed_within_a_few_frames() -> None:
    face = draw_actor(0).landmarks
    truth = [face] * 10 + [face + np.float32(120)] * 40
    steady = smooth_points(truth, TIMES)
    assert np.abs(steady[13] - truth[13]).max() < 12  # a tenth of the jump after 0.12 s


def test_size_does_not_matter() -> None:
    truth = shaken([draw_actor(0).landmarks] * 20, 0.8)
    small = smooth_points(truth, TIMES[:20])
    large = smooth_points([p * 4 for p in truth], TIMES[:20])
    assert np.allclose(np.stack(large), 4 * np.stack(small), atol=1e-2)


def test_the_first_value_is_kept_and_a_constant_stays() -> None:
    filter_ = OneEuro()
    for i in range(5):
        assert np.allclose(filter_.step(np.array([[3.0, 4.0]]), i / FPS), [[3, 4]])


@pytest.mark.parametrize("times", [[0.0, 0.0], [1.0, 0.5]])
def test_time_must_move_forward(times: list[float]) -> None:
    face = draw_actor(0).landmarks
    with pytest.raises(ShapeError, match="forward"):
        smooth_points([face, face], times)


def test_wrong_counts_are_refused() -> None:
    face = draw_actor(0).landmarks
    with pytest.raises(ShapeError, match="1 times"):
        smooth_points([face, face], [0.0])
    with pytest.raises(ShapeError, match="three"):
        jitter([face, face])
