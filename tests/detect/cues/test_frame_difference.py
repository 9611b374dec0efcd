"""The learnt cue on differences between frames: its clips, its course, and files of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from counterface.detect.cues.cue import Measured, NotApplicable, PersonView, Window
from counterface.detect.cues.frame_difference import CLIPS, FrameDifference
from counterface.detect.detector import Detector
from counterface.detect.models.detector_model import build_detector
from counterface.detect.training.export import describe_net, export_detector
from counterface.errors import DetectorError

TINY = {"size": 32, "reach": 1, "widths": (6, 8), "appearance": False, "template": "whole_face"}


def write_detector(path: Path, **options: Any) -> Path:
    net = build_detector("frame_difference", TINY | options).eval()
    export_detector(net, describe_net(net, "tiny"), path)
    return path


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_detector(tmp_path_factory.mktemp("own") / "own.onnx")


def window(frames: int) -> Window:
    """Noise, another in each frame."""
    rng = np.random.default_rng(frames)
    crops = rng.integers(0, 256, (frames, 224, 224, 3), dtype=np.uint8)
    return Window(crops, np.zeros((frames, 68, 2), np.float32), 3 + np.arange(frames) / 25)


def test_clips_are_spread_over_the_window_and_the_value_is_their_mean(own: Path) -> None:
    seen = window(50)
    found = FrameDifference(own).measure(PersonView((), seen))
    assert isinstance(found, Measured)
    times = np.array([time for time, _ in found.series])
    assert len(times) == CLIPS
    assert times[[0, -1]] == pytest.approx(seen.pts[[1, -2]])
    assert np.ptp(np.diff(times)) <= 1 / 25 + 1e-9
    assert found.value == pytest.approx(np.mean([value for _, value in found.series]))


def test_a_clip_gets_what_the_detector_says_of_its_frames(own: Path) -> None:
    still = window(24)
    still.crops[:] = still.crops[0] // 8 * 8  # shrinking mixes pixels; equal frames stay equal
    found = FrameDifference(own).measure(PersonView((), still))
    assert isinstance(found, Measured)
    grey = np.full((1, 3, 32, 32, 3), 128, np.uint8)  # no difference either
    alone, _ = Detector.load(own).score(grey)
    assert found.value == pytest.approx(alone[0], abs=1e-4)


@pytest.mark.slow
def test_a_file_that_wants_a_longer_clip_says_nothing_of_a_short_window(tmp_path: Path) -> None:
    long = write_detector(tmp_path / "long.onnx", frames=26)
    found = FrameDifference(long).measure(PersonView((), window(25)))
    assert isinstance(found, NotApplicable)


def test_a_file_for_other_crops_is_refused(tmp_path: Path) -> None:
    other = write_detector(tmp_path / "other.onnx", step=2)
    with pytest.raises(DetectorError, match="two or more neighbouring frames"):
        FrameDifference(other).measure(PersonView((), window(24)))
