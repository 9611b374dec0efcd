"""The tables change no result of a search, whatever became of them."""

from __future__ import annotations

import multiprocessing
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from killed import disk_steps

from counterface.provenance.fingerprint import SAME_LOOK, Hashes, ImageHash, KnownFakes, find_alike
from counterface.provenance.fingerprint import registry as registry_module
from counterface.provenance.fingerprint.search import Tables, write_tables


def random_hashes(count: int, seed: int) -> Hashes:
    return np.random.default_rng(seed).integers(0, 256, (count, 32), dtype=np.uint8)


def flipped(hashes: Hashes, bits: int, seed: int) -> Hashes:
    """The hashes with so many of their bits flipped, others in each."""
    rng = np.random.default_rng(seed)
    out = np.unpackbits(hashes, axis=1)
    for row in out:
        row[rng.choice(256, bits, replace=False)] ^= 1
    return np.packbits(out, axis=1)


def slow_search(known: Hashes, wanted: Hashes) -> list[tuple[int, int, int]]:
    bits = np.stack([np.unpackbits(known ^ one, axis=1).sum(axis=1) for one in wanted])
    return [(int(m), int(n), int(bits[m, n])) for m, n in np.argwhere(bits <= SAME_LOOK)]


def tables_of(known: Hashes, folder: Path) -> Tables:
    write_tables(folder / "tables", known)
    tables = Tables.open(folder / "tables", known)
    assert tables is not None
    return tables


def found(known: Hashes, wanted: Hashes, tables: Tables | None = None) -> list[tuple[int, ...]]:
    columns = find_alike(known, wanted, tables)
    return [tuple(map(int, hit)) for hit in zip(*columns, strict=True)]


@pytest.mark.slow
def test_tables_find_what_a_comparison_with_every_hash_finds(tmp_path: Path) -> None:
    known = random_hashes(20_000, 1)
    known[50:90] = flipped(np.repeat(known[:1], 40, axis=0), 9, 2)  # some that are alike
    near = [flipped(known[bits * 7 : bits * 7 + 4], bits, bits) for bits in range(36)]
    wanted = np.concatenate([*near, random_hashes(20, 3), known[:1], 255 - known[:1]])
    expected = slow_search(known, wanted)
    assert {bits for _, _, bits in expected} >= set(range(32))
    assert found(known, wanted) == expected
    assert found(known, wanted, tables_of(known, tmp_path)) == expected
    assert found(known, wanted, tables_of(known[:13_000], tmp_path)) == expected  # it has grown


def test_the_hardest_pairs_are_found(tmp_path: Path) -> None:
    """31 flips spread so that one piece alone has as few as one, or 30 so that each has two."""
    known = random_hashes(20_000, 4)
    wanted = np.repeat(known[:1], 32, axis=0)
    for row in range(16):
        for piece in range(16):
            wanted[row, 2 * piece] ^= 0b1 if piece == row else 0b11
            wanted[16 + row, 2 * piece + 1] ^= 0 if piece == row else 0b1000_0001
    tables = tables_of(known, tmp_path)
    every = [(row, 0, 31 if row < 16 else 30) for row in range(32)]
    assert found(known, wanted, tables) == every
    for row in range(32):
        rows = tables.near(wanted[row])
        assert rows is not None  # the tables themselves, and no pass over all
        assert 0 in rows


def test_hashes_that_are_all_alike_are_passed_over_instead(tmp_path: Path) -> None:
    known = flipped(np.repeat(random_hashes(1, 5), 3000, axis=0), 3, 6)
    tables = tables_of(known, tmp_path)
    assert tables.near(known[0]) is None
    assert found(known, known[:2], tables) == slow_search(known, known[:2])


def test_nothing_is_found_among_nothing(tmp_path: Path) -> None:
    none = np.zeros((0, 32), np.uint8)
    known = random_hashes(3, 7)
    assert found(none, known) == found(known, none) == []
    assert found(known, none, tables_of(known, tmp_path)) == []


@pytest.mark.parametrize("damage", ["absent", "short", "empty", "other", "rows", "places"])
def test_damaged_tables_are_no_tables(tmp_path: Path, damage: str) -> None:
    known = random_hashes(5000, 8)
    path = tmp_path / "tables"
    write_tables(path, known)
    whole = path.read_bytes()
    width = 4 * (65_537 + len(known))
    changed = {
        "short": whole[:-4],
        "empty": b"",
        "rows": whole[:64] + 16 * (whole[64 : 64 + 4 * 65_537] + b"\xff" * 4 * len(known)),
        "places": whole[:64] + b"\xff" * 16 * width,
    }
    if damage == "other":
        write_tables(path, random_hashes(5000, 9))
    elif damage == "absent":
        path.unlink()
    else:
        path.write_bytes(changed[damage])
    tables = Tables.open(path, known)
    assert (tables is not None) == (damage in ("rows", "places"))
    wanted = flipped(known[:50], 20, 10)
    assert found(known, wanted, tables) == [(n, n, 20) for n in range(50)]


