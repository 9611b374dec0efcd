"""Whether a face counts: each reason alone, and which of several is said."""

from __future__ import annotations

from typing import Any

import pytest
from drawn_tracks import a_score
from tiny_detector import metadata

from counterface.detect.detector import DetectorInfo, Range
from counterface.detect.findings import FrameScore, SetAside
from counterface.detect.scanning.standing import Rules, find_fault, set_aside

RANGE = Range(min_face_px=64, max_yaw=60, max_pitch=40)
INFO = DetectorInfo.model_validate(metadata(range=RANGE.model_dump()))
SCORE = a_score(0.9, 0.85, 0.95)


def a_frame(**changes: Any) -> FrameScore:
    """A good face, but for the changes; in range where nothing is wrong with it."""
    fields: dict[str, Any] = {
        "frame_index": 0,
        "pts_s": 0.0,
        "box": (0, 0, 99, 99),
        "face_px": 100,
        "yaw": 3.0,
        "pitch": -2.0,
        "logit": 1.0,
        "fake_score": 0.7,
        "sharpness": 0.7,
        "texture": 0.6,
        "strangeness": 0.8,
        "in_range": False,
    }
    frame = FrameScore(**{**fields, **changes})
    fits = frame.logit is not None and find_fault(frame, RANGE) is None
    return frame.model_copy(update={"in_range": fits})


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"face_px": 24}, "small", "24 pixels tall, and at least 64 pixels"),
        ({"yaw": -75.0}, "turned", "turned by 75 degrees, and at most 60"),
        ({"pitch": 50.0}, "tilted", "tilted by 50 degrees, and at most 40"),
        ({"sharpness": 0.4}, "soft", "sharpness 0.40, at least 0.52"),
        ({"texture": 0.2}, "drawing", "texture 0.20"),
        ({"strangeness": 2.0}, "strange", "neither the photographs nor the fakes"),
    ],
)
def test_each_fault_alone_sets_a_face_aside_and_says_its_number(change, code, said):
    fault = find_fault(a_frame(**change), RANGE)
    assert fault is not None
    assert fault.code == code
    assert said in fault.text
    aside = set_aside([a_frame(**change)] * 3, SCORE, INFO, Rules(looked_at=3))
    assert aside == fault


def test_what_was_not_measured_is_not_held_against_a_face():
    unknown = dict.fromkeys(("yaw", "pitch", "sharpness", "texture", "strangeness"))
    assert find_fault(a_frame(**unknown), RANGE) is None
    assert set_aside([a_frame(**unknown)], SCORE, INFO, Rules(looked_at=1)) is None


def test_one_good_frame_is_enough_unless_that_is_too_few():
    frames = [a_frame(face_px=30)] * 9 + [a_frame()]
    assert set_aside(frames, SCORE, INFO, Rules(looked_at=32)) is None
    aside = set_aside(frames, SCORE, INFO, Rules(looked_at=32, brief_below=3))
    assert aside is not None
    assert aside.code == "brief"
    assert "could be judged in 1 of the 32 frames" in aside.text


def test_the_commonest_fault_is_said():
    frames = [a_frame(face_px=30), *[a_frame(sharpness=0.3)] * 3, a_frame(texture=0.1)]
    assert set_aside(frames, SCORE, INFO, Rules(looked_at=5)).code == "soft"


def test_a_whole_file_a_missing_number_and_too_few_frames_come_first():
    whole = SetAside(code="compressed", text="it is compressed")
    rules = Rules(looked_at=32, brief_below=3, whole_file=whole)
    assert set_aside([a_frame()] * 9, SCORE, INFO, rules) is whole
    rules = Rules(looked_at=32, brief_below=3)
    assert set_aside([a_frame(logit=None)], None, INFO, rules).code == "not_scored"
    assert set_aside([a_frame(face_px=20)], SCORE, INFO, rules).code == "brief"
    assert set_aside([a_frame(face_px=20)] * 3, SCORE, INFO, rules).code == "small"


@pytest.mark.parametrize(
    ("sharpness", "low", "code"),
    [(0.58, 0.95, "soft"), (0.60, 0.95, None), (0.58, 0.3, None), (None, 0.95, None)],
)
def test_a_rather_soft_face_may_be_cleared_but_not_accused(sharpness, low, code):
    score = SCORE.model_copy(update={"probability": 0.99, "low": low, "high": 0.995})
    frames = [a_frame(sharpness=sharpness)] * 3
    aside = set_aside(frames, score, INFO, Rules(looked_at=3))
    assert (aside.code if aside else None) == code


@pytest.mark.parametrize(
    ("color", "low", "code"), [(1.2, 0.95, "toned"), (3.0, 0.95, None), (0.0, 0.3, None)]
)
def test_a_face_in_one_tone_may_be_cleared_but_not_accused(color, low, code):
    score = SCORE.model_copy(update={"probability": 0.99, "low": low, "high": 0.995})
    aside = set_aside([a_frame(color=color)] * 3, score, INFO, Rules(looked_at=3))
    assert (aside.code if aside else None) == code
