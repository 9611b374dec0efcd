"""A new data set from people's clips: genuine ones and swaps of them, alike in all but the face.

    build(read_config(BuildConfig, Path("pairs.toml")))

OUT/
  manifest.parquet              every genuine clip and swap: labels, people, method, mask, split
  pairs.json                    who was swapped with whom, by what
  real/crf23/ann/clip.mp4       encoded as its swap
  fake/swap_df/crf23/bob--ann/clip.mp4   bob's face in ann's clip; its record lies beside it
  masks/swap_df/crf23/bob--ann/clip.mp4  white where the face is new
  work/                         facesets and models: may be deleted once the build is done
"""

from __future__ import annotations

from pydantic import Field

from counterface.builds.estimate import Estimate, drop_trial, estimate_work
from counterface.builds.plan import (
    MANIFEST_FILE,
    BuildConfig,
    describe_spread,
    read_plan,
)
from counterface.builds.rank import Likeness, look_of, rank_pairs
from counterface.builds.splits import split_groups
from counterface.builds.stages import (
    Failure,
    choose_pairs,
    convert_pair,
    extract_faces,
    list_entries,
    train_config,
    train_pair,
)
from counterface.config import Record
from counterface.datasets.manifest import write_manifest
from counterface.errors import ConfigError
from counterface.files import locked
from counterface.provenance.mark import Marker
from counterface.types import Progress


class BuildSummary(Record):
    """What a build made."""

    manifest: str
    pairs: int
    real: int = Field(description="genuine clips in the manifest")
    fake: int = Field(description="swaps in the manifest")
    failed: tuple[Failure, ...] = Field(description="clips that could not be used")
    note: str | None = Field(None, description="what so few pairs cannot show")


def build(
    config: BuildConfig, *, marker: Marker | None = None, progress: Progress | None = None
) -> BuildSummary:
    """What was made; run again to continue, or to find that all is done.

    Every swap is signed and recorded. No mark is left in the pixels, which a detector would learn.

    Args:
        config: the build.
        marker: what signs; the local identity by default. It leaves no watermark.
        progress: called as (done, total or None, what is going on).

    Raises:
        RightsError: somebody has no rights record; nothing was made.
        MediaError: somebody has no clips.
        FacesetError: the faces of somebody that are there cannot be used.
        ConfigError: a recipe is missing or wrong; the folder was begun with other pairs; another
            process builds there; no clip could be swapped.
        StoppedBySignal: a signal stopped a training; it was saved first.
        TrainingError: a training failed.
    """
    told = progress or (lambda done, total, text: None)
    plan = read_plan(config)
    with locked(config.out, ConfigError):
        drop_trial(plan)  # of an estimate that was killed
        failed = extract_faces(plan, told)
        pairs = choose_pairs(plan)
        for pair in pairs:  # a wrong recipe is told before the first training
            train_config(plan, pair)
        marker = marker or Marker(watermark=False)
        for pair in pairs:
            trained = train_pair(plan, pair, told)
            failed += convert_pair(plan, pair, trained, marker, told)
        entries = split_groups(list_entries(plan, pairs), config.split)
        write_manifest(entries, config.out / MANIFEST_FILE)
    real = sum(entry.label == 0 for entry in entries)
    return BuildSummary(
        manifest=str(config.out / MANIFEST_FILE),
        pairs=len(pairs),
        real=real,
        fake=len(entries) - real,
        failed=tuple(failed),
        note=describe_spread(len(pairs), config),
    )


def estimate_build(config: BuildConfig, progress: Progress | None = None) -> Estimate:
    """How long what is left of a build will take, by a moment of each kind of work.

    Raises:
        RightsError, MediaError, ConfigError: as `build`.
    """
    plan = read_plan(config)
    return estimate_work(plan, plan.read_pairs(), progress or (lambda done, total, text: None))


def rank_people(config: BuildConfig, progress: Progress | None = None) -> list[Likeness]:
    """All pairs that could be made, the most alike first; facesets are extracted for it.

    Raises:
        RightsError, MediaError, ConfigError: as `build`.
        FacesetError: nobody was found in somebody's clips.
    """
    plan = read_plan(config)
    extract_faces(plan, progress or (lambda done, total, text: None))
    return rank_pairs({name: look_of(plan.faces(name)) for name in plan.clips})
