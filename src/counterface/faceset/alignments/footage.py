"""The files that a faceset was cut from, known by their hashes, and the frames of its crops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from counterface.errors import FacesetError, MediaError
from counterface.faceset.inspect import Problem
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset
from counterface.files import file_sha256
from counterface.media import sandbox
from counterface.media.find_media import find_media
from counterface.media.open_file import check_file, sniff
from counterface.types import Frame, Image


class Footage(NamedTuple):
    """Files that a faceset was cut from, and what is wrong with others that were named."""

    files: dict[str, Path]  # by SHA-256
    problems: tuple[Problem, ...]


def find_footage(faceset: Faceset, named: Sequence[Path]) -> Footage:
    """Those of the files that the faceset was cut from; a folder means all media in it.

    Files of a folder that the faceset does not know are passed over; named ones are problems.

    Raises:
        FacesetError: none of them is one.
    """
    known = {row.source_sha256 for row in faceset} | {s.sha256 for s in faceset.header.sources}
    files: dict[str, Path] = {}
    problems: list[Problem] = []
    for path in find_media(named):
        try:
            check_file(path)
            sha256 = file_sha256(path)
        except MediaError as error:
            problems.append(Problem(file=str(path), reason=str(error)))
            continue
        if sha256 in known:
            files.setdefault(sha256, path)
        elif path in named:
            reason = f"{faceset.folder} was not cut from this file, byte for byte"
            problems.append(Problem(file=str(path), reason=reason))
    if not files:
        names = ", ".join(sorted({row.source for row in faceset})[:3]) or "nothing"
        why = f": {problems[0].file}: {problems[0].reason}" if problems else ""
        raise FacesetError(
            f"{faceset.folder}: none of the files named is a source of it{why}; it was cut "
            f"from {names}"
        )
    return Footage(files, tuple(problems))


def on_frames(rows: Sequence[Row], footage: Footage) -> Iterator[tuple[Row, Image | str]]:
    """Each row with its frame, RGB uint8, or why that cannot be had; source by source."""
    sources: dict[str, dict[int, list[Row]]] = {}
    for row in rows:
        sources.setdefault(row.source_sha256, {}).setdefault(row.frame_index, []).append(row)
    for sha256, waiting in sources.items():
        path = footage.files.get(sha256)
        reason = "its source was not named"
        if path is not None:
            try:
                for frame in frames_of(path, set(waiting)):
                    height, width = frame.image.shape[:2]
                    for row in waiting.pop(frame.index, ()):
                        fits = (width, height) == (row.frame_width, row.frame_height)
                        other = f"its frame is {width}x{height}, not as at extraction"
                        yield row, frame.image if fits else other
            except MediaError as error:
                reason = str(error)
        for left in waiting.values():
            yield from ((row, f"{row.source}: {reason}") for row in left)


def frames_of(path: Path, wanted: set[int] | None = None) -> Iterator[Frame]:
    """The frames of a video, or the one of a picture, decoded in the sandbox.

    Args:
        path: the file.
        wanted: indices of the frames, at least one; all where left out.

    Raises:
        MediaError: it cannot be read, or not so far; frames before come first.
    """
    if sniff(path) == "image":
        yield Frame(sandbox.read_image(path), 0, Fraction(0))
        return
    last = None if wanted is None else max(wanted)
    with closing(sandbox.read_video(path)) as frames:  # type: ignore[type-var]
        for frame in frames:
            if wanted is None or frame.index in wanted:
                yield frame
            if last is not None and frame.index >= last:
                return
    if last is not None:
        raise MediaError(f"{path}: it ends before frame {last}, which a crop was cut from")
