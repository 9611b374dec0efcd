"""One labelled file after its scan: what the manifest says of it beside what the detector said."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_type_hints

from pydantic import Field

from counterface.config import Record
from counterface.datasets.manifest import Entry
from counterface.detect.findings import Report, TrackFinding
from counterface.detect.scanning.conclusion import lead
from counterface.detect.weigh import middle
from counterface.table import Int32
from counterface.types import Verdict

FAILED = "failed"  # stands where a verdict would, for a file that could not be scanned
FIRM = (Verdict.LIKELY_MANIPULATED.value, Verdict.NO_MANIPULATION_FOUND.value)
OUTCOMES = (*(verdict.value for verdict in Verdict), FAILED)  # every file has exactly one


class FileScore(Record):
    """One labelled file after its scan."""

    file: str
    label: int
    method: str
    path: str = Field("", description="path as the manifest gives it; unique")
    compression: str = ""
    generator: str = ""
    origin: str = Field(
        "", description="where the file was published: a collection or a repository"
    )
    met: bool = Field(
        False,
        description="whether files of this maker (of a genuine file: of this origin) were learnt "
        "from",
    )
    group: str = Field(
        description="name of the group of files that share people or footage; see `linked_groups`"
    )
    logit: float | None = Field(
        description="pooled logit, with what the cues add; null where no face could be scored"
    )
    probability: float | None
    low: float | None = Field(None, description="lower end of the probability's interval")
    high: float | None = None
    verdict: str = Field(description="one of the scan's verdicts, or 'failed'")
    in_range: bool | None = Field(
        None, description="whether the face lies within the range that the detector was measured on"
    )
    frame_logits: tuple[float, ...] = ()
    frame_times_s: tuple[float, ...] = Field((), description="times of the same frames, seconds")
    witness_logits: tuple[tuple[float, ...], ...] = Field(
        (),
        description="raw logits of the witnesses, for each frame or view that was pooled; empty "
        "where none are named",
    )
    spread_over: Literal["frames", "views", "none"] = Field(
        "none", description="what the interval is taken over"
    )
    eye_px: float | None = Field(
        None, description="median distance between the eyes' centres, pixels"
    )
    sharpness: float | None = Field(None, description="median sharpness of the aligned face")
    strength: float | None = Field(
        None, description="estimated strength of compression: 0 none to 1 heavy"
    )
    quantiser: float | None = Field(
        None, description="mean quantiser of an H.264 file; null for other files"
    )
    width: Int32 | None = None
    height: Int32 | None = None
    bytes: int | None = None
    error: str | None = None


_SAID = ("file", "label", "method", "path", "compression", "generator", "origin", "met", "group")
MEASURED = {  # what a scan says of a file that it could read: fields and their types
    name: hint
    for name, hint in get_type_hints(FileScore, include_extras=True).items()
    if name in FileScore.model_fields and name not in (*_SAID, "error")
}


def label_file(item: Entry, group: str, measured: dict[str, Any]) -> FileScore:
    """What the manifest says of a file, and what was measured on it."""
    return FileScore(
        file=Path(item.path).name,
        path=str(item.path),
        label=item.label,
        method=item.method,
        compression=item.compression,
        generator=item.generator,
        origin=item.origin,
        group=group,
        **measured,
    )


def measured_fields(report: Report) -> dict[str, Any]:
    """The fields of a `FileScore` that come from the scan, none of which knows the label."""
    if report.media is None or report.verdict is None:
        return failure_fields(report.error or "")
    track = next((t for t in report.tracks if t.id == report.decided_by), None)
    track = track or lead(report.tracks)  # nobody decided the file: whose number says most
    score = track.score if track else None
    frames = [f for f in track.frames if f.logit is not None] if track else []
    pooled = [f for f in frames if f.in_range] or frames
    witnesses = (track.views if track else ()) or tuple(f.witnesses for f in pooled)
    media = report.media
    h264 = media.compression.method == "quantiser" and media.codec == "h264"
    return {
        "logit": _joint_logit(report, track) if track else None,
        "probability": score.probability if score else None,
        "low": score.low if score else None,
        "high": score.high if score else None,
        "verdict": report.verdict.value,
        "in_range": track.in_range if track else None,
        "frame_logits": tuple(f.logit for f in frames),
        "frame_times_s": tuple(f.pts_s for f in frames),
        "witness_logits": witnesses if any(witnesses) else (),
        "spread_over": score.spread_over if score else "none",
        "eye_px": middle(f.eye_px for f in pooled),
        "sharpness": middle(f.sharpness for f in pooled),
        "strength": media.compression.strength,
        "quantiser": media.compression.quantiser if h264 else None,
        "width": media.width,
        "height": media.height,
        "bytes": media.bytes,
    }


def _joint_logit(report: Report, track: TrackFinding) -> float | None:
    """The pooled logit of a person, with what the cues add, on the scale of the detector's."""
    if track.score is None:
        return None
    scale = report.detector.calibration.scale if report.detector else 1.0
    return track.score.mean_logit + sum(c.log_odds for c in track.contributions[1:]) / scale


def failure_fields(error: str) -> dict[str, Any]:
    """The same fields for a file that could not be scanned: no number, and why."""
    return {"logit": None, "probability": None, "verdict": FAILED, "error": error}
