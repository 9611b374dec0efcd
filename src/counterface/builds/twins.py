"""A data set of minted twins: genuine pictures, and fakes made of them by a bank of decoders.

    build_twins(read_config(TwinsConfig, Path("twins.toml")))

OUT/
  manifest.parquet        both of every pair that the guard keeps
  real/stills/000012.jpg  the genuine picture, or a frame of a clip
  fake/stills/000012.jpg  its twin; signed, its record beside it
  masks/stills/000012.png 255 where all is foreign
  work/faces/stills/      the faceset that says where faces are
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.random import Generator
from pydantic import Field, field_validator, model_validator

from counterface.builds.plan import MANIFEST_FILE, PersonClips, check_shares, find_footage
from counterface.builds.splits import split_groups
from counterface.builds.write_pair import (
    PairFiles,
    find_faces,
    pair_entries,
    pair_record,
    write_pair,
)
from counterface.config import Record, Settings
from counterface.datasets.decoders.bank import DecoderFile, open_bank
from counterface.datasets.manifest import Entry, write_manifest
from counterface.datasets.pairs.paste_masks import eye_distance
from counterface.datasets.pairs.self_blended import FaceSample
from counterface.datasets.split import SplitConfig
from counterface.datasets.twins.layers import Family
from counterface.datasets.twins.mint import LEAST_EYES, Twin, cut_view, mint, treat_alike
from counterface.datasets.twins.sharpness import (
    GuardFigures,
    inner_part,
    keep_guard,
    log_sharpness,
    measure_guard,
)
from counterface.errors import ConfigError, MediaError
from counterface.faceset.extract import ExtractConfig
from counterface.faceset.row import Row
from counterface.files import locked
from counterface.media import sandbox
from counterface.media.find_media import VIDEO_SUFFIXES
from counterface.media.image import IMAGE_SUFFIXES
from counterface.media.recompress import recompress_jpeg
from counterface.provenance.mark import Marker
from counterface.provenance.record import read_record, record_path
from counterface.provenance.rights import Rights
from counterface.types import Image, Progress

_TOGETHER = 12  # pairs of one clip whose frames are held at once
_TRIES = 3  # of one pair, until a fake is as sharp as its twin


class Crowd(PersonClips):
    """Pictures and clips under one rights record."""

    person: Literal["file", "folder", "all"] = Field(
        "file",
        description="what counts as one person: each file, each folder, or all files together",
    )


class TwinsConfig(Settings):
    """A data set of genuine pictures and fakes minted from them."""

    out: Path = Field(Path("data/twins"), description="folder of the data set")
    people: dict[str, Crowd] = Field(
        min_length=1, description="sets by name, each with pictures or clips and rights"
    )
    decoders: Path = Field(
        Path("runs/decoders"),
        description="folder of the bank of decoders, see recipes/decoders.toml",
    )
    only: tuple[str, ...] = Field(
        (), description="names of the decoders to use; none named: all of the bank"
    )
    pairs: int = Field(
        1000, ge=1, description="number of pairs, spread evenly over the sets; may be raised later"
    )
    families: dict[Family, float] = Field(
        {"redrawn": 0.25, "pasted": 0.35, "mouth": 0.15, "reenact": 0.1, "self_blended": 0.15},
        description="share of each family of fakes",
    )
    quality: tuple[int, int] = Field((60, 98), description="lowest and highest JPEG quality")
    split: SplitConfig | None = Field(
        None,
        description="shares of the splits, which keep people and footage together; unset: no split",
    )
    seed: int = Field(0, ge=0, description="seed for everything random except the split")
    extract: ExtractConfig = ExtractConfig(
        template="head", size=384, faces=1, every=6, max_outside=0.9
    )

    @field_validator("families")
    @classmethod
    def _something_is_made(cls, value: dict[Family, float]) -> dict[Family, float]:
        check_shares(value)
        return value

    @model_validator(mode="after")
    def _qualities_in_order(self) -> TwinsConfig:
        low, high = self.quality
        if not 1 <= low <= high <= 100:
            raise ValueError(f"quality is least and most of 1 to 100, got {list(self.quality)}")
        return self


class TwinsSummary(Record):
    """What was made."""

    manifest: str
    pairs: int = Field(description="pairs in the manifest")
    made: int = Field(description="pairs that were not there before this call")
    dropped: int = Field(description="pairs that the guard against soft fakes left out")
    guard: dict[str, GuardFigures] = Field(
        description="sharpness of the fakes relative to their twins, by family"
    )
    failed: tuple[str, ...] = Field(description="files that could not be read, with the reason")


@dataclass(frozen=True, slots=True, eq=False)
class _TwinJob:
    """A pair that is to be made."""

    place: PairFiles
    row: Row
    other: Row | None  # the same clip at another moment
    driver: Row  # another moment of the clip, or another person
    seed: tuple[int, ...]


def build_twins(
    config: TwinsConfig, *, marker: Marker | None = None, progress: Progress | None = None
) -> TwinsSummary:
    """What was made; run again to continue. Fakes are signed and recorded, not watermarked.

    Args:
        config: the build.
        marker: what signs; the local identity by default. It leaves no watermark.
        progress: called as (pairs or frames, total or None, what is going on).

    Raises:
        RightsError: a set has no rights record; nothing was made.
        MediaError: a set has no footage.
        FacesetError: the faces of somebody that are there cannot be used.
        ConfigError: no such decoders; another process builds there; no face was found; the split is
            not possible.
    """
    told = progress or (lambda done, total, text: None)
    _, rights = find_footage(config.people, VIDEO_SUFFIXES | IMAGE_SUFFIXES)
    decoders = open_bank(config.decoders, config.only)
    marker = marker or Marker(watermark=False)
    failed: list[str] = []
    entries: list[tuple[Entry, Entry]] = []
    differences: list[tuple[str, float]] = []
    made = 0
    with locked(config.out, ConfigError):
        for name in config.people:
            rows, bad = _find_faces(config, name, rights[name], told)
            failed += bad
            jobs = _jobs(config, name, rows)
            work = _minted(config, name, jobs, decoders, rights[name], marker, failed)
            for done, new in enumerate(work, start=1):
                made += new
                told(done, len(jobs), f"pairs of {name}")
            for job in jobs:
                if job.place.real.exists():
                    pair, family, apart = _entries(job, config.people[name], rights[name])
                    entries.append(pair)
                    differences.append((family, apart))
        kept, guard = _guard(differences)
        chosen = [entry for number in kept for entry in entries[number]]
        if config.split is not None:
            chosen = split_groups(chosen, config.split)
        write_manifest(chosen, config.out / MANIFEST_FILE)
    return TwinsSummary(
        manifest=str(config.out / MANIFEST_FILE),
        pairs=len(kept),
        made=made,
        dropped=len(entries) - len(kept),
        guard=guard,
        failed=tuple(failed),
    )


def _find_faces(
    config: TwinsConfig, name: str, rights: Rights, told: Progress
) -> tuple[list[Row], list[str]]:
    """The faces of a set that are large enough, and the files that gave nothing."""
    files = config.people[name].clips
    faceset, failed = find_faces(config.out, name, files, config.extract, rights, told)
    rows = [row for row in faceset if eye_distance(row.landmarks) >= LEAST_EYES]
    if not rows:
        raise ConfigError(f"people.{name}: no face of {LEAST_EYES:g} px between the eyes was found")
    return rows, failed


def _jobs(config: TwinsConfig, name: str, rows: list[Row]) -> list[_TwinJob]:
    """The pairs of a set, those of one file together; a face may come several times."""
    names = list(config.people)
    place = names.index(name)
    share = len(range(place, config.pairs, len(names)))
    order = np.random.default_rng([config.seed, place]).permutation(len(rows))
    of_source: dict[str, list[Row]] = {}
    for row in rows:
        of_source.setdefault(row.source, []).append(row)
    jobs = []
    for number in range(share):
        row = rows[int(order[number % len(rows)])]
        seed = (config.seed, place, number)
        rng = np.random.default_rng([*seed, 1])
        others = [one for one in of_source[row.source] if one.frame_index != row.frame_index]
        other = others[int(rng.integers(len(others)))] if others else None
        driver = other or rows[int(rng.integers(len(rows)))]
        jobs.append(_TwinJob(PairFiles(config.out, name, number, "jpg"), row, other, driver, seed))
    return sorted(jobs, key=lambda job: (job.row.source, job.place.number))


def _minted(
    config: TwinsConfig,
    name: str,
    jobs: list[_TwinJob],
    decoders: list[DecoderFile],
    rights: Rights,
    marker: Marker,
    failed: list[str],
) -> Iterator[bool]:
    """Whether each job was done now: False if it was done before, or no twin came about."""
    for source, group in groupby(jobs, key=lambda job: job.row.source):
        while together := list(islice(group, _TOGETHER)):
            todo = [job for job in together if not job.place.real.exists()]
            try:
                frames = _read_frames(config.people[name], source, todo)
            except MediaError as error:
                failed.append(str(error))
                frames = {}
            for job in together:
                twin = None
                if job in todo and job.row.frame_index in frames:
                    twin = _mint(config, job, frames, decoders)
                if twin is not None:
                    _write(config, job, twin, rights, marker)
                yield twin is not None


def _read_frames(crowd: Crowd, source: str, jobs: list[_TwinJob]) -> dict[int, Image]:
    """The frames that the jobs of one file need, by number."""
    if not jobs:
        return {}
    roots = [path if path.is_dir() else path.parent for path in crowd.clips]
    path = next((root / source for root in roots if (root / source).is_file()), None)
    if path is None:
        raise MediaError(f"{source}: is no longer in {', '.join(map(str, roots))}")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return {0: sandbox.read_image(path)}
    rows = [row for job in jobs for row in (job.row, job.other) if row is not None]
    wanted = sorted({row.pts: row.frame_index for row in rows}.items())
    read = sandbox.frames_at(path, [pts for pts, _ in wanted])
    return {index: frame.image for (_, index), frame in zip(wanted, read, strict=False)}


def _mint(
    config: TwinsConfig, job: _TwinJob, frames: Mapping[int, Image], decoders: list[DecoderFile]
) -> Twin | None:
    """The pair, its pictures treated alike; None where no try gave twins of like sharpness."""

    def moment(rng: Generator) -> FaceSample | None:
        if job.other is None or job.other.frame_index not in frames:
            return None
        return FaceSample(frames[job.other.frame_index], job.other.landmarks)

    for attempt in range(_TRIES):
        rng = np.random.default_rng([*job.seed, 2, attempt])
        view = cut_view(FaceSample(frames[job.row.frame_index], job.row.landmarks), rng)
        if view is None:
            return None
        twin = mint(
            view,
            rng,
            shares=config.families,
            decoders=decoders,
            driver=lambda _: job.driver.landmarks,
            moment=moment,
        )
        if twin is not None:
            return treat_alike(twin, rng)
    return None


def _write(config: TwinsConfig, job: _TwinJob, twin: Twin, rights: Rights, marker: Marker) -> None:
    rng = np.random.default_rng([*job.seed, 3])
    quality = int(rng.integers(config.quality[0], config.quality[1] + 1))
    inside = inner_part(twin.mask)
    sharp = [
        log_sharpness(recompress_jpeg(image, quality), inside) for image in (twin.real, twin.fake)
    ]
    settings = {
        "family": twin.family,
        "maker": twin.maker,
        "mask": twin.how,
        "seed": list(job.seed),
        "frame": job.row.frame_index,
        "quality": quality,
        "landmarks": [[round(float(x), 2), round(float(y), 2)] for x, y in twin.landmarks],
        "sharper": round(sharp[1] - sharp[0], 4),
    }
    record = pair_record(job.place, job.row, settings, rights)
    write_pair(job.place, twin.real, twin.fake, twin.mask, record, quality, marker)


def _entries(job: _TwinJob, crowd: Crowd, rights: Rights) -> tuple[tuple[Entry, Entry], str, float]:
    """Genuine picture and fake, the fake's family, and by how much it is sharper."""
    settings = read_record(record_path(job.place.fake)).settings
    name, source = job.place.person, Path(job.row.source)
    who = {"file": source.as_posix(), "folder": source.parent.as_posix(), "all": ""}[crowd.person]
    family = str(settings["family"])
    pair = pair_entries(
        job.place,
        family,
        str(settings["maker"]).rpartition("+")[2],  # who drew last; the record has all
        rights,
        source=f"{name}/{job.row.source}#{job.place.number}",  # of this pair alone: twins
        origin=name,
        identities=(f"{name}/{who}".rstrip("/."),),
        compression=f"jpg{settings['quality']}",
    )
    return pair, family, float(str(settings["sharper"]))


def _guard(differences: list[tuple[str, float]]) -> tuple[list[int], dict[str, GuardFigures]]:
    """Which pairs are kept, family by family, and the figures of those."""
    kept: list[int] = []
    figures = {}
    for family in sorted({family for family, _ in differences}):
        numbers = [n for n, (of, _) in enumerate(differences) if of == family]
        values = [differences[n][1] for n in numbers]
        chosen = keep_guard(values)
        kept += [numbers[place] for place in chosen]
        figures[family] = measure_guard([values[place] for place in chosen])
    return sorted(kept), figures
