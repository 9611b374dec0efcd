"""Lists of hashes: out and in again without loss, and from elsewhere, however badly written."""

from __future__ import annotations

import csv
import sqlite3
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from killed import disk_steps

from counterface.errors import ProvenanceError
from counterface.provenance.fingerprint import (
    ImageHash,
    KnownFakes,
    ListImport,
    export_known_fakes,
    import_known_fakes,
)
from counterface.provenance.fingerprint import exchange as exchange_module
from counterface.provenance.verify import PixelSearch

RNG = np.random.default_rng(2)
HASHES = [RNG.bytes(32) for _ in range(12)]
WHEN = datetime(2026, 11, 21, 12, 0, 1, 250, tzinfo=UTC)


def look(bits: bytes, quality: int = 100) -> ImageHash:
    return ImageHash(bits, quality, bytes(reversed(bits)))


def filled(folder: Path) -> KnownFakes:
    """A video, a picture with a name that spreadsheets run, and a file without a picture."""
    registry = KnownFakes(folder)
    frames = [(look(bits), Fraction(n, 25)) for n, bits in enumerate(HASHES[:5])]
    frames += [(look(HASHES[5], 77), Fraction(-1, 3))]
    registry.add("a" * 64, "swap, new.mp4", frames, kind="video", when=WHEN, record="/x/r.json")
    crops = [(look(bits), None) for bits in (*HASHES[6:8], HASHES[6])]  # one of them twice
    registry.add("b" * 64, '=1+1 "é".png', crops, kind="image", when=WHEN)
    registry.add("c" * 64, "flat.png", [(look(HASHES[8], 3), None)], kind="image", when=WHEN)
    return registry


def stored(registry: KnownFakes) -> list[tuple[object, ...]]:
    with sqlite3.connect(registry.database) as database:
        rows = database.execute(
            "SELECT DISTINCT sha256, name, added, kind, pts, hash, quality FROM files "
            "LEFT JOIN pictures ON files.id = pictures.file ORDER BY files.id, pictures.id"
        )
        return list(dict.fromkeys(rows))


def imported(folder: Path, text: str | bytes, name: str = "list.csv") -> ListImport:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return import_known_fakes(KnownFakes(folder / "home"), path)


def test_out_and_in_again_nothing_is_lost(tmp_path: Path) -> None:
    first, second = filled(tmp_path / "one"), KnownFakes(tmp_path / "two")
    assert export_known_fakes(first, tmp_path / "one.csv") == 8
    done = import_known_fakes(second, tmp_path / "one.csv")
    assert (done.files, done.hashes, done.known, done.flat, done.wrong) == (3, 8, 0, 0, 0)
    assert stored(second) == stored(first)
    assert export_known_fakes(second, tmp_path / "two.csv") == 8
    text = (tmp_path / "one.csv").read_bytes()
    assert (tmp_path / "two.csv").read_bytes() == text
    with (tmp_path / "one.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[1] == {
        "sha256": "a" * 64,
        "name": "swap, new.mp4",
        "kind": "video",
        "when": WHEN.isoformat(),
        "pts": "1/25",
        "hash": HASHES[1].hex(),
        "quality": "100",
    }
    assert rows[6]["name"] == '\'=1+1 "é".png'  # no spreadsheet runs it
    assert b"r.json" not in text  # where somebody keeps records is nobody's business

    again = import_known_fakes(second, tmp_path / "one.csv")
    assert (again.files, again.hashes, again.known) == (0, 0, 8)
    assert stored(second) == stored(first)


def test_lists_of_other_programs_are_read(tmp_path: Path) -> None:
    (a, b, c, d) = (bits.hex() for bits in HASHES[:4])
    only = imported(tmp_path, f"hash\r\n{a}\r\n{b.upper()}\r\n\r\n")
    assert (only.hashes, only.files, only.wrong) == (2, 1, 0)
    hasher = imported(tmp_path, f"{c},100,../ann/one.jpg\n{d},12,two.jpg\n", "bare.txt")
    assert (hasher.hashes, hasher.files, hasher.flat) == (1, 1, 1)
    tagged = imported(
        tmp_path, f"\ufeffID;Hash;pts\n7;{HASHES[4].hex()};1.5\n8;{HASHES[5].hex()};2.5\n", "x.csv"
    )
    assert (tagged.hashes, tagged.files, tagged.wrong) == (2, 1, 0)

    registry = KnownFakes(tmp_path / "home")
    match = registry.match_looks([[look(HASHES[1])]])
    assert match is not None
    assert (match.fake.name, match.fake.sha256, match.fake.list) == ("list.csv", None, "list.csv")
    match = registry.match_looks([[look(HASHES[2])]])
    assert match is not None
    assert match.fake.name == "one.jpg"  # the folder may be called as its owner
    match = registry.match_looks([[look(bits)] for bits in (*HASHES[4:6], *HASHES[8:10])])
    assert match is not None
    assert (match.fake.kind, match.images_matched, match.pts) == ("video", 2, Fraction(3, 2))
    export_known_fakes(registry, tmp_path / "out.csv")
    other = KnownFakes(tmp_path / "other")
    import_known_fakes(other, tmp_path / "out.csv")
    assert stored(other) == stored(registry)


