"""Fakes beside their genuine twins: who is drawn, who stands beside whom, both treated alike."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import actors
import numpy as np
import pytest

from counterface.datasets.face_store import FaceStoreConfig, store_faces
from counterface.datasets.labelled_faces import FacePool
from counterface.datasets.manifest import Entry
from counterface.datasets.twin_faces import TwinConfig, TwinFaces
from counterface.errors import TrainingError
from counterface.faceset.store import Faceset
from counterface.media.image import write_image

PLAIN = TwinConfig(strength=0, color=0, shift=0, levelled=0)
CUT = FaceStoreConfig(size=64, twins=True)


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    """Two genuine pictures; of the first three fakes, one moved so that its own face lies apart."""
    folder = tmp_path_factory.mktemp("pictures")
    images = [actors.draw_actor(number, size=256).image for number in (1, 2)]
    made = {
        "real_a": images[0],
        "real_b": images[1],
        "swap_a": 255 - images[0],  # no face to be found, if the twin's is not used
        "swap_b": np.roll(images[0], 6, axis=1),
        "mouth": images[0] // 2,
        "alone": images[1] // 2 + 60,
    }
    for name, image in made.items():
        write_image(folder / f"{name}.png", np.ascontiguousarray(image))
    return [
        Entry(folder / "swap_a.png", 1, "swap", "a", generator="first"),
        Entry(folder / "swap_b.png", 1, "swap", "a", generator="second"),
        Entry(folder / "mouth.png", 1, "mouth", "a"),
        Entry(folder / "alone.png", 1, "mouth", generator="other"),
        Entry(folder / "real_a.png", 0, source="a"),
        Entry(folder / "real_b.png", 0, source="b"),
    ]


@pytest.fixture(scope="module")
def pool(entries: list[Entry], tmp_path_factory: pytest.TempPathFactory) -> FacePool:
    folder = tmp_path_factory.mktemp("store") / "faces"
    summary = store_faces(entries, folder, CUT)
    assert [file.status for file in summary.files] == ["done"] * 6
    return FacePool(entries, folder, "whole_face", 64)


def test_a_fake_is_cut_where_its_twins_face_is(entries: list[Entry], pool: FacePool):
    matrices = {
        pool.entries[clip.entry].path.stem: clip.rows[0].frame_to_crop for clip in pool.clips
    }
    assert np.array_equal(matrices["swap_a"], matrices["real_a"])
    assert np.array_equal(matrices["swap_b"], matrices["real_a"])
    assert not np.array_equal(matrices["alone"], matrices["real_a"])


def test_a_second_call_cuts_new_fakes_as_the_stored_twin(entries: list[Entry], tmp_path: Path):
    store_faces(entries[4:], tmp_path / "faces", CUT)
    summary = store_faces(entries, tmp_path / "faces", CUT)
    assert [file.status for file in summary.files] == ["done"] * 4 + ["already"] * 2
    rows = {Path(row.source).stem: row for row in Faceset.open(tmp_path / "faces")}
    assert np.array_equal(rows["swap_a"].frame_to_crop, rows["real_a"].frame_to_crop)


def test_without_twins_each_file_is_looked_at_by_itself(entries: list[Entry], tmp_path: Path):
    summary = store_faces(entries[:1], tmp_path / "faces", CUT.model_copy(update={"twins": False}))
    assert summary.crops == 0  # a negative has no face


def test_families_come_by_their_shares_and_methods_evenly(pool: FacePool):
    config = PLAIN.model_copy(update={"families": {"swap": 3.0, "mouth": 1.0}})
    twins = TwinFaces(pool, pool.clips, config)
    rng = np.random.default_rng(0)
    drawn = Counter(pool.entries[twins._draw(rng).entry].path.stem for _ in range(2000))
    for name, share in (("swap_a", 0.375), ("swap_b", 0.375), ("mouth", 0.125), ("alone", 0.125)):
        assert drawn[name] / 2000 == pytest.approx(share, abs=0.03)


def test_a_fake_stands_beside_its_twin_and_a_lone_one_beside_a_genuine_face(pool: FacePool):
    by_name = {pool.entries[clip.entry].path.stem: clip for clip in pool.clips}
    twins = TwinFaces(pool, pool.clips, PLAIN)
    rng = np.random.default_rng(0)
    for name in ("swap_a", "swap_b", "mouth"):
        assert twins._beside(by_name[name], rng) == (by_name["real_a"], True)
    beside, twin = twins._beside(by_name["alone"], rng)
    assert not twin
    assert pool.entries[beside.entry].label == 0


def test_a_pair_depends_on_its_index_alone_and_both_halves_are_treated_alike(pool: FacePool):
    first = [c for c in pool.clips if pool.entries[c.entry].path.stem in ("real_a", "mouth")]
    config = TwinConfig(strength=1, color=1, shift=8)
    one, two = (TwinFaces(pool, first, config, seed=5) for _ in range(2))
    for index in range(6):
        pair = one[index]["images"]
        assert (pair.shape, pair.dtype) == ((2, 64, 64, 3), np.uint8)
        assert np.array_equal(two[index]["images"], pair)
        # the fake is its twin at half the brightness: whatever is done to both, structure agrees
        real, fake = (half.astype(float).mean(axis=2).ravel() for half in pair)
        assert np.corrcoef(real, fake)[0, 1] > 0.9
    assert one[0]["masks"].ravel().tolist() == [0, 1]


def test_what_cannot_be_drawn_is_told(pool: FacePool):
    with pytest.raises(TrainingError, match=r"lipsync.*'mouth', 'swap'"):
        TwinFaces(pool, pool.clips, PLAIN.model_copy(update={"families": {"lipsync": 1.0}}))
    fakes = [clip for clip in pool.clips if clip.label]
    with pytest.raises(TrainingError, match="genuine faces"):
        TwinFaces(pool, fakes, PLAIN)
