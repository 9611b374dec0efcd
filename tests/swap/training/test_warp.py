"""Warps: where the pixels of input and target come from."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from actors import draw_actor

from counterface.errors import ShapeError
from counterface.faces.align import compose, crop_matrix, template_points, umeyama, warp_points
from counterface.swap.training.warp import (
    GRID_SIGMA,
    Warp,
    cell_warp,
    grid_warp,
    input_map,
    invert,
    landmark_warp,
    nearest,
    no_warp,
    pixels_to_unit,
    random_move,
    reduce_picture,
    sample_input,
    sample_target,
    target_matrix,
)

UNIT_TO_PICTURE = np.array([[200.0, 0, 19.5], [0, 200, 9.5]])  # the frame lies in a 256 px picture


def picture(side: int = 256) -> np.ndarray:
    return draw_actor(3, size=side).image


def maps(warp: Warp, size: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Where input and target read the frame, both (size, size, 2) in unit coordinates."""
    pixels = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1)
    matrix = target_matrix(warp, np.eye(2, 3), size)
    return input_map(warp, np.eye(2, 3), size), pixels @ matrix[:, :2].T + matrix[:, 2]


def test_without_a_warp_input_and_target_are_the_same_picture() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        move, _ = random_move(rng, 20, 0.2, 0.1, 0.5)
        matrix = compose(UNIT_TO_PICTURE, invert(move))
        one = sample_input(picture(), no_warp(), matrix, 96)
        two = sample_target(picture(), no_warp(), matrix, 96)
        assert np.abs(one.astype(int) - two).max() <= 2  # OpenCV rounds places to 1/32 px


def test_the_frame_itself_comes_out_unchanged() -> None:
    image = picture(64)
    whole = invert(pixels_to_unit(64))
    assert np.array_equal(sample_target(image, no_warp(), whole, 64), image)
    assert np.array_equal(sample_input(image, no_warp(), whole, 64), image)
    flat, _ = maps(no_warp(), 7)
    assert np.allclose(flat[0, 0], 0.5 / 7)
    assert np.allclose(flat[6, 2], [2.5 / 7, 6.5 / 7])


def test_half_the_size_is_the_average_of_four_pixels() -> None:
    image = picture(64)
    small = sample_target(image, no_warp(), invert(pixels_to_unit(64)), 32)
    area = cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - area).max() <= 2


@pytest.mark.parametrize("make", [grid_warp, cell_warp])
def test_the_same_generator_gives_the_same_warp_and_another_another(
    make: Callable[[np.random.Generator], Warp],
) -> None:
    one, two, other = (make(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one.nodes, two.nodes)
    assert one.nodes.shape != other.nodes.shape or not np.allclose(one.nodes, other.nodes)


def test_grid_nodes_stray_as_published_and_the_target_goes_with_them() -> None:
    rng = np.random.default_rng(0)
    regular = no_warp()
    start, _ = maps(regular)
    strays, with_target, without = [], [], []
    for _ in range(300):
        warp = grid_warp(rng)
        line = np.linspace(0, 1, 5)
        strays.append(warp.nodes - np.stack(np.meshgrid(line, line), axis=-1))
        here, there = maps(warp)
        with_target.append(np.square(here - there).mean())
        without.append(np.square(here - start).mean())
    assert np.std(strays) == pytest.approx(GRID_SIGMA, rel=0.03)
    assert np.mean(strays) == pytest.approx(0, abs=0.001)
    assert np.mean(with_target) < 0.95 * np.mean(without)


def test_a_warp_that_is_a_similarity_moves_the_target_alike() -> None:
    """If the nodes' move has no bend in it, nothing is left for a model to undo."""
    turn = np.array([[0.98, -0.1, 0.04], [0.1, 0.98, -0.02]])
    regular = np.stack(np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 1, 5)), axis=-1)
    nodes = regular @ turn[:, :2].T + turn[:, 2]
    flat = nodes.reshape(-1, 2).astype(np.float32)
    follow = umeyama(flat, regular.reshape(-1, 2).astype(np.float32)).astype(np.float64)
    one, two = maps(Warp(nodes, follow))
    assert np.abs(one - two).max() < 1e-5


def test_cells_move_inside_only_and_the_target_stays() -> None:
    rng = np.random.default_rng(0)
    seen = {}
    for _ in range(200):
        warp = cell_warp(rng)
        cells = len(warp.nodes) - 1
        line = np.linspace(0, 1, cells + 1)
        off = warp.nodes - np.stack(np.meshgrid(line, line), axis=-1)
        assert np.abs(np.concatenate([off[0], off[-1], off[:, 0], off[:, -1]])).max() == 0
        seen.setdefault(cells, []).append(off[1:-1, 1:-1].ravel() * cells)
        assert np.array_equal(warp.frame_to_target, np.eye(2, 3))
        assert warp.cubic
    assert set(seen) == {2, 4, 8}
    for parts in seen.values():
        assert np.std(np.concatenate(parts)) == pytest.approx(0.24, rel=0.15)


