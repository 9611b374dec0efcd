"""A build gives genuine clips and swaps that differ in the face alone, and goes on after a kill."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_people import FRAMES, build_config, write_people, write_recipes

from counterface.builds import build as build_module
from counterface.builds import stages
from counterface.builds.build import BuildSummary, build
from counterface.builds.plan import BuildConfig
from counterface.builds.splits import split_groups
from counterface.datasets.manifest import Entry, read_manifest
from counterface.datasets.split import SplitConfig, linked_groups
from counterface.errors import ConfigError
from counterface.files import file_sha256
from counterface.media.beside.sound import hash_sound
from counterface.media.probe import probe
from counterface.media.video_reader import read_video
from counterface.provenance.credentials import carries_credentials
from counterface.provenance.record import read_record, record_path
from counterface.provenance.verify import verify_file
from counterface.types import Image

pytestmark = pytest.mark.slow  # one build of four people serves them all


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pairs")


@pytest.fixture(scope="module")
def config(folder: Path) -> BuildConfig:
    people = write_people(folder, {"ann": 1, "bob": 2, "cleo": 3, "dan": 4})
    methods = list(write_recipes(folder).values())
    return build_config(
        folder / "out", people, methods, pairs=[("ann", "bob"), ("cleo", "dan")], crf=[20, 30]
    )


@pytest.fixture(scope="module")
def built(config: BuildConfig) -> BuildSummary:
    return build(config)


@pytest.fixture(scope="module")
def entries(built: BuildSummary) -> list[Entry]:
    return read_manifest(Path(built.manifest))


def images(path: Path) -> list[Image]:
    return [frame.image for frame in read_video(path)]


def partners(entries: list[Entry]) -> list[tuple[Entry, Entry]]:
    """Each swap and the genuine clip of the same footage."""
    real = {entry.source: entry for entry in entries if not entry.label}
    return [(real[entry.source], entry) for entry in entries if entry.label]


def test_two_pairs_give_four_genuine_clips_and_four_swaps(
    built: BuildSummary, entries: list[Entry]
) -> None:
    assert (built.pairs, built.real, built.fake, built.failed) == (2, 4, 4, ())
    assert [entry.label for entry in entries].count(1) == 4
    assert {e.identities for e in entries if e.label} == {
        ("ann", "bob"), ("bob", "ann"), ("cleo", "dan"), ("dan", "cleo")
    }  # fmt: skip
    assert {(e.method, e.compression) for e in entries if e.label} == {
        ("tiny_df", "crf20"), ("tiny_light", "crf30")
    }  # fmt: skip
    assert all(entry.sha256 == file_sha256(entry.path) for entry in entries)
    assert all((entry.mask is not None) == bool(entry.label) for entry in entries)
    assert {entry.licence for entry in entries} == {"synthetic: tests/actors.py"}


def test_no_person_stands_on_both_sides_of_the_split(entries: list[Entry]) -> None:
    groups = linked_groups(entries)
    assert len(set(groups)) == 2
    splits = {group: {e.split for e, g in zip(entries, groups, strict=True) if g == group}
              for group in groups}  # fmt: skip
    assert sorted(len(names) for names in splits.values()) == [1, 1]
    assert {entry.split for entry in entries} == {"train", "test"}


def encoder_settings(path: Path) -> bytes:
    """What x264 writes into its stream about itself."""
    found = re.search(rb"x264 - core.*?options: [^\x00]*", path.read_bytes())
    assert found
    return found[0]


def test_both_classes_met_the_same_encoder_and_container(entries: list[Entry]) -> None:
    for real, fake in partners(entries):
        assert real.compression == fake.compression
        assert encoder_settings(real.path) == encoder_settings(fake.path)
        facts = [probe(entry.path) for entry in (real, fake)]
        for name in ("container", "codec", "width", "height", "fps", "pixel_format", "audio"):
            assert getattr(facts[0], name) == getattr(facts[1], name), name
        times = [[frame.pts for frame in read_video(e.path)] for e in (real, fake)]
        assert times[0] == times[1]
        assert len(times[0]) == FRAMES
        assert hash_sound(real.path) == hash_sound(fake.path) != ()


def test_credentials_do_not_tell_by_their_length(entries: list[Entry]) -> None:
    for real, fake in partners(entries):
        empty = re.search(rb"(....)free\x00{5000}", real.path.read_bytes(), re.DOTALL)
        assert empty
        signature = re.search(rb"(....)uuid\xd8\xfe\xc3\xd6", fake.path.read_bytes(), re.DOTALL)
        assert signature
        assert empty[1] == signature[1]


def test_outside_the_mask_a_swap_is_its_genuine_clip(entries: list[Entry]) -> None:
    for real, fake in partners(entries):
        assert fake.mask is not None
        trio = zip(images(real.path), images(fake.path), images(fake.mask), strict=True)
        for before, after, mask in trio:
            changed = np.abs(before.astype(int) - after).mean(axis=2)
            inside = mask[..., 0] > 200
            assert 0.03 < inside.mean() < 0.5
            assert changed[mask[..., 0] < 3].mean() < {"crf20": 1.5, "crf30": 2.0}[fake.compression]
            assert changed[inside].mean() > 3


def test_swaps_say_so_and_nothing_is_in_their_pixels(entries: list[Entry]) -> None:
    for real, fake in partners(entries):
        record = read_record(record_path(fake.path))
        assert record.marks is not None
        assert record.marks.watermark is None
        assert {rights.of.split(":")[0] for rights in record.rights} == {
            "source", "target"
        }  # fmt: skip
        assert not carries_credentials(real.path)
        assert not record_path(real.path).exists()
    assert verify_file(partners(entries)[0][1].path).credentials.says_synthetic


def test_each_swap_shows_the_other_persons_decoder(
    built: BuildSummary, config: BuildConfig
) -> None:
    """One model serves both directions: the record names the same weights twice."""
    swaps = [e for e in read_manifest(Path(built.manifest)) if e.label]
    weights: dict[frozenset[str], set[str]] = {}
    for entry in swaps:
        record = read_record(record_path(entry.path))
        weights.setdefault(frozenset(entry.identities), set()).add(record.models[0].sha256)
        assert record.settings["identity"] == (
            "source" if entry.identities[1] in ("ann", "cleo") else "target"
        )
    assert sorted(len(found) for found in weights.values()) == [1, 1]


def test_a_finished_build_is_left_alone(config: BuildConfig, built: BuildSummary) -> None:
    before = {p: p.stat().st_mtime_ns for p in config.out.glob("[rf]*/**/*.mp4")}
    assert build(config) == built
    assert {p: p.stat().st_mtime_ns for p in config.out.glob("[rf]*/**/*.mp4")} == before


def test_other_pairs_in_the_same_folder_are_refused(
    config: BuildConfig, built: BuildSummary
) -> None:
    with pytest.raises(ConfigError, match=r"other settings \(pairs .* -> .*, crf \["):
        build(config.model_copy(update={"pairs": (("ann", "dan"),), "crf": (20.0,)}))


class _KilledError(Exception):
    """Stands for a kill."""


STAGES: list[tuple[Any, str, int]] = [
    (stages, "extract", 1),
    (stages, "train_swap", 0),
    (stages, "convert", 1),
    (stages, "write_mask_video", 0),
    (stages, "write_genuine", 0),
    (build_module, "write_manifest", 0),
]


def killed_at(patch: pytest.MonkeyPatch, module: Any, name: str, after: int) -> None:
    original, calls = getattr(module, name), 0

    def call(*words: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            raise _KilledError
        return original(*words, **named)

    patch.setattr(module, name, call)


def test_killed_at_any_stage_it_goes_on_to_the_same_frames(
    folder: Path, config: BuildConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, whole_out = folder / "killed", folder / "undisturbed"
    people = {name: config.people[name] for name in ("ann", "bob")}
    config = config.model_copy(update={"people": people, "pairs": (("ann", "bob"),)})
    killed = config.model_copy(update={"out": out})
    for module, name, after in STAGES:
        with monkeypatch.context() as patch:
            killed_at(patch, module, name, after)
            with pytest.raises(_KilledError):
                build(killed)
        assert not (out / "manifest.parquet").exists()
    again = read_manifest(Path(build(killed).manifest))
    whole = read_manifest(Path(build(config.model_copy(update={"out": whole_out})).manifest))
    assert len(whole) == 4
    for one, other in zip(whole, again, strict=True):
        assert one.path.relative_to(whole_out) == other.path.relative_to(out)
        assert (one.source, one.identities) == (other.source, other.identities)
        for a, b in zip(images(one.path), images(other.path), strict=True):
            assert np.abs(a.astype(int) - b).mean() < (0.2 if one.label else 1e-9)
    hidden = [p for p in out.rglob(".*") if p.name != ".lock" and p.name != ".extract"]
    assert hidden == []


def test_a_clip_that_shows_nobody_does_not_end_the_build(
    folder: Path, tmp_path: Path, config: BuildConfig
) -> None:
    from swap_targets import write_target

    empty = tmp_path / "empty.mp4"
    write_target(empty, [np.full((160, 192, 3), 90, np.uint8)] * FRAMES)
    ann = config.people["ann"]
    people = {
        "ann": ann.model_copy(update={"clips": (*ann.clips, empty)}),
        "bob": config.people["bob"],
    }
    given = {"out": tmp_path / "out", "people": people, "pairs": (("ann", "bob"),)}
    methods = (config.methods[1],)
    summary = build(config.model_copy(update={**given, "methods": methods}))
    assert (summary.real, summary.fake) == (2, 2)
    [failure] = summary.failed
    assert (failure.stage, Path(failure.file).name) == ("convert", "empty.mp4")


def test_too_few_groups_for_three_splits_fill_two_or_one() -> None:
    def splits(groups: int) -> list[str]:
        entries = [
            Entry(Path(f"{n}-{label}.mp4"), label, source=f"s{n}")
            for n in range(groups)
            for label in (0, 1)
        ]
        return [entry.split for entry in split_groups(entries, SplitConfig(seed=3))]

    assert set(splits(1)) == {"train"}
    assert set(splits(3)) == {"train", "test", "val"}
    assert splits(9).count("train") == 14
    assert set(splits(2)) == {"train", "test"}
    assert set(splits(9)) == {"train", "test", "val"}
