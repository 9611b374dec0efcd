"""Scans by a detector that judges several frames of a person together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scan_media import drawn_clip, drawn_picture
from tiny_detector import GAIN, write_clip_detector

from counterface.detect.detector import Detector
from counterface.detect.scanning.scan import MIN_CLIPS, ScanConfig, scan
from counterface.errors import DetectorError
from counterface.faces.align import align
from counterface.faces.face_detector import find_faces
from counterface.media.probe import probe
from counterface.media.sample_frames import moment_times
from counterface.media.video_reader import frames_at
from counterface.types import Verdict


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return drawn_clip(tmp_path_factory.mktemp("clip") / "one.mp4", (1, 2), 32)


@pytest.fixture
def config(tmp_path: Path) -> ScanConfig:
    path = write_clip_detector(tmp_path / "clip.onnx")
    return ScanConfig(frames=6, detector=str(path), quality_gate=False)


@pytest.mark.slow
def test_each_person_is_judged_on_his_own_neighbouring_crops_in_order(clip, config):
    result = scan(clip, config)
    media = probe(clip)
    times = moment_times(media.duration_s, MIN_CLIPS, 3, 1, media.fps, media.start_s)
    frames = list(frames_at(clip, times))
    left = []
    for start in range(0, len(frames), 3):
        light = []
        for frame in frames[start : start + 3]:
            face = min(find_faces(frame.image), key=lambda face: face.box[0])
            light.append(align(frame.image, face, "whole_face", 64).image.mean() / 255)
        left.append(GAIN * (light[-1] - light[0]))
    assert result.sampling.read == MIN_CLIPS * 3
    assert [len(track.frames) for track in result.tracks] == [MIN_CLIPS] * 2
    track = min(result.tracks, key=lambda track: track.frames[0].box[0])
    assert [f.logit for f in track.frames] == pytest.approx(left, abs=1e-3)
    assert np.ptp(left) > 1e-3  # a drawn face moves, so the order of the frames shows
    assert track.score.samples == MIN_CLIPS
    (check,) = [check for check in result.checks if check.name == "face_detector"]
    assert check.note.endswith("clips of a face scored, 3 frames together.")


def test_a_picture_is_never_judged_by_a_detector_of_clips(config, tmp_path):
    result = scan(drawn_picture(tmp_path / "a.png"), config)
    (track,) = result.tracks
    assert result.verdict is Verdict.INCONCLUSIVE
    assert track.score is None
    assert track.frames[0].logit is None
    assert "judges 3 neighbouring frames" in track.reasons[0]
    check = next(c for c in result.checks if c.name == "face_detector")
    assert not check.ran


def test_few_clips_are_seen_from_several_views(config, tmp_path):
    short = drawn_clip(tmp_path / "short.mp4", frames=7)
    score = scan(short, config).tracks[0].score
    assert (score.spread_over, score.samples) == ("views", 12)  # two whole clips, six views each


def test_a_file_that_takes_clips_says_so_when_it_is_given_crops(tmp_path):
    detector = Detector.load(write_clip_detector(tmp_path / "clip.onnx"))
    with pytest.raises(DetectorError, match=r"takes uint8 crops \(B, 3, 64, 64, 3\)"):
        detector.score(np.zeros((2, 64, 64, 3), np.uint8))
