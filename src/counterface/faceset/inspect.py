"""What a faceset holds, and whether every crop is what its row says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from pydantic import Field

from counterface.config import Record
from counterface.errors import FacesetError, MediaError
from counterface.faces.align import crop_matrix, invert, matrix_scale, warp_points
from counterface.faceset.coverage import Coverage, find_coverage
from counterface.faceset.header import OUTSIDE_TOLD, Header
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset
from counterface.provenance.rights import Rights
from counterface.types import Floats, Progress
from counterface.wording import counted

# How far a crop may be from the place its landmarks ask for. Crops cut here are off by rounding;
# adopted ones may have been aligned by another tool with other points, which differ by this much.
MAX_SCALE = 1.2
MAX_TURN_DEG = 12.0
MAX_SHIFT = 0.1  # of the crop's side


class Problem(Record):
    """One thing that is wrong, and with which file."""

    file: str
    reason: str


class Verification(Record):
    """The problems of a faceset, after every crop was checked."""

    folder: str
    crops: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = Field(description="notes on what is not wrong, but worth knowing")


class Spread(Record):
    """How a measure is spread over the crops."""

    p5: float
    median: float
    p95: float


class SourceCount(Record):
    """One source and its crops that exist."""

    name: str
    sha256: str
    crops: int
    done: bool = Field(description="whether the source was read to its end")


class FacesetInfo(Record):
    """What a faceset holds."""

    folder: str
    format: int
    tool: str
    template: str
    size: int
    rights: Rights | None
    sorted_by: str | None
    grouped_by: str | None
    crops: int
    deleted: int = Field(description="rows whose crop was deleted since the last write")
    without_row: int = Field(description="pictures that need 'counterface faceset adopt'")
    face_px: Spread | None = Field(description="shorter side of the face in its frame, pixels")
    blur: Spread | None
    outside: Spread | None = Field(description="share of the crop outside its frame")
    yaw: Spread | None
    pitch: Spread | None
    coverage: Coverage = Field(description="poses and mouths that the crops show, and lack")
    sources: tuple[SourceCount, ...]


def describe(folder: Path) -> FacesetInfo:
    """What the faceset holds.

    Raises:
        FacesetError: no faceset, or its records cannot be read.
    """
    faceset = Faceset.open(folder, allow_strays=True)
    header, rows = faceset.header, faceset.rows
    poses = [row.pose for row in rows if row.pose]
    return FacesetInfo(
        folder=str(folder),
        format=header.format,
        tool=header.tool,
        template=header.template,
        size=header.size,
        rights=header.rights,
        sorted_by=header.sorted_by,
        grouped_by=header.grouped_by,
        crops=len(rows),
        deleted=faceset.gone,
        without_row=len(faceset.strays),
        face_px=_spread([float((row.box[2:] - row.box[:2]).min()) for row in rows]),
        blur=_spread([row.blur for row in rows]),
        outside=_spread([row.outside for row in rows]),
        yaw=_spread([pose.yaw for pose in poses]),
        pitch=_spread([pose.pitch for pose in poses]),
        coverage=find_coverage(rows),
        sources=_source_counts(faceset),
    )


def _source_counts(faceset: Faceset) -> tuple[SourceCount, ...]:
    crops = Counter(row.source_sha256 for row in faceset)
    names = {row.source_sha256: row.source for row in faceset}  # adopted crops have no record
    names.update({s.sha256: s.name for s in faceset.header.sources})
    unfinished = {s.sha256 for s in faceset.header.sources if not s.done}
    return tuple(
        SourceCount(name=name, sha256=sha256, crops=crops[sha256], done=sha256 not in unfinished)
        for sha256, name in names.items()
    )


def _spread(values: list[float]) -> Spread | None:
    if not values:
        return None
    low, middle, high = np.percentile(values, [5, 50, 95])
    return Spread(p5=float(low), median=float(middle), p95=float(high))


def verify(folder: Path, progress: Progress | None = None) -> Verification:
    """What is wrong with a faceset; nothing is changed.

    Args:
        folder: the faceset.
        progress: called as (crops checked, crops, name).

    Raises:
        FacesetError: no faceset, or its records cannot be read at all.
    """
    faceset = Faceset.open(folder, allow_strays=True)
    problems = [
        Problem(file=name, reason=f"has no row; 'counterface faceset adopt {folder}' makes one")
        for name in faceset.strays
    ]
    for done, row in enumerate(faceset):
        if progress:
            progress(done, len(faceset), row.file)
        if reason := _problem_of(faceset, row):
            problems.append(Problem(file=row.file, reason=reason))
    return Verification(
        folder=str(folder),
        crops=len(faceset),
        problems=tuple(problems),
        notes=tuple(_notes(faceset)),
    )


def _problem_of(faceset: Faceset, row: Row) -> str | None:
    try:
        faceset.read(row)
    except (MediaError, FacesetError) as error:
        return str(error)
    values = np.concatenate([row.box, row.landmarks.ravel(), row.frame_to_crop.ravel()])
    if not np.isfinite(values).all():
        return "its row holds numbers that are not finite; delete it and extract its source again"
    if row.mask is not None and not (faceset.folder / row.mask).is_file():
        return f"its mask {row.mask} is missing"
    return misalignment(row.landmarks, row.frame_to_crop, faceset.header)


def misalignment(landmarks: Floats, frame_to_crop: Floats, header: Header) -> str | None:
    """How a crop misses its faceset's template, or None if it does not.

    Args:
        landmarks: (68, 2), pixels of the frame.
        frame_to_crop: (2, 3), what the crop was cut by.
        header: names template and size.
    """
    asked = crop_matrix(landmarks, header.template, header.size)
    if not np.linalg.det(frame_to_crop[:, :2]) > 0:
        return "its matrix is mirrored or flat; delete it and extract its source again"
    middle = np.full((1, 2), (header.size - 1) / 2, np.float32)
    shift = np.linalg.norm(warp_points(warp_points(middle, invert(frame_to_crop)), asked) - middle)
    grow = matrix_scale(asked) / matrix_scale(frame_to_crop)
    turn = (_angle(asked) - _angle(frame_to_crop) + 180) % 360 - 180
    if (
        max(grow, 1 / grow) > MAX_SCALE
        or abs(turn) > MAX_TURN_DEG
        or shift > MAX_SHIFT * header.size
    ):
        return (
            f"is not aligned to {header.template!r}: off by {shift:.0f} px of {header.size}, "
            f"{turn:+.0f} degrees, scale {grow:.2f}"
        )
    return None


def _angle(matrix: Floats) -> float:
    return float(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])))


def _notes(faceset: Faceset) -> list[str]:
    notes = []
    if faceset.gone:
        notes.append(
            f"{counted(faceset.gone, 'crop was', 'crops were')} deleted; the rows go with "
            "the next write"
        )
    if unfinished := [s.name for s in faceset.header.sources if not s.done]:
        notes.append(f"not read to the end: {', '.join(unfinished)}; extract again to go on")
    if cut := sum(row.outside >= OUTSIDE_TOLD for row in faceset):
        worst = max(faceset, key=lambda row: row.outside)
        notes.append(
            f"{counted(cut, 'crop lies', 'crops lie')} by {OUTSIDE_TOLD:.0%} or more "
            "outside their frames, "
            f"most {worst.file} by {worst.outside:.0%}; delete those that you do not want"
        )
    if faceset.header.rights is None:
        notes.append("no rights record: fit for judging work, nothing may be made from it")
    return notes
