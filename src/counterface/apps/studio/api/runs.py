"""Trainings: the form of a recipe, the runs below the folders, their curves and pictures."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from counterface.apps.studio.api.answers import WebP
from counterface.apps.studio.api.jobs import JobRow, row_of
from counterface.apps.studio.fields import FieldGroup, list_groups, values_outward
from counterface.apps.studio.find_folders import find_folders, is_run
from counterface.apps.studio.store import StudioError
from counterface.apps.studio.studio import Studio, StudioHere
from counterface.config import Record, read_config
from counterface.errors import ConfigError, MediaError, TrainingError
from counterface.learn.run_log import LOG_FILE, read_log
from counterface.project_files import read_toml

router = APIRouter(tags=["trainings"])
MOST_RUNS = 300  # that are listed
MOST_POINTS = 4000  # of a curve
NEWEST, OLDER = 100, 200  # pictures that are named: all of the newest, at most so many older ones
TAIL = 4096  # bytes of a log in which its last line is looked for
CONFIG = "config.toml"  # as `swap.training.train.CONFIG_FILE`, which would load torch
Place = Annotated[str, Query(description="folder of a run")]


class TrainingForm(Record):
    """What a recipe may say, for one architecture."""

    models: tuple[str, ...] = Field(description="names of the architectures")
    presets: dict[str, dict[str, Any]] = Field(description="named sets of the options")
    groups: tuple[FieldGroup, ...] = Field(description="settings, and `options` of the model")
    many: bool = Field(description="whether it can learn more than two people")


class Run(Record):
    """A training run on disk."""

    place: str
    name: str
    model: str = Field(description="architecture; empty where the run does not say")
    swap: bool = Field(description="whether it trains a swap model")
    step: int = Field(description="last step in its log")
    steps: int | None = Field(description="steps of the whole run")
    changed: float = Field(description="last change of its log, seconds since 1970")
    job: JobRow | None = Field(description="the last job that trained it")


class RunState(Record):
    """A run with what is watched while it trains."""

    run: Run
    settings: dict[str, Any] = Field(description="its recipe, places for paths")
    batch_size: int | None
    last: dict[str, float] = Field(description="numbers of the last line of its log")
    pictures: tuple[int, ...] = Field(
        description="steps with a picture: the newest 100, and of older ones every 2nd, 4th, ..."
    )
    picture_count: int = Field(description="pictures that are kept")
    picture: float | None = Field(description="when the last picture was drawn; None: not yet")
    changes: tuple[dict[str, Any], ...] = Field(description="settings that changed, by step")


class Curves(Record):
    """Numbers of a log over its steps; long stretches are averaged."""

    steps: tuple[int, ...]
    values: dict[str, tuple[float | None, ...]] = Field(description="by name, one for each step")


@router.get("/trainings/form")
def form(
    model: Annotated[str, Query(description="name of the architecture")] = "df",
) -> TrainingForm:
    """The settings of a training with this architecture."""
    from counterface.registry import SWAP_MODELS
    from counterface.swap.swap_model import model_kind
    from counterface.swap.training.train import SwapTrainConfig

    kind = model_kind(model)
    hidden = {"loss"} if kind.TRAINED_BY == "gan" else {"gan", "gan.features", "gan.schedule"}
    groups = [one for one in list_groups(SwapTrainConfig(model=model)) if one.name not in hidden]
    return TrainingForm(
        models=tuple(SWAP_MODELS.names()),
        presets=dict(kind.PRESETS),
        groups=(groups[0], *list_groups(kind.Config(), "options"), *groups[1:]),
        many=kind.MAX_IDENTITIES > 2,
    )


@router.get("/trainings/recipe")
def recipe(
    studio: StudioHere, place: Annotated[str, Query(description="a recipe, or folder of a run")]
) -> dict[str, Any]:
    """What a recipe says other than the defaults, as nested tables, and its model.

    Relative paths are left out: they are meant from a folder that the studio does not know.
    """
    from counterface.swap.training.train import SwapTrainConfig

    path = studio.places.readable(place)
    settings = _settings(studio, path / CONFIG if path.is_dir() else path)
    changed = _changed(settings, values_outward(SwapTrainConfig(), studio.places))
    return {"model": settings["model"], **changed}


@router.get("/runs")
def runs(studio: StudioHere) -> list[Run]:
    """The runs below the folders of the studio, the last one to change first."""
    jobs = _jobs_by_run(studio)
    found = [
        _run(studio, path, jobs) for path in islice(find_folders(studio.places, is_run), MOST_RUNS)
    ]
    return sorted(found, key=lambda one: -one.changed)


@router.get("/runs/state")
def state(studio: StudioHere, place: Place) -> RunState:
    """A run, its recipe, and what there is to see of it; also one that is about to begin."""
    path = studio.places.path(place)
    run = _run(studio, path, _jobs_by_run(studio))
    if run.job is None and not path.is_dir():
        raise StudioError(f"{place}: no run is there")
    settings = _settings(studio, path / CONFIG) if run.swap else {}
    picture, pictures = path / "preview.png", _pictures(path)
    return RunState(
        run=run,
        settings=settings,
        batch_size=settings.get("loop", {}).get("batch_size"),
        last=_last_line(path),
        pictures=tuple(_thinned(pictures)),
        picture_count=len(pictures),
        picture=picture.stat().st_mtime if picture.is_file() else None,
        changes=tuple(studio.places.outward_json(list(_changes(path)))),
    )


@router.get("/runs/curves")
def curves(
    studio: StudioHere,
    place: Place,
    first: Annotated[int, Query(ge=0, description="first step")] = 0,
    last: Annotated[int | None, Query(ge=0, description="last step; unset: the end")] = None,
    most: Annotated[int, Query(ge=10, le=MOST_POINTS, description="points of a curve")] = 1000,
) -> Curves:
    """The numbers of a run's log."""
    path = studio.places.path(place)
    if not (path / LOG_FILE).is_file():
        return Curves(steps=(), values={})
    rows = [
        row
        for row in read_log(path)
        if row["kind"] == "train"
        and first <= float(row["step"]) <= (math.inf if last is None else last)
    ]
    size = max(1, math.ceil(len(rows) / most))
    parts = [rows[k : k + size] for k in range(0, len(rows), size)]
    names = sorted({name for row in rows for name in row} - {"kind", "step"})
    return Curves(
        steps=tuple(int(part[-1]["step"]) for part in parts),
        values={name: tuple(_mean(part, name) for part in parts) for name in names},
    )


