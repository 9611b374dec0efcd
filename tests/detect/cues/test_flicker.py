"""Cues on flicker react to a face that changes by itself, and not to light or to its frame."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from counterface.detect.cues.cue import Measured, PersonView, Window
from counterface.detect.cues.residual import MOST_FRAMES, residual
from counterface.testing.cues import load_cue

FLICKERS = ("detail_flicker", "face_splotches", "skin_color_change")


@pytest.fixture(scope="module")
def window(person: PersonView) -> Window:
    assert person.window is not None
    given = person.window
    return Window(given.crops[:30], given.landmarks[:30], given.pts[:30])


def value(name: str, window: Window) -> float:
    found = load_cue(name).measure(PersonView((), window))
    assert isinstance(found, Measured), found
    return found.value


def changed(window: Window, change: NDArray[np.float64], within: bool = False) -> Window:
    """The window with something added; within the face alone if asked."""
    rows, columns = np.mgrid[:224, :224]
    face = np.hypot((columns - 112) / 66, (rows - 118) / 84) < 1
    where = face[None, :, :, None] if within else True
    crops = np.clip(window.crops + np.where(where, change, 0), 0, 255).round()
    return replace(window, crops=crops.astype(np.uint8))


def patches(size: int, strength: float, channels: int) -> NDArray[np.float64]:
    """Noise (30, 224, 224, channels) with grains of `size` pixels that is new in each frame."""
    rng = np.random.default_rng(1)
    side = 224 // size
    found = [
        cv2.resize(rng.normal(0, strength, (side, side, channels)), (224, 224)).reshape(
            224, 224, channels
        )
        for _ in range(30)
    ]
    return np.stack(found)


def test_detail_that_is_drawn_anew_flickers(window: Window) -> None:
    noise = patches(4, 14, 1)
    plain = value("detail_flicker", window)
    assert value("detail_flicker", changed(window, noise, within=True)) > plain + 0.3
    assert value("detail_flicker", changed(window, noise)) < plain + 0.2  # a noisy camera


def test_soft_patches_are_splotches(window: Window) -> None:
    soft = changed(window, patches(32, 10, 3), within=True)
    assert value("face_splotches", soft) > value("face_splotches", window) + 0.5


def test_a_tint_of_the_face_alone_is_a_change_of_colour(window: Window) -> None:
    tint = np.random.default_rng(2).normal(0, 0.03, (30, 1, 1, 3)) * window.crops
    plain = value("skin_color_change", window)
    assert value("skin_color_change", changed(window, tint, within=True)) > plain + 1
    assert value("skin_color_change", changed(window, tint)) < plain + 0.7  # lamps that flicker


@pytest.mark.parametrize("name", FLICKERS)
def test_light_that_flickers_is_no_flicker_of_the_face(name: str, window: Window) -> None:
    light = np.random.default_rng(2).normal(0, 0.04, (30, 1, 1, 1)) * window.crops
    assert value(name, changed(window, light)) == pytest.approx(value(name, window), abs=0.3)


def test_a_window_is_compared_once_and_in_its_middle(person: PersonView) -> None:
    assert person.window is not None
    left = residual(person.window)
    assert left is not None
    assert residual(person.window) is left
    assert len(left.pts) == MOST_FRAMES - 1
    assert left.pts.mean() == pytest.approx(person.window.pts.mean(), abs=0.1)


def test_frames_shown_twice_are_left_out(window: Window) -> None:
    doubled = np.repeat(np.arange(15), 2)
    left = residual(replace(window, crops=window.crops[doubled]))
    assert left is not None
    assert len(left.pts) == 14
