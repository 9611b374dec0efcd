"""Training examples of a face store: order, balance, whole clips, what pixels go through."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from drawn_faces import write_store

from counterface.datasets.augment import AugmentConfig, augment, cut_mix
from counterface.datasets.labelled_faces import DrawConfig, FacePool, LabelledFaces
from counterface.datasets.manifest import Entry
from counterface.errors import ShapeError, TrainingError

PLAIN = AugmentConfig(flip=0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Entry]]:
    """Two real files of 3 clips, five fake ones of 3 clips, 4 frames each, 32 px."""
    return write_store(tmp_path_factory.mktemp("faces") / "store", real=2, fake=5, moments=3)


def faces(store: tuple[Path, list[Entry]], **draw: object) -> LabelledFaces:
    folder, entries = store
    pool = FacePool(entries, folder, "face", 32, frames=4)
    return LabelledFaces(pool, pool.clips, DrawConfig(**draw), PLAIN)  # type: ignore[arg-type]


def test_an_example_depends_on_its_index_alone(store):
    everything = AugmentConfig(
        rotate=20, grey=0.3, shuffle_channels=0.3, color=1, impurities=0.7, degrade=1, cutmix=0.5
    )
    folder, entries = store
    pool = FacePool(entries, folder, "face", 32, frames=4)
    one = LabelledFaces(pool, pool.clips, DrawConfig(seed=3), everything)
    two = LabelledFaces(pool, pool.clips, DrawConfig(seed=3), everything)
    forward = [one[i] for i in range(12)]
    for index in reversed(range(12)):
        again = two[index]
        assert np.array_equal(again["images"], forward[index]["images"])
        assert again["labels"] == forward[index]["labels"]
        assert again["images"].shape == (4, 32, 32, 3)
        assert again["images"].dtype == np.uint8


def test_even_classes_take_turns_and_each_clip_comes_once_a_round(store):
    drawn = faces(store)
    assert len(drawn) == 30  # twice the 15 clips of the fakes
    assert [float(drawn[i]["labels"]) for i in range(6)] == [0, 1, 0, 1, 0, 1]
    fakes = [drawn.clip_at(i) for i in range(1, 30, 2)]
    assert len(set(fakes)) == 15
    reals = [drawn.clip_at(i) for i in range(0, 24, 2)]
    assert set(Counter(reals).values()) == {2}  # 6 clips, two rounds of 12
    assert reals[:6] != reals[6:]


def test_repeat_gives_a_file_more_turns(store):
    folder, entries = store
    more = [Entry(**{**_fields(e), "repeat": 4 if e.label == 0 else 1}) for e in entries]
    pool = FacePool(more, folder, "face", 32, frames=4)
    drawn = LabelledFaces(pool, pool.clips, DrawConfig(balance="repeat"), PLAIN)
    assert len(drawn) == 2 * 3 * 4 + 15
    labels = [pool.clips[drawn.clip_at(i)].label for i in range(len(drawn))]
    assert Counter(labels) == {0: 24, 1: 15}


def test_a_clip_that_lost_a_frame_is_left_out_whole(tmp_path: Path):
    folder, entries = write_store(tmp_path / "store", real=1, fake=1, moments=3)
    pool = FacePool(entries, folder, "face", 32, frames=4)
    (folder / pool.clips[1].rows[2].file).unlink()
    left = FacePool(entries, folder, "face", 32, frames=4)
    assert len(left.clips) == len(pool.clips) - 1
    single = FacePool(entries, folder, "face", 32)
    assert len(single.clips) == 23  # as crops by themselves the other three remain


def test_frames_of_a_clip_are_in_time_order_and_of_one_moment(store):
    drawn = faces(store)
    for clip in drawn.pool.clips:
        times = [row.pts for row in clip.rows]
        assert times == sorted(times)
        assert len({row.source_sha256 for row in clip.rows}) == 1


def test_another_kind_of_crop_is_refused(store):
    folder, entries = store
    with pytest.raises(ShapeError, match="--template whole_face --size 32"):
        FacePool(entries, folder, "whole_face", 32)
    with pytest.raises(TrainingError, match=r"--frames 5 --step 1"):
        FacePool(entries, folder, "face", 32, frames=5)
    with pytest.raises(TrainingError, match="--step 2"):
        FacePool(entries, folder, "face", 32, frames=4, step=2)
    with pytest.raises(TrainingError, match="no face of any of 1 files"):
        FacePool([Entry(Path("absent.mp4"), 0)], folder, "face", 32)


def test_files_without_a_face_have_no_clip(store):
    folder, entries = store
    absent = Entry(Path("absent.mp4"), 0)
    pool = FacePool([*entries, absent], folder, "face", 32)
    assert pool.of_entries([absent]) == []
    assert {pool.entries[c.entry].path for c in pool.of_entries(entries[:2])} == {
        e.path for e in entries[:2]
    }


def test_one_class_alone_cannot_be_trained_on(store):
    folder, entries = store
    pool = FacePool(entries, folder, "face", 32)
    with pytest.raises(TrainingError, match="no fake face"):
        LabelledFaces(pool, [clip for clip in pool.clips if clip.label == 0])


SWITCHES = {
    "flip": 1.0, "rotate": 30.0, "grey": 1.0, "shuffle_channels": 1.0, "color": 1.0,
    "impurities": 1.0, "degrade": 1.0,
}  # fmt: skip


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_changes_pixels_and_all_frames_alike(name: str):
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    config = AugmentConfig(**{"flip": 0.0, name: SWITCHES[name]})
    changed = 0
    for seed in range(8):
        frames = augment([image] * 3, np.random.default_rng(seed), config)
        assert all(np.array_equal(frame, frames[0]) for frame in frames)
        assert frames[0].shape == image.shape
        assert frames[0].dtype == np.uint8
        changed += not np.array_equal(frames[0], image)
    assert changed >= 4
    off = augment([image], np.random.default_rng(0), AugmentConfig(flip=0))
    assert np.array_equal(off[0], image)


def test_grey_has_no_colour_and_flip_mirrors():
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    (grey,) = augment([image], np.random.default_rng(0), AugmentConfig(flip=0, grey=1))
    assert np.array_equal(grey[..., 0], grey[..., 2])
    (mirrored,) = augment([image], np.random.default_rng(0), AugmentConfig(flip=1))
    assert np.array_equal(mirrored, image[:, ::-1])


def test_cutmix_says_how_much_is_foreign():
    black, white = [np.zeros((40, 40, 3), np.uint8)] * 2, [np.full((40, 40, 3), 255, np.uint8)] * 2
    shares = []
    for seed in range(50):
        mixed, share = cut_mix(black, white, np.random.default_rng(seed))
        assert share == pytest.approx(float(mixed[0].mean()) / 255)
        assert np.array_equal(mixed[0], mixed[1])
        shares.append(share)
    assert min(shares) < 0.1
    assert max(shares) > 0.5
    assert not black[0].any()


def test_a_mixed_example_has_a_label_between(store):
    folder, entries = store
    pool = FacePool(entries, folder, "face", 32)
    mixed = LabelledFaces(pool, pool.clips, DrawConfig(), AugmentConfig(flip=0, cutmix=1))
    labels = [float(mixed[i]["labels"]) for i in range(40)]
    assert any(0.05 < label < 0.95 for label in labels)
    assert all(0 <= label <= 1 for label in labels)


def _fields(entry: Entry) -> dict[str, object]:
    return {name: getattr(entry, name) for name in Entry.__dataclass_fields__}
