"""The one alignment: round trips, invariances, and what a crop shows."""

from __future__ import annotations

import numpy as np
import pytest
from actors import draw_actor
from hypothesis import given
from hypothesis import strategies as st

from counterface.errors import ShapeError
from counterface.faces.align import (
    TEMPLATES,
    align,
    crop_matrix,
    invert,
    matrix_scale,
    outside_share,
    template_points,
    umeyama,
    warp_image,
    warp_points,
)
from counterface.faces.landmarks import INNER, MIRRORED, eye_centres
from counterface.types import Face, Floats, Pose

similarities = st.tuples(
    st.floats(0.2, 5), st.floats(-3.1, 3.1), st.floats(-500, 500), st.floats(-500, 500)
)


def similarity(scale: float, angle: float, x: float, y: float) -> Floats:
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cos, -sin, x], [sin, cos, y]], np.float32)


@given(similarities)
def test_umeyama_finds_the_similarity_that_made_the_points(parts: tuple[float, ...]) -> None:
    points = np.random.default_rng(0).uniform(0, 100, (10, 2)).astype(np.float32)
    matrix = similarity(*parts)
    assert umeyama(points, warp_points(points, matrix)) == pytest.approx(matrix, rel=1e-3, abs=0.02)


def test_umeyama_never_mirrors() -> None:
    points = np.random.default_rng(0).uniform(0, 100, (10, 2)).astype(np.float32)
    assert np.linalg.det(umeyama(points, points * [-1, 1])[:, :2]) > 0


@given(similarities)
def test_invert_undoes_a_matrix(parts: tuple[float, ...]) -> None:
    points = np.random.default_rng(1).uniform(0, 100, (5, 2)).astype(np.float32)
    matrix = similarity(*parts)
    assert warp_points(warp_points(points, matrix), invert(matrix)) == pytest.approx(
        points, abs=0.05
    )
    assert matrix_scale(matrix) == pytest.approx(parts[0], rel=1e-4)


@pytest.mark.parametrize("template", sorted(TEMPLATES))
@pytest.mark.parametrize("pose", [Pose(0, 0, 0), Pose(0, 0, 40), Pose(20, 5, -30)])
def test_the_eyes_come_to_lie_level_at_the_templates_height(template: str, pose: Pose) -> None:
    actor = draw_actor(3, pose, size=300)
    crop = align(actor.image, actor.face, template, 200)
    left, right = eye_centres(warp_points(actor.landmarks, crop.frame_to_crop))
    _, eye_line = TEMPLATES[template]
    assert abs(right[1] - left[1]) < 10  # of about 60 between them
    assert (left + right) / 2 == pytest.approx([100, eye_line * 200], abs=14)
    assert crop.image.shape == (200, 200, 3)


def test_a_crop_does_not_depend_on_where_the_face_was() -> None:
    """The picture moved, turned and scaled gives the same crop, but for re-sampling."""
    actor = draw_actor(4, size=512)
    move = similarity(0.7, 0.5, 150, -40)
    moved = warp_image(actor.image, move, 512)
    face = Face(actor.box, 1.0, landmarks=warp_points(actor.landmarks, move))
    one = align(actor.image, actor.face, "face", 128).image.astype(int)
    two = align(moved, face, "face", 128).image.astype(int)
    assert np.abs(one - two).mean() < 2


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_larger_crops_show_the_same_region(template: str) -> None:
    actor = draw_actor(4, size=512)
    small = align(actor.image, actor.face, template, 64).image.astype(int)
    large = align(actor.image, actor.face, template, 256).image
    halved = large.reshape(64, 4, 64, 4, 3).mean(axis=(1, 3))
    assert np.abs(small - halved).mean() < 2.5


@pytest.mark.parametrize("size", [32, 64, 100])
def test_strong_reduction_does_not_alias(size: int) -> None:
    """A fine checker board comes out grey, not as new stripes."""
    board = np.indices((600, 800)).sum(axis=0) % 2 * 255
    image = np.repeat(board[..., None], 3, axis=2).astype(np.uint8)
    scale = size / 600
    crop = warp_image(image, similarity(scale, 0, 0, 0), size)
    assert crop.astype(float).std() < 25


def test_pixels_move_as_points_do() -> None:
    """A single bright dot lands where `warp_points` says, at any scale."""
    for scale in (0.2, 0.45, 0.8, 1.5):
        image = np.zeros((400, 400, 3), np.uint8)
        image[150:162, 210:222] = 255  # centre (215.5, 155.5)
        matrix = similarity(scale, 0, 3, 5)
        crop = warp_image(image, matrix, int(400 * scale))[..., 0].astype(float)
        rows, columns = np.indices(crop.shape)
        centre = [(columns * crop).sum() / crop.sum(), (rows * crop).sum() / crop.sum()]
        expected = warp_points(np.array([[215.5, 155.5]], np.float32), matrix)[0]
        assert centre == pytest.approx(expected, abs=0.2)


def test_the_template_is_mirror_symmetric() -> None:
    points = template_points("face", 101)
    mirrored = ([100, 0] + points * [-1, 1])[MIRRORED[17:] - 17]
    assert mirrored == pytest.approx(points, abs=0.01)


def test_what_cannot_be_aligned_is_refused() -> None:
    actor = draw_actor(0)
    with pytest.raises(ShapeError, match="landmarker"):
        align(actor.image, Face(actor.box, 1.0))
    with pytest.raises(ShapeError, match="whole_face"):
        align(actor.image, actor.face, "hole_face")
    with pytest.raises(ShapeError, match=r"\(68, 2\)"):
        crop_matrix(actor.landmarks[INNER], "face", 64)
    with pytest.raises(ShapeError, match="same"):
        umeyama(np.ones((4, 2), np.float32), np.ones((4, 2), np.float32))
    for value in (np.nan, np.inf, 1e30):
        points = np.arange(8, dtype=np.float32).reshape(4, 2)
        points[1, 1] = value
        with pytest.raises(ShapeError, match="not finite or far too large"):
            umeyama(points, np.ones((4, 2), np.float32))


@pytest.mark.parametrize(
    ("shift", "turn", "share"), [(0, 0, 0.0), (-50, 0, 0.5), (-100, 0, 1.0), (0, 180, 0.0)]
)
def test_the_share_of_a_crop_outside_its_frame(shift: int, turn: int, share: float) -> None:
    """A crop of 100 pixels at (20 + shift, 20) of a frame of 140 pixels, cut at x = 20."""
    cos, sin = round(np.cos(np.radians(turn))), round(np.sin(np.radians(turn)))
    matrix = np.array([[cos, -sin, -shift], [sin, cos, 0]], np.float32)
    if turn:
        matrix[:, 2] += 99
    assert outside_share(matrix, 100, 140, 140) == pytest.approx(share, abs=1e-6)


def test_what_lies_outside_is_grey_where_asked_and_mirrored_otherwise() -> None:
    image = np.full((60, 60, 3), 200, np.uint8)
    matrix = np.array([[1, 0, 30], [0, 1, 0]], np.float32)  # the frame begins at column 30
    grey = warp_image(image, matrix, 60, "grey")
    assert (grey[:, :30] == 128).all()
    assert (grey[:, 30:] == 200).all()
    assert (warp_image(image, matrix, 60) == 200).all()
