"""The JSON record beside every made file: inputs, models, settings, every face that was swapped.

The record holds more than the signed credentials can: the swapped boxes of each frame. The
credentials hold the SHA-256 of the record's facts, and the record holds that of the whole signed
file, so a change of either is noticed as long as the other is there.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from counterface import __version__
from counterface.config import Record
from counterface.errors import ProvenanceError
from counterface.files import write_bytes
from counterface.project_files import read_bytes, reading
from counterface.provenance.rights import Rights

RECORD_SUFFIX = ".record.json"
LONGEST_NAME = 255  # bytes; of one name in the file systems in use
MOST_BYTES = 500_000_000  # a record of a 10 hour film with one face has about 200 MB


def _rounded(digits: int) -> AfterValidator:
    def rounded(value: float) -> float:
        if not math.isfinite(value):
            raise ValueError("must be a finite number")
        return round(value, digits)

    return AfterValidator(rounded)


Hundredth = Annotated[float, _rounded(2)]
Millionth = Annotated[float, _rounded(6)]
Row = tuple[Millionth, Millionth, Millionth]


def _plain_json(value: dict[str, Any]) -> dict[str, Any]:
    """The values as they read back: tuples become lists, values unknown to JSON are errors."""
    try:
        plain: dict[str, Any] = json.loads(json.dumps(value, allow_nan=False))
    except TypeError as error:
        raise ValueError(str(error)) from error
    return plain


Plain = Annotated[dict[str, Any], AfterValidator(_plain_json)]


class MadeInput(Record):
    """A file that went in."""

    role: str = Field(description="role of the input: target, audio, faceset, merge plan ...")
    name: str = Field(description="file name, without its folder")
    sha256: str


class MadeModel(Record):
    """A model that was used."""

    name: str
    sha256: str = Field(description="SHA-256 of the weights file")
    step: int | None = Field(None, description="number of training steps")
    options: Plain = Field(default_factory=dict)


class MadeRights(Record):
    """The rights record of footage that a model or an output was made from."""

    of: str = Field(description="whose rights: an identity, a faceset, the target")
    rights: Rights


class SwapPlace(Record):
    """One face that was replaced in one frame."""

    track: int
    box: tuple[Hundredth, Hundredth, Hundredth, Hundredth] = Field(
        description="box of the face, xyxy pixels of the frame, to 1/100"
    )
    matrix: tuple[Row, Row] | None = Field(
        None, description="matrix from frame to crop, 2x3, to 1e-6"
    )


class FrameSwaps(Record):
    """The faces that were replaced in one frame; frames without any may be left out."""

    index: int = Field(ge=0)
    pts: Fraction = Field(description="exact time in seconds, as a text such as '1/25'")
    swaps: tuple[SwapPlace, ...] = ()


class MadeOutput(Record):
    """The made file; hash and size are known once it is signed."""

    name: str
    sha256: str | None = None
    bytes: int | None = None


class MadeMarks(Record):
    """The marks on and beside the file."""

    credentials: Literal["embedded", "sidecar"]
    signer: str = Field(description="SHA-256 of the signing certificate")
    watermark: int | None = Field(
        None, description="payload of the watermark in the pixels; null: none was left"
    )
    known_fakes: int = Field(
        0, ge=0, description="number of pictures entered into the local registry"
    )


class MadeRecord(Record):
    """Everything about one made file."""

    kind: Literal["made_record"] = "made_record"
    format: Literal[1] = 1
    tool: str = f"counterface {__version__}"
    created: datetime = Field(
        default_factory=lambda: datetime.now(UTC), description="time of creation, UTC"
    )
    output: MadeOutput
    inputs: tuple[MadeInput, ...]
    models: tuple[MadeModel, ...] = ()
    settings: Plain = Field(default_factory=dict)
    rights: tuple[MadeRights, ...] = ()
    marks: MadeMarks | None = None
    frames: tuple[FrameSwaps, ...] = ()
    notes: tuple[str, ...] = Field((), description="differences from the inputs, in words")

    def facts_sha256(self) -> str:
        """The SHA-256 of all facts that are known before signing, with the output's name.

        The signed credentials hold it. Marks, hash and size of the output come later and are left
        out.
        """
        return hashlib.sha256(self.facts_text().encode()).hexdigest()

    def facts_text(self) -> str:
        """The text that `facts_sha256` hashes: JSON with sorted keys."""
        facts = self.model_copy(update={"output": MadeOutput(name=self.output.name), "marks": None})
        unsaid = set() if facts.notes else {"notes"}  # older records have no notes: equal hashes
        values = facts.model_dump(mode="json", exclude=unsaid)
        return json.dumps(values, sort_keys=True, allow_nan=False)


def record_path(output: Path) -> Path:
    """The path of an output's record: beside the output, its whole name and a suffix."""
    return output.with_name(output.name + RECORD_SUFFIX)


def require_room(output: Path) -> None:
    """Check that the name of an output leaves room for the names of its record and sidecar.

    Raises:
        ProvenanceError: it is too long.
    """
    room = LONGEST_NAME - len(RECORD_SUFFIX)
    taken = len(os.fsencode(output.name))
    if taken > room:
        raise ProvenanceError(
            f"{output}: the name has {taken} bytes, at most {room} leave room for that of its "
            f"record ({RECORD_SUFFIX}); choose a shorter one"
        )


def write_record(record: MadeRecord, path: Path) -> None:
    """Write the record; a failure leaves the file as it was.

    Raises:
        ProvenanceError: the file cannot be written.
    """
    write_bytes(path, "".join(_lines(record)).encode(), ProvenanceError)


def read_record(
    path: Path, most_bytes: int = MOST_BYTES, most_parts: int | None = None
) -> MadeRecord:
    """The record in a file.

    Args:
        path: the file.
        most_bytes: a larger file is refused before it is read.
        most_parts: a file with more JSON objects is refused before it is parsed; parsing takes
            1 kB and 70 microseconds for each.

    Raises:
        ProvenanceError: the file cannot be read, is beyond a limit, or is no record of a made file.
    """
    with reading(path, ProvenanceError):
        text = read_bytes(path, most_bytes)
    parts = 0 if most_parts is None else text.count(b"{")
    if most_parts is not None and parts > most_parts:
        raise ProvenanceError(f"{path}: {parts} parts, more than the {most_parts} that are read")
    with reading(path, ProvenanceError, what="is no record of a made file", model=MadeRecord):
        return MadeRecord.model_validate_json(text)


def _lines(record: MadeRecord) -> Iterator[str]:
    """The JSON text: readable on top, then a line for each frame."""
    values = record.model_dump(mode="json")
    frames = values.pop("frames")
    head = json.dumps(values, indent=1, ensure_ascii=True, allow_nan=False)
    yield head.rstrip("}").rstrip() + ',\n "frames": ['
    for number, frame in enumerate(frames):
        yield ("," if number else "") + "\n  "
        yield json.dumps(frame, separators=(",", ":"), allow_nan=False)
    yield "\n ]\n}\n"
