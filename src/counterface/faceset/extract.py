"""Footage to a faceset: every face of a video or folder, aligned, measured and recorded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from counterface.config import Record
from counterface.errors import ConfigError, FacesetError, MediaError, RightsError
from counterface.faces.follow import FollowConfig
from counterface.faceset.commits import CommitWriter
from counterface.faceset.header import OptionValues
from counterface.faceset.intake import Intake, SourceResult
from counterface.faceset.store import Faceset, merge, open_or_create
from counterface.files import locked
from counterface.media.find_media import find_media
from counterface.media.sandbox import Limits
from counterface.provenance.rights import Rights, find_rights, read_rights
from counterface.types import Progress

FORMER_DEFAULTS = {"face_detector": "mediapipe"}  # of earlier versions


class ExtractConfig(FollowConfig):
    """Which faces are taken from footage, and in what form."""

    every: int = Field(1, ge=1, description="look at every n-th frame of a video")
    faces: int | None = Field(None, ge=1, description="keep the n largest faces of a frame")
    max_outside: float = Field(
        0.5,
        ge=0,
        le=1,
        description="leave out crops of which a larger share than this lies outside the frame",
    )
    template: Literal["face", "whole_face", "head"] = Field(
        "whole_face", description="how much of the head a crop shows"
    )
    size: int = Field(256, ge=64, le=1024, description="crop side, pixels")
    quality: int = Field(95, ge=50, le=100, description="JPEG quality of the crops")
    rights: Rights | None = Field(None, description="rights record of the footage")
    rights_file: Path | None = Field(
        None, description="file with the rights record; unset: the rights.toml beside the source"
    )
    limits: Limits = Field(Limits(), description="limits of the child process that decodes")

    def decides(self) -> OptionValues:
        """The settings on which the crops of one source depend; template and size hold for all."""
        names = {"every", "faces", "min_size", "max_outside", "quality", "detect_every"}
        return self.model_dump(include=names | {"face_detector", "landmarker"})

    def differing(self, before: OptionValues, *, done: bool) -> OptionValues:
        """The settings of before that these contradict; empty where a source may be left or go on.

        A default that is another one since does not contradict a source that is done: nobody asked
        for anything else. A setting that was not there yet contradicts nothing.

        Args:
            before: the settings on which the crops of a source depended.
            done: the source was read to its end.
        """
        now = self.decides()
        differ = {name: value for name, value in before.items() if now.get(name) != value}
        fields = type(self).model_fields
        kept = {
            name
            for name, former in FORMER_DEFAULTS.items()
            if done and before.get(name) == former and now[name] == fields[name].default
        }
        return {name: value for name, value in differ.items() if name not in kept}


class ExtractSummary(Record):
    """The outcome of one call, file by file."""

    folder: str
    sources: tuple[SourceResult, ...]
    crops: int = Field(description="crops in the faceset now, without pruned ones")

    @property
    def failed(self) -> tuple[SourceResult, ...]:
        """The files that could not be read, or not to their end."""
        return tuple(s for s in self.sources if s.status == "failed")


def extract(
    source: Path | Sequence[Path],
    out: Path,
    config: ExtractConfig | None = None,
    *,
    redo: bool = False,
    progress: Progress | None = None,
) -> ExtractSummary:
    """Add the faces of footage to the faceset in `out`, and give a summary of what became of it.

    An interrupted call is continued by the same call; files that are done are left alone, and
    crops that were deleted by hand stay deleted.

    Args:
        source: a video, a picture, a folder of both, or several of these; one call loads the models
            and writes the faceset once.
        out: a faceset to add to, or a folder that is empty or absent.
        config: the settings.
        redo: extract again what is done, or was begun with other settings.
        progress: called as (frames or files done, total or None, name).

    Raises:
        FacesetError: `out` cannot be used, or holds another template, size or rights record.
        MediaError: the source does not exist, or is a folder without media.
        RegistryError: no face detector or landmarker of that name.
        RightsError: a `rights.toml` lacks a field or cannot be read, or the sources' differ.
        WeightsError: a model file cannot be found or fetched.
    """
    sources = [source] if isinstance(source, Path) else list(source)
    roots = {path: root for place in sources for path, root in _files(place, out)}
    config = _with_rights(config or ExtractConfig(), sources)
    _open_for(out, config)
    with locked(out, FacesetError):
        merge(out)
        with CommitWriter(out, config.quality) as writer:
            header = Faceset.open(out).header
            intake = Intake(config, header, writer, roots, redo=redo, progress=progress)
            results = [intake.read_file(path, i, len(roots)) for i, path in enumerate(roots)]
            intake.commit_stills()
        merge(out)
    return ExtractSummary(folder=str(out), sources=tuple(results), crops=len(Faceset.open(out)))


def _files(source: Path, out: Path) -> list[tuple[Path, Path]]:
    """The files of a source, each with the folder that its recorded name is relative to."""
    if not source.exists():
        raise MediaError(f"{source} does not exist; check the name")
    inside = out.resolve()
    files = [p for p in find_media([source]) if not p.resolve().is_relative_to(inside)]
    if source.is_dir() and (not files or files == [source]):
        raise MediaError(f"{source} holds no images or videos, by suffix and at any depth")
    root = source if source.is_dir() else source.parent
    return [(path, root) for path in files]


def _with_rights(config: ExtractConfig, sources: Sequence[Path]) -> ExtractConfig:
    """The settings with the rights record of the file named, or of the one beside the sources."""
    if config.rights_file is not None:
        if config.rights is not None:
            raise ConfigError(f"rights: both given and in {config.rights_file}; leave one out")
        return config.model_copy(update={"rights": read_rights(config.rights_file)})
    if config.rights is None:
        records = [find_rights(source) for source in sources]
        if any(record != records[0] for record in records):
            raise RightsError(
                f"{sources[0]} and others: their rights records differ; extract them one by one"
            )
        return config.model_copy(update={"rights": records[0] if records else None})
    return config


def _open_for(out: Path, config: ExtractConfig) -> None:
    """Make `out` a faceset that the config fits."""
    header = open_or_create(out, config.template, config.size, config.rights).header
    if config.rights is not None and config.rights != header.rights:
        has = "has none" if header.rights is None else f"says {header.rights!r}"
        raise FacesetError(
            f"{out}: the rights record given is not the faceset's, which {has}; choose another "
            f"folder, or change the record of all its crops by 'counterface faceset rights {out}'"
        )
