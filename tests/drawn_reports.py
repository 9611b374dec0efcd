"""Reports on drawn faces, made without scanning: for the tests of schema and page."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import actors
import cv2
import numpy as np
from tiny_detector import metadata, weighing

from counterface import __version__
from counterface.detect.detector import DetectorInfo
from counterface.detect.findings import (
    Check,
    CueFinding,
    DetectorSummary,
    Exhibit,
    FaceQuality,
    FileFacts,
    FrameScore,
    Notice,
    Report,
    Sampling,
    Thumb,
    Tool,
    TrackFinding,
    report_failure,
)
from counterface.detect.pool import calibrate, judge_score, pool_logits
from counterface.detect.scanning.conclusion import (
    LIMITS,
    WEIGHED_LIMITS,
    conclude,
    explain,
    write_headline,
)
from counterface.detect.scanning.hearing import explain_verdict
from counterface.detect.weigh import find_contradiction, take_statements
from counterface.media.image import encode_image
from counterface.media.probe import AudioInfo, Compression, MediaInfo
from counterface.types import Image

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
FPS = 4


def a_track(number: int, logits: list[float], info: DetectorInfo, **changes: Any) -> TrackFinding:
    """One person at four frames a second, with these logits."""
    frames = tuple(
        FrameScore(
            frame_index=i,
            pts_s=i / FPS,
            box=(60.0, 40.0, 180.0, 170.0),
            face_px=120.0,
            logit=logit,
            fake_score=float(calibrate(logit, info.calibration)),
            in_range=True,
        )
        for i, logit in enumerate(logits)
    )
    score = pool_logits(logits, info.calibration)
    fields: dict[str, Any] = {
        "id": number,
        "verdict": judge_score(score, info.thresholds),
        "score": score,
        "brief": False,
        "first_s": 0.0,
        "last_s": (len(logits) - 1) / FPS,
        "face_px": 120.0,
        "in_range": True,
        "reasons": ("A reason.",),
        "evidence_region": "mouth",
        "frames": frames,
    }
    return TrackFinding(**{**fields, **changes})


def a_cue(log_odds: float | None, share: float = 1.0, **changes: Any) -> CueFinding:
    """What a cue on consecutive frames says, 0.4 less or more."""
    value = 0.0 if log_odds is None else log_odds
    fields: dict[str, Any] = {
        "name": "drawn",
        "title": "Drawn",
        "looks_for": "nothing",
        "value": 1.0,
        "unit": "",
        "reads": "window",
        "log_odds": log_odds,
        "low": value - 0.4,
        "high": value + 0.4,
        "share": share,
        "says": "for",
        "text": "It says so.",
    }
    return CueFinding(**{**fields, **changes})


def a_report(name: str, *tracks: list[float], **changes: Any) -> Report:
    """The report on a video of that name in which people got these logits, of a fixed time."""
    info = DetectorInfo.model_validate(metadata(**changes.pop("info", {})))
    people = tuple(a_track(i, logits, info) for i, logits in enumerate(tracks))
    people = changes.pop("tracks", people)
    facts = conclude(people, info.thresholds)
    count = max((len(logits) for logits in tracks), default=8)
    found: dict[str, Any] = {
        "verdict": facts.verdict,
        "decided_by": facts.decided_by,
        "provenance": None,
        "sampling": Sampling(mode="even", requested=count, read=count, with_face=count),
        **changes,
    }
    told = conclude(people, info.thresholds, found["sampling"].unaligned)
    fields: dict[str, Any] = {
        "tool": Tool(version=__version__),
        "created": NOW,
        "file": FileFacts(path=name, name=Path(name).name, bytes=1_234_567, sha256="ab" * 32),
        "status": "scanned",
        "headline": write_headline(told, found["verdict"], found["provenance"]),
        "score": next((t.score for t in people if t.id == found["decided_by"]), None),
        "reasons": ("A reason for the file.",),
        "notices": (Notice(code="heavy_compression", text="Heavily compressed."),),
        "checks": (
            Check(name="faces", title="Faces", ran=True, note="1 person."),
            Check(name="sound", title="Voice", ran=False, note="Not part of this version."),
        ),
        "tracks": people,
        "media": a_video(name, count / FPS),
        "detector": DetectorSummary.of(info, "cd" * 32),
        "config": {"frames": count},
        "timings_s": {"total": 1.0},
        "limits": LIMITS if info.weighing is None else WEIGHED_LIMITS,
        "exhibits": tuple(e for p in people for e in _exhibits(p)),
        "thumbs": tuple(_thumb(i) for i in range(count)),
    }
    return Report(**{**fields, **found})


def a_weighed(name: str, logits: list[float], said: list[float], line: float = 0.8) -> Report:
    """The report of a detector whose witnesses, of one question, said this of one person."""
    told = weighing((1.0,) * len(said), questions="a" * len(said), line=line)
    told["bins"][0]["promise"] = {"share": 0.05, "origins": 3, "files": 90} if line < 1 else None
    info = DetectorInfo.model_validate(metadata(weighing=told))
    track = a_track(0, logits, info)
    assert info.weighing is not None
    statements = take_statements([said], info.weighing, info.weighing.bins[0])
    promise = info.weighing.bins[0].promise
    quality = FaceQuality(
        eye_px=50, sharpness=0.7, compression=0.4, bin="bin 0", line=line, promise=promise
    )
    firm = find_contradiction(statements) is None
    verdict = judge_score(track.score, info.thresholds, in_range=firm, line=line)
    reasons = explain_verdict(
        verdict, track.score, info, None, in_range=True, quality=quality, said=statements
    )
    fields = {"quality": quality, "witnesses": statements, "verdict": verdict, "reasons": reasons}
    people = (track.model_copy(update=fields),)
    reasons = explain(conclude(people, info.thresholds))
    return a_report(name, logits, info={"weighing": told}, tracks=people, reasons=reasons)


def a_still(name: str, *tracks: list[float], **changes: Any) -> Report:
    """The report on a picture in which people got these logits, one each."""
    still = {"kind": "image", "fps": None, "duration_s": None, "audio": ()}
    fields = {
        "media": a_video(name, 1.0).model_copy(update=still),
        "sampling": Sampling(mode="image", read=1, with_face=bool(tracks)),
        "thumbs": (_thumb(0),),
    }
    return a_report(name, *tracks, **{**fields, **changes})


def a_failure(name: str, error: str) -> Report:
    """The report on a file that could not be scanned."""
    return report_failure(Path(name), error).model_copy(update={"created": NOW})


def a_video(name: str, duration_s: float) -> MediaInfo:
    """The facts of a drawn video."""
    return MediaInfo(
        path=name,
        kind="video",
        container="mov,mp4,m4a,3gp,3g2,mj2",
        codec="h264",
        width=320,
        height=240,
        rotation=0,
        fps=Fraction(24),
        duration_s=duration_s,
        bit_rate=800_000,
        frame_count=round(24 * duration_s),
        pixel_format="yuv420p",
        compression=Compression(strength=0.4, quantiser=26.0, method="quantiser"),
        audio=(AudioInfo(codec="aac", sample_rate=48_000, channels=2, duration_s=duration_s),),
        bytes=1_234_567,
    )


@cache
def _portrait(person: int) -> Image:
    return actors.draw_actor(person, size=256).image


def _exhibits(track: TrackFinding) -> list[Exhibit]:
    crop = cv2.resize(_portrait(track.id + 1), (160, 160))
    kept = sorted(track.frames, key=lambda f: f.logit or 0.0)
    chosen = {f.pts_s: f for f in (*kept[:3], *kept[-3:])}.values()
    activation = np.linspace(-1, 2, 49, dtype=np.float32).reshape(7, 7)
    return [
        Exhibit(track.id, f.pts_s, f.logit or 0.0, f.fake_score or 0.0, crop, activation)
        for f in chosen
    ]


def _thumb(index: int) -> Thumb:
    image = cv2.resize(_portrait(1), (128, 96))
    image[:4, : 4 + index] = 255  # each differs
    return Thumb(index / FPS, 320, 240, encode_image(image, quality=70))