WRONG = {
    "zz": "hash 'zz' is not 64 hexadecimal digits",
    f"{'0' * 63}é": "is not 64 hexadecimal digits",
    '"open': "unexpected end of data",
    f"{'1' * 64},image,,1e9": "pts '1e9' is no number of seconds",
    f"{'1' * 64},image,,1/0": "pts '1/0' is no number of seconds",
    f"{'1' * 64},person": "kind 'person' is neither image nor video",
    f"{'1' * 64},image,yesterday": "isoformat",
    f"{'1' * 64},,,,101": "quality '101' is no whole number from 0 to 100",
    f"{'1' * 64},,,,,beef": "sha256 'beef' is not 64 hexadecimal digits",
    ",image": "it has no hash",
    "x" * 70_000: "more than 65536 bytes",
}


@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
def test_a_wrong_row_is_named_and_the_rest_goes_on(tmp_path: Path, wrong: str) -> None:
    head = "hash,kind,when,pts,quality,sha256"
    done = imported(tmp_path, f"{head}\n{HASHES[0].hex()}\n{wrong}\n{HASHES[1].hex()}\n")
    assert (done.hashes, done.wrong) == (2, 1)
    (row,) = done.wrong_rows
    assert row.line == 3
    assert WRONG[wrong] in row.reason
    assert len(row.reason) <= 200
    assert KnownFakes(tmp_path / "home").match_looks([[look(HASHES[1])]]) is not None


def test_rows_that_are_no_text_are_named(tmp_path: Path) -> None:
    good = HASHES[0].hex().encode()
    done = imported(tmp_path, b"hash,name\n\xff\xfe\x00\n" + good + b",a\x00b\n" + 200 * b"zz\n")
    assert (done.hashes, done.wrong, len(done.wrong_rows)) == (1, 201, 100)
    assert KnownFakes(tmp_path / "home").entries()[0].name == "a b"


@pytest.mark.parametrize("text", [b"", b"name,md5\nx,y\n", b"\xff\xfeh\x00", b'"hash\n'])
def test_lists_without_hashes_are_refused(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(ProvenanceError, match=r"list\.csv"):
        imported(tmp_path, text)
    assert not (tmp_path / "home").exists()


def test_without_a_registry_there_is_nothing_to_export(tmp_path: Path) -> None:
    with pytest.raises(ProvenanceError, match="nothing to export"):
        export_known_fakes(KnownFakes(tmp_path / "home"), tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == []


def test_what_a_list_names_is_a_hint_and_no_proof(tmp_path: Path) -> None:
    """Anybody can write the SHA-256 of somebody's genuine footage into a list."""
    imported(tmp_path, f"hash,sha256,name\n{HASHES[0].hex()},{'d' * 64},news.mp4\n")
    home = tmp_path / "home"
    found = PixelSearch(home).known_fake("d" * 64)
    assert (found.state, found.listed) == ("same_file", "list.csv")
    assert "from the list 'list.csv', which nobody here made" in found.reason

    registry = KnownFakes(home)
    registry.add(
        "d" * 64, "own.mp4", [(look(HASHES[2]), None)], kind="video"
    )  # made here after all
    assert PixelSearch(home).known_fake("d" * 64).listed is None
    assert registry.match_looks([[look(HASHES[2])]]) is not None
    done = imported(tmp_path, f"hash,sha256,name\n{HASHES[1].hex()},{'d' * 64},news.mp4\n")
    assert (done.hashes, done.known) == (0, 1)
    found = PixelSearch(home).known_fake("d" * 64)
    assert (found.listed, found.name) == (None, "own.mp4")
    assert registry.match_looks([[look(HASHES[1])]]) is None  # a list adds nothing to it


def test_a_registry_without_lists_keeps_its_format(tmp_path: Path) -> None:
    registry = filled(tmp_path)
    formats = []
    for _ in range(2):
        with sqlite3.connect(registry.database) as database:
            formats.append(database.execute("PRAGMA user_version").fetchone()[0])
        export_known_fakes(registry, tmp_path / "a.csv")
        import_known_fakes(registry, tmp_path / "a.csv")
    assert formats == [1, 2]


@pytest.mark.slow
def test_an_import_that_is_killed_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "_BATCH", 3)
    rows = "".join(f"{bits.hex()},{n // 4}.mp4,{n}\n" for n, bits in enumerate(HASHES))
    path = tmp_path / "list.csv"
    path.write_text(f"hash,name,pts\n{rows}")

    def run(folder: Path) -> ListImport:
        return import_known_fakes(KnownFakes(folder), path)

    (tmp_path / "whole").mkdir()
    steps = disk_steps(lambda: run(tmp_path / "whole"), tmp_path / "whole")
    parts = set()
    for at in range(len(steps)):
        folder = tmp_path / str(at)
        folder.mkdir()
        disk_steps(lambda folder=folder: run(folder), folder, kill_at=at)
        done = run(folder)
        parts.add(done.known)
        assert (done.hashes + done.known, done.wrong) == (12, 0)
        registry = KnownFakes(folder)
        assert [len(row) for row in stored(registry)] == [7] * 12
        assert (folder / "known_fakes.hashes").read_bytes() == b"".join(HASHES)
    assert parts >= {0, 12}