def test_moves_keep_their_limits_and_mirror_as_often_as_asked() -> None:
    rng = np.random.default_rng(0)
    angles, scales, shifts, mirrored = [], [], [], []
    for _ in range(500):
        move, flip = random_move(rng, 10, 0.15, 0.05, 0.4)
        turn = move[:, :2] @ np.diag([-1.0 if flip else 1.0, 1])
        scales.append(np.sqrt(np.linalg.det(turn)))
        angles.append(np.degrees(np.arctan2(turn[1, 0], turn[0, 0])))
        shifts.append(move @ [0.5, 0.5, 1] - 0.5)
        mirrored.append(flip)
        assert (np.linalg.det(move[:, :2]) < 0) == flip
    assert np.abs(angles).max() <= 10
    assert np.abs(angles).max() > 9.5
    assert 1 / 1.15 <= min(scales) < 0.89
    assert 1.12 < max(scales) <= 1.15
    assert 0.045 < np.abs(shifts).max() <= 0.05
    assert np.mean(mirrored) == pytest.approx(0.4, abs=0.07)
    assert not any(random_move(rng, 10, 0.1, 0.1)[1] for _ in range(20))


def face_points(identity: int) -> np.ndarray:
    points = draw_actor(identity).landmarks
    return warp_points(points, crop_matrix(points, "whole_face", 1)) + 0.5


def test_a_landmark_warp_puts_landmarks_where_the_others_are() -> None:
    own, other = face_points(1), face_points(2)
    assert np.abs(own - other).max() > 0.015  # there is something to do
    size = 256
    at, _ = maps(landmark_warp(own, other), size)
    places = (other * size - 0.5).astype(np.float32)[:, None]
    read = cv2.remap(at.astype(np.float32), places, None, cv2.INTER_LINEAR)[:, 0]
    left = np.linalg.norm(read - own, axis=1)
    assert left.mean() < 0.2 * np.linalg.norm(other - own, axis=1).mean()
    assert left.max() < 0.006


def test_a_landmark_warp_holds_the_edge_and_never_folds() -> None:
    at, still = maps(landmark_warp(face_points(1), face_points(2)), 128)
    edge = np.zeros(at.shape[:2], bool)
    edge[[0, -1]] = edge[:, [0, -1]] = True
    assert np.abs((at - still)[edge]).max() < 0.02
    across, down = np.diff(at, axis=1)[:-1], np.diff(at, axis=0)[:, :-1]
    area = across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]
    assert area.min() > 0
    same, still = maps(landmark_warp(face_points(1), face_points(1)))
    assert np.abs(same - still).max() < 1e-6


def test_nearest_are_the_nearest_in_order() -> None:
    base = template_points("face", 1)
    others = np.stack([base + 0.01 * shift for shift in (5, 1, 9, 2, 7)])
    assert nearest(base, others, 3).tolist() == [1, 3, 0]
    assert nearest(base, others, 10).tolist() == [1, 3, 0, 4, 2]


def test_landmarks_of_unlike_number_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(68, 2\), \(51, 2\)"):
        landmark_warp(np.zeros((68, 2), np.float32), np.zeros((51, 2), np.float32))


@pytest.mark.parametrize(("size", "side"), [(64, 128), (99, 128), (101, 256), (40, 64)])
def test_reduced_pictures_show_the_same_place_and_keep_what_is_needed(size: int, side: int) -> None:
    image = picture()
    small, matrix = reduce_picture(image, UNIT_TO_PICTURE, size)
    assert small.shape[0] == side
    assert 0.5 < size / matrix[0, 0] <= 1
    smooth = cv2.GaussianBlur(image, (0, 0), 6)  # so that averaging itself changes little
    sharp = sample_target(smooth, no_warp(), UNIT_TO_PICTURE, size)
    soft, matrix = reduce_picture(smooth, UNIT_TO_PICTURE, size)
    again = sample_target(soft, no_warp(), matrix, size)
    assert np.abs(again.astype(int) - sharp).mean() < 0.6
    moved = sample_target(np.roll(soft, 1, axis=1), no_warp(), matrix, size)
    assert side == 256 or np.abs(moved.astype(int) - sharp).mean() > 1.2
