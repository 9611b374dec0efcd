"""Rendering holds few frames at a time, keeps their order, and touches nothing without a face."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from actors import draw_actor
from echo_model import echo_model

from counterface.swap.conversion.generate import Generator
from counterface.swap.conversion.placement import PlacedFace
from counterface.swap.conversion.render import WARM, Renderer
from counterface.swap.merge.plan import MergePlan
from counterface.swap.same_moments import make_even
from counterface.swap.swap_model import SOURCE
from counterface.types import Frame

BATCH = 4
ACTOR = draw_actor(1)
FACE = PlacedFace(1, 0, ACTOR.face.box, ACTOR.landmarks)


def renderer(faces: dict[int, tuple[PlacedFace, ...]], steady: float = 0.0) -> Renderer:
    generator = Generator(echo_model(32), "torch", batch=BATCH)
    return Renderer(
        generator, SOURCE, MergePlan(), faces, lambda image: image.copy(), steady=steady
    )


def frame(index: int) -> Frame:
    return Frame(ACTOR.image.copy(), index, Fraction(index, 25))


@pytest.mark.parametrize("every", [1, 3, 10**6])
def test_few_frames_are_held_at_a_time(every: int) -> None:
    """`every`: frames from one with a face to the next."""
    alive = most = 0

    def gone() -> None:
        nonlocal alive
        alive -= 1

    def frames() -> Iterator[Frame]:
        nonlocal alive, most
        for index in range(80):
            new = frame(index)
            alive += 1
            most = max(most, alive)
            weakref.finalize(new.image, gone)
            yield new

    faces = dict.fromkeys(range(0, 80, every), (FACE,))
    gc.disable()  # what only the collector frees would grow between its runs
    try:
        indices = [made.frame.index for made in renderer(faces).render(frames())]
    finally:
        gc.enable()
    assert indices == list(range(80))
    assert most <= 4 * BATCH + 6  # one batch waiting, one on its way, the stages' queues


def test_a_frame_without_a_face_stays_as_it_is() -> None:
    made = list(renderer({1: (FACE,)}).render(frame(i) for i in range(3)))
    same = [np.array_equal(m.frame.image, ACTOR.image) for m in made]
    assert same == [True, False, True]
    assert [len(m.parts) for m in made] == [0, 1, 0]


def test_steadying_looks_back_over_the_start_of_a_segment() -> None:
    faces = dict.fromkeys(range(12), (FACE,))
    whole = [m.frame.image for m in renderer(faces, 0.5).render(frame(i) for i in range(12))]
    before = [frame(i) for i in range(8 - WARM, 8)]
    part = renderer(faces, 0.5).render((frame(i) for i in range(8, 12)), before)
    for one, other in zip(whole[8:], part, strict=True):
        assert np.abs(one.astype(int) - other.frame.image).max() <= 1


def test_odd_sides_become_even() -> None:
    image = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    even = make_even(image)
    assert even.shape == (6, 8, 3)
    assert np.array_equal(even[:5, :7], image)
    assert np.array_equal(even[5, :7], image[4])
    assert np.array_equal(even[:5, 7], image[:, 6])
    assert make_even(even) is even
