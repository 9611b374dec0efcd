"""Known fakes: how fast a large registry is searched, and whether anything is missed.

    python benchmarks/known_fakes_search.py [--hashes 1000000] [--queries 1000]

Searched are random hashes with some bits flipped: the tables alone, then a whole lookup of a still
and of twelve frames in a registry on disk. "alike": hashes of real clips' frames and crops (drawn
actors without data) with up to 40 bits flipped, which crowd in few places of the tables. CPU time.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from drawn import DATA
from known_fakes import items, rows

from counterface.provenance.fingerprint import Hashes, ImageHash, KnownFakes, hash_copies
from counterface.provenance.fingerprint.search import Tables, find_alike, write_tables

FRAMES = 12


def flipped(hashes: Hashes, bits: int, rng: np.random.Generator) -> Hashes:
    """The hashes with so many of their bits flipped."""
    order = np.argsort(rng.random((len(hashes), 256), dtype=np.float32), axis=1)[:, :bits]
    flips = np.zeros((len(hashes), 256), np.uint8)
    np.put_along_axis(flips, order, 1, axis=1)
    return hashes ^ np.packbits(flips, axis=1)


def seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def alike(count: int, data: Path, rng: np.random.Generator) -> Hashes:
    """Hashes as of real registries: frames of clips with their crops, and what lies near them."""
    pictures = [image for item in items(data, 40, 12) for image in item.pictures]
    real = rows([one for image in pictures for one in hash_copies(image)])
    print(f"alike: of {len(real)} real hashes")
    parts = []
    for start in range(0, count, 50_000):
        some = real[rng.integers(0, len(real), min(50_000, count - start))]
        parts.append(flipped(some, int(rng.integers(0, 41)), rng))
    return np.concatenate(parts)


def search(name: str, known: Hashes, queries: int, folder: Path, rng: np.random.Generator) -> None:
    path = folder / "tables"
    written = seconds(lambda: write_tables(path, known))
    print(f"{name}: tables of {len(known)}: {written:.2f} s, {path.stat().st_size / 1e6:.0f} MB")
    tables = Tables.open(path, known)
    assert tables
    for bits in (0, 10, 25, 31):
        chosen = rng.integers(0, len(known), queries)
        wanted = flipped(known[chosen], bits, rng)
        found = np.zeros(queries, bool)

        def ask(
            wanted: Hashes = wanted, found: np.ndarray = found, own: np.ndarray = chosen
        ) -> None:
            for number in range(queries):
                hits = find_alike(known, wanted[number : number + 1], tables)
                found[number] = own[number] in hits.known

        took = seconds(ask)
        few = wanted[:50]
        whole = find_alike(known, few)
        same = all(map(np.array_equal, whole, find_alike(known, few, tables)))
        took_whole = seconds(lambda few=few: find_alike(known, few)) / len(few)
        print(
            f"  {bits:2} bits flipped: {queries / took:6.0f} queries/s, recall {found.mean():.4f}; "
            f"all hashes: {1 / took_whole:5.0f}/s, equal: {same}"
        )


def lookups(known: Hashes, folder: Path, rng: np.random.Generator) -> None:
    """Whole lookups, database and all, by the size of the registry."""
    for count in (1000, 30_000, 100_000, len(known)):
        registry = KnownFakes(folder / str(count))
        looks = [(ImageHash(one.tobytes(), 100, bytes(32)), None) for one in known[:count]]
        registry.add("0" * 64, "a", looks, kind="video")
        some = flipped(known[rng.integers(0, count, FRAMES)], 20, rng)
        frames = [[ImageHash(one.tobytes(), 100, rng.bytes(32))] for one in some]
        times = []
        for pictures in (frames[:1], frames):
            call = partial(registry.match_looks, pictures)
            took = [seconds(call) for _ in range(20)]
            times.append(f"{1000 * np.median(took):.2f}")
        with sqlite3.connect(registry.database) as database:
            (rows_there,) = database.execute("SELECT COUNT(*) FROM pictures").fetchone()
        print(f"registry of {rows_there:8}: still {times[0]} ms, {FRAMES} frames {times[1]} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hashes", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--data", type=Path, default=DATA)
    args = parser.parse_args()
    rng = np.random.default_rng(1)
    known = rng.integers(0, 256, (args.hashes, 32), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        search("random", known, args.queries, folder, rng)
        search("alike", alike(args.hashes, args.data, rng), args.queries, folder, rng)
        lookups(known, folder, rng)


if __name__ == "__main__":
    main()
