"""The faces of a data set, cut once: a faceset of clips (or single crops) of a manifest's files.

Frames are chosen and faces are found and cut by the very path of a scan, on the decoded frame; the
crops are PNG. So nothing stands between what a detector is trained on and what it will judge: heads
that were fitted on crops that had been resampled once more lost up to 0.1 of AUC
(`docs/detect.md`). Crops belong to content, not to names: a file that is in the store under another
name is not read again. What is on disk is a faceset (`faceset/`), so a person can look at the crops
and delete bad ones; a clip that lacks a frame is then left out whole.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from counterface.config import Record
from counterface.datasets.manifest import Entry, read_manifest, write_manifest
from counterface.errors import FacesetError, MediaError, reason_of
from counterface.faces.look import FaceLook
from counterface.faceset.commits import CommitWriter
from counterface.faceset.header import OptionValues, SourceRecord
from counterface.faceset.intake import crop_stem, readable
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset, merge, open_or_create, remove_source
from counterface.files import file_sha256, locked, name_differences
from counterface.media import sandbox
from counterface.media.sample_frames import Moment, sample_frames, square
from counterface.media.sandbox import Limits
from counterface.types import Crop, Face, Progress

MANIFEST_FILE = "manifest.parquet"  # in the store: the entries with the hashes of their content
TOGETHER = 64  # pictures that share a commit
MERGE_AFTER = 500  # commits; whoever opens the store meanwhile has to read each of them
_PLACE = re.compile(r"_(\d{4})_(\d{2})\.png$")


class FaceStoreConfig(Record):
    """Which frames of a file are taken, and how their faces are cut."""

    moments: int = Field(
        8, ge=1, le=9999, description="places in a video, spread evenly over its duration"
    )
    frames: int = Field(1, ge=1, le=64, description="frames at each place, cut as one clip")
    step: int = Field(
        1, ge=1, description="distance between the frames of a clip, in frames of the video"
    )
    template: Literal["face", "whole_face", "head"] = Field(
        "whole_face", description="how much of the head a crop shows"
    )
    size: int = Field(224, ge=16, le=1024, description="crop side, pixels")
    pick: Literal["largest", "persistent"] = Field(
        "largest",
        description="whose face is taken: the largest at each place, or the person who is seen "
        "most",
    )
    face_detector: str = Field(
        "auto",
        description="registered name of the face detector, or NAME:PATH with its weights file",
    )
    landmarker: str = Field(
        "mediapipe_mesh",
        description="registered name of the landmarker, or NAME:PATH with its weights file",
    )
    twins: bool = Field(
        False,
        description="cut each fake where the face lies in the genuine file of the same source and "
        "size",
    )
    limits: Limits = Field(Limits(), description="limits of the child process that decodes")

    def decides(self) -> OptionValues:
        """What the crops of one file depend on; template and size are the faceset's."""
        names = {"moments", "frames", "step", "pick", "face_detector", "landmarker"}
        names |= {"twins"} if self.twins else set()  # older stores do not name it
        return self.model_dump(include=names)


class StoredFile(Record):
    """The outcome of one file."""

    path: str
    status: Literal["done", "already", "failed"]
    clips: int = Field(
        0, description="clips of the file in the store when it was cut; 0 = no face was found"
    )
    error: str | None = None


class StoreSummary(Record):
    """The outcome of one call, file by file."""

    folder: str
    files: tuple[StoredFile, ...]
    crops: int = Field(description="crops in the store now")

    @property
    def failed(self) -> tuple[StoredFile, ...]:
        """The files that could not be read, or not to their end."""
        return tuple(file for file in self.files if file.status == "failed")


Clip = tuple[Crop, ...]  # one person, in time order
Place = tuple[int, int, int]  # index, height and width of a frame


