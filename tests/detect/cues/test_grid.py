"""The block grid: seen, missed in a pasted face, and not asked for where there is none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from actors import draw_actor

from counterface.detect.cues.cue import Measured, NotApplicable, PersonView, Still
from counterface.detect.cues.grid import BlockGrid
from counterface.detect.cues.regions import face_region
from counterface.types import Floats, Image

SIZE = 480


@pytest.fixture(scope="module")
def drawn() -> tuple[Image, Floats]:
    """A grainy picture that was never encoded, and its landmarks."""
    actor = draw_actor(3, size=SIZE)
    grain = np.random.default_rng(0).normal(0, 4, actor.image.shape)
    return np.clip(actor.image + grain, 0, 255).astype(np.uint8), actor.landmarks


def encode(image: Image) -> Image:
    packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)


def measure(image: Image, landmarks: Floats, corner: tuple[int, int] = (0, 0)) -> float:
    found = BlockGrid().measure(PersonView((Still(image, landmarks, corner),)))
    assert isinstance(found, Measured), found
    return found.value


def test_a_picture_that_was_encoded_as_a_whole_has_one_grid(drawn: tuple[Image, Floats]) -> None:
    image, landmarks = drawn
    assert measure(encode(image), landmarks) == pytest.approx(1, abs=0.35)


@pytest.mark.parametrize("shift", [0, 3])
def test_a_pasted_face_hides_the_grid(drawn: tuple[Image, Floats], shift: int) -> None:
    image, landmarks = drawn
    moved = np.roll(encode(np.roll(image, shift, (0, 1))), -shift, (0, 1)) if shift else image
    face = face_region(Still(image, landmarks, (0, 0)))[..., None]
    assert measure(np.where(face, moved, encode(image)), landmarks) < 0.35


def test_where_a_still_was_cut_does_not_matter(drawn: tuple[Image, Floats]) -> None:
    image, landmarks = drawn
    whole = encode(image)
    cut, moved = np.ascontiguousarray(whole[5:, 3:]), landmarks - np.float32([3, 5])
    assert measure(cut, moved, (3, 5)) == pytest.approx(measure(whole, landmarks), abs=0.05)


def test_without_a_grid_it_does_not_apply(drawn: tuple[Image, Floats]) -> None:
    found = BlockGrid().measure(PersonView((Still(*drawn, (0, 0)),)))
    assert found == NotApplicable("no block grid can be seen around the face")


def test_columns_in_pairs_are_no_grid(drawn: tuple[Image, Floats]) -> None:
    image, landmarks = drawn
    paired = np.repeat(image[:, ::2], 2, axis=1)
    found = BlockGrid().measure(PersonView((Still(paired, landmarks, (0, 0)),)))
    assert isinstance(found, NotApplicable), found
