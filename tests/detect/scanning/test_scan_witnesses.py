"""A scan by a detector with witnesses: their weights, lines and doubts, seen in its findings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import actors
import numpy as np
import pytest
from scan_media import drawn_picture
from tiny_detector import metadata, weighing, write_detector

from counterface.datasets.manifest import Entry
from counterface.detect.evaluation.score_files import score_files
from counterface.detect.evaluation.score_store import ScoreStore
from counterface.detect.findings import Report
from counterface.detect.pool import calibrate
from counterface.detect.scanning.scan import ScanConfig, scan
from counterface.types import Verdict

EYES = (20, 200)  # pixels between those of a drawn face


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("witnesses")
    # no frame twice: a still one costs no bits, and the clip would count as not compressed
    actors.write_clip(folder / "clip.mp4", actors.draw_clip((1,), 24, 480, 270))
    drawn_picture(folder / "picture.png")
    return folder


def config_of(folder: Path, told: dict[str, Any], witnesses: Any, **changes: Any) -> ScanConfig:
    path = folder / f"{abs(hash((str(told), str(witnesses))))}.onnx"
    write_detector(path, metadata(weighing=told), witnesses=witnesses)
    return ScanConfig(detector=str(path), quality_gate=False, **changes)


def scan_with(folder: Path, name: str, told: Any, witnesses: Any, **changes: Any) -> Report:
    return scan(folder / name, config_of(folder, told, witnesses, **changes))


def steady(*values: float) -> list[tuple[float, float]]:
    """Witnesses that say the same of any face."""
    return [(1e-6, -1e6 * value) for value in values]


def test_frames_have_the_weighed_score_of_their_person(folder):
    told = weighing((2.0, 0.5), offsets=[0.25, -0.5], questions="aa")
    result = scan_with(folder, "clip.mp4", told, [(4.0, 0.5), (-2.0, 0.25)], frames=5)
    (track,) = result.tracks
    for frame in track.frames:
        first, second = frame.witnesses
        assert second == pytest.approx(-2 * (first / 4 + 0.5 - 0.25), abs=1e-4)
        logit = np.clip(2 * first + 0.25, -3, 3) + np.clip(0.5 * second - 0.5, -3, 3)
        assert frame.logit == pytest.approx(logit, abs=1e-6)
        assert frame.fake_score == pytest.approx(calibrate(logit, result.detector.calibration))
        assert EYES[0] < frame.eye_px < EYES[1]
    assert track.score.mean_logit == pytest.approx(np.mean([f.logit for f in track.frames]))
    assert {e.logit for e in result.exhibits} <= {f.logit for f in track.frames}
    assert track.quality.bin == "bin 0"
    assert track.quality.eye_px == np.median([f.eye_px for f in track.frames])
    assert track.quality.compression == result.media.compression.strength
    first = np.mean([np.clip(2 * f.witnesses[0] + 0.25, -3, 3) for f in track.frames])
    assert track.witnesses[0].log_odds == pytest.approx(first)


def test_a_picture_is_scored_by_the_witnesses_of_its_views(folder):
    told = weighing((1.0, 0.0), questions="ab")
    (track,) = scan_with(folder, "picture.png", told, [(4.0, 0.5), (9.0, 0.1)]).tracks
    assert track.score.spread_over == "views"
    assert len(track.views) == 6
    assert track.score.mean_logit == pytest.approx(np.mean([first for first, _ in track.views]))
    assert [one.says for one in track.witnesses][1] == "silent"


def test_the_line_is_that_of_the_bin(folder):
    told = weighing((1.0,), (1.0,), questions="a")
    good, poor = told["bins"]
    good |= {"min_eye_px": EYES[1], "line": 0.5}
    poor |= {"line": 0.9, "promise": {"share": 0.05, "origins": 3, "files": 90}}
    result = scan_with(folder, "picture.png", told, steady(2.0))  # p = 0.88
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "neither the line at 90%" in result.reasons[0]
    assert result.reasons[1] == (
        "Of genuine files of this quality, from the worst of 3 sources, at most 5% score above "
        "the line at 90%."
    )
    good["min_eye_px"] = EYES[0]
    result = scan_with(folder, "picture.png", told, steady(2.0))
    assert (result.tracks[0].quality.bin, result.verdict) == ("bin 0", Verdict.LIKELY_MANIPULATED)
    assert result.tracks[0].quality.line == 0.8  # never below the detector's own
    good["line"] = 1.0
    result = scan_with(folder, "picture.png", told, steady(3.0))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.reasons[1].startswith("No face of this quality is called")


@pytest.mark.slow
@pytest.mark.parametrize("limits", [{"min_eye_px": EYES[1]}, {"max_compression": 0}, {}])
def test_a_face_below_the_last_bin_is_too_poor_to_judge(folder, limits):
    told = weighing((1.0, 1.0), questions="aa", **limits)
    if not limits:  # every witness is silent at this quality
        told = weighing((1.0, 1.0), (0.0, 0.0), questions="aa")
        told["bins"][0]["min_eye_px"] = EYES[1]
    result = scan_with(folder, "clip.mp4", told, steady(2.0, 2.0), frames=5)
    assert result.verdict is Verdict.INCONCLUSIVE
    (track,) = result.tracks
    assert track.aside.code == "poor"
    assert (track.in_range, track.quality.bin, track.score is None) == (False, None, False)
    assert f"eyes {track.quality.eye_px:.0f} pixels apart" in result.reasons[0]
    assert "is therefore not used" in result.reasons[0]
    assert "too_poor" in {notice.code for notice in result.notices}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("values", "questions", "verdict"),
    [
        ((3.0, -2.0), "aa", Verdict.INCONCLUSIVE),
        ((-3.0, 2.0), "aa", Verdict.INCONCLUSIVE),
        ((3.0, -2.0), "ab", Verdict.LIKELY_MANIPULATED),
        ((-1.5, -2.0), "aa", Verdict.NO_MANIPULATION_FOUND),
    ],
)
def test_witnesses_that_contradict_each_other_decide_nothing(folder, values, questions, verdict):
    told = weighing((1.0, 1.0), questions=questions)
    result = scan_with(folder, "clip.mp4", told, steady(*values), frames=5)
    assert result.verdict is verdict
    assert ("contradict each other" in result.reasons[0]) == (verdict is Verdict.INCONCLUSIVE)


@pytest.mark.slow
def test_kept_scores_hold_what_the_witnesses_said(folder, tmp_path):
    told = weighing((2.0, 0.5), questions="ab")
    config = config_of(folder, told, [(4.0, 0.5), (-2.0, 0.25)], frames=5)
    items = [Entry(folder / "clip.mp4", 1, origin="o"), Entry(folder / "picture.png", 0)]
    store = ScoreStore(tmp_path, "0" * 64, config)
    first = score_files(items, config, store=store)
    again = score_files(items, config, store=ScoreStore(tmp_path, "0" * 64, config))
    assert again == first
    clip, picture = first
    assert (len(clip.witness_logits), clip.spread_over, clip.origin) == (5, "frames", "o")
    assert (len(picture.witness_logits), picture.spread_over) == (6, "views")
    assert EYES[0] < picture.eye_px < EYES[1]
