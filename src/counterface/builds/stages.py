"""The stages of a build: faces, one model a pair, swaps both ways, genuine clips, the manifest.

Each stage looks at what is there and makes what is missing, so the same call goes on after a kill.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from counterface import __version__
from counterface.builds.genuine import write_genuine
from counterface.builds.masks import drop_masks, write_mask_video
from counterface.builds.plan import BuildPlan, PeoplePair, spread
from counterface.builds.rank import look_of, match_people, rank_pairs
from counterface.builds.write_pair import licence_of
from counterface.config import Record, read_config_with
from counterface.datasets.manifest import Entry
from counterface.errors import ConfigError, FacesetError, MediaError, StoppedBySignal, SwapError
from counterface.faceset.extract import ExtractConfig, extract
from counterface.files import file_sha256, make_folder
from counterface.learn.checkpoint import read_record
from counterface.provenance.mark import Marker
from counterface.swap.conversion.convert import convert
from counterface.swap.conversion.settings import ConvertConfig
from counterface.swap.swap_model import TrainedModel, read_model
from counterface.swap.training.train import SwapTrainConfig, train_swap
from counterface.types import Progress


class Failure(Record):
    """A clip that could not be used."""

    file: str
    stage: Literal["extract", "convert"]
    error: str


class ClipSwap(NamedTuple):
    """One swap: whose face, in whose clip, by which pair's model."""

    pair: PeoplePair
    face: str
    body: str
    clip: Path


def extract_config(plan: BuildPlan, person: str) -> ExtractConfig:
    """How a person's faces are extracted: the largest of each frame unless more are asked for."""
    taken = plan.config.extract
    update = {"rights": plan.rights[person], "faces": taken.faces or 1}
    return taken.model_copy(update=update)


def extract_faces(plan: BuildPlan, progress: Progress) -> list[Failure]:
    """The clips of which nothing came out; every person then has a faceset."""
    failures = []
    for name, clips in plan.clips.items():
        summary = extract(clips, plan.faces(name), extract_config(plan, name), progress=progress)
        failures += [
            Failure(file=str(s.path), stage="extract", error=s.error or "unreadable")
            for s in summary.failed
        ]
    return failures


def choose_pairs(plan: BuildPlan) -> list[PeoplePair]:
    """The pairs of the build, from now on the same with each call."""
    pairs = plan.read_pairs()
    if pairs is not None:
        return pairs
    given = plan.config.pairs
    if given == "auto":
        looks = {name: look_of(plan.faces(name)) for name in plan.clips}
        named = match_people(rank_pairs(looks))
    else:
        named = list(given)
    pairs = spread(named, plan.config)
    plan.write_pairs(pairs)
    return pairs


def train_config(plan: BuildPlan, pair: PeoplePair) -> SwapTrainConfig:
    """The training of a pair's model: the recipe, the build's settings over it.

    Raises:
        ConfigError: a key that the recipe does not know, a value that is not valid.
    """
    values: dict[str, Any] = dict(plan.config.train)
    if plan.config.steps is not None:
        values["loop"] = {**values.get("loop", {}), "steps": plan.config.steps}
    values |= {
        "source": [str(plan.faces(pair.source))],
        "target": [str(plan.faces(pair.target))],
        "out": str(plan.model(pair)),
    }
    return read_config_with(SwapTrainConfig, pair.method, values)


def steps_done(config: SwapTrainConfig) -> int:
    """How far the finished part of a run has got."""
    last = config.out / "last.safetensors"
    return int(read_record(last).get("step", 0)) if last.is_file() else 0


