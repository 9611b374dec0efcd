"""What a scan finds: frozen records that pass unchanged into the report, and the pictures kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import Field

from counterface.config import Record
from counterface.detect.attribute import Attribution
from counterface.detect.detector import DetectorInfo
from counterface.detect.weigh import Promise, Statement
from counterface.media.probe import MediaInfo
from counterface.media.tags.metadata import Metadata
from counterface.provenance.verify import Provenance
from counterface.types import Floats, Image, Verdict


class Score(Record):
    """A pooled, calibrated probability of manipulation with its interval."""

    probability: float = Field(ge=0, le=1, description="calibrated probability; 1 = fake")
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    level: float = Field(gt=0, lt=1, description="level of the two-sided interval")
    mean_logit: float
    samples: int = Field(ge=1, description="number of logits pooled")
    effective_samples: float = Field(
        gt=0, description="number of samples after the correction for likeness in time"
    )
    spread_over: Literal["frames", "views", "none"]


class FrameScore(Record):
    """One face of a track at one moment."""

    frame_index: int
    pts_s: float
    box: tuple[float, float, float, float] = Field(
        description="box of the face, xyxy pixels of the frame"
    )
    face_px: float = Field(description="longer side round the landmarks, pixels")
    eye_px: float | None = Field(
        None, description="distance between the eyes' centres, pixels; null: not measured"
    )
    yaw: float | None = None
    pitch: float | None = None
    logit: float | None = Field(description="raw logit; null where the detector gave no number")
    witnesses: tuple[float, ...] = Field(
        (), description="raw logit of each witness that the detector file names"
    )
    fake_score: float | None = Field(description="calibrated score of this frame alone")
    sharpness: float | None = Field(
        None, description="sharpness of the aligned face; null: not measured"
    )
    texture: float | None = Field(
        None, description="texture of the face between its edges; null: not measured"
    )
    color: float | None = Field(
        None, description="chroma that the brightness does not explain, of 255; null: not measured"
    )
    strangeness: float | None = Field(
        None,
        description="distance to the nearest family that the detector knows; 1 = that family's "
        "limit",
    )
    in_range: bool = Field(description="whether the frame enters the pooled score")


AsideCode = Literal[
    "compressed",
    "grey",
    "not_scored",
    "drawing",
    "strange",
    "soft",
    "toned",
    "poor",
    "small",
    "turned",
    "tilted",
    "brief",
]


class SetAside(Record):
    """Why a face that was found does not count towards the verdict on the file."""

    code: AsideCode
    text: str = Field(description="reason in plain words, to stand after a colon")


class FaceQuality(Record):
    """What a person's face is like in the file, and what that makes of a verdict."""

    eye_px: float | None = Field(description="median distance between the eyes' centres, pixels")
    sharpness: float | None = Field(description="median sharpness of the aligned face")
    compression: float | None = Field(description="strength of compression, 0 none to 1 heavy")
    bin: str | None = Field(
        description="name of the detector file's quality bin; null: too poor to judge"
    )
    line: float | None = Field(description="line of likely_manipulated in the bin; 1: never called")
    promise: Promise | None = Field(None, description="what holds for genuine files at this line")


class TrackFinding(Record):
    """One person's faces and what they add up to."""

    id: int
    verdict: Verdict
    score: Score | None = Field(description="pooled score; null where nothing could be scored")
    brief: bool = Field(
        description="whether the face was seen in too few frames to decide the file"
    )
    first_s: float
    last_s: float
    face_px: float = Field(description="median size of the face, pixels")
    in_range: bool = Field(
        description="whether the face lies within the range that the detector was measured on"
    )
    aside: SetAside | None = Field(
        None, description="reason why the face does not count; null: it counts"
    )
    reasons: tuple[str, ...] = Field(description="reasons for this verdict, in plain words")
    quality: FaceQuality | None = Field(
        None, description="quality of the face; null where the detector file names no witnesses"
    )
    witnesses: tuple[Statement, ...] = Field(
        (), description="statement of each witness, where any are named"
    )
    views: tuple[tuple[float, ...], ...] = Field(
        (), description="raw logits of the witnesses for the views that stand in for frames"
    )
    evidence_region: str | None = Field(
        None, description="part of the face with the strongest evidence of manipulation"
    )
    attribution: Attribution | None = Field(
        None,
        description="family of methods, if the face was manipulated; null where not asked for or "
        "not known",
    )
    frames: tuple[FrameScore, ...]


class Notice(Record):
    """A reason for care in reading the verdict; those that weigh most come first."""

    code: str
    text: str
    track: int | None = None
    level: Literal["trust", "care"] = Field(
        "care", description="trust: changes what the verdict is worth and is shown first"
    )


class Headline(Record):
    """What a file comes to, in words, number and face that all follow from the findings."""

    title: str = Field(description="verdict in a few words")
    text: str = Field(description="what the title rests on, in a few plain sentences")
    number: float | None = Field(
        None, ge=0, le=1, description="number shown large; null where none can be relied on"
    )
    number_name: str = Field("probability of manipulation", description="caption of the number")
    face: int | None = Field(
        None, description="id of the track whose picture is shown with the title; null: no face"
    )
    counted: int = Field(0, ge=0, description="number of faces that count towards the verdict")
    found: int = Field(0, ge=0, description="number of faces that were followed, counted or not")


class Check(Record):
    """A kind of evidence that was, or was not, looked at."""

    name: str
    title: str
    ran: bool
    note: str
    detail: bool = Field(
        False,
        description="whether it matters only to those who made or marked files here, and may be "
        "folded",
    )


class Sampling(Record):
    """Which frames were looked at."""

    mode: Literal["image", "even", "all"]
    requested: int | None = None
    read: int = 0
    with_face: int = 0
    unaligned: int = Field(0, description="number of sightings of faces that could not be aligned")
    sure_px: float = Field(
        0, description="face height, pixels, from which on few faces were missed; 0: not known"
    )


@dataclass(frozen=True, slots=True, eq=False)
class Exhibit:
    """A crop kept for the report, with the evidence map of its score."""

    track: int
    pts_s: float
    logit: float
    fake_score: float
    crop: Image
    activation: Floats  # (h, w)


@dataclass(frozen=True, slots=True, eq=False)
class Thumb:
    """A small JPEG of a whole frame that was looked at."""

    pts_s: float
    width: int
    height: int
    jpeg: bytes


@dataclass(frozen=True, slots=True, eq=False)
class ScanResult:
    """Everything that one scan of one file found."""

    path: Path
    sha256: str
    bytes: int
    media: MediaInfo
    verdict: Verdict
    decided_by: int | None  # track
    reasons: tuple[str, ...]
    tracks: tuple[TrackFinding, ...]
    notices: tuple[Notice, ...]
    checks: tuple[Check, ...]
    sampling: Sampling
    detector: DetectorInfo
    detector_sha256: str
    config: dict[str, object]
    timings_s: dict[str, float]
    exhibits: tuple[Exhibit, ...] = ()
    thumbs: tuple[Thumb, ...] = field(default=())
    provenance: Provenance | None = None  # None: its marks were not looked for
    metadata: Metadata | None = None


@dataclass(frozen=True, slots=True)
class ScanFailure:
    """A file that could not be scanned, and why."""

    path: Path
    error: str
