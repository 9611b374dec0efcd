"""One frame of a target, swapped with a grid of merge settings or with one set after the other.

A preview shows a made face, so it needs the rights and gets the marks of any other output.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pydantic import Field

from counterface.config import Record
from counterface.errors import MediaError, SwapError
from counterface.files import file_sha256
from counterface.provenance.record import MadeRecord
from counterface.swap.conversion.footage import Footage, FramesAt, LookConfig, look_at
from counterface.swap.conversion.people import choose_people, find_people
from counterface.swap.conversion.placement import PlacedFace, SmoothConfig, place_faces
from counterface.swap.conversion.segmented_masks import SEGMENTED, SegmentedMasks
from counterface.swap.conversion.settings import (
    ConvertConfig,
    FacesetMaskFolders,
    ReplaceConfig,
    SegmenterName,
    TargetRights,
    TargetRightsFile,
)
from counterface.swap.merge.grid import parse_knob, settings_grid
from counterface.swap.merge.merge_face import Swapped, merge_face
from counterface.swap.merge.settings import MergeSettings, mask_factors
from counterface.types import Frame

if TYPE_CHECKING:
    from counterface.faces.segment import FaceSegmenter
    from counterface.swap.conversion.faceset_masks import FacesetMasks
    from counterface.swap.conversion.generate import Generator

AROUND_S = 0.4  # seconds looked at before and after: landmarks are steadied as in a conversion
SUFFIXES = (".png", ".jpg", ".jpeg")  # pictures that hold their own credentials


class TriedConfig(Record):
    """The moment that is previewed, and the settings that are tried."""

    at: float = Field(0.0, ge=0, description="moment of a video, seconds on its own clock")
    rows: str = Field(
        "color_transfer=none,rct,mkl",
        description="setting that changes downwards: NAME=VALUE,VALUE,...",
    )
    columns: str = Field(
        "erode=0,5,10", description="setting that changes to the right: NAME=VALUE,VALUE,..."
    )


class PreviewConfig(ReplaceConfig, TriedConfig):
    """What is previewed, and what is tried; flags mean what they mean in a conversion."""

    plan: Path | None = Field(None, description="merge plan, TOML: the settings of that moment")
    merge: MergeSettings = Field(
        MergeSettings(),
        description="settings that are the same in the whole grid; override the plan's [settings]",
    )
    smooth: SmoothConfig = Field(SmoothConfig(), description="steadying of landmarks over time")
    min_size: int = Field(
        32, ge=8, description="leave out faces whose shorter side is smaller than this, pixels"
    )
    face_detector: str = Field(
        "auto",
        description="registered name of the face detector, or NAME:PATH with its weights file",
    )
    landmarker: str = Field(
        "mediapipe_mesh",
        description="registered name of the landmarker, or NAME:PATH with its weights file",
    )
    masks: FacesetMaskFolders = ()
    segmenter: SegmenterName = "generic"
    rights: TargetRights = None
    rights_file: TargetRightsFile = None

    def conversion(self) -> ConvertConfig:
        """The conversion of which this is a preview."""
        shared = set(type(self).model_fields) & set(ConvertConfig.model_fields)
        return ConvertConfig(**{name: getattr(self, name) for name in shared})


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One frame, and the face in it that is replaced."""

    frame: Frame
    face: PlacedFace


class LivePreview:
    """A model and one moment of a target, merged again and again with other settings.

    The model is read and the face made once, so that a change of settings costs its merge alone
    and the marks of the picture. Not shared between threads.
    """

    def __init__(self, model: Path, target: Path, config: PreviewConfig) -> None:
        """Read the model, and check that it and the target may be used.

        Args:
            model: a run's folder, weights or a checkpoint.
            target: a video or picture.
            config: as of a preview; `at`, `rows` and `columns` are not looked at.

        Raises:
            ConfigError: the identity or the plan cannot be used.
            SwapError: the model cannot be read.
            RightsError: the footage of the model or of the target carries no rights record.
        """
        from counterface.provenance.mark import Marker  # loaded on use: signing, torch
        from counterface.swap.conversion.job import ConvertJob
        from counterface.swap.swap_model import read_model

        self.target, self.config = target, config
        self.marker = Marker()
        self._job = ConvertJob(read_model(model), config.conversion(), self.marker, redo=True)
        self._sha256 = file_sha256(target)
        self._rights = self._job.target_rights(target, self._sha256)
        self._generator = self._job.generator(masks=True)
        self._swapped: dict[frozenset[str], Swapped] = {}
        self._moment: Moment | None = None
        self._registered = False

    def at(self, seconds: float) -> Moment:
        """The moment from here on: the frame shown then, and the face in it that was chosen.

        Raises:
            SwapError, MediaError: as `find_moment`; the moment stays the one before.
        """
        self._moment = find_moment(self.target, self.config.model_copy(update={"at": seconds}))
        self._swapped, self._registered = {}, False
        return self._moment

    @property
    def moment(self) -> Moment:
        """The moment that is merged; that of the config where no other was chosen."""
        return self._moment or self.at(self.config.at)

    def settings(self) -> MergeSettings:
        """The settings of the plan at the moment, with those of the config over them."""
        return self._job.plan.at(self.moment.frame.pts, self.moment.face.person)

    def swapped(self, factors: Collection[str] = ()) -> Swapped:
        """The new face of the moment, with the masks that are asked for by their factors.

        Raises:
            SwapError: a mask of the faceset is asked for, and there is none.
            WeightsError: the segmenter is asked for, and its file cannot be used.
        """
        wanted = frozenset(factors) & (SEGMENTED | {"faceset"})
        if wanted not in self._swapped:
            masks = self._job.masks(self.target, self._sha256, asked="faceset" in wanted)
            segmenter = self._job.segmenter(asked=bool(wanted & SEGMENTED))
            self._swapped[wanted] = make_swapped(
                self._generator, self.moment, self._job.identity, masks, segmenter
            )
        return self._swapped[wanted]

    def merged(self, settings: MergeSettings, quality: int = 90) -> bytes:
        """The whole frame with these settings, as a watermarked JPEG that holds its credentials.

        Of each moment the first picture is registered as a known fake; those with other settings
        are so much like it that the registry finds them too. As of pictures of a sequence, the
        credentials name no ingredient, for which the whole target would be hashed each time.

        Raises:
            SwapError, WeightsError: as `swapped`.
            ProvenanceError: the picture cannot be signed.
        """
        moment, swapped = self.moment, self.swapped(settings.mask_factors)
        frame = merge_face(moment.frame.image, swapped, settings, moment.face.motion).frame
        with TemporaryDirectory(prefix="counterface-live-") as folder:
            out = Path(folder) / "live.jpg"
            made = self.marker.mark_frame(frame)
            record = self.record(out, {"at": float(moment.frame.pts)}, settings)
            self.marker.finish_image(
                made, out, record, quality=quality, register=not self._registered
            )
            self._registered = True
            return out.read_bytes()

    def record(self, out: Path, tried: dict[str, Any], settings: MergeSettings) -> MadeRecord:
        """The record of a picture of the moment, as far as it is known before signing."""
        record = self._job.record(self.target, self._sha256, self._rights, out, places=())
        shown = {**tried, "merge": settings.model_dump(mode="json")}
        return record.model_copy(update={"settings": {**record.settings, "preview": shown}})