def train_pair(plan: BuildPlan, pair: PeoplePair, progress: Progress) -> TrainedModel:
    """The pair's model, trained to its last step.

    Raises:
        StoppedBySignal: a signal stopped the training; it was saved first.
        TrainingError: it failed.
    """
    config = train_config(plan, pair)
    steps = config.loop.steps
    if steps_done(config) < steps:

        def told(step: int, numbers: dict[str, float]) -> None:
            losses = [f"{name} {value:.3g}" for name, value in numbers.items() if "loss" in name]
            progress(step, steps, f"{pair.name}: {', '.join(losses)}")

        result = train_swap(config, told)
        if result.stopped == "signal":
            raise StoppedBySignal(result.signal)
    return read_model(config.out)


def jobs_of(plan: BuildPlan, pair: PeoplePair) -> Iterator[ClipSwap]:
    """The swaps of a pair: both ways, every clip."""
    for face, body in ((pair.source, pair.target), (pair.target, pair.source)):
        for clip in plan.converted(body):
            yield ClipSwap(pair, face, body, clip)


def convert_config(plan: BuildPlan, job: ClipSwap) -> ConvertConfig:
    """How one clip is converted, and how its genuine version is written."""
    given = plan.config.convert
    return given.model_copy(
        update={
            "who": given.who or "largest",
            "identity": "source" if job.face == job.pair.source else "target",
            "crf": job.pair.crf,
            "keep": ("masks",) if plan.config.masks else (),
            "rights": plan.rights[job.body],
        }
    )


def convert_pair(
    plan: BuildPlan, pair: PeoplePair, trained: TrainedModel, marker: Marker, progress: Progress
) -> list[Failure]:
    """The clips that could not be swapped; all others are there, genuine and swapped."""
    failures = []
    for job in jobs_of(plan, pair):
        try:
            convert_clip(plan, job, trained, marker, progress)
        except (FacesetError, MediaError, SwapError) as error:
            failures.append(Failure(file=str(job.clip), stage="convert", error=str(error)))
    return failures


def convert_clip(
    plan: BuildPlan, job: ClipSwap, trained: TrainedModel, marker: Marker, progress: Progress
) -> None:
    """Make the swap, its record and mask, and the genuine clip encoded alike."""
    config = convert_config(plan, job)
    fake = plan.fake(job.face, job.clip, job.pair)
    make_folder(fake.parent)
    convert(trained, job.clip, fake, config, marker=marker, progress=progress)
    mask = plan.mask(job.face, job.clip, job.pair)
    if plan.config.masks:
        if not mask.exists():
            write_mask_video(fake, mask)
        drop_masks(fake)
    real = plan.real(job.body, job.clip, job.pair)
    if not real.exists():
        write_genuine(job.clip, real, config, like=fake)


def list_entries(plan: BuildPlan, pairs: Sequence[PeoplePair]) -> list[Entry]:
    """Every genuine clip and every swap that is there; a clip without swap stays out."""
    entries: dict[Path, Entry] = {}
    for pair in pairs:
        for job in jobs_of(plan, pair):
            fake, real = plan.fake(job.face, job.clip, pair), plan.real(job.body, job.clip, pair)
            if not (fake.exists() and real.exists()):
                continue
            mask = plan.mask(job.face, job.clip, pair)
            entries.setdefault(
                real, _entry(plan, job, real, (job.body,), label=0, method="genuine")
            )
            entries[fake] = _entry(
                plan,
                job,
                fake,
                (job.body, job.face),
                label=1,
                method=pair.method.stem,
                generator=f"counterface {__version__} {pair.method.stem}",
                mask=mask if mask.exists() else None,
            )
    if not entries:
        raise ConfigError(f"{plan.out}: no clip could be swapped, so there is no data set")
    return list(entries.values())


def _entry(
    plan: BuildPlan, job: ClipSwap, path: Path, people: tuple[str, ...], **facts: Any
) -> Entry:
    """The entry of a clip that shows these people, the one whose clip it is first."""
    return Entry(
        path,
        source=f"{job.body}/{path.stem}",
        identities=people,
        compression=job.pair.compression,
        licence="; ".join(dict.fromkeys(licence_of(plan.rights[name]) for name in people)),
        sha256=file_sha256(path),
        **facts,
    )
