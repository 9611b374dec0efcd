"""Cues on landmarks over time react to the face, and not to the camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from counterface.detect.cues.cue import Measured, NotApplicable, PersonView, Window
from counterface.faces.landmarks import JAW, LEFT_EYE, RIGHT_EYE
from counterface.testing.cues import load_cue
from counterface.types import Floats


@pytest.fixture(scope="module")
def window(person: PersonView) -> Window:
    assert person.window is not None
    return person.window


def value(name: str, window: Window) -> float:
    found = load_cue(name).measure(PersonView((), window))
    assert isinstance(found, Measured), found
    return found.value


def filmed_by_hand(landmarks: Floats) -> Floats:
    """The same face before a camera that shakes, rolls and zooms."""
    rng = np.random.default_rng(0)
    angle, zoom = rng.normal(0, 0.05, len(landmarks)), rng.normal(1, 0.03, len(landmarks))
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=1)
    moved = np.einsum("tij,tnj->tni", turn.reshape(-1, 2, 2) * zoom[:, None, None], landmarks)
    return np.asarray(moved + rng.normal(0, 8, (len(landmarks), 1, 2)), np.float32)


@pytest.mark.parametrize("name", ["head_pose", "expression_head"])
def test_a_moving_camera_changes_nothing(name: str, window: Window) -> None:
    moved = replace(window, landmarks=filmed_by_hand(window.landmarks))
    assert value(name, moved) == pytest.approx(value(name, window), abs=0.1)


def test_a_head_that_turns_without_its_jaw(window: Window) -> None:
    torn = window.landmarks.copy()
    middle = torn[:, 27:36].mean(axis=1, keepdims=True)
    torn[:, JAW] = middle + (torn[:, JAW] - middle).mean(axis=0)
    assert value("head_pose", replace(window, landmarks=torn)) > value("head_pose", window) + 1


def speaking(window: Window, turns: Floats, speaks: Floats) -> Window:
    """The first landmarks with a head that turns and a mouth that opens, both in eye distances."""
    points = np.repeat(window.landmarks[:1], len(turns), axis=0)
    eyes = np.linalg.norm(points[0, LEFT_EYE].mean(axis=0) - points[0, RIGHT_EYE].mean(axis=0))
    points[:, 28:36, 0] += turns[:, None] * eyes
    points[:, 65:68, 1] += (0.2 + speaks[:, None]) * eyes  # lower edge of the lips
    return replace(window, landmarks=points)


def test_a_mouth_that_moves_with_the_head_correlates(window: Window) -> None:
    wave = 0.1 * np.sin(2 * np.pi * 1.5 * window.pts).astype(np.float32)
    other = 0.1 * np.sin(2 * np.pi * 2.5 * window.pts).astype(np.float32)
    assert value("expression_head", speaking(window, wave, wave)) > 0.9
    assert value("expression_head", speaking(window, wave, other)) < 0.1


def test_a_face_that_keeps_still_says_nothing(window: Window) -> None:
    still = speaking(window, np.zeros(144, np.float32), np.zeros(144, np.float32))
    found = load_cue("expression_head").measure(PersonView((), still))
    assert found == NotApplicable("the head or the face keeps still")