def preview(model: Path, target: Path, out: Path, config: PreviewConfig) -> MadeRecord:
    """Write the grid into `out`, signed, watermarked and registered, and give its record.

    Args:
        model: a run's folder, weights or a checkpoint.
        target: a video or picture.
        out: a PNG or JPEG to write.

    Raises:
        ConfigError: rows, columns, the identity or the plan cannot be used.
        SwapError: the model cannot be read, `out` is no PNG or JPEG, or there is no face, or none
            that was chosen, at that moment.
        RightsError: the footage of the model or of the target carries no rights record.
        MediaError: the target cannot be read, or `out` not written.
        ProvenanceError: the picture cannot be signed.
    """
    if out.exists() and target.exists() and out.samefile(target):
        raise SwapError(f"{out} is the target itself; name another picture to write")
    if out.suffix.lower() not in SUFFIXES:
        raise SwapError(f"{out}: a preview is written as {', '.join(SUFFIXES)}")
    rows, columns = parse_knob(config.rows), parse_knob(config.columns)
    live = LivePreview(model, target, config)
    moment, settings = live.moment, live.settings()
    knobs = {str(value) for k in (rows, columns) if k.name == "mask" for value in k.values}
    asked = {name for kind in (*knobs, settings.mask) for name in mask_factors(kind)}
    swapped = live.swapped(asked)
    grid = settings_grid(moment.frame.image, swapped, settings, rows, columns, moment.face.motion)
    tried = config.model_dump(mode="json", include={"at", "rows", "columns"})
    record = live.record(out, tried, settings)
    return live.marker.finish_image(live.marker.mark_frame(grid), out, record, target)


def find_moment(target: Path, config: PreviewConfig) -> Moment:
    """The frame shown at the moment, and the largest face in it that was chosen.

    Only the moment's surroundings are looked at, unless people are chosen by number: numbers are
    counted over the whole video.

    Raises:
        SwapError: no face, none that was chosen, or several people and no choice.
        MediaError: the target cannot be read, or has no frame there.
    """
    how: LookConfig = config.conversion()
    if not config.person:
        around = {"from_s": max(0.0, config.at - AROUND_S), "to_s": config.at + AROUND_S}
        how = how.model_copy(update=around)
    footage, frames_at = look_at(target, how)
    end = float(footage.times[-1])
    if footage.media is not None and config.at > end + AROUND_S:
        raise MediaError(f"{target}: its last frame is at {end:.2f} s, not at {config.at:g} s")
    before = [look for look in footage.looks if look.pts <= config.at]
    shown = before[-1] if before else footage.looks[0]
    face = _choose(target, footage, shown.index, config, frames_at)
    (frame,) = frames_at([shown.pts])
    return Moment(frame, face)


def make_swapped(
    generator: Generator,
    moment: Moment,
    identity: int,
    masks: FacesetMasks | None = None,
    segmenter: FaceSegmenter | None = None,
) -> Swapped:
    """The new face of a moment, as merging takes it."""
    frame, place = moment.frame, moment.face
    crop = generator.cut(frame.image, place.landmarks)
    ((face, mask),) = generator.generate([crop], identity)
    matrix = generator.frame_to_face(place.landmarks)
    given = seen = seen_made = None
    if masks is not None:
        given = masks.find(frame.pts, place.box, matrix, generator.out_size)
    if segmenter is not None:
        segmented = SegmentedMasks(segmenter, 0)
        seen = segmented.of_target(frame.image, place, matrix, generator.out_size)
        seen_made = segmented.of_made(face, place, matrix)
    return Swapped(face, mask, matrix, place.landmarks, given, seen, seen_made)


def _choose(
    target: Path, footage: Footage, index: int, config: PreviewConfig, frames_at: FramesAt
) -> PlacedFace:
    cast = find_people(footage)
    chosen = choose_people(cast, config, frames_at, str(target))
    faces = place_faces(footage, cast, chosen, config.smooth).faces.get(index, ())
    if not faces:
        raise SwapError(
            f"{target}: whoever was chosen is not to be seen at {config.at:g} s; choose another "
            "moment with --at"
        )
    return faces[0]
