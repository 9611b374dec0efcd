"""Landmarks brought into a faceset from other programs, and out of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from counterface.config import Record
from counterface.errors import CounterfaceError, FacesetError
from counterface.faceset.alignments.change import Change, Work, points_in_frame, with_landmarks
from counterface.faceset.alignments.faceswap import (
    OWN_FILE,
    FrameFace,
    faceswap_faces,
    frame_name,
    is_own_file,
    write_faceswap,
)
from counterface.faceset.alignments.ibug import read_pts, write_pts
from counterface.faceset.alignments.plain import plain_faces, write_plain
from counterface.faceset.alignments.redo import Changed, changed, require_crops, shift_of
from counterface.faceset.curate.relocate import opened
from counterface.faceset.find_row import by_stem, row_at
from counterface.faceset.inspect import Problem
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset
from counterface.files import file_sha256, make_folder
from counterface.project_files import read_json, reading
from counterface.types import Progress

Form = Literal["json", "pts", "faceswap"]
Space = Literal["crop", "frame"]


class Exported(Record):
    """The landmarks that were written."""

    path: str
    format: Form
    space: Space = Field(description="what the points are pixels of")
    faces: int
    problems: tuple[Problem, ...] = Field(description="crops whose rows hold no numbers")


class _Given(NamedTuple):
    """Landmarks for a row; or why there are none for it."""

    name: str  # of what they were read from
    row: Row | None
    landmarks: NDArray[np.floating] | None  # (N, 2), pixels of the frame
    reason: str = ""


def export_landmarks(
    folder: Path, out: Path, form: Form, space: Space = "crop", progress: Progress | None = None
) -> Exported:
    """The result of writing the landmarks of a faceset in the form of another program.

    Args:
        folder: the faceset.
        out: a file for "json" and "faceswap", a folder for "pts", which has a file for each crop.
        form: the form.
        space: what the points of "pts" are pixels of; the other forms know frames alone.
        progress: told of each crop.

    Raises:
        FacesetError: no faceset, or the file or folder cannot be written.
    """
    faceset = Faceset.open(folder, allow_strays=True)
    problems = [
        Problem(file=row.file, reason="its row holds numbers that are not finite")
        for row in faceset
        if not _is_finite(row)
    ]
    rows = [row for row in faceset if _is_finite(row)]
    if form == "json":
        write_plain(out, rows)
    elif form == "faceswap":
        write_faceswap(out, rows)
    else:
        names = by_stem(faceset)
        make_folder(out, FacesetError)
        for done, row in enumerate(rows):
            if progress:
                progress(done, len(rows), row.file)
            assert names[Path(row.file).stem] is row  # two of one stem are refused
            points = row.landmarks.astype(np.float64)
            if space == "crop":
                points = points @ row.frame_to_crop[:, :2].T.astype(np.float64)
                points = points + row.frame_to_crop[:, 2]
            write_pts(out / f"{Path(row.file).stem}.pts", points)
    space = space if form == "pts" else "frame"
    return Exported(
        path=str(out), format=form, space=space, faces=len(rows), problems=tuple(problems)
    )


def import_landmarks(
    folder: Path, given: Path, space: Space = "crop", progress: Progress | None = None
) -> Changed:
    """The result of giving the crops of a faceset the landmarks in a file or folder.

    Rows change as with `redo`, and crops stay as they are cut. What is not given stays.

    Args:
        folder: the faceset.
        given: a .json file as `export_landmarks` or faceswap writes it, a .pts file, or a folder of
            these, each named as its crop.
        space: what the points of .pts files are pixels of.
        progress: told of each face.

    Raises:
        FacesetError: no faceset, no crops, the file is none of these or damaged, the folder cannot
            be written, or another process writes to it.
    """
    with opened(folder) as faceset:
        require_crops(faceset)
        faces = list(_read(given, faceset, space))
        by = f"{given.name} {_hash(given)} {space}"
        change = Change(faceset, Work(does="import", by=by))
        problems: list[Problem] = []
        shifts: list[float] = []
        before = 0
        taken: set[str] = set()
        for done, (name, row, landmarks, reason) in enumerate(faces):
            if progress:
                progress(done, len(faces), name)
            if row is not None and row.file in taken:
                reason = f"{row.file} was given landmarks already"
            if reason or row is None or landmarks is None:
                problems.append(Problem(file=name, reason=reason))
                continue
            taken.add(row.file)
            if not change.waits(row):
                before += 1
                continue
            try:
                found = with_landmarks(row, landmarks, faceset.header.size)
            except CounterfaceError as error:
                problems.append(Problem(file=name, reason=f"{row.file}: {error}"))
                continue
            shifts += shift_of(row, found)
            change.put(row, found)
        change.finish()
    return changed(folder, change.count, before, shifts, problems)


def _read(given: Path, faceset: Faceset, space: Space) -> Iterator[_Given]:
    if given.is_dir() or given.suffix.lower() == ".pts":
        yield from _from_pts(given, faceset, space)
        return
    with reading(given, FacesetError):
        if is_own_file(given):
            raise FacesetError(f"{given} {OWN_FILE}")
    values = read_json(given, FacesetError, "name a .json or .pts file, or a folder of .pts files")
    if isinstance(values, dict) and "format" in values and "faces" in values:
        yield from _from_plain(given, values, faceset)
    else:
        yield from _from_faceswap(faceswap_faces(given, values), faceset)


def _from_pts(given: Path, faceset: Faceset, space: Space) -> Iterator[_Given]:
    files = [given]
    if given.is_dir():
        with reading(given, FacesetError, what="cannot be listed"):
            files = sorted(path for path in given.iterdir() if path.suffix.lower() == ".pts")
        if not files:
            raise FacesetError(f"{given} holds no .pts file; name the folder of them, or a file")
    names = by_stem(faceset)
    for path in files:
        row = names.get(path.stem)
        if row is None:
            reason = "belongs to no crop of the faceset; name it as its crop"
            yield _Given(path.name, None, None, reason)
            continue
        try:
            points = read_pts(path)
            yield _Given(
                path.name, row, points if space == "frame" else points_in_frame(points, row)
            )
        except CounterfaceError as error:
            yield _Given(path.name, row, None, str(error))


def _from_plain(given: Path, values: object, faceset: Faceset) -> Iterator[_Given]:
    names = {row.original: row for row in faceset if row.original}
    names |= {row.file: row for row in faceset}
    for face in plain_faces(given, values):
        row = names.get(face.file)
        if row is None:
            yield _Given(face.file, None, None, "is no crop of the faceset")
        elif face.source_sha256 not in (None, row.source_sha256):
            yield _Given(face.file, row, None, "was cut from another source than the crop here")
        elif (face.frame or row.frame_index) != row.frame_index:
            reason = f"is of frame {face.frame}, the crop here of frame {row.frame_index}"
            yield _Given(face.file, row, None, reason)
        else:
            yield _Given(face.file, row, np.array(face.landmarks, np.float32))


def _from_faceswap(faces: Sequence[FrameFace], faceset: Faceset) -> Iterator[_Given]:
    """Faces of frames that the faceset has crops of, each for the crop that it overlaps most."""
    frames: dict[str, list[Row]] = {}
    for row in faceset:
        frames.setdefault(Path(frame_name(row)).stem, []).append(row)
    for face in faces:
        name = f"{face.frame}, face {face.number}"
        rows = frames.get(face.frame, [])
        if not rows:
            yield _Given(name, None, None, "the faceset has no crop of that frame")
            continue
        if len({row.source_sha256 for row in rows}) > 1:
            reason = "two sources of the faceset are called so"
            yield _Given(name, None, None, reason)
            continue
        found = row_at(face.box, rows)
        if found is None:
            yield _Given(name, None, None, "no crop of that frame lies where it does")
        else:
            yield _Given(name, found, face.landmarks)


def _is_finite(row: Row) -> bool:
    values = np.concatenate([row.box, row.landmarks.ravel(), row.frame_to_crop.ravel()])
    return bool(np.isfinite(values).all())


def _hash(given: Path) -> str:
    """What tells the content of a file, or of the .pts files of a folder, from another's."""
    if given.is_file():
        return file_sha256(given, FacesetError)
    files = sorted(path for path in given.iterdir() if path.suffix.lower() == ".pts")
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
