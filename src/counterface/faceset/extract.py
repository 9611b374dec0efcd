"""Footage to a faceset: every face of a video or folder, aligned, measured and recorded."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from counterface.config import Record
from counterface.errors import ConfigError, FacesetError, MediaError, RightsError
from counterface.faces.face_detector import load_models
from counterface.faces.follow import FaceFollower, FollowConfig
from counterface.faces.identity import SAME_PERSON
from counterface.faces.refine import RefinedLandmarker
from counterface.faces.segment import load_segmenter
from counterface.faceset.commits import CommitWriter
from counterface.faceset.curate.sheet import draw_sheet, spread_out
from counterface.faceset.debug import DebugFolder, require_apart
from counterface.faceset.header import OptionValues
from counterface.faceset.intake import Intake, SourceResult
from counterface.faceset.masks.apply import ApplyConfig, MasksApplied, apply_masks
from counterface.faceset.row import Row
from counterface.faceset.spelled import Angles, Clock, angles_of
from counterface.faceset.store import Faceset, merge, open_or_create
from counterface.faceset.wanted import Wanted, name_sample
from counterface.files import locked
from counterface.media.find_media import find_media
from counterface.media.image import write_image
from counterface.media.sandbox import Limits
from counterface.provenance.rights import Rights, find_rights, read_rights
from counterface.types import Progress

FORMER_DEFAULTS = {"face_detector": "mediapipe"}  # of earlier versions
SINCE = (  # that earlier versions had not, and whose defaults do what these did
    *("format", "max_size", "distance", "start", "end"),
    *("rotations", "re_feed", "second_pass", "smooth"),
)


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
    format: Literal["jpeg", "png", "webp"] = Field(
        "jpeg", description="file format of the crops; png and webp lose nothing"
    )
    quality: int = Field(95, ge=50, le=100, description="JPEG quality of the crops")
    max_size: int | None = Field(
        None, ge=8, description="leave out faces whose shorter side is larger than this, pixels"
    )
    like: tuple[Path, ...] = Field(
        (), description="only the people in these pictures, of one face each, or in these facesets"
    )
    unlike: tuple[Path, ...] = Field(
        (), description="anybody but the people in these pictures or facesets"
    )
    distance: float = Field(
        SAME_PERSON, gt=0, description="distance of embeddings below which two are one person"
    )
    start: Clock | None = Field(
        None,
        description="take a video from this time on, on the file's own clock: seconds or h:mm:ss",
    )
    end: Clock | None = Field(
        None, description="take a video up to this time, which is left out: seconds or h:mm:ss"
    )
    rotations: Angles | None = Field(
        None,
        description="look again with the picture turned clockwise where no face was found: "
        "degrees (90,270), one number as a step (45), or 0 for never; unset: by quarters, in "
        "videos where the face detector has a quick search",
    )
    re_feed: int = Field(
        0,
        ge=0,
        le=32,
        description="number of boxes, shifted a little, from which landmarks are averaged beside "
        "the box found",
    )
    second_pass: bool = Field(
        False, description="look for landmarks once more on the face that the first ones aligned"
    )
    smooth: float = Field(
        0,
        ge=0,
        description="cut-off frequency at rest, Hz, of a filter that steadies landmarks over time; "
        "1.5 is usual, lower is steadier, 0 = off",
    )
    masks: str | None = Field(
        None,
        description="segmenter that makes the masks of crops without one at once, as NAME or "
        "NAME:PATH; unset: no masks",
    )
    rights: Rights | None = Field(None, description="rights record of the footage")
    rights_file: Path | None = Field(
        None, description="file with the rights record; unset: the rights.toml beside the source"
    )
    limits: Limits = Field(Limits(), description="limits of the child process that decodes")

    @model_validator(mode="after")
    def _fits_together(self) -> ExtractConfig:
        if self.max_size is not None and self.max_size < self.min_size:
            raise ValueError(
                f"`max_size` {self.max_size} is below `min_size` {self.min_size}, so no face would "
                "fit; raise the one or lower the other"
            )
        if self.end is not None and Fraction(self.end) <= Fraction(self.start or "0"):
            raise ValueError(f"`end` {self.end} s is not after `start` {self.start or 0} s")
        return self

    @property
    def period(self) -> tuple[Fraction | None, Fraction | None]:
        """`start` and `end`, exact seconds."""
        start, end = (None if time is None else Fraction(time) for time in (self.start, self.end))
        return start, end

    def follower(self) -> FaceFollower:
        """A follower with these settings and this thread's models.

        Raises:
            RegistryError: no face detector or landmarker of that name.
            WeightsError: a model file cannot be found or fetched.
        """
        detector, marker = load_models(self.face_detector, self.landmarker)
        if self.re_feed or self.second_pass:
            marker = RefinedLandmarker(marker, self.re_feed, second_pass=self.second_pass)
        degrees = None if self.rotations is None else angles_of(self.rotations)
        return FaceFollower(detector, marker, self.detect_every, self.min_size, degrees)

    def decides(self) -> OptionValues:
        """The settings on which the crops of one source depend; template and size hold for all.

        Raises:
            FacesetError: `like` or `unlike` names a folder that is no faceset.
            MediaError: a picture that they name cannot be read.
        """
        names = {"every", "faces", "min_size", "max_outside", "quality", "detect_every"}
        plain = self.model_dump(include=names | {"face_detector", "landmarker", *SINCE})
        samples = {name: _name_samples(getattr(self, name)) for name in ("like", "unlike")}
        return {**plain, **samples}

    def differing(self, before: OptionValues, *, done: bool) -> OptionValues:
        """The settings of before that these contradict; empty where a source may be left or go on.

        A default that is another one since does not contradict a source that is done: nobody asked
        for anything else. A setting that was not there yet was at its default, but for
        `max_outside`, which contradicts nothing.

        Args:
            before: the settings on which the crops of a source depended.
            done: the source was read to its end.
        """
        now = self.decides()
        unsaid = {name: _unset(name) for name in (*SINCE, "like", "unlike")}
        before = {**unsaid, **before}
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
    sheet: str | None = Field(None, description="contact sheet that was drawn")
    masks: MasksApplied | None = Field(None, description="masks that were made at once")

    @property
    def failed(self) -> tuple[SourceResult, ...]:
        """The files that could not be read, or not to their end."""
        return tuple(s for s in self.sources if s.status == "failed")

    @property
    def incomplete(self) -> bool:
        """Whether a file could not be read to its end, or a crop not be given a mask."""
        return bool(self.failed or (self.masks and self.masks.problems))


def extract(
    source: Path | Sequence[Path],
    out: Path,
    config: ExtractConfig | None = None,
    *,
    redo: bool = False,
    debug_dir: Path | None = None,
    sheet: Path | None = None,
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
        debug_dir: frames in which a face was found are written here, with boxes and landmarks.
        sheet: up to 60 crops of the faceset, evenly spread, are drawn here (.png, .jpg).
        progress: called as (frames or files done, total or None, name).

    Raises:
        FacesetError: `out` cannot be used, or holds another template, size or rights record; or
            `debug_dir` or `sheet` lies in it or among the footage.
        MediaError: the source does not exist, or is a folder without media; a sample of `like` or
            `unlike` cannot be read, or shows no face or several.
        RegistryError: no face detector or landmarker of that name.
        RightsError: a `rights.toml` lacks a field or cannot be read, or the sources' differ.
        WeightsError: a model file cannot be found or fetched, or people are compared without dlib.
    """
    sources = [source] if isinstance(source, Path) else list(source)
    roots = {path: root for place in sources for path, root in _files(place, out)}
    config = _with_rights(config or ExtractConfig(), sources)
    for path, flag in ((debug_dir, "--debug-dir"), (sheet, "--sheet")):
        if path is not None:
            require_apart(path, flag, out, sources)
    wanted = Wanted(config)
    if config.masks is not None:
        load_segmenter(config.masks)  # or it would be missed at the end
    debug = None if debug_dir is None else DebugFolder(debug_dir)
    _open_for(out, config)
    with locked(out, FacesetError):
        merge(out)
        with CommitWriter(out, config.quality) as writer:
            header = Faceset.open(out).header
            intake = Intake(config, header, writer, roots, wanted, debug, redo, progress)
            results = [intake.read_file(path, i, len(roots)) for i, path in enumerate(roots)]
            intake.commit_stills()
        merge(out)
    faceset = Faceset.open(out)
    masked = None
    if config.masks is not None and len(faceset):
        masked = apply_masks(out, ApplyConfig(segmenter=config.masks), progress)
    drawn = sheet is not None and _draw(faceset, sheet)
    return ExtractSummary(
        folder=str(out),
        sources=tuple(results),
        crops=len(faceset),
        sheet=str(sheet) if drawn else None,
        masks=masked,
    )


def _draw(faceset: Faceset, sheet: Path) -> bool:
    """Draw the crops of a faceset, and tell whether there were any."""
    rows = [faceset.rows[number] for number in spread_out(len(faceset))] if len(faceset) else []
    if rows:
        write_image(sheet, draw_sheet(faceset, [(row, _caption(row)) for row in rows]))
    return bool(rows)


def _caption(row: Row) -> str:
    """When the face was seen, and how large."""
    side = f"{float((row.box[2:] - row.box[:2]).min()):.0f} px"
    minutes, seconds = divmod(int(row.pts), 60)
    return f"{minutes}:{seconds:02d}  {side}"


def _name_samples(samples: Sequence[Path]) -> str | None:
    """The samples as a record names them; None where there are none."""
    return ", ".join(map(name_sample, samples)) or None


def _unset(name: str) -> int | float | str | bool | None:
    """What a record says of a setting that is at its default."""
    default = ExtractConfig.model_fields[name].default
    return None if default == () else default


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
