"""What a scan finds: the `Report`, a strict record whose JSON is what `--json` prints.

`docs/report.schema.json` is its JSON schema; `report/` renders it. A change of meaning, or a field
taken away, raises `SCHEMA_VERSION`; a new optional field does not. Reports of every version can be
read. Up to version 1, `score` was that of the detector alone; since then the cues enter it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, InstanceOf

from counterface import __version__
from counterface.config import Record
from counterface.detect.attribute import Attribution
from counterface.detect.detector import Calibration, DetectorInfo, Range, Thresholds
from counterface.detect.weigh import Promise, Statement, Weighing
from counterface.media.probe import MediaInfo
from counterface.media.tags.metadata import Metadata
from counterface.provenance.verify import Provenance
from counterface.types import Floats, Image, Verdict

SCHEMA_VERSION: Literal[2] = 2


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


class CueFinding(Record):
    """What one cue says of one person; see docs/cues.md."""

    name: str
    title: str
    looks_for: str = Field(description="words that complete 'looks for ...'")
    value: float | None = Field(None, description="measure; null: not applicable")
    unit: str = Field(description="unit of the value; empty: a plain number")
    reads: Literal["stills", "window", "lips", "sound"] = Field(
        description="what it looks at: single faces, consecutive frames, consecutive frames and "
        "the sound, or the sound alone"
    )
    log_odds: float | None = Field(
        None,
        description="log-likelihood ratio for manipulation; of a cue that reads lips, for sound "
        "that does not match them; null: no weight",
    )
    low: float | None = Field(None, description="lower end of the ratio's 95 % interval")
    high: float | None = Field(None, description="upper end of the ratio's 95 % interval")
    share: float = Field(
        0.0, description="share of the log-odds that enters the score; 0: only shown"
    )
    says: Literal["for", "against", "neither", "no weight", "not applicable"]
    text: str = Field(description="the same in one sentence")
    series: tuple[tuple[float, float], ...] = Field(
        (), description="course over time: seconds and measure"
    )


class Contribution(Record):
    """What one piece of evidence adds to the score of a person."""

    name: str = Field(description="'detector', or the name of a cue")
    title: str = Field(description="the same in a few words")
    log_odds: float = Field(description="log-odds; over 0: for manipulation")


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
    cues: tuple[CueFinding, ...] = Field((), description="what each cue says")
    contributions: tuple[Contribution, ...] = Field(
        (),
        description="what the detector and each cue add to the score; empty where the detector is "
        "alone",
    )


class Notice(Record):
    """A reason for care in reading the verdict; those that weigh most come first."""

    code: str
    text: str
    track: int | None = None
    level: Literal["trust", "care"] = Field(
        "care", description="trust: changes what the verdict is worth and is shown first"
    )


PART_TITLES = {"picture": "Picture", "sound": "Sound", "match": "Lips and sound"}


class Part(Record):
    """What can be said of the picture, of the sound, or of whether they belong together."""

    name: Literal["picture", "sound", "match"]
    says: Literal["looks authentic", "in doubt", "undecided", "not judged"]
    text: str = Field(description="what it rests on, in one or two sentences")


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


class Tool(Record):
    """The program that made the report."""

    name: Literal["counterface"] = "counterface"
    version: str


def _escape(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


# Text whose bytes that are no UTF-8 are shown as \xNN: JSON and HTML cannot hold them.
Escaped = Annotated[str, BeforeValidator(_escape)]


class FileFacts(Record):
    """Which file was judged."""

    path: Escaped = Field(
        description="path as given; bytes that are not UTF-8 are shown as escapes"
    )
    name: Escaped
    bytes: int | None = None
    sha256: str | None = None


class DetectorSummary(Record):
    """The detector that judged, and what it states of itself."""

    model_config = ConfigDict(title="DetectorFacts")

    name: str
    version: str
    sha256: str
    template: str
    size: int
    calibration: Calibration
    thresholds: Thresholds
    range: Range
    weighing: Weighing | None = Field(
        None, description="witnesses of the detector, and what each is worth at which quality"
    )
    card: dict[str, Any] = Field(description="summary of the model card")

    @classmethod
    def of(cls, info: DetectorInfo, sha256: str) -> DetectorSummary:
        """What a detector file says that is worth telling again, with the hash of the file."""
        told = {name: getattr(info, name) for name in cls.model_fields if name != "sha256"}
        return cls(sha256=sha256, **told)


class Report(Record):
    """Everything that a scan of one file found, or why it could not be scanned."""

    schema_version: Literal[1, 2] = SCHEMA_VERSION
    tool: Tool
    created: datetime = Field(description="time of the scan, UTC")
    file: FileFacts
    status: Literal["scanned", "failed"]
    error: Escaped | None = Field(None, description="why the file could not be scanned")
    verdict: Verdict | None = Field(
        None, description="verdict on the file; null when the scan failed"
    )
    headline: Headline | None = Field(
        None, description="verdict in words, with the number and the face that go with it"
    )
    score: Score | None = Field(
        None,
        description="score of the face that decided, by the detector and the cues that enter; "
        "null: not scored",
    )
    decided_by: int | None = Field(
        None, description="id of the track that decided, apart from marks of origin"
    )
    parts: tuple[Part, ...] = Field(
        (), description="picture, sound and their match, each for itself"
    )
    reasons: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = Field(
        (), description="reasons for care; those that change what the verdict is worth come first"
    )
    checks: tuple[Check, ...] = Field(
        (), description="checks that were made, and those that were not"
    )
    tracks: tuple[TrackFinding, ...] = ()
    sound_cues: tuple[CueFinding, ...] = Field(
        (), description="what each cue on the sound alone says"
    )
    provenance: Provenance | None = Field(
        None, description="marks of origin; where `mark` is not null, it decided the verdict"
    )
    sampling: Sampling | None = None
    media: MediaInfo | None = None
    metadata: Metadata | None = Field(None, description="what the file says about how it was made")
    detector: DetectorSummary | None = None
    config: dict[str, Any] = Field(default_factory=dict)
    timings_s: dict[str, float] = Field(default_factory=dict)
    limits: tuple[str, ...] = Field((), description="what the verdict does not say")
    # What the page shows beside the numbers; in no JSON, so absent from a report read back.
    thumbs: tuple[InstanceOf[Thumb], ...] = Field((), exclude=True)
    exhibits: tuple[InstanceOf[Exhibit], ...] = Field((), exclude=True)

    def __eq__(self, other: object) -> bool:
        """Whether all numbers and words are the same; pictures do not count."""
        return isinstance(other, Report) and self.model_dump() == other.model_dump()

    __hash__ = None  # type: ignore[assignment]  # holds dictionaries

    def to_json(self) -> str:
        """One line of JSON as `docs/report.schema.json` has it, without pictures."""
        return self.model_dump_json()


def report_failure(path: Path, error: str) -> Report:
    """The report on a file that could not be scanned, and why."""
    return Report(
        tool=Tool(version=__version__),
        created=datetime.now(UTC),
        file=FileFacts(path=str(path), name=path.name),
        status="failed",
        error=error,
    )