# --- in the registry


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables from 100 hashes on."""
    monkeypatch.setattr(registry_module, "TABLES_FROM", 100)


def add(folder: Path, hashes: Hashes, number: int) -> None:
    looks = [
        (ImageHash(one.tobytes(), 100, bytes(32)), Fraction(n)) for n, one in enumerate(hashes)
    ]
    KnownFakes(folder).add(f"{number:064x}", f"file {number}", looks, kind="video")


def matches(folder: Path, hashes: Hashes) -> list[tuple[str, int] | None]:
    registry = KnownFakes(folder)
    looks = [[ImageHash(one.tobytes(), 100, bytes(32))] for one in hashes]
    every = [registry.match_looks([one]) for one in looks]
    return [match and (match.fake.name, match.distance) for match in every]


@pytest.mark.usefixtures("few")
def test_tables_come_and_grow_with_the_registry(tmp_path: Path) -> None:
    hashes = random_hashes(400, 11)
    tables = tmp_path / "known_fakes.tables"
    sizes = []
    for number in range(8):
        add(tmp_path, hashes[50 * number : 50 * number + 50], number)
        sizes.append(tables.stat().st_size if tables.exists() else 0)
        seen = hashes[: 50 * number + 50]
        assert matches(tmp_path, flipped(seen[::9], 25, 1)) == [
            (f"file {n // 50}", 25) for n in range(0, len(seen), 9)
        ]
    assert sizes[0] == 0
    assert 0 < sizes[1] == sizes[3] < sizes[4]  # written anew once 100 hashes had come after them


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("gone", ["tables", "hashes", "both"])
def test_tables_are_only_a_copy(tmp_path: Path, gone: str) -> None:
    hashes = random_hashes(300, 12)
    add(tmp_path, hashes[:250], 0)
    for name in ("tables", "hashes") if gone == "both" else (gone,):
        (tmp_path / f"known_fakes.{name}").unlink()
    assert matches(tmp_path, hashes[:1]) == [("file 0", 0)]
    add(tmp_path, hashes[250:], 1)
    assert (tmp_path / "known_fakes.tables").exists()
    assert matches(tmp_path, hashes[[0, 299]]) == [("file 0", 0), ("file 1", 0)]


@pytest.mark.usefixtures("few")
def test_tables_of_a_registry_that_is_gone_are_not_used(tmp_path: Path) -> None:
    add(tmp_path, random_hashes(200, 13), 0)
    (tmp_path / "known_fakes.sqlite").unlink()
    for left in tmp_path.glob("known_fakes.sqlite-*"):
        left.unlink()
    hashes = random_hashes(200, 14)
    add(tmp_path, hashes, 1)
    assert matches(tmp_path, hashes[:1]) == [("file 1", 0)]


@pytest.mark.usefixtures("few")
def test_index_of_another_registry_is_seen_where_nothing_in_it_is_alike(tmp_path: Path) -> None:
    hashes = random_hashes(200, 15)
    add(tmp_path / "other", random_hashes(200, 16), 0)
    add(tmp_path, hashes, 1)
    for name in ("known_fakes.hashes", "known_fakes.tables"):
        (tmp_path / "other" / name).replace(tmp_path / name)
    assert matches(tmp_path, hashes[:1]) == [("file 1", 0)]


@pytest.mark.slow
@pytest.mark.usefixtures("few")
def test_killed_at_any_step_the_registry_finds_what_it_stored(tmp_path: Path) -> None:
    hashes = random_hashes(360, 17)
    for n, part in enumerate((hashes[:120], hashes[120:240])):
        add(tmp_path / "start", part, n)

    def fill(folder: Path) -> None:
        for file in (tmp_path / "start").iterdir():
            (folder / file.name).write_bytes(file.read_bytes())

    folder = tmp_path / "counted"
    folder.mkdir()
    fill(folder)
    steps = disk_steps(lambda: add(folder, hashes[240:], 2), folder)
    assert any("known_fakes.tables" in step for step in steps)
    for at in range(len(steps)):
        folder = tmp_path / str(at)
        folder.mkdir()
        fill(folder)
        disk_steps(lambda folder=folder: add(folder, hashes[240:], 2), folder, kill_at=at)
        stored = len(KnownFakes(folder).entries())
        seen = hashes[: 120 * stored : 40]
        assert all(matches(folder, seen))
        add(folder, hashes[240:], 2)
        assert all(matches(folder, hashes[::40]))


def fill_part(folder: Path, writer: int) -> None:
    registry_module.TABLES_FROM = 100
    for n in range(3):
        add(folder, random_hashes(100, 100 * writer + n), 10 * writer + n)


@pytest.mark.slow
def test_many_writers_leave_tables_that_fit(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=fill_part, args=(tmp_path, n)) for n in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    index = np.fromfile(tmp_path / "known_fakes.hashes", np.uint8).reshape(-1, 32)
    assert len(index) == 600
    assert Tables.open(tmp_path / "known_fakes.tables", index) is not None
    for writer in range(2):
        for n in range(3):
            (match,) = matches(tmp_path, random_hashes(100, 100 * writer + n)[:1])
            assert match == (f"file {10 * writer + n}", 0)
