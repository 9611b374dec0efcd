"""Cues on eyes: where the iris is, what its highlights say, and how round it is."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from actors import Expression, draw_actor

from counterface.detect.cues.cue import NotApplicable, PersonView, Still
from counterface.detect.cues.eyes import EYE_PX, HIGH, WIDE, cut_eyes
from counterface.detect.cues.irises import PupilShape, distance_to_ellipse
from counterface.detect.cues.reflections import EyeReflections
from counterface.faces.landmarks import eye_centres
from counterface.types import Floats, Image

SIZE = 720
EYE = SIZE / 3.6 * 0.8  # distance of the eyes: what `actors` measures in


def draw(paint: str = "", expression: Expression | None = None, size: int = SIZE) -> Still:
    """An actor whose eyes were painted over."""
    actor = draw_actor(3, expression=expression or Expression(), size=size)
    image = actor.image.copy()
    for number, eye in enumerate(eye_centres(actor.landmarks)):
        scale, light = EYE * size / SIZE, np.array([-0.04, -0.04])
        if paint in ("moved", "none"):
            dot(image, eye + light * scale, 0.03 * scale, (20, 16, 14))
        if paint == "moved":
            dot(image, eye + light * scale * (1 if number else -1), 0.02 * scale, (250,) * 3)
        if paint in ("round", "lumpy"):
            angle = np.linspace(0, 2 * np.pi, 60)
            lump = 1 + (0.2 * np.cos(7 * angle) if paint == "lumpy" else 0)
            for radius, colour in ((0.17, (230,) * 3), (0.1 * lump, (60, 40, 30))):
                rim = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
                outline = eye + np.clip(rim, [-1, -0.07], [1, 0.07]) * scale
                cv2.fillPoly(image, [np.round(outline * 16).astype(int)], colour, cv2.LINE_AA, 4)
    return Still(image, actor.landmarks, (0, 0))


def dot(image: Image, at: Floats, radius: float, colour: tuple[int, int, int]) -> None:
    centre = [round(float(v) * 16) for v in at]
    cv2.circle(image, centre, round(radius * 16), colour, -1, cv2.LINE_AA, 4)


def reflections(still: Still) -> float:
    found = EyeReflections().measure_still(still)
    assert found is not None
    return found


def shape(still: Still) -> float:
    found = PupilShape().measure_still(still)
    assert found is not None
    return found


def test_the_iris_is_found_where_it_was_drawn() -> None:
    eyes = cut_eyes(draw())
    assert eyes is not None
    for eye in eyes:
        assert np.hypot(eye.middle[0] - WIDE / 2, eye.middle[1] - HIGH / 2) < 0.06 * EYE_PX


def test_a_light_that_was_moved_in_one_eye_is_seen() -> None:
    assert reflections(draw()) > 0.5
    assert reflections(draw("moved")) < 0.2


def test_a_darker_eye_mirrors_the_same_lights() -> None:
    still = draw()
    image = still.image.copy()
    half = image[:, SIZE // 2 :]
    half[:] = (half * 0.75).astype(np.uint8)
    assert reflections(replace(still, image=image)) == pytest.approx(reflections(still), abs=0.15)


def test_without_highlights_reflections_do_not_apply() -> None:
    found = EyeReflections().measure(PersonView((draw("none"),)))
    assert isinstance(found, NotApplicable)
    assert "highlight" in found.reason


def test_a_lumpy_iris_is_further_from_an_ellipse() -> None:
    assert shape(draw("lumpy")) > shape(draw("round")) + 0.5


def test_the_lights_do_not_change_the_shape() -> None:
    assert shape(draw("moved")) == pytest.approx(shape(draw()), abs=0.3)


@pytest.mark.parametrize("cue", [EyeReflections(), PupilShape()])
@pytest.mark.parametrize("still", [draw(size=150), draw(expression=Expression(blink=1.0))])
def test_small_and_shut_eyes_say_nothing(cue: PupilShape, still: Still) -> None:
    assert isinstance(cue.measure(PersonView((still,))), NotApplicable)


def test_an_ellipse_lies_on_an_ellipse() -> None:
    angle = np.concatenate([np.linspace(-0.6, 0.6, 20), np.linspace(2.5, 3.7, 20)])
    points = np.stack([0.9 * np.cos(angle) + 0.1, 1.1 * np.sin(angle)], axis=1)
    assert distance_to_ellipse(points.astype(np.float32)) < 1e-4
    points[:, 0] += 0.1 * (-1.0) ** np.arange(40)
    assert distance_to_ellipse(points.astype(np.float32)) == pytest.approx(0.1, abs=0.03)
