"""One run of an extraction: files in, crops and records out, in commits that survive a kill.

Frames are decoded in the sandbox's child process while this process finds and aligns faces and a
few threads write crops. A video is read in segments of `SEGMENT` searched frames, each one commit.
Faces are followed within a segment only, so the crops of a segment do not depend on where an
interrupted run was taken up again.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from counterface.config import Record
from counterface.errors import FacesetError, MediaError
from counterface.faces.align import align
from counterface.faces.steady import steady_faces
from counterface.faceset.commits import CommitWriter
from counterface.faceset.debug import DebugFolder
from counterface.faceset.header import OUTSIDE_TOLD, Header, SourceRecord
from counterface.faceset.row import Row
from counterface.faceset.store import merge, remove_source
from counterface.faceset.wanted import Wanted
from counterface.files import file_sha256
from counterface.media import sandbox
from counterface.media.notes import MediaNote, merge_notes
from counterface.media.open_file import check_file, show, sniff
from counterface.media.sample_frames import upright_aspect
from counterface.types import Face, Frame, Progress
from counterface.wording import counted

if TYPE_CHECKING:
    from counterface.faceset.extract import ExtractConfig

SQUEEZED = (
    "Its pixels are {:.2f} times as wide as high; faces are stored as they lie in it, squeezed."
)
NOTHING_THEN = "no frame lies between the times that were asked for (--start, --end)"
SEGMENT = 64  # searched frames in a commit: a second or less of work to lose
SUFFIXES = {"jpeg": "jpg", "png": "png", "webp": "webp"}  # of crops, by format
MERGE_AFTER = 500  # commits; whoever opens the faceset meanwhile has to read each of them


class SourceResult(Record):
    """The outcome of one file."""

    path: str
    status: Literal["done", "already", "failed"]
    frames: int = 0
    frames_with_face: int = 0
    crops: int = 0
    error: str | None = None
    notes: tuple[str, ...] = ()  # what must be known of its frames


class FrameCrops(NamedTuple):
    """The crops of one frame, counted."""

    crops: int
    partly_outside: int
    left_out: int


class Intake:
    """Reads files into a faceset whose lock is held."""

    def __init__(
        self,
        config: ExtractConfig,
        header: Header,
        writer: CommitWriter,
        roots: Mapping[Path, Path],
        wanted: Wanted,
        debug: DebugFolder | None,
        redo: bool,
        progress: Progress | None,
    ) -> None:
        """Load the models.

        Args:
            config: the settings; template and size are the faceset's.
            header: header of the faceset.
            writer: writer of the faceset.
            roots: for each file the folder that its recorded name is relative to.
            wanted: tells which faces become crops.
            debug: gets the frames with their faces.
            redo: files that were read before are read again from their start.
            progress: called with frames where there is one file, with files where there are more.
        """
        self.config = config
        self.rights = header.rights
        self.records = {s.sha256: s for s in header.sources}
        self.writer = writer
        self.roots = roots
        self.wanted = wanted
        self.debug = debug
        self.redo = redo
        self.progress = progress or (lambda done, total, text: None)
        self.follower = config.follower()
        self._notes: list[MediaNote] = []  # on the file that is read
        self._stills: list[SourceRecord] = []  # read, not committed
        self._read: set[str] = set()  # hashes of files that this run has read

    def read_file(self, path: Path, index: int, total: int) -> SourceResult:
        """The outcome of one file; a file that cannot be read is reported, not raised.

        Args:
            path: a picture or a video.
            index: position among the files of the run.
            total: number of files of the run.

        Raises:
            FacesetError: the faceset cannot be written.
        """
        self._notes = []
        if total > 1:
            self.progress(index, total, path.name)
        try:
            check_file(path)
            record = self._record_of(path)
            if record.done:
                return _result(record, path).model_copy(update={"status": "already"})
            self._read.add(record.sha256)
            if sniff(path) == "image":
                return self._done(self._read_still(path, record), path)
            self.commit_stills()
            record, error = self._read_video(path, record, report=total == 1)
            return self._done(record, path) if error is None else _result(record, path, error)
        except (MediaError, _OtherSettingsError) as error:
            return SourceResult(path=readable(path), status="failed", error=str(error))

    def _done(self, record: SourceRecord, path: Path) -> SourceResult:
        notes = tuple(note.text for note in merge_notes(self._notes, ()))
        result = _result(record, path)
        return result.model_copy(update={"notes": (*notes, *result.notes)})

    def commit_stills(self) -> None:
        """Put the pictures read so far into the faceset."""
        if self._stills:
            self._commit(self._stills)
            self._stills = []

    def _name(self, path: Path) -> str:
        return readable(path.relative_to(self.roots[path]).as_posix())

    def _record_of(self, path: Path) -> SourceRecord:
        """How far the file has been read with these settings."""
        sha256, options = file_sha256(path), self.config.decides()
        fresh = SourceRecord(name=self._name(path), sha256=sha256, options=options)
        known = self.records.get(sha256)
        if known is None:
            self._require_same_rights(path)
            return fresh
        if self.redo and sha256 not in self._read:
            self.commit_stills()
            remove_source(self.writer.folder, sha256)
            return fresh
        differ = self.config.differing(known.options, done=known.done)
        if differ:
            flags = ", ".join(_flag(name, value) for name, value in differ.items())
            raise _OtherSettingsError(
                f"{show(path)} was extracted with other settings; use those ({flags}), choose "
                "another folder, or add --redo to replace its crops"
            )
        return known

    def _require_same_rights(self, path: Path) -> None:
        """Refuse a file whose adding would claim rights that nobody stated for it."""
        if self.rights is not None and self.config.rights is None:
            raise _OtherSettingsError(
                f"{show(path)} was not added: the faceset's rights record says {self.rights!r}; "
                "where that holds for this file too, give the same record by --rights"
            )

    def _read_still(self, path: Path, record: SourceRecord) -> SourceRecord:
        image = sandbox.read_image(path, self.config.limits, self._notes.append)
        faces = self.follower.find(image, still=True, frame=path.name)
        crops = self._add_crops(Frame(image, 0, Fraction(0)), faces, record, still=True)
        record = _advanced(record, 1, [crops], done=True)
        self.records[record.sha256] = record
        self._stills.append(record)
        if len(self._stills) >= SEGMENT:
            self.commit_stills()
        return record

    def _read_video(
        self, path: Path, record: SourceRecord, *, report: bool
    ) -> tuple[SourceRecord, str | None]:
        """The record of a video, and the reason why it could not be read to its end, if any."""
        info = sandbox.probe(path, self.config.limits)
        total = info.frame_count if report else None
        if (aspect := upright_aspect(info)) != 1:
            text = SQUEEZED.format(float(aspect))
            self._notes.append(MediaNote("anamorphic", text))
        crops: list[FrameCrops] = []  # of each frame of the segment
        try:
            for segment in self.follower.walk(self._frames(path, record.next_frame), SEGMENT):
                next_frame = record.next_frame
                for frame, faces in steady_faces(segment, self.config.smooth):
                    next_frame = frame.index + self.config.every
                    crops.append(self._add_crops(frame, faces, record))
                    if report:
                        self.progress(frame.index + 1, total, path.name)
                record = self._commit([_advanced(record, next_frame, crops)])
                crops = []
        except MediaError as error:
            # What came before the damage is kept. The record stays at the start of the segment, so
            # that a repaired decoder or a higher limit reads the whole segment again.
            self._commit([record])
            return _advanced(record, record.next_frame, crops), str(error)
        return self._commit([record.model_copy(update={"done": True})]), None

    def _frames(self, path: Path, first: int) -> Iterator[Frame]:
        """Every n-th frame of a video, from one of them on, within the times that are asked for.

        Read from the file's start, since only so the index of a frame is known for certain.
        """
        start, end = self.config.period
        with closing(self._decode(path)) as frames:
            for frame in frames:
                if end is not None and frame.pts >= end:
                    return
                if start is not None and frame.pts < start:
                    continue
                if frame.index >= first and frame.index % self.config.every == 0:
                    yield frame

    def _decode(self, path: Path) -> Generator[Frame, None, None]:
        yield from sandbox.read_video(path, self.config.limits, tell=self._notes.append)

    def _commit(self, records: list[SourceRecord]) -> SourceRecord:
        """The last of the records, once all crops added so far are in the faceset."""
        self.writer.commit(records)
        if self.writer.count % MERGE_AFTER == 0:
            merge(self.writer.folder)
        self.records.update((record.sha256, record) for record in records)
        return records[-1]

    def _add_crops(
        self, frame: Frame, faces: Sequence[Face], record: SourceRecord, *, still: bool = False
    ) -> FrameCrops:
        """Add the crops of a frame, and count them."""
        config = self.config
        cut = partial(align, frame.image, frame_index=frame.index, pts=frame.pts)
        seen = self.wanted.choose(frame.image, faces)
        number = None if still else frame.index
        shares = []
        for place, one in enumerate(seen):
            if one.left_out is not None:
                continue
            crop = cut(one.face, config.template, config.size, outside="grey")
            file = f"{crop_name(record, number, one.index)}.{SUFFIXES[config.format]}"
            row = Row.of(crop, file, record.name, record.sha256, one.index)
            shares.append(row.outside)
            if row.outside > config.max_outside:
                seen[place] = replace(one, left_out=f"{row.outside:.0%} outside the frame")
                continue
            self.writer.add(row, crop.image)
        if self.debug is not None:
            self.debug.write(frame_name(record, number), frame.image, seen)
        kept = [share for share in shares if share <= config.max_outside]
        partly = sum(share >= OUTSIDE_TOLD for share in kept)
        return FrameCrops(len(kept), partly, len(shares) - len(kept))


def readable(path: Path | str) -> str:
    """The path as text that JSON and Parquet can hold: bytes that are no UTF-8 are escaped."""
    return str(path).encode(errors="backslashreplace").decode()


def crop_name(record: SourceRecord, frame_index: int | None, face_index: int) -> str:
    """The file name of a crop without suffix: unique in its faceset, and safe as a name."""
    return f"{frame_name(record, frame_index)}_{face_index}"


def frame_name(record: SourceRecord, frame_index: int | None) -> str:
    """What the names of all crops of a frame begin with; None is a picture's only frame."""
    return crop_stem(record) + ("" if frame_index is None else f"_{frame_index:07d}")


