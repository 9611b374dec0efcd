"""How long a build will take here: each kind of work is done for a moment, and the rest counted.

Faces of the shortest clip are extracted for good; models are trained for a few steps and one second
is converted beside the build, and thrown away.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from counterface.builds.genuine import write_genuine
from counterface.builds.plan import BuildPlan, PeoplePair, spread
from counterface.builds.stages import (
    ClipSwap,
    convert_config,
    extract_config,
    jobs_of,
    steps_done,
    train_config,
)
from counterface.config import Record
from counterface.errors import FacesetError
from counterface.faceset.extract import extract
from counterface.faceset.header import SourceRecord
from counterface.faceset.store import Faceset
from counterface.files import file_sha256
from counterface.media import sandbox
from counterface.provenance.mark import Marker
from counterface.swap.conversion.convert import convert
from counterface.swap.swap_model import read_model
from counterface.swap.training.train import train_swap
from counterface.types import Progress

WARM_STEPS, TIMED_STEPS = 2, 4  # the first steps allocate memory and transform weights
TRIAL_S = 1.0  # seconds of footage


class Work(Record):
    """One kind of work that is left."""

    what: str
    count: int = Field(description="units that are left to do")
    unit: str
    each_s: float = Field(description="seconds for one unit, measured on this machine")

    @property
    def seconds(self) -> float:
        """The time that all of it takes."""
        return self.count * self.each_s


class Estimate(Record):
    """What is left of a build, and how long it will take."""

    work: tuple[Work, ...]
    videos: int = Field(description="videos in the finished data set, genuine ones and swaps")
    pairs: int

    @property
    def seconds(self) -> float:
        """The time that everything that is left takes."""
        return sum(work.seconds for work in self.work)


class _Speed(NamedTuple):
    step_s: float
    frame_s: float  # of a conversion
    genuine_s: float  # of a genuine frame


def estimate_work(
    plan: BuildPlan, pairs: Sequence[PeoplePair] | None, progress: Progress
) -> Estimate:
    """What is left, with times measured here.

    Args:
        plan: the build.
        pairs: if they are decided; otherwise as many are counted as there will be.
        progress: is told what is measured.
    """
    pairs = pairs if pairs is not None else _as_many_as_there_will_be(plan)
    footage = [(name, clip) for name, clips in plan.clips.items() for clip in clips]
    frames = {clip: sandbox.probe(clip).frame_count or 1 for _, clip in footage}
    person, clip = min(footage, key=lambda one: (frames[one[1]], str(one[1])))
    progress(0, None, "timing the extraction")
    extract_s = _time_extraction(plan, person, clip) / max(1, frames[clip])
    left = sum(frames[c] for name, c in footage if not _extracted(plan, name, c))
    work = [Work(what="extract faces", count=left, unit="frames", each_s=extract_s)]
    for method in dict.fromkeys(pair.method for pair in pairs):
        progress(0, None, f"timing {method.stem}")
        chosen = [pair for pair in pairs if pair.method == method]
        speed = _time_method(plan, chosen[0], person, clip)
        work += _left_of_method(plan, chosen, speed, frames)
    videos = {plan.real(j.body, j.clip, j.pair) for p in pairs for j in jobs_of(plan, p)}
    swaps = sum(1 for p in pairs for _ in jobs_of(plan, p))
    return Estimate(work=tuple(work), videos=len(videos) + swaps, pairs=len(pairs))


def _left_of_method(
    plan: BuildPlan, pairs: Sequence[PeoplePair], speed: _Speed, frames: dict[Path, int]
) -> list[Work]:
    name = pairs[0].method.stem
    configs = [train_config(plan, pair) for pair in pairs]
    steps = sum(max(0, config.loop.steps - steps_done(config)) for config in configs)
    jobs = [job for pair in pairs for job in jobs_of(plan, pair)]
    fakes = _not_there((plan.fake(j.face, j.clip, j.pair), j.clip) for j in jobs)
    reals = _not_there((plan.real(j.body, j.clip, j.pair), j.clip) for j in jobs)
    swapped, genuine = (
        sum(_in_range(plan, clip, frames[clip]) for clip in clips) for clips in (fakes, reals)
    )
    return [
        Work(what=f"train {name}", count=steps, unit="steps", each_s=speed.step_s),
        Work(what=f"swap by {name}", count=swapped, unit="frames", each_s=speed.frame_s),
        Work(what=f"genuine beside {name}", count=genuine, unit="frames", each_s=speed.genuine_s),
    ]


def _as_many_as_there_will_be(plan: BuildPlan) -> list[PeoplePair]:
    if plan.config.pairs != "auto":
        return spread(plan.config.pairs, plan.config)
    names = sorted(plan.clips)
    return spread(list(zip(names[::2], names[1::2], strict=False)), plan.config)


def _not_there(files: Iterable[tuple[Path, Path]]) -> list[Path]:
    """The clips, once for each output, whose output is not there."""
    return [clip for out, clip in dict(files).items() if not out.exists()]


def _in_range(plan: BuildPlan, clip: Path, frames: int) -> int:
    """How many of a clip's frames are converted."""
    config = plan.config.convert
    if not config.from_s and config.to_s is None:
        return frames
    rate = float(sandbox.probe(clip).fps or 25)
    end = frames / rate if config.to_s is None else min(config.to_s, frames / rate)
    return max(0, round((end - (config.from_s or 0.0)) * rate))