def store_faces(
    entries: Sequence[Entry],
    folder: Path,
    config: FaceStoreConfig | None = None,
    *,
    redo: bool = False,
    progress: Progress | None = None,
) -> StoreSummary:
    """Cut the files' faces into a faceset in `folder`, with a manifest, and tell the outcome.

    A killed call is continued by the same call. A file that cannot be read never ends it; the
    reason is kept in the store and reported again, until `redo`.

    Args:
        entries: entries of a manifest.
        folder: a store to add to, or a folder that is empty or absent.
        config: the settings.
        redo: try files again that failed, and cut those anew that were cut with other settings.
        progress: called after each file.

    Raises:
        FacesetError: `folder` cannot be used, or holds crops of another kind.
        RegistryError: no face detector or landmarker of that name.
        WeightsError: a model file cannot be found or fetched.
    """
    config = config or FaceStoreConfig()
    open_or_create(folder, config.template, config.size)
    with locked(folder, FacesetError):
        merge(folder)
        records = {record.sha256: record for record in Faceset.open(folder).header.sources}
        _require_same(records, config, folder, redo=redo)
        with CommitWriter(folder, quality=100) as writer:
            job = _StoreIntake(config, writer, records, redo=redo)
            done: dict[int, tuple[Entry, StoredFile]] = {}
            for number in _genuine_first(entries) if config.twins else range(len(entries)):
                done[number] = job.read(entries[number])
                if progress is not None:
                    progress(len(done), len(entries), entries[number].path.name)
            job.commit()
        merge(folder)
        told = [done[number] for number in range(len(entries))]
        _write_manifest([entry for entry, _ in told], folder)
        crops = len(Faceset.open(folder))
    return StoreSummary(folder=str(folder), files=tuple(file for _, file in told), crops=crops)


def cut_clips(
    path: Path, config: FaceStoreConfig, known: Mapping[Place, Face] | None = None
) -> tuple[list[tuple[int, Clip]], str | None]:
    """The clips of a file with the number of their moment, and why there are no more, if so.

    A moment counts where its person is seen in each of its frames.

    Args:
        path: a picture or a video; a picture gives a clip only where `config.frames` is 1.
        config: the settings.
        known: faces that are not looked for, by the frame that they are in.
    """
    known = known or {}
    moments: list[dict[int, Clip]] = []
    trouble = None
    try:
        media = sandbox.probe(path, config.limits)
        found = sample_frames(
            path, media, config.moments, config.frames, config.step, limits=config.limits
        )
        look = FaceLook(
            media, config.template, config.size, config.face_detector, config.landmarker
        )
        for moment in found.moments:
            if not known:  # those lie in the frames as they are stored
                moment = tuple(square(frame, media) for frame in moment)
            moments.append(_people(moment, look, config.frames, known))
    except MediaError as error:  # what came before the damage is kept
        trouble = str(error)
    return _pick(moments, config.pick), trouble


def place_in_clip(file: str) -> tuple[int, int] | None:
    """The moment and the frame in it that a crop of a store shows; None for other crops."""
    match = _PLACE.search(file)
    return (int(match[1]), int(match[2])) if match else None


def stored_hashes(entries: Sequence[Entry], folder: Path) -> list[str]:
    """The SHA-256 of each entry: its own, the store's, or of the file; "" where it is unreadable.

    Raises:
        ConfigError: the store's manifest is damaged.
    """
    listed = folder / MANIFEST_FILE
    known = {e.path.resolve(): e.sha256 for e in read_manifest(listed)} if listed.exists() else {}
    return [
        entry.sha256 or known.get(entry.path.resolve(), "") or _hash_of(entry.path)
        for entry in entries
    ]


