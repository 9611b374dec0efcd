"""A faceset against the footage that it was cut from: frames without faces, with many, with gaps.

A gap is a frame in which a face has no crop that had one shortly before and has one shortly after
(within half a second, `faces.track`). Crops in the trash count as there: somebody put them aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Literal

from pydantic import Field

from counterface.config import Record
from counterface.errors import MediaError
from counterface.faces.track import track_faces
from counterface.faceset.alignments.footage import find_footage, frames_of
from counterface.faceset.curate.relocate import trash_of
from counterface.faceset.header import HEADER_FILE, SourceRecord
from counterface.faceset.inspect import Problem
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset
from counterface.types import Progress

Kind = Literal["none", "many", "gap", "unread"]


class Span(Record):
    """Frames that follow each other, of which the same is to be said."""

    kind: Kind = Field(
        description="none: no crop; many: more faces than expected; gap: a face is missing that "
        "is there before and after; unread: not looked at yet"
    )
    first_frame: int
    last_frame: int
    first_s: float = Field(description="time of the first frame, seconds")
    last_s: float
    frames: int = Field(description="frames of these that were looked at, or should have been")


class SourceCheck(Record):
    """What was found in one source."""

    name: str
    sha256: str
    frames: int = Field(description="frames that the file has")
    looked_at: int = Field(description="frames that faces were searched in")
    with_face: int = Field(description="frames of these that have a crop, the trash included")
    none: int
    many: int
    gap: int
    unread: int
    spans: tuple[Span, ...] = Field(description="in order of time")


class AlignCheck(Record):
    """What was found in a faceset's sources."""

    folder: str
    sources: tuple[SourceCheck, ...]
    problems: tuple[Problem, ...] = Field(description="files that are none of it or unreadable")

    @property
    def incomplete(self) -> bool:
        """Whether faces are missing that could be there, or a file could not be read."""
        return bool(self.problems) or any(one.gap or one.unread for one in self.sources)


def check(
    folder: Path, source: Sequence[Path], faces: int = 1, progress: Progress | None = None
) -> AlignCheck:
    """What the frames of a faceset's sources have and lack; nothing is changed.

    Args:
        folder: the faceset.
        source: files that it was cut from.
        faces: crops of a frame that are expected at most; more are `many`.
        progress: called as (frames read, None, name).

    Raises:
        FacesetError: no faceset, or none of the files is a source of it.
    """
    faceset = Faceset.open(folder, allow_strays=True)
    rows = list(faceset.rows)
    if (trash_of(folder) / HEADER_FILE).exists():
        rows += Faceset.open(trash_of(folder), allow_strays=True).rows
    footage = find_footage(faceset, source)
    problems = [*footage.problems]
    found = []
    for sha256, path in footage.files.items():
        own = [row for row in rows if row.source_sha256 == sha256]
        record = faceset.header.source(sha256)
        times: list[Fraction] = []
        try:
            for frame in frames_of(path):
                times.append(frame.pts)
                if progress:
                    progress(len(times), None, path.name)
        except MediaError as error:
            problems.append(Problem(file=str(path), reason=str(error)))
        found.append(_check_source(path.name, sha256, own, record, times, faces))
    return AlignCheck(folder=str(folder), sources=tuple(found), problems=tuple(problems))


def _check_source(
    name: str,
    sha256: str,
    rows: list[Row],
    record: SourceRecord | None,
    times: list[Fraction],
    most: int,
) -> SourceCheck:
    every, end = _looked_at(record, len(times))
    crops: dict[int, list[Row]] = {}
    for row in rows:
        crops.setdefault(row.frame_index, []).append(row)
    looked = [i for i in range(0, len(times), every) if i < end]
    kinds: dict[Kind, list[int]] = {
        "none": [i for i in looked if i not in crops],
        "many": [i for i in looked if len(crops.get(i, ())) > most],
        "gap": _gaps(crops, every),
        "unread": [i for i in range(0, len(times), every) if i >= end],
    }
    spans = [span for kind, at in kinds.items() for span in _spans(kind, at, every, times)]
    return SourceCheck(
        name=record.name if record else name,
        sha256=sha256,
        frames=len(times),
        looked_at=len(looked),
        with_face=sum(i in crops for i in looked),
        **{kind: len(at) for kind, at in kinds.items()},
        spans=tuple(sorted(spans, key=lambda span: (span.first_frame, span.kind))),
    )


def _looked_at(record: SourceRecord | None, frames: int) -> tuple[int, int]:
    """Every how many frames faces were searched, and the frame from which on they were not yet."""
    if record is None:  # an adopted picture
        return 1, frames
    every = record.options.get("every", 1)
    step = every if isinstance(every, int) and every > 0 else 1
    return step, frames if record.done else record.next_frame


def _gaps(crops: dict[int, list[Row]], every: int) -> list[int]:
    """The frames in which a face is missing that is tracked before and after."""
    seen = [(i, crops[i][0].pts, [row.face for row in crops[i]]) for i in sorted(crops)]
    rising = [seen[0], *(b for a, b in pairwise(seen) if b[1] > a[1])] if seen else []
    missing: set[int] = set()
    for track in track_faces(rising):
        for one, other in pairwise(track.sightings):
            missing.update(range(one.frame_index + every, other.frame_index, every))
    return sorted(missing)


def _spans(kind: Kind, at: Iterable[int], every: int, times: Sequence[Fraction]) -> Iterator[Span]:
    """The frames joined where they follow each other."""
    runs: list[list[int]] = []
    for index in at:
        if index >= len(times):  # the file could not be read so far
            continue
        if runs and index - runs[-1][-1] == every:
            runs[-1].append(index)
        else:
            runs.append([index])
    for run in runs:
        first, last = run[0], run[-1]
        yield Span(
            kind=kind,
            first_frame=first,
            last_frame=last,
            first_s=float(times[first]),
            last_s=float(times[last]),
            frames=len(run),
        )
