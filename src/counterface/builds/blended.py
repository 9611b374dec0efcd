"""A data set of pictures without any swap model: real faces and pseudo-fakes made from them.

    build_blended(read_config(BlendConfig, Path("blended.toml")))

OUT/
  manifest.parquet        both of every pair
  real/ann/000012.jpg     the real crop
  fake/ann/000012.jpg     the same crop, blended; signed, its record beside it
  masks/ann/000012.png    255 where all is foreign
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from counterface import __version__
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
from counterface.datasets.manifest import Entry, write_manifest
from counterface.datasets.pairs.degrade import degrade
from counterface.datasets.pairs.self_blended import FaceSample, Kind, make_pair
from counterface.datasets.split import SplitConfig
from counterface.errors import ConfigError
from counterface.faces.align import warp_points
from counterface.faceset.extract import ExtractConfig
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset
from counterface.files import locked
from counterface.media.find_media import VIDEO_SUFFIXES
from counterface.media.image import IMAGE_SUFFIXES
from counterface.provenance.mark import Marker
from counterface.provenance.record import read_record, record_path
from counterface.provenance.rights import Rights
from counterface.types import Progress


class BlendConfig(Settings):
    """A data set of real faces and pseudo-fakes made from them."""

    out: Path = Field(Path("data/blended"), description="folder of the data set")
    people: dict[str, PersonClips] = Field(
        min_length=1, description="people by name, each with clips and rights"
    )
    pairs: int = Field(
        50, ge=1, description="pairs for each person, spread evenly over the footage"
    )
    kinds: dict[Kind, float] = Field(
        {"self_blended": 1.0},
        description="share of each kind of pseudo-fake; swapped_in needs a second person and is "
        "refused here",
    )
    degrade: float = Field(
        0.0,
        ge=0,
        le=1,
        description="strength of the scaling, noise and codecs that both pictures of a pair go "
        "through alike; 0 = none",
    )
    format: Literal["jpg", "png"] = Field("jpg", description="format of all pictures")
    quality: int = Field(95, ge=1, le=100, description="JPEG quality of all pictures")
    split: SplitConfig = Field(
        SplitConfig(), description="shares of the splits, which keep people and footage together"
    )
    seed: int = Field(0, ge=0, description="seed for everything random except the split")
    extract: ExtractConfig = ExtractConfig(template="head", size=256, quality=100, faces=1)

    @field_validator("kinds")
    @classmethod
    def _something_is_made(cls, value: dict[Kind, float]) -> dict[Kind, float]:
        check_shares(value)
        if "swapped_in" in value:
            raise ValueError("swapped_in needs a second person: use self_blended and remade here")
        return value


class BlendSummary(Record):
    """What was made."""

    manifest: str
    real: int
    fake: int
    made: int = Field(description="pairs that were not there before this call")
    failed: tuple[str, ...] = Field(description="files that could not be read, with the reason")


def build_blended(
    config: BlendConfig, *, marker: Marker | None = None, progress: Progress | None = None
) -> BlendSummary:
    """What was made; run again to continue. Pseudo-fakes are signed and recorded, not watermarked.

    Args:
        config: the build.
        marker: what signs; the local identity by default. It leaves no watermark.
        progress: called as (pairs or frames, total or None, what is going on).

    Raises:
        RightsError: somebody has no rights record; nothing was made.
        MediaError: somebody has no footage.
        FacesetError: the faces of somebody that are there cannot be used.
        ConfigError: another process builds there; no face was found; the split is not possible.
    """
    told = progress or (lambda done, total, text: None)
    clips, rights = find_footage(config.people, VIDEO_SUFFIXES | IMAGE_SUFFIXES)
    marker = marker or Marker(watermark=False)
    failed: list[str] = []
    entries: list[Entry] = []
    made = 0
    with locked(config.out, ConfigError):
        for name, files in clips.items():
            faceset, bad = _faces(config, name, files, rights[name], told)
            failed += bad
            for place, row in _chosen(config, name, faceset):
                if not place.real.exists():
                    _make(config, place, faceset, row, rights[name], marker)
                    made += 1
                entries += _entries(place, row, rights[name], config)
                told(place.number + 1, config.pairs, f"pairs of {name}")
        entries = split_groups(entries, config.split)
        write_manifest(entries, config.out / MANIFEST_FILE)
    return BlendSummary(
        manifest=str(config.out / MANIFEST_FILE),
        real=len(entries) // 2,
        fake=len(entries) // 2,
        made=made,
        failed=tuple(failed),
    )


def _faces(
    config: BlendConfig, name: str, files: tuple[Path, ...], rights: Rights, told: Progress
) -> tuple[Faceset, list[str]]:
    """A person's faceset, and the files that gave nothing."""
    faceset, failed = find_faces(config.out, name, files, config.extract, rights, told)
    if not len(faceset):
        raise ConfigError(f"people.{name}: no face was found in {len(files)} files")
    return faceset, failed


def _chosen(config: BlendConfig, name: str, faceset: Faceset) -> Iterator[tuple[PairFiles, Row]]:
    """The rows to make pairs of, spread evenly over the faceset; a row may come several times."""
    for number, index in enumerate(np.linspace(0, len(faceset) - 1, config.pairs).round()):
        yield PairFiles(config.out, name, number, config.format), faceset.rows[int(index)]


def _make(
    config: BlendConfig,
    place: PairFiles,
    faceset: Faceset,
    row: Row,
    rights: Rights,
    marker: Marker,
) -> None:
    """Write both pictures, the mask and the record; the real picture comes last."""
    seed = [config.seed, sorted(config.people).index(place.person), place.number]
    rng = np.random.default_rng(seed)
    sample = FaceSample(faceset.read(row).image, warp_points(row.landmarks, row.frame_to_crop))
    pair = make_pair(sample, rng, weights=config.kinds)
    real, fake = degrade([pair.real, pair.fake], rng, strength=config.degrade)
    settings = {
        "kind": pair.kind,
        "seed": seed,
        "frame": row.frame_index,
        "degrade": config.degrade,
        "quality": config.quality,
    }
    record = pair_record(place, row, settings, rights)
    write_pair(place, real, fake, pair.mask, record, config.quality, marker)


def _entries(
    place: PairFiles, row: Row, rights: Rights, config: BlendConfig
) -> tuple[Entry, Entry]:
    kind = str(read_record(record_path(place.fake)).settings["kind"])
    return pair_entries(
        place,
        kind,
        f"counterface {__version__} {kind}",
        rights,
        source=f"{place.person}/{row.source}",
        identities=(place.person,),
        compression=config.format + (str(config.quality) if config.format == "jpg" else ""),
    )
