"""The report on one file: a versioned, strict pydantic model; its JSON is what `--json` prints.

`docs/report.schema.json` is this model's JSON schema. A change of meaning, or a field taken away,
raises `SCHEMA_VERSION`; a new optional field does not.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr

from counterface.config import Record
from counterface.detect.detector import Calibration, Range, Thresholds
from counterface.detect.findings import (
    Check,
    Exhibit,
    Headline,
    Notice,
    Sampling,
    Score,
    Thumb,
    TrackFinding,
)
from counterface.detect.weigh import Weighing
from counterface.media.tags.metadata import Metadata
from counterface.provenance.verify import Provenance
from counterface.types import Verdict

SCHEMA_VERSION: Literal[1] = 1


class Tool(Record):
    """The program that made the report."""

    name: Literal["counterface"] = "counterface"
    version: str


class FileFacts(Record):
    """Which file was judged."""

    path: str = Field(description="path as given; bytes that are not UTF-8 are shown as escapes")
    name: str
    bytes: int | None = None
    sha256: str | None = None


class AudioFacts(Record):
    """One sound stream."""

    codec: str
    sample_rate: int | None
    channels: int | None
    duration_s: float | None


class CompressionFacts(Record):
    """How strongly the picture was compressed, as far as the file shows it."""

    strength: float = Field(ge=0, le=1)
    quantiser: float | None
    method: str
    words: str = Field("", description="strength of the compression in words")


class MediaFacts(Record):
    """What the file says of its pictures and sound."""

    kind: Literal["image", "video"]
    container: str
    codec: str
    width: int = Field(description="width of the upright picture, pixels")
    height: int = Field(description="height of the upright picture, pixels")
    rotation: int = Field(description="rotation that was applied, clockwise degrees")
    fps: float | None
    duration_s: float | None
    bit_rate: int | None
    frame_count: int | None
    pixel_format: str
    compression: CompressionFacts
    audio: tuple[AudioFacts, ...] = ()


class DetectorFacts(Record):
    """The detector that judged, and what it states of itself."""

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


class Pictures:
    """What the HTML page shows beside the numbers; not part of the JSON."""

    def __init__(self, thumbs: tuple[Thumb, ...] = (), exhibits: tuple[Exhibit, ...] = ()) -> None:
        """Keep whole-frame thumbnails and face crops with their evidence maps."""
        self.thumbs = thumbs
        self.exhibits = exhibits


class Report(Record):
    """Everything that a scan of one file found, or why it could not be scanned."""

    schema_version: Literal[1] = SCHEMA_VERSION
    tool: Tool
    created: datetime = Field(description="time of the scan, UTC")
    file: FileFacts
    status: Literal["scanned", "failed"]
    error: str | None = Field(None, description="why the file could not be scanned")
    verdict: Verdict | None = Field(
        None, description="verdict on the file; null when the scan failed"
    )
    headline: Headline | None = Field(
        None, description="verdict in words, with the number and the face that go with it"
    )
    score: Score | None = Field(
        None, description="score by the detector alone for the face that decided; null: not scored"
    )
    decided_by: int | None = Field(
        None, description="id of the track that decided, apart from marks of origin"
    )
    reasons: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = Field(
        (), description="reasons for care; those that change what the verdict is worth come first"
    )
    checks: tuple[Check, ...] = Field(
        (), description="checks that were made, and those that were not"
    )
    tracks: tuple[TrackFinding, ...] = ()
    provenance: Provenance | None = Field(
        None, description="marks of origin; where `mark` is not null, it decided the verdict"
    )
    sampling: Sampling | None = None
    media: MediaFacts | None = None
    metadata: Metadata | None = Field(None, description="what the file says about how it was made")
    detector: DetectorFacts | None = None
    config: dict[str, Any] = Field(default_factory=dict)
    timings_s: dict[str, float] = Field(default_factory=dict)
    limits: tuple[str, ...] = Field((), description="what the verdict does not say")

    _pictures: Pictures = PrivateAttr(default_factory=Pictures)

    @property
    def pictures(self) -> Pictures:
        """Thumbnails and crops of this scan; empty for a report read back from JSON."""
        return self._pictures

    def with_pictures(self, pictures: Pictures) -> Report:
        """The same report that shows these pictures in its HTML page."""
        copy = self.model_copy()
        copy._pictures = pictures
        return copy

    def __eq__(self, other: object) -> bool:
        """Whether all numbers and words are the same; pictures do not count."""
        return isinstance(other, Report) and self.model_dump() == other.model_dump()

    __hash__ = None  # type: ignore[assignment]  # holds dictionaries

    def to_json(self) -> str:
        """One line of JSON in this schema, without pictures."""
        return self.model_dump_json()


def json_schema() -> dict[str, Any]:
    """The JSON schema of `Report`, as committed in `docs/report.schema.json`."""
    schema = Report.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


if __name__ == "__main__":  # python -m counterface.report.schema docs/report.schema.json
    text = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    Path(sys.argv[1]).write_text(text, encoding="utf-8")
