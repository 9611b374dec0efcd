"""Picture, sound and match are told apart, and none stands for another."""

from __future__ import annotations

from typing import Any

import pytest
from drawn_reports import a_cue, a_report, a_still

from counterface.detect.cues.blink import Blink
from counterface.detect.cues.cue import Cue
from counterface.detect.cues.parents import LipCue, SoundCue
from counterface.detect.findings import CueFinding, Part, Report
from counterface.detect.scanning.conclusion import conclude
from counterface.detect.scanning.parts import judge_parts


class Lips(LipCue):
    name = "lips"


class Voice(SoundCue):
    name = "voice"


ASKED: list[Cue] = [Blink(), Lips(), Voice()]


def parts_of(
    report: Report,
    lips: list[CueFinding] | None = None,
    of_sound: list[CueFinding] | None = None,
    asked: list[Cue] | None = None,
) -> dict[str, Part]:
    assert report.detector is not None
    assert report.media is not None
    first, *rest = report.tracks
    tracks = (first.model_copy(update={"cues": tuple(lips or ())}), *rest)
    facts = conclude(tracks, report.detector.thresholds)
    asked = ASKED if asked is None else asked
    found = judge_parts(facts, report.media, tracks, of_sound or [], asked=asked)
    return {part.name: part for part in found}


def lip(log_odds: float | None, **changes: Any) -> CueFinding:
    return a_cue(log_odds, reads="lips", **changes)


@pytest.mark.parametrize(
    ("logits", "says"),
    [([4.0] * 8, "in doubt"), ([-4.0] * 8, "looks authentic"), ([0.0, 0.5] * 4, "undecided")],
)
def test_the_picture_follows_the_verdict(logits: list[float], says: str) -> None:
    assert parts_of(a_report("clip.mp4", logits))["picture"].says == says


def test_a_still_has_no_sound() -> None:
    assert list(parts_of(a_still("still.jpg", [0.5]))) == ["picture"]


def test_a_mismatch_is_no_fake() -> None:
    parts = parts_of(a_report("clip.mp4", [-4.0] * 8), [lip(1.5)])
    assert parts["match"].says == "in doubt"
    assert "dubbed" in parts["match"].text
    assert "+1.5" in parts["match"].text
    assert parts["picture"].says == "looks authentic"
    assert parts["sound"].says == "not judged"


@pytest.mark.parametrize(
    ("log_odds", "says"), [(1.5, "in doubt"), (-1.5, "looks authentic"), (0.1, "undecided")]
)
def test_the_sound_is_judged_by_its_cues(log_odds: float, says: str) -> None:
    heard = [a_cue(log_odds, reads="sound")]
    assert parts_of(a_report("clip.mp4", [0.0] * 8), of_sound=heard)["sound"].says == says


def test_what_was_not_judged_says_why() -> None:
    report = a_report("clip.mp4", [0.0] * 8)
    absent = "'X', which looks for y, is not applicable because nobody speaks."
    silent = lip(None, share=0.0, value=None, says="not applicable", text=absent)
    unweighed = lip(None, share=0.0, says="no weight")
    assert parts_of(report, [silent])["match"].text == "No cue on it applies: nobody speaks."
    assert "no weight" in parts_of(report, [unweighed])["match"].text
    assert "No cue was asked" in parts_of(report, asked=[Blink()])["match"].text
    assert report.media is not None
    mute = report.model_copy(update={"media": report.media.model_copy(update={"audio": ()})})
    assert parts_of(mute)["sound"].text == "The file has no sound."
