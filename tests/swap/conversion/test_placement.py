"""Landmarks are steadied without a lag, and short gaps are filled between neighbours."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from counterface.faces.align import MEAN_SHAPE
from counterface.swap.conversion.footage import Footage, FrameFaces
from counterface.swap.conversion.people import find_people
from counterface.swap.conversion.placement import Placement, SmoothConfig, place_faces
from counterface.types import Face

SHAPE = np.concatenate([MEAN_SHAPE[:17] + np.float32([0, 1]), MEAN_SHAPE]).astype(np.float32) * 40


def footage(offsets: list[np.ndarray | None]) -> Footage:
    """One face moved by each offset, 25 frames a second; None: not found."""
    looks = []
    for index, offset in enumerate(offsets):
        faces: tuple[Face, ...] = ()
        if offset is not None:
            points = (SHAPE + 200 + offset).astype(np.float32)
            box = np.concatenate([points.min(axis=0), points.max(axis=0)])
            faces = (Face(box=box, score=1.0, landmarks=points),)
        looks.append(FrameFaces(index, Fraction(index, 25), False, faces))
    return Footage(tuple(looks))


def place(seen: Footage, **smooth: float) -> Placement:
    return place_faces(seen, find_people(seen), {1}, SmoothConfig(**smooth))


def moving(frames: int = 50) -> list[np.ndarray | None]:
    return [np.array([2.0 * i, 10 * np.sin(i / 12)]) for i in range(frames)]


def test_shake_goes_and_motion_stays() -> None:
    rng = np.random.default_rng(0)
    true = moving()
    seen = footage([offset + rng.normal(0, 0.8, (68, 2)) for offset in true])
    placed = place(seen)
    assert placed.jitter_before is not None
    assert placed.jitter_after is not None
    assert placed.jitter_after < 0.5 * placed.jitter_before

    def error(result: Placement) -> float:
        off = [result.faces[i][0].landmarks - (SHAPE + 200 + true[i]) for i in range(5, 45)]
        return float(np.sqrt(np.mean(np.square(off))))

    assert error(placed) < 0.7 * error(place(seen, cutoff=0))
    lag = np.mean([placed.faces[i][0].landmarks - (SHAPE + 200 + true[i]) for i in range(5, 45)])
    assert abs(lag) < 0.15  # pixels; the speed is two pixels a frame


def test_off_means_untouched() -> None:
    seen = footage(moving(6))
    placed = place(seen, cutoff=0)
    for look in seen.looks:
        assert np.array_equal(placed.faces[look.index][0].landmarks, look.faces[0].landmarks)
    assert placed.jitter_before == placed.jitter_after


def test_a_short_gap_is_filled_between_its_neighbours() -> None:
    offsets = moving(12)
    offsets[5] = offsets[6] = None
    placed = place(footage(offsets), cutoff=0)
    assert placed.filled == 2
    assert [placed.faces[i][0].filled for i in range(4, 8)] == [False, True, True, False]
    steps = np.diff([placed.faces[i][0].landmarks.mean(axis=0)[0] for i in range(4, 8)])
    assert np.allclose(steps, 2.0, atol=1e-3)


def test_a_longer_gap_stays_open() -> None:
    offsets = moving(14)
    offsets[4:9] = [None] * 5
    placed = place(footage(offsets))
    assert placed.filled == 0
    assert set(placed.faces) == {*range(4), *range(9, 14)}


def test_motion_is_that_since_the_frame_before() -> None:
    offsets = moving(14)
    offsets[4:9] = [None] * 5
    placed = place(footage(offsets), cutoff=0)
    assert placed.faces[0][0].motion is None
    assert placed.faces[9][0].motion is None  # nobody knows from where it came
    assert placed.faces[3][0].motion == pytest.approx(offsets[3] - offsets[2], abs=1e-3)


def test_only_the_chosen_are_placed() -> None:
    seen = footage(moving(6))
    assert place_faces(seen, find_people(seen), frozenset(), SmoothConfig()).faces == {}
