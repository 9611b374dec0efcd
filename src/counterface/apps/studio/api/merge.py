"""Merging: settings live on one frame of a target, merge plans, frames of videos."""

from __future__ import annotations

import base64
import json
from fractions import Fraction
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from pydantic import Field

from counterface.apps.studio.api.answers import Jpeg
from counterface.apps.studio.commands import Value, read_command, require_understood, words_of
from counterface.apps.studio.fields import FieldGroup, list_groups
from counterface.apps.studio.studio import StudioHere
from counterface.config import Record, validate
from counterface.errors import ConfigError, MediaError
from counterface.media.find_media import VIDEO_SUFFIXES
from counterface.swap.merge.plan import MergePlan
from counterface.swap.merge.settings import MASK_FACTORS, MergeSettings

router = APIRouter(tags=["merging"])
THUMB = 96  # height of a frame in the strip, pixels
MOST_SETTINGS = 8000  # characters of settings in an address
MASKS = (
    "hull", "learned", "learned_x_hull", "faceset", "segmented", "made", "segmented_x_hull",
    "segmented_x_made", "segmented_x_made_x_hull", "none",
)  # fmt: skip
Number = Annotated[str, InPath(description="id of the live merge")]
Target = Annotated[str, Query(description="the target: a video or a picture")]
Seconds = Annotated[float, Query(ge=0, le=1e6, description="moment, seconds")]


class MergeForm(Record):
    """Every knob of a merge."""

    group: FieldGroup
    masks: tuple[str, ...] = Field(description="masks that are usual")
    mask_factors: tuple[str, ...] = Field(description="what products of masks are made of")
    color_transfers: tuple[str, ...]


class TargetAbout(Record):
    """A target as its time line shows it."""

    place: str
    video: bool
    width: int
    height: int
    start_s: float
    duration_s: float
    fps: float | None


class LiveRequest(Record):
    """A model and a target that are to be merged live."""

    model: str = Field(description="place of a run or weights")
    target: str = Field(description="place of a video or picture")
    options: dict[str, Value | list[Value] | None] = Field(
        default_factory=dict, description="options as of 'swap preview'; others are passed over"
    )


class LiveAbout(Record):
    """A live merge that is open."""

    id: str


class LiveMoment(Record):
    """The moment that a live merge shows."""

    pts: float = Field(description="time of the frame, seconds")
    person: int | None = Field(description="number of the person who is replaced")
    box: tuple[float, float, float, float]
    width: int
    height: int
    ms: int


class PlanAt(Record):
    """A moment of a plan."""

    plan: dict[str, Any] = Field(description="`settings` and `span`, as in the file")
    at_s: float = Field(ge=0)
    track: int | None = None


class PlanChange(PlanAt):
    """A change of a plan at a moment."""

    do: Literal["split", "carry_on", "carry_back"]
    number: int = Field(0, ge=0, description="span that is split, from 0")


class PlanSaved(Record):
    """A plan and where it is to be written."""

    place: str
    plan: dict[str, Any]


@router.get("/merges/form")
def form() -> MergeForm:
    """The knobs with bounds, defaults and help."""
    from counterface.registry import COLOR_TRANSFERS

    (group,) = list_groups(MergeSettings())
    return MergeForm(
        group=group,
        masks=MASKS,
        mask_factors=MASK_FACTORS,
        color_transfers=tuple(COLOR_TRANSFERS.names()),
    )


@router.get("/merges/target")
def target(studio: StudioHere, place: Target) -> TargetAbout:
    """Size and time of a target."""
    from counterface.media import sandbox

    path = studio.places.readable(place)
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        height, width = sandbox.read_image(path).shape[:2]
        return TargetAbout(place=place, video=False, width=width, height=height,
                           start_s=0, duration_s=0, fps=None)  # fmt: skip
    info = sandbox.probe(path)
    return TargetAbout(
        place=place,
        video=True,
        width=info.width,
        height=info.height,
        start_s=float(info.start_s),
        duration_s=float(info.duration_s or 0),
        fps=None if info.fps is None else float(info.fps),
    )


@router.get("/merges/strip", response_class=Jpeg)
def strip(
    studio: StudioHere,
    place: Target,
    count: Annotated[int, Query(ge=2, le=24, description="frames")] = 12,
) -> Jpeg:
    """Frames of a video at even times, side by side."""
    import cv2
    import numpy as np

    from counterface.media import sandbox

    about = target(studio, place)
    path = studio.places.readable(place)
    if not about.video:
        images = [sandbox.read_image(path)]
    else:
        step = about.duration_s / count
        times = [
            Fraction(about.start_s + (k + 0.5) * step).limit_denominator(10**6)
            for k in range(count)
        ]
        images = [frame.image for frame in sandbox.frames_at(path, times)]
    width = max(1, round(THUMB * about.width / about.height))
    small = [cv2.resize(one, (width, THUMB), interpolation=cv2.INTER_AREA) for one in images]
    return _jpeg(np.concatenate(small, axis=1))


