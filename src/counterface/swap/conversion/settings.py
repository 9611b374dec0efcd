"""Every option of a conversion, and what came out of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, model_validator

from counterface.config import STRICT
from counterface.provenance.rights import Rights
from counterface.swap.conversion.footage import LookConfig
from counterface.swap.conversion.people import Choice
from counterface.swap.conversion.placement import SmoothConfig
from counterface.swap.merge.plan import MergePlan
from counterface.swap.merge.settings import MergeSettings

_FILES = {"plan", "like", "masks", "rights_file"}  # told by name, or by what is in them
_INDIFFERENT = {"limits", "batch", "threads", "rights", "merge"} | _FILES


class ConvertConfig(LookConfig):
    """How a target becomes an output."""

    person: tuple[int, ...] = Field(
        (), description="who is replaced: numbers as 'counterface faces list' prints them"
    )
    like: tuple[Path, ...] = Field(
        (), description="who is replaced: pictures of one person, and whoever looks like them"
    )
    who: Literal["all", "largest"] | None = Field(
        None, description="who is replaced: everyone, or the one with the largest face"
    )
    identity: str | None = Field(
        None, description="whose face is put in, of a model that knows more than two"
    )
    plan: Path | None = Field(None, description="merge plan, TOML; settings over time")
    merge: MergeSettings = Field(
        MergeSettings(), description="how faces are merged; wins over the plan's own settings"
    )
    masks: tuple[Path, ...] = Field(
        (),
        description="facesets of the target with masks, for merge mask 'faceset'; those that the "
        "model was trained on by default",
    )
    smooth: SmoothConfig = Field(SmoothConfig(), description="steadying of landmarks over time")
    steady: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the last output that is blended in where the motion explains the "
        "footage; 0 = off, 0.5 takes about half of a flicker away",
    )
    backend: Literal["auto", "torch", "onnx"] = Field(
        "auto", description="what runs the model; auto = torch, which measures faster"
    )
    batch: int = Field(8, ge=1, le=256, description="faces in one run of the model")
    threads: int = Field(
        0, ge=0, le=64, description="of the model on a CPU; 0 = one a core, at most 8"
    )
    device: str = Field("cpu", description="of the model under torch: cpu, gpu, cuda, cuda:1, mps")
    crf: float = Field(18.0, ge=0, le=40, description="x264 quality of the video; 18 looks alike")
    preset: Literal[
        "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower"
    ] = Field("veryfast", description="x264 speed of the video; slower files are smaller")
    quality: int = Field(95, ge=50, le=100, description="JPEG quality of pictures")
    sound: bool = Field(True, description="copy the target's sound, bit for bit")
    segment_s: float = Field(
        10.0, ge=0.5, le=600, description="seconds of video that a kill may cost"
    )
    keep: tuple[Literal["masks", "crops", "matrices"], ...] = Field(
        (), description="write these beside the output: where and how faces were replaced"
    )
    rights: Rights | None = Field(None, description="rights record of the target's footage")
    rights_file: Path | None = Field(
        None, description="a rights.toml with it; the one beside the target by default"
    )

    @model_validator(mode="after")
    def _check_choice(self) -> ConvertConfig:
        self.choice()
        if self.rights is not None and self.rights_file is not None:
            raise ValueError("rights and rights_file are given; leave one out")
        return self

    def choice(self) -> Choice:
        """Who is replaced."""
        return Choice(person=self.person, like=self.like, who=self.who)

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
        """What the output depends on, for records and for continuing; no folder names in it."""
        values = self.model_dump(mode="json", exclude=_INDIFFERENT)
        plan = self.merge_plan()
        return {
            **values,
            "like": [path.name for path in self.like],
            "masks": [path.name for path in self.masks],
            "merge": plan.settings.model_dump(mode="json"),
            "spans": [span.model_dump(mode="json") for span in plan.span],
        }


class Converted(BaseModel):
    """What became of one target."""

    model_config = STRICT

    target: str
    out: str
    status: Literal["done", "already", "failed"]
    error: str | None = None
    frames: int = 0
    frames_swapped: int = 0
    faces: int = Field(0, description="that were replaced, over all frames")
    people: tuple[int, ...] = Field((), description="numbers of those who were replaced")
    filled: int = Field(0, description="faces put in for moments in which none was found")
    jitter_before: float | None = Field(
        None, description="of the landmarks, parts of the face size; None: too few frames"
    )
    jitter_after: float | None = Field(None, description="after smoothing")
    flicker_before: float | None = Field(
        None, description="of the faces made, grey levels; None where `steady` is off"
    )
    flicker_after: float | None = None
    backend: str | None = Field(None, description="what ran the model")
    segments: int = 0
    segments_kept: int = Field(0, description="of an earlier, interrupted run")
    notes: tuple[str, ...] = ()
    seconds: dict[str, float] = Field(
        default_factory=dict, description="by phase; phases overlap in time; total is the clock's"
    )


class ConvertSummary(BaseModel):
    """What became of all targets of one call."""

    model_config = STRICT

    out: str
    files: tuple[Converted, ...]

    @property
    def failed(self) -> tuple[Converted, ...]:
        """The targets of which nothing came out."""
        return tuple(file for file in self.files if file.status == "failed")