class _StoreIntake:
    """Reads files into a store whose lock is held."""

    def __init__(
        self,
        config: FaceStoreConfig,
        writer: CommitWriter,
        records: dict[str, SourceRecord],
        *,
        redo: bool,
    ) -> None:
        self.config, self.writer, self.records, self.redo = config, writer, records, redo
        self._waiting: list[SourceRecord] = []  # read, not committed
        self._read: set[str] = set()
        self._genuine: dict[str, dict[Place, Face]] = defaultdict(dict)  # by source
        self._stored: dict[str, list[Row]] | None = None  # by content; looked up when needed

    def read(self, entry: Entry) -> tuple[Entry, StoredFile]:
        """The entry with its hash, and its outcome."""
        name = readable(entry.path)
        try:
            stored = entry.sha256 in self.records  # then its bytes need not be read again
            sha256 = entry.sha256 if stored else file_sha256(entry.path)
        except (OSError, MediaError) as error:
            return entry, StoredFile(path=name, status="failed", error=reason_of(error))
        if entry.sha256 and entry.sha256 != sha256:
            reason = f"{name}: the manifest names other content ({entry.sha256[:8]}...)"
            return entry, StoredFile(path=name, status="failed", error=reason)
        record = self.records.get(sha256)
        status: Literal["done", "already"] = "already"
        if record is None or self._again(record):
            if record is not None:
                self.commit()
                remove_source(self.writer.folder, sha256)
            options = self.config.decides()
            record = self._cut(entry, SourceRecord(name=name, sha256=sha256, options=options))
            status = "done"
        elif self.config.twins and entry.source and not entry.label:
            self._genuine[entry.source] |= self._faces_of(sha256)
        file = StoredFile(
            path=name,
            status="failed" if record.error else status,
            clips=record.crops // self.config.frames,
            error=record.error,
        )
        return replace(entry, sha256=sha256), file

    def commit(self) -> None:
        """Put everything read so far into the store."""
        if self._waiting:
            self.writer.commit(self._waiting)
            if self.writer.count % MERGE_AFTER == 0:
                merge(self.writer.folder)
            self._waiting = []

    def _again(self, known: SourceRecord) -> bool:
        other = bool(known.error) or known.options != self.config.decides()
        return self.redo and other and known.sha256 not in self._read

    def _cut(self, entry: Entry, record: SourceRecord) -> SourceRecord:
        twins = self._genuine[entry.source] if self.config.twins and entry.source else {}
        clips, trouble = cut_clips(entry.path, self.config, twins if entry.label else None)
        for moment, clip in clips:
            for place, crop in enumerate(clip):
                file = f"{crop_stem(record)}_{moment:04d}_{place:02d}.png"
                self.writer.add(Row.of(crop, file, record.name, record.sha256), crop.image)
                if self.config.twins and entry.source and not entry.label:
                    twins[crop.frame_index, *crop.frame_shape] = crop.face
        crops = sum(len(clip) for _, clip in clips)
        counts = {"frames": crops, "frames_with_face": crops, "crops": crops}
        record = record.model_copy(update={**counts, "done": True, "error": trouble})
        self._waiting.append(record)
        self._read.add(record.sha256)
        self.records[record.sha256] = record
        if crops > 1 or len(self._waiting) >= TOGETHER:  # a video each, pictures together
            self.commit()
        return record

    def _faces_of(self, sha256: str) -> dict[Place, Face]:
        """The faces of a file that an earlier call cut."""
        if self._stored is None:
            self._stored = defaultdict(list)
            for row in Faceset.open(self.writer.folder):
                self._stored[row.source_sha256].append(row)
        return {
            (row.frame_index, row.frame_height, row.frame_width): Face(
                row.box, row.score, landmarks=row.landmarks, pose=row.pose
            )
            for row in self._stored.get(sha256, [])
        }


def _genuine_first(entries: Sequence[Entry]) -> list[int]:
    return sorted(range(len(entries)), key=lambda number: entries[number].label)


def _people(
    moment: Moment, look: FaceLook, frames: int, known: Mapping[Place, Face]
) -> dict[int, Clip]:
    """The clips of a moment by person, for those who are seen in all its `frames`."""
    people: dict[int, list[Crop]] = defaultdict(list)
    for frame in moment:
        height, width = frame.image.shape[:2]
        twin = known.get((frame.index, height, width))
        faces = [twin] if twin else look.find(frame)
        for person, crop in look.cut_people(frame, faces):
            people[person].append(crop)
    return {person: tuple(crops) for person, crops in people.items() if len(crops) == frames}


def _pick(moments: Sequence[dict[int, Clip]], pick: str) -> list[tuple[int, Clip]]:
    """One clip of each moment that has any, with the moment's number."""
    seen = Counter(person for moment in moments for person in moment)
    chosen = []
    for number, moment in enumerate(moments):
        if pick == "persistent":
            most = max(seen.values(), default=0)
            moment = {person: clip for person, clip in moment.items() if seen[person] == most}
        if moment:
            chosen.append((number, max(moment.values(), key=_area)))
    return chosen


def _area(clip: Clip) -> float:
    return float(np.mean([np.prod(crop.face.box[2:] - crop.face.box[:2]) for crop in clip]))


def _require_same(
    records: dict[str, SourceRecord], config: FaceStoreConfig, folder: Path, *, redo: bool
) -> None:
    """Refuse a store whose crops were cut with other settings, unless they may be cut again."""
    wanted = config.decides()
    for record in records.values() if not redo else ():
        if differ := name_differences(record.options, wanted):
            raise FacesetError(
                f"{folder}: crops were cut with other settings ({differ}); use those, choose "
                "another folder, or add --redo to cut them anew"
            )


def _write_manifest(entries: Sequence[Entry], folder: Path) -> None:
    """Write the entries beside the crops, and keep those of earlier calls."""
    path = folder / MANIFEST_FILE
    known = {e.path.resolve(): e for e in read_manifest(path)} if path.exists() else {}
    write_manifest(list((known | {e.path.resolve(): e for e in entries}).values()), path)


def _hash_of(path: Path) -> str:
    try:
        return file_sha256(path)
    except (OSError, MediaError):
        return ""