def crop_stem(record: SourceRecord) -> str:
    """What the names of all crops of a source begin with."""
    stem = re.sub(r"[^\w.-]+", "_", Path(record.name).stem).strip("._-")[:40] or "source"
    return f"{stem}_{record.sha256[:8]}"


def _flag(name: str, value: object) -> str:
    """The flag to type for a setting of an earlier call."""
    option = "--" + name.replace("_", "-")
    if value is True:
        return option
    return f"no {option}" if value is None or value is False else f"{option} {value}"


class _OtherSettingsError(FacesetError):
    """A file, one of several, was extracted before with other settings."""


def _advanced(
    record: SourceRecord, next_frame: int, crops: list[FrameCrops], *, done: bool = False
) -> SourceRecord:
    """The record after some more frames, each with its number of crops."""
    return record.model_copy(
        update={
            "next_frame": next_frame,
            "frames": record.frames + len(crops),
            "frames_with_face": record.frames_with_face + sum(frame.crops > 0 for frame in crops),
            "crops": record.crops + sum(frame.crops for frame in crops),
            "partly_outside": record.partly_outside + sum(f.partly_outside for f in crops),
            "left_out": record.left_out + sum(frame.left_out for frame in crops),
            "done": done,
        }
    )


def _result(record: SourceRecord, path: Path, error: str | None = None) -> SourceResult:
    return SourceResult(
        path=readable(path),
        status="done" if error is None else "failed",
        frames=record.frames,
        frames_with_face=record.frames_with_face,
        crops=record.crops,
        error=error,
        notes=tuple(_record_notes(record)),
    )


def _record_notes(record: SourceRecord) -> Iterator[str]:
    """What is to be said of times without frames, and of faces that the edge of a picture cuts."""
    if record.done and not record.frames:
        yield NOTHING_THEN
    if record.partly_outside:
        yield (
            f"{record.partly_outside} of {counted(record.crops, 'crop')} lie by "
            f"{OUTSIDE_TOLD:.0%} or more "
            "outside their frames and are grey there; --max-outside leaves such out"
        )
    if record.left_out:
        yield (
            f"{counted(record.left_out, 'face was', 'faces were')} left out, of which "
            "too much lies outside their frames"
        )
