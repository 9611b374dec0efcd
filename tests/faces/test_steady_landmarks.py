"""Landmarks over time: less shake, each person's own, and nothing reaches over a cut or a gap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from actors import draw_actor

from counterface.errors import MediaError
from counterface.faces import steady
from counterface.faces.follow import own_box
from counterface.faces.smooth import jitter
from counterface.faces.steady import steady_faces
from counterface.types import Face, Frame

SHAPE = draw_actor(1, size=128).landmarks
SIDE = 70.0  # of the drawn face's box, about
GROUND = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)


def face_at(x: float, y: float, noise: float = 0.0, seed: int = 0) -> Face:
    shake = np.random.default_rng(seed).normal(0, noise, SHAPE.shape) if noise else 0
    points = (SHAPE + np.array([x, y]) + shake).astype(np.float32)
    face = Face(np.zeros(4, np.float32), 0.9, landmarks=points)
    return replace(face, box=own_box(face))


def frames_of(*faces: list[Face], images: list[np.ndarray] | None = None) -> list:
    images = images or [GROUND] * len(faces)
    return [
        (Frame(image, index, Fraction(index, 25)), seen)
        for index, (image, seen) in enumerate(zip(images, faces, strict=True))
    ]


def place(face: Face) -> np.ndarray:
    assert face.landmarks is not None
    return face.landmarks.mean(axis=0) - SHAPE.mean(axis=0)


def test_shake_becomes_less_and_the_face_stays_where_it_is():
    seen = frames_of(*([face_at(k, 0, 1.0, k)] for k in range(30)))
    steadied = list(steady_faces(seen, 1.5))
    before = jitter([faces[0].landmarks for _, faces in seen])
    assert jitter([faces[0].landmarks for _, faces in steadied]) < before / 2
    for (frame, (face,)), (same, _) in zip(steadied, seen, strict=True):
        assert frame is same
        assert place(face) == pytest.approx([frame.index, 0], abs=1.5)
        assert face.box == pytest.approx(own_box(face), abs=3)
        assert face.pose is not None


def test_zero_changes_nothing():
    seen = frames_of([face_at(0, 0)], [face_at(9, 0)])
    assert list(steady_faces(seen, 0)) == seen


def test_two_people_who_cross_keep_their_own_landmarks():
    """One walks to the right behind the other, who walks to the left; for a while one is hidden."""
    frames = []
    for k in range(40):
        right, left = 8 * k, 320 - 8 * k
        both = [face_at(left, 12), face_at(right, 0)]
        frames.append(both if abs(right - left) > SIDE / 2 else both[:1])
    steadied = list(steady_faces(frames_of(*frames), 1.5))
    for (frame, faces), given in zip(steadied, frames, strict=True):
        assert len(faces) == len(given)
        for face, was in zip(faces, given, strict=True):
            assert place(face) == pytest.approx(place(was), abs=2.5), frame.index


def test_nothing_reaches_over_a_cut_or_to_a_face_that_comes_back_elsewhere():
    other = np.random.default_rng(1).integers(0, 255, GROUND.shape, np.uint8)
    here, there = [face_at(0, 0)], [face_at(20, 0)]
    cut = frames_of(*[here] * 5, *[there] * 5, images=[GROUND] * 5 + [other] * 5)
    gone = frames_of(*[here] * 5, *[[]] * 14, *[there] * 5)
    for seen in (cut, gone):
        for (_, faces), (_, given) in zip(steady_faces(seen, 0.5), seen, strict=True):
            assert [place(f).round(3).tolist() for f in faces] == [
                place(f).round(3).tolist() for f in given
            ]


def test_large_frames_are_held_in_shorter_spans(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(steady, "HELD_BYTES", 5 * GROUND.nbytes)
    asked = []

    def source() -> Iterator:
        for item in frames_of(*[[face_at(0, 0)]] * 10):
            asked.append(item[0].index)
            yield item

    steadied = steady_faces(source(), 1.5)
    next(steadied)
    assert asked == [0, 1, 2, 3]  # the power of two, so that spans fill a segment
    assert len(list(steadied)) == 9


def test_frames_before_damage_are_given_before_it_is_told():
    def source() -> Iterator:
        yield from frames_of(*[[face_at(0, 0)]] * 3)
        raise MediaError("cut off")

    steadied = steady_faces(source(), 1.5)
    assert [next(steadied)[0].index for _ in range(3)] == [0, 1, 2]
    with pytest.raises(MediaError, match="cut off"):
        next(steadied)