@router.get("/merges/frame", response_class=Jpeg)
def frame(studio: StudioHere, place: Target, at: Seconds = 0.0) -> Jpeg:
    """One frame of a video, or a picture."""
    from counterface.media import sandbox

    path = studio.places.readable(place)
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        return _jpeg(sandbox.read_image(path))
    frames = list(sandbox.frames_at(path, [Fraction(at).limit_denominator(10**6)]))
    if not frames:
        raise MediaError(f"{place}: no frame at {at:g} s")
    return _jpeg(frames[0].image)


@router.post("/merges", status_code=201)
def open_live(request: LiveRequest, studio: StudioHere) -> LiveAbout:
    """Read a model and make ready a target, both of which need their rights records."""
    known = {option.name for option in read_command("swap preview").options}
    options = {key: value for key, value in request.options.items() if key in known}
    arguments = [request.model, request.target, f"{next(iter(studio.places.own))}/live.png"]
    words = words_of("swap preview", arguments, options, studio.places)
    config = require_understood("swap preview", words).get("config")
    live = studio.lives.open(
        {
            "open": [str(studio.places.readable(one)) for one in (request.model, request.target)],
            "config": {} if config is None else config.model_dump(mode="json", by_alias=True),
        }
    )
    return LiveAbout(id=live.id)


@router.post("/merges/{number}/at")
def choose_moment(number: Number, at: Seconds, studio: StudioHere) -> LiveMoment:
    """Find the face at a moment and make its new one."""
    return LiveMoment.model_validate(studio.lives.get(number).ask({"at": at}))


@router.get("/merges/{number}/before", response_class=Jpeg)
def before(number: Number, studio: StudioHere) -> Jpeg:
    """The frame of the moment as it is."""
    return _picture(studio.lives.get(number).ask({"before": True}))


@router.get("/merges/{number}/picture", response_class=Jpeg)
def merged(
    number: Number,
    studio: StudioHere,
    settings: Annotated[str, Query(max_length=MOST_SETTINGS, description="JSON")] = "{}",
) -> Jpeg:
    """The frame of the moment with the new face, watermarked and signed."""
    try:
        values = json.loads(settings)
    except ValueError as error:
        raise ConfigError(f"settings are no JSON: {error}") from error
    checked = validate(MergeSettings, values, "settings")
    return _picture(studio.lives.get(number).ask({"merge": checked.model_dump(mode="json")}))


@router.delete("/merges/{number}")
def end_live(number: Number, studio: StudioHere) -> dict[str, bool]:
    """End a live merge; one that has ended already is no error."""
    studio.lives.end(number)
    return {"ended": True}


@router.get("/plans")
def read_plan(
    studio: StudioHere, place: Annotated[str, Query(description="file of the plan")]
) -> dict[str, Any]:
    """A merge plan; its TOML as `toml`."""
    return _plan_out(MergePlan.read(studio.places.readable(place)))


@router.put("/plans")
def write_plan(request: PlanSaved, studio: StudioHere) -> dict[str, Any]:
    """Write a merge plan as TOML; a file that is no plan is not written over."""
    path = studio.places.path(request.place)
    if path.suffix != ".toml":
        raise ConfigError(f"{request.place}: a merge plan is a file that ends in .toml")
    plan = _plan(request.plan)
    if path.exists():
        MergePlan.read(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    plan.write(path)
    return _plan_out(plan)


@router.post("/plans/at")
def plan_at(request: PlanAt) -> dict[str, Any]:
    """The settings of a plan at a moment, for a person."""
    return _plan(request.plan).at(request.at_s, request.track).model_dump(mode="json")


@router.post("/plans/change")
def change_plan(request: PlanChange) -> dict[str, Any]:
    """A plan with a span split, or with the settings of a moment carried on or back."""
    plan = _plan(request.plan)
    if request.do == "split":
        return _plan_out(plan.split(request.number, request.at_s))
    return _plan_out(plan.carry(request.at_s, request.track, back=request.do == "carry_back"))


def _plan(values: dict[str, Any]) -> MergePlan:
    given = {key: value for key, value in values.items() if key != "toml"}
    return validate(MergePlan, given, "plan")


def _plan_out(plan: MergePlan) -> dict[str, Any]:
    return {**plan.model_dump(mode="json"), "toml": plan.to_toml()}


def _picture(answer: dict[str, Any]) -> Jpeg:
    headers = {"x-milliseconds": str(answer["ms"])}
    return Jpeg(base64.b64decode(answer["picture"]), headers=headers)


def _jpeg(image: Any) -> Jpeg:
    from counterface.media.image import encode_image

    headers = {"cache-control": "private, max-age=600"}
    return Jpeg(encode_image(image, "JPEG", 88), headers=headers)