def _extracted(plan: BuildPlan, person: str, clip: Path) -> bool:
    try:
        header = Faceset.open(plan.faces(person)).header
    except FacesetError:
        return False
    record: SourceRecord | None = header.source(file_sha256(clip))
    return record is not None and record.done


def drop_trial(plan: BuildPlan) -> Path:
    """The folder of what is made to be timed and thrown away, which is then absent."""
    folder = plan.out / "work" / "trial"
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def _time_extraction(plan: BuildPlan, person: str, clip: Path) -> float:
    """Seconds for a clip; its faces go into the build, or are thrown away where they are there."""
    folder = plan.faces(person)
    again = _extracted(plan, person, clip)
    if again:
        folder = drop_trial(plan) / "faces"
    start = time.perf_counter()
    extract(clip, folder, extract_config(plan, person))
    seconds = time.perf_counter() - start
    if again:
        drop_trial(plan)
    return seconds


def _time_method(plan: BuildPlan, pair: PeoplePair, person: str, clip: Path) -> _Speed:
    """What a method costs: a few steps and one second of swaps, by faces of one person alone."""
    folder = drop_trial(plan)
    config = train_config(plan, pair)
    faces = (plan.faces(person),)
    short = {"steps": WARM_STEPS + TIMED_STEPS, "log_every": 1, "tensorboard": False}
    config = config.model_copy(
        update={
            "source": faces,
            "target": faces,
            "out": folder / "model",
            "preview_every": 0,
            "init_from": None,
            "reset": "none",
            "loop": config.loop.model_copy(update=short),
        }
    )
    ticks: list[float] = []
    train_swap(config, lambda step, numbers: ticks.append(time.perf_counter()))
    step_s = (ticks[-1] - ticks[WARM_STEPS - 1]) / TIMED_STEPS

    job = ClipSwap(pair, pair.source, person, clip)
    settings = convert_config(plan, job)
    end = (settings.from_s or 0.0) + TRIAL_S
    settings = settings.model_copy(update={"to_s": end, "rights": plan.rights[person], "keep": ()})
    fake = folder / "fake.mp4"
    marker = Marker(watermark=False, home=folder / "home")  # nobody's register knows of the trial
    trained = read_model(config.out)
    start = time.perf_counter()
    [made] = convert(trained, clip, fake, settings, marker=marker).files
    swap_s = time.perf_counter() - start
    start = time.perf_counter()
    write_genuine(clip, folder / "real.mp4", settings, like=fake)
    genuine_s = time.perf_counter() - start
    drop_trial(plan)
    return _Speed(step_s, swap_s / max(1, made.frames), genuine_s / max(1, made.frames))
