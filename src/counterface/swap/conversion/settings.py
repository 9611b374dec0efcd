"""Every option of a conversion, and what came out of one."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from counterface.config import Record
from counterface.device import Device
from counterface.errors import WeightsError
from counterface.faces.named_model import split_name
from counterface.files import file_sha256
from counterface.media.stream.encoder import VideoEncoder, choose_encoder
from counterface.provenance.rights import Rights
from counterface.swap.conversion.footage import LookConfig
from counterface.swap.conversion.people import Choice
from counterface.swap.conversion.placement import SmoothConfig
from counterface.swap.merge.plan import MergePlan
from counterface.swap.merge.settings import MergeSettings

_FILES = {
    "plan",
    "like",
    "masks",
    "segmenter",
    "rights_file",
}  # told by name, or by what is in them
_INDIFFERENT = {"limits", "batch", "threads", "rights", "merge"} | _FILES

FacesetMaskFolders = Annotated[
    tuple[Path, ...],
    Field(
        description="facesets of the target with masks, for merge mask 'faceset'; none named: "
        "those that the model was trained on"
    ),
]
SegmenterName = Annotated[
    str,
    Field(description="segmenter of merge masks 'segmented*', as NAME or NAME:PATH"),
]
TargetRights = Annotated[Rights | None, Field(description="rights record of the target's footage")]
TargetRightsFile = Annotated[
    Path | None,
    Field(description="file with the rights record; unset: the rights.toml beside the target"),
]


class ReplaceConfig(Choice):
    """Who is replaced, and whose face is put in."""

    identity: str | None = Field(
        None, description="identity whose face is put in; needed if the model knows more than two"
    )


class ConvertConfig(ReplaceConfig, LookConfig):
    """How a target becomes an output."""

    plan: Path | None = Field(None, description="merge plan, TOML: settings that change over time")
    merge: MergeSettings = Field(
        MergeSettings(), description="merge settings; override the plan's [settings]"
    )
    masks: FacesetMaskFolders = ()
    segmenter: SegmenterName = "generic"
    steady_masks: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="the same of the segmenter's masks as `steady` of faces",
    )
    smooth: SmoothConfig = Field(SmoothConfig(), description="steadying of landmarks over time")
    steady: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the previous output that is blended in where the footage's motion "
        "explains it; 0 = off, 0.5 removes about half of the flicker",
    )
    backend: Literal["auto", "torch", "onnx"] = Field(
        "auto",
        description="engine that runs the model; auto = torch, the faster one where measured",
    )
    batch: int = Field(8, ge=1, le=256, description="number of faces in one run of the model")
    threads: int = Field(0, ge=0, le=64, description="threads on a CPU; 0 = one a core, at most 8")
    device: Device = Field("cpu", description="device for torch: cpu, gpu, cuda, cuda:1, mps")
    codec: Literal["h264", "h265", "prores"] = Field(
        "h264", description="video codec; ProRes needs .mov or .mkv"
    )
    bits: int | None = Field(
        None, ge=8, le=10, description="bits of a video sample; unset: 8, or 10 for ProRes"
    )
    crf: float | None = Field(
        None, ge=0, le=51, description="quality of H.264 (unset: 18) or H.265 (20); lower is better"
    )
    preset: str | None = Field(
        None,
        description="speed of H.264 (veryfast if unset) or H.265 (fast): slower makes smaller "
        "files; or profile of ProRes (hq): proxy, lt, standard, hq, 4444",
    )
    pictures: Literal["png", "jpg"] | None = Field(
        None, description="write a video as numbered pictures into the folder OUT"
    )
    fps: float | None = Field(
        None,
        gt=0,
        le=1000,
        description="frame rate; makes one video of a TARGET that is a folder of numbered pictures",
    )
    matte: bool = Field(False, description="write OUT.matte too: white where the face is new")
    quality: int = Field(95, ge=50, le=100, description="JPEG quality of pictures")
    sound: bool = Field(True, description="copy the target's sound, bit for bit")
    segment_s: float = Field(
        10.0,
        ge=0.5,
        le=600,
        description="length of segments, seconds: what an interruption may cost",
    )
    keep: tuple[Literal["masks", "crops", "matrices"], ...] = Field(
        (), description="what to write beside the output about where and how faces were replaced"
    )
    rights: TargetRights = None
    rights_file: TargetRightsFile = None

    @model_validator(mode="after")
    def _check_rights(self) -> ConvertConfig:
        if self.rights is not None and self.rights_file is not None:
            raise ValueError("`rights` and `rights_file` are given; leave one out")
        return self

    def encoder(self) -> VideoEncoder:
        """What encodes a video.

        Raises:
            ConfigError: codec, bits, crf and preset do not go together.
        """
        return choose_encoder(self.codec, self.bits, self.crf, self.preset)

    def rate(self) -> Fraction | None:
        """`fps`, exact: 23.976, 29.97 and 59.94 mean 24, 30 and 60 times 1000/1001."""
        if self.fps is None:
            return None
        whole = round(self.fps * 1001 / 1000)
        dropped = Fraction(whole * 1000, 1001)
        if abs(float(dropped) - self.fps) < 1e-3 and self.fps != round(self.fps):
            return dropped
        return Fraction(self.fps).limit_denominator(1000)

    def merge_plan(self) -> MergePlan:
        """The plan's settings and spans, with the merge settings that were given put over them.

        Raises:
            ConfigError: the plan cannot be read.
        """
        if self.plan is None:
            return MergePlan(settings=self.merge)
        plan = MergePlan.read(self.plan)
        given = {name: getattr(self.merge, name) for name in self.merge.model_fields_set}
        return plan.model_copy(update={"settings": plan.settings.model_copy(update=given)})

    def decides(self) -> dict[str, Any]:
        """What the output depends on, for records and for continuing; without names of folders."""
        values = self.model_dump(mode="json", exclude=_INDIFFERENT)
        plan, encoder = self.merge_plan(), self.encoder()
        crf = encoder.options.get("crf")
        return {
            **values,
            "bits": encoder.bits,
            "crf": None if crf is None else float(crf),
            "preset": encoder.options.get("preset") or encoder.options.get("profile"),
            "like": [path.name for path in self.like],
            "masks": [path.name for path in self.masks],
            "segmenter": _by_content(self.segmenter),
            "merge": plan.settings.model_dump(mode="json"),
            "spans": [span.model_dump(mode="json") for span in plan.span],
        }


def _by_content(model: str) -> str:
    """The name of `NAME`, and the SHA-256 of the file of `NAME:PATH`."""
    name, path = split_name(model)
    return f"{name}:{file_sha256(path, WeightsError)}" if path is not None else name


class Converted(Record):
    """What became of one target."""

    target: str
    out: str
    status: Literal["done", "already", "failed"]
    error: str | None = None
    frames: int = 0
    frames_swapped: int = 0
    faces: int = Field(0, description="number of faces replaced, over all frames")
    people: tuple[int, ...] = Field((), description="numbers of the people who were replaced")
    filled: int = Field(0, description="number of faces filled in where none was found")
    jitter_before: float | None = Field(
        None, description="jitter of the landmarks, share of the face size; None: too few frames"
    )
    jitter_after: float | None = Field(None, description="the same after smoothing")
    flicker_before: float | None = Field(
        None, description="flicker of the generated faces, grey levels; None where `steady` is off"
    )
    flicker_after: float | None = None
    backend: str | None = Field(None, description="engine that ran the model")
    segments: int = 0
    segments_kept: int = Field(0, description="segments kept from an earlier, interrupted run")
    notes: tuple[str, ...] = ()
    seconds: dict[str, float] = Field(
        default_factory=dict, description="seconds by phase, which overlap; total is the clock's"
    )


class ConvertSummary(Record):
    """What became of all targets of one call."""

    out: str
    files: tuple[Converted, ...]
    left_out: str | None = Field(None, description="files of a folder that were left out")

    @property
    def failed(self) -> tuple[Converted, ...]:
        """The targets of which nothing came out."""
        return tuple(file for file in self.files if file.status == "failed")
