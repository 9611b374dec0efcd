"""A folder of pictures and videos: each is converted by itself, and a bad one ends nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from counterface.errors import CounterfaceError, MediaError, is_disk_full, reason_of
from counterface.files import make_folder
from counterface.media.beside.plan import Companions, plan_companions
from counterface.media.find_media import find_media, natural_key
from counterface.media.open_file import sniff
from counterface.provenance.rights import RIGHTS_FILE
from counterface.swap.conversion.job import ConvertJob
from counterface.swap.conversion.settings import Converted
from counterface.swap.conversion.targets.stills import KINDS, StillConverter
from counterface.swap.conversion.targets.video import VideoConversion
from counterface.types import Progress


def convert_folder(
    job: ConvertJob,
    folder: Path,
    out: Path,
    progress: Progress | None = None,
    left_out: Counter[str] | None = None,
) -> Iterator[Converted]:
    """The outcome of every picture and video below a folder, converted in natural order.

    Outputs keep their place below the folder; formats that cannot be written get a second suffix.
    A merge plan beside a video, `clip.toml` beside `clip.mp4`, wins over the one for all.

    Args:
        progress: called as (files, of how many, name).
        left_out: counts by suffix the files that are neither pictures nor videos.

    Raises:
        MediaError: there is nothing to convert, or the disk is full.
    """
    inside = out.resolve()
    found = [p for p in find_media([folder], left_out) if not p.resolve().is_relative_to(inside)]
    if left_out is not None:
        left_out.pop(".toml", None)  # merge plans and rights
    found = sorted((path for path in found if path.is_file()), key=natural_key)
    if not found:
        raise MediaError(f"{folder} holds no pictures and no videos")
    converter: StillConverter | None = None
    for number, path in enumerate(found):
        if progress:
            progress(number, len(found), path.name)
        place = out / path.relative_to(folder)
        try:
            if sniff(path) == "image":
                place = place if place.suffix.lower() in KINDS else _added(place, ".png")
                converter = converter or StillConverter(job)
                yield converter.convert(path, place, top=folder)
            else:
                place = _video_place(job, path, place)
                make_folder(place.parent)
                own = _with_plan(job, path)
                done = VideoConversion(own, path, place, None, top=folder).run()
                if own is not job:
                    note = f"merge plan {path.with_suffix('.toml').name}"
                    done = done.model_copy(update={"notes": (*done.notes, note)})
                yield done
        except (CounterfaceError, OSError) as error:
            if is_disk_full(error):  # it would fail for all that follow
                raise
            yield Converted(
                target=str(path), out=str(place), status="failed", error=reason_of(error)
            )


def _video_place(job: ConvertJob, path: Path, place: Path) -> Path:
    """The output's path: with its own suffix, or one more, the first that holds its sound."""
    if job.config.pictures:
        return _added(place, ".pictures")
    suffixes = job.config.encoder().suffixes
    if place.suffix.lower() in suffixes:
        return place
    companions = Companions(path, sound=job.config.sound)
    for suffix in suffixes:
        with suppress(MediaError):
            plan_companions(companions, suffix)
            return _added(place, suffix)
    return _added(place, suffixes[0])


def _added(place: Path, suffix: str) -> Path:
    return place.with_name(place.name + suffix)


def _with_plan(job: ConvertJob, path: Path) -> ConvertJob:
    """The job with the merge plan beside the file, where there is one."""
    plan = path.with_suffix(".toml")
    if plan.name == RIGHTS_FILE or not plan.is_file():
        return job
    config = job.config.model_copy(update={"plan": plan})
    return ConvertJob(job.trained, config, job.marker, redo=job.redo)
