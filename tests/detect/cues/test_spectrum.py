"""The spectrum of the face: up-sampling ends its fall."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from actors import draw_actor

from counterface.detect.cues.cue import Still
from counterface.detect.cues.regions import face_region
from counterface.detect.cues.spectrum import Spectrum
from counterface.types import Image


@pytest.fixture(scope="module")
def still() -> Still:
    """A face with grain."""
    actor = draw_actor(3, size=400)
    grain = np.random.default_rng(0).normal(0, 4, actor.image.shape)
    image = np.clip(actor.image + grain, 0, 255).astype(np.uint8)
    return Still(image, actor.landmarks, (0, 0))


def measure(still: Still, image: Image) -> float:
    found = Spectrum().measure_still(Still(image, still.landmarks, (0, 0)))
    assert found is not None
    return found


def test_white_noise_ends_level(still: Still) -> None:
    noise = np.random.default_rng(1).normal(128, 20, (400, 400, 1)).repeat(3, axis=2)
    assert measure(still, noise.astype(np.uint8)) == pytest.approx(0, abs=0.2)


def test_a_face_that_was_up_sampled_fades_less(still: Still) -> None:
    half = cv2.resize(still.image, (200, 200), interpolation=cv2.INTER_AREA)
    doubled = cv2.resize(half, (400, 400), interpolation=cv2.INTER_CUBIC)
    assert measure(still, np.asarray(doubled, np.uint8)) > measure(still, still.image) + 0.5


def test_only_the_face_counts(still: Still) -> None:
    other = np.where(face_region(still, 1.3)[..., None], still.image, np.uint8(90))
    assert measure(still, other) == measure(still, still.image)


def test_light_does_not_count(still: Still) -> None:
    darker = (still.image * 0.6 + 20).astype(np.uint8)
    assert measure(still, darker) == pytest.approx(measure(still, still.image), abs=0.1)