@router.get("/runs/picture", response_class=WebP)
def picture(
    studio: StudioHere,
    place: Place,
    step: Annotated[int | None, Query(ge=0, description="a kept one; unset: the last")] = None,
) -> WebP:
    """The picture of a run, faces and losses, as WebP."""
    from counterface.media import sandbox
    from counterface.media.image import encode_image

    path = studio.places.readable(place)
    name = "preview.png" if step is None else f"previews/step-{step:08d}.jpg"
    file = studio.places.readable(f"{studio.places.name(path)}/{name}")
    try:
        image = sandbox.read_image(file)
    except MediaError as error:
        raise StudioError(f"{place}: its picture cannot be read: {error}") from error
    return WebP(
        encode_image(image, "WEBP", quality=90),
        headers={"cache-control": "private, max-age=3600"},  # pages name its time in the address
    )


def _settings(studio: Studio, path: Path) -> dict[str, Any]:
    from counterface.swap.training.train import SwapTrainConfig

    return values_outward(read_config(SwapTrainConfig, path), studio.places)


def _changed(values: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """The values that differ from the defaults, table by table; what is unset is left out."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        default = defaults.get(key)
        if isinstance(value, dict) and isinstance(default, dict):
            if inner := _changed(value, default):
                found[key] = inner
        elif value != default and value is not None:
            found[key] = value
    return found


def _run(studio: Studio, path: Path, jobs: dict[Path, JobRow]) -> Run:
    log, config = path / LOG_FILE, dict[str, Any]()
    if (path / CONFIG).is_file():
        try:
            config = read_toml(path / CONFIG, ConfigError)
        except ConfigError:
            config = {}  # the page of the run tells what is wrong
    loop = config.get("loop", {})
    return Run(
        place=studio.places.name(path),
        name=path.name,
        model=str(config.get("model", "")),
        swap=("source" in config and "options" in config) or "identities" in config,
        step=int(_last_line(path).get("step", 0)),
        steps=loop.get("steps") if isinstance(loop, dict) else None,
        changed=log.stat().st_mtime if log.is_file() else 0.0,
        job=jobs.get(path),
    )


def _jobs_by_run(studio: Studio) -> dict[Path, JobRow]:
    """The newest training of each run."""
    found: dict[Path, JobRow] = {}
    for job in studio.store.jobs(name="swap train", most=500):
        out = _out_of(job.words)
        if out is not None and (out not in found or found[out].created < job.created):
            found[out] = row_of(job, studio.places)
    return found


def _out_of(words: list[str]) -> Path | None:
    """The folder that a training's command line names; None where its recipe does."""
    out = None
    for word in words:
        if word.startswith("--set=out="):
            out = tomllib.loads(word.removeprefix("--set="))["out"]
        elif word.startswith("--out="):
            out = word.removeprefix("--out=")
    return None if out is None else Path(out)


def _last_line(path: Path) -> dict[str, float]:
    """The numbers of the last line of training in a run's log; empty where there is none."""
    log = path / LOG_FILE
    if not log.is_file():
        return {}
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL))
        lines = file.read().decode("utf-8", "replace").splitlines()
    for line in reversed(lines):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and row.pop("kind", None) == "train":
            return {key: float(value) for key, value in row.items() if _is_number(value)}
    return {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _pictures(path: Path) -> list[int]:
    names = (file.stem.removeprefix("step-") for file in (path / "previews").glob("step-*.jpg"))
    return sorted(int(name) for name in names if name.isdigit())


def _thinned(steps: list[int]) -> list[int]:
    """The newest steps, and older ones at an even stride; it doubles, so that most of them stay."""
    older, stride = steps[:-NEWEST], 1
    while len(older) > OLDER * stride:
        stride *= 2
    return older[::stride] + steps[-NEWEST:]


def _changes(path: Path) -> Iterator[dict[str, Any]]:
    from counterface.project_files import read_json_lines

    if (path / "changes.jsonl").is_file():
        for row in read_json_lines(path / "changes.jsonl", TrainingError, "delete it"):
            if isinstance(row, dict):
                yield row


def _mean(rows: list[dict[str, float | str]], name: str) -> float | None:
    values = [float(row[name]) for row in rows if name in row and _is_number(row[name])]
    return sum(values) / len(values) if values else None
