"""Detail in the mouth: soft teeth in a sharp frame, and no word about a closed mouth."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from actors import Expression, draw_actor

from counterface.detect.cues.cue import NotApplicable, PersonView, Still
from counterface.detect.cues.mouth import INNER_LIPS, MouthDetail
from counterface.detect.cues.regions import fill
from counterface.types import Image


def draw(mouth_open: float) -> Still:
    actor = draw_actor(3, expression=Expression(mouth_open=mouth_open), size=480)
    grain = np.random.default_rng(0).normal(0, 4, actor.image.shape)
    image = np.clip(actor.image + grain, 0, 255).astype(np.uint8)
    return Still(image, actor.landmarks, (0, 0))


def measure(still: Still, image: Image) -> float:
    found = MouthDetail().measure_still(Still(image, still.landmarks, (0, 0)))
    assert found is not None
    return found


def soften(image: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.5), np.uint8)


def test_soft_teeth_are_seen() -> None:
    still = draw(0.8)
    lips = fill(still.image.shape, still.landmarks[INNER_LIPS])[..., None]
    softened = np.where(lips, soften(still.image), still.image)
    assert measure(still, softened) < measure(still, still.image) - 0.25


def test_a_soft_file_is_not_taken_for_soft_teeth() -> None:
    still = draw(0.8)
    assert measure(still, soften(still.image)) > measure(still, still.image)


@pytest.mark.parametrize("mouth_open", [0.0, 0.05])
def test_a_closed_mouth_says_nothing(mouth_open: float) -> None:
    assert isinstance(MouthDetail().measure(PersonView((draw(mouth_open),))), NotApplicable)
