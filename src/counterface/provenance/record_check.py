"""The check of the record beside a file, line by line: that of a long film needs no more memory.

Records have a line for each frame, which can be read, checked and hashed alone. Reading ends at the
first wrong line, so a hostile record costs no more than a genuine one of the same length. A record
in another layout is read as a whole, up to a lower limit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from counterface.errors import ProvenanceError
from counterface.project_files import describe_error, reading, require_file
from counterface.provenance.record import FrameSwaps, MadeRecord, read_record

CHECKED_BYTES = 400_000_000  # six hours with three faces have 300 MB and take under a minute
_WHOLE_BYTES, _WHOLE_PARTS = 64_000_000, 250_000  # in another layout: about 20 s and 300 MB
_HEAD_BYTES = 16_000_000  # all but the frames
_MOST_LINES = 1_000_000  # one a frame: four hours at 60 a second take half a minute
_LINE_BYTES = 1_000_000  # a frame with thousands of faces

_FRAMES, _END = b' "frames": [\n', b" ]\n}\n"  # as `write_record` lays them out
_SPLIT = '"frames": []'
_NO_RECORD = "is no record of a made file"


def check_facts(path: Path, sha256: str) -> str | None:
    """The SHA-256 of a record's facts, as `MadeRecord.facts_sha256` gives it.

    Args:
        path: the record.
        sha256: SHA-256 of the file that it lies beside.

    Returns:
        None where the record is of a file with another SHA-256; its frames are not read then.

    Raises:
        ProvenanceError: the record cannot be read, is beyond a limit, or is no record of a made
            file.
    """
    with reading(path, ProvenanceError):
        size = require_file(path)
        if size > CHECKED_BYTES:
            raise ProvenanceError(
                f"{path}: {size} bytes, more than the {CHECKED_BYTES} that are read"
            )
        with path.open("rb") as file:
            lines = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
            if lines > _MOST_LINES:
                raise ProvenanceError(
                    f"{path}: {lines} lines, more than the {_MOST_LINES} that are read"
                )
            file.seek(0)
            head = _read_head(file)
            if head is not None:
                with reading(path, ProvenanceError, what=_NO_RECORD, model=MadeRecord):
                    record = MadeRecord.model_validate_json(head + b'"frames": []}')
                if record.output.sha256 != sha256:
                    return None
                return _facts(record, _frames(path, file))
    whole = read_record(path, _WHOLE_BYTES, _WHOLE_PARTS)
    return whole.facts_sha256() if whole.output.sha256 == sha256 else None


def _read_head(file: BinaryIO) -> bytes | None:
    """Everything before the first frame; None where the record is laid out in another way."""
    lines: list[bytes] = []
    read = 0
    while read < _HEAD_BYTES and (line := file.readline(_HEAD_BYTES)):
        if line == _FRAMES:
            return b"".join(lines)
        lines.append(line)
        read += len(line)
    return None


def _frames(path: Path, file: BinaryIO) -> Iterator[FrameSwaps]:
    """The frames, which stand one on a line.

    Raises:
        ProvenanceError: a line is no frame, or the end is missing.
    """
    number, more = 0, None  # more: whether the last line said that another follows
    while line := file.readline(_LINE_BYTES):
        if line == b" ]\n":
            if not more and line + file.read(len(_END)) == _END:
                return
            break
        if more is False:
            break
        number += 1
        more = line.endswith(b",\n")
        text = line.removesuffix(b"\n").removesuffix(b",")
        try:
            yield FrameSwaps.model_validate_json(text)
        except ValidationError as error:
            words = describe_error(error, FrameSwaps)[:500]
            raise ProvenanceError(f"{path}: {_NO_RECORD}: frame {number}: {words}") from error
    raise ProvenanceError(f"{path}: {_NO_RECORD}: it breaks off after frame {number}")


def _facts(record: MadeRecord, frames: Iterator[FrameSwaps]) -> str:
    """The hash of `record` with these frames, whose text is never held as a whole."""
    # Sorted by name, only `created` and `format` come before the frames, and hold no such text.
    start, _, end = record.facts_text().partition(_SPLIT)
    digest = hashlib.sha256((start + '"frames": [').encode())
    for number, frame in enumerate(frames):
        text = json.dumps(frame.model_dump(mode="json"), sort_keys=True, allow_nan=False)
        digest.update((", " + text if number else text).encode())
    digest.update(("]" + end).encode())
    return digest.hexdigest()
