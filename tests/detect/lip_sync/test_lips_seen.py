"""Lips are read at even times, and are those of the face, not of the camera."""

from __future__ import annotations

import numpy as np
import pytest

from counterface.detect.lip_sync.lips import FPS, POINTS, lips_of
from counterface.errors import ShapeError
from counterface.faces.align import MEAN_SHAPE
from counterface.faces.landmarks import INNER
from counterface.types import Floats

LOWER_LIP, UPPER_LIP = 18, 14  # inner, in the middle; in the order of `Lips.points`


def draw_landmarks(opening: Floats) -> Floats:
    """A face of 100 pixels between the eyes, whose lower lip falls so far, in eye distances."""
    landmarks = np.zeros((len(opening), 68, 2))
    landmarks[:, INNER] = MEAN_SHAPE
    landmarks[:, : INNER.start] = np.stack([np.linspace(-1, 1, 17), np.full(17, 1.5)], axis=1)
    landmarks[:, [*range(55, 60), 65, 66, 67], 1] += opening[:, None]
    return np.asarray(landmarks * 100 + 300, np.float32)


def opening_of(points: Floats) -> Floats:
    return points[:, LOWER_LIP, 1] - points[:, UPPER_LIP, 1]


def test_lips_open_as_far_as_they_do():
    pts = np.arange(60) / 30
    opening = 0.15 + 0.15 * np.sin(2 * np.pi * pts)
    lips = lips_of(draw_landmarks(opening), pts)
    assert lips.points.shape == (50, POINTS, 2)
    assert lips.start_s == 0
    closed = opening_of(MEAN_SHAPE[None, 31:])
    even = np.interp(np.arange(50) / FPS, pts, opening)
    assert np.abs(opening_of(lips.points) - closed - even).max() < 0.01


def test_a_moving_camera_changes_little():
    pts = 3 + np.arange(75) / 25
    landmarks = draw_landmarks(0.15 + 0.15 * np.sin(9 * pts))
    angle, zoom = 0.3 * np.sin(pts), 1 + 0.2 * np.cos(pts)
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=1)
    moved = np.einsum("tij,tnj->tni", turn.reshape(-1, 2, 2) * zoom[:, None, None], landmarks)
    moved += 40 * pts[:, None, None]
    still, shaken = lips_of(landmarks, pts), lips_of(moved.astype(np.float32), pts)
    assert shaken.start_s == 3
    assert np.abs(still.points - shaken.points).max() < 0.01


@pytest.mark.parametrize(
    ("landmarks", "pts"),
    [
        (np.zeros((0, 68, 2), np.float32), np.zeros(0)),
        (np.zeros((2, 60, 2), np.float32), np.zeros(2)),
        (draw_landmarks(np.zeros(3)), np.zeros(2)),
        (np.zeros((2, 68, 2), np.float32), np.arange(2.0)),
    ],
)
def test_what_is_no_face_is_refused(landmarks, pts):
    with pytest.raises(ShapeError):
        lips_of(landmarks, pts)
