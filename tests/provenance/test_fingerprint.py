"""PDQ against known answers of the reference, and the registry: found, shared, never half."""

from __future__ import annotations

import multiprocessing
import sqlite3
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from actors import draw_actor

from counterface.errors import ProvenanceError, ShapeError
from counterface.provenance.fingerprint import (
    MIN_QUALITY,
    SAME_LOOK,
    ImageHash,
    KnownFakes,
    hash_copies,
    hash_image,
)
from counterface.types import Image


def waves() -> Image:
    y, x = np.mgrid[:512, :512].astype(np.float64)
    red = 127 + 60 * np.sin(x / 23 + y / 41) + 50 * np.cos(y / 17 - x / 61)
    blue = 127 + 100 * np.cos(np.hypot(x - 200, y - 310) / 19)
    planes = np.stack([red, 127 + 90 * np.sin((x * y) / 9000), blue], axis=-1)
    return np.rint(planes).clip(0, 255).astype(np.uint8)


def boards() -> Image:
    y, x = np.mgrid[:512, :512]
    planes = [((x // 37 + y // 53) % 2) * 200 + 20, ((x // 29) % 3) * 80, ((y // 71) % 4) * 60]
    return np.stack(planes, axis=-1).astype(np.uint8)


# Made with pdqhash 0.2.8, Meta's own code, on the same pixels.
KNOWN = {
    "waves": "295554ada95554ada95556ad5555aaa7552aaa5255b6aa66554cff5800f0ff41",
    "waves, mirrored": "fe18fbf8fc00ebf8fc0083f88000fff2007fff0700e3ff33013baa0d55a5aa14",
    "boards": "eaaa9ff7bfff9ff79ff79ff79ff76008e008e008e028e008e028e008e0a8e008",
    "boards, mirrored": "35554aaa4a084aaa4aaa4aaa4aaab555b555b555b555b555b555b555b555b555",
    "actor 1": "8d999bdb3a646d9c4967a1836996b686871996591e7969d979e1a7238582ca59",
    "actor 7": "18cb1926632669e16d8e6497a593a78d92591e5dc249787d1f2ce7e264e6961e",
}


def differ(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()


@pytest.mark.parametrize("name", KNOWN)
def test_known_answers(name: str) -> None:
    pictures = {"waves": waves(), "boards": boards()}
    kind, _, mirrored = name.partition(", ")
    picture = pictures[kind] if kind in pictures else draw_actor(int(kind[-1]), size=512).image
    found = hash_image(picture)
    assert differ(found.mirrored if mirrored else found.bits, bytes.fromhex(KNOWN[name])) <= 2
    assert found.quality == 100


def test_published_quality_of_a_ramp_and_a_flat_picture() -> None:
    ramp = np.linspace(0, 255, 512).astype(np.uint8)[None, :, None]
    found = hash_image(np.broadcast_to(ramp, (512, 512, 3)))
    assert found.quality == 44  # as pdqhash says
    assert not found.usable
    assert hash_image(np.full((40, 40, 3), 200, np.uint8)).quality == 0


def test_alike_after_what_happens_to_pictures() -> None:
    image = draw_actor(5, size=400).image
    kept = hash_image(image)
    jpeg = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], 1)
    third = cv2.resize(image, (133, 133), interpolation=cv2.INTER_AREA)
    bright = cv2.convertScaleAbs(image, alpha=0.9, beta=12)
    for changed in (jpeg, third, bright, cv2.GaussianBlur(image, (0, 0), 2)):
        assert differ(kept.bits, hash_image(np.asarray(changed, np.uint8)).bits) <= 16
    assert differ(kept.mirrored, hash_image(image[:, ::-1]).bits) <= 8
    assert differ(kept.bits, kept.mirrored) > SAME_LOOK


def test_other_faces_look_different() -> None:
    hashes = [hash_image(draw_actor(n, size=160).image).bits for n in range(12)]
    pairs = [differ(a, b) for k, a in enumerate(hashes) for b in hashes[:k]]
    assert min(pairs) > SAME_LOOK


def test_wrong_arrays_are_refused() -> None:
    for wrong in (np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3)), np.zeros((0, 9, 3), np.uint8)):
        with pytest.raises(ShapeError, match="RGB uint8"):
            hash_image(wrong)  # type: ignore[arg-type]


WHEN = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_match_names_the_file_the_distance_and_the_time(tmp_path: Path) -> None:
    registry = KnownFakes(tmp_path / "home")
    actors = [draw_actor(n, size=256).image for n in range(4)]
    frames = [(hash_image(image), Fraction(n, 25)) for n, image in enumerate(actors[:2])]
    assert registry.add("ab" * 32, "swap.mp4", frames, kind="video", when=WHEN, record="r") == 2
    registry.add("cd" * 32, "still.png", [(hash_image(actors[2]), None)], kind="image")

    match = KnownFakes(tmp_path / "home").match([actors[3], cv2.resize(actors[1], (640, 360))])
    assert match is not None
    assert (match.fake.name, match.fake.sha256, match.fake.when) == ("swap.mp4", "ab" * 32, WHEN)
    assert (match.fake.kind, match.fake.record, match.pts) == ("video", "r", Fraction(1, 25))
    assert match.distance <= 6
    assert not match.mirrored
    assert (match.images_matched, match.images_compared) == (1, 2)

    mirrored = registry.match([actors[2][:, ::-1]])
    assert mirrored is not None
    assert (mirrored.fake.name, mirrored.mirrored, mirrored.pts) == ("still.png", True, None)
    assert registry.match([actors[3]]) is None


def test_letterboxed_and_cropped_copies_are_found(tmp_path: Path) -> None:
    registry = KnownFakes(tmp_path)
    images = [draw_actor(n, size=400).image for n in range(3)]
    for n, image in enumerate(images[:2]):
        copies = [(one, None) for one in hash_copies(image)]
        registry.add(f"{n}" * 64, f"{n}.png", copies, kind="image")
    image = images[1]
    boxed = np.pad(image, ((60, 60), (0, 0), (0, 0)))
    even = image[10:-10, 10:-10], image[20:-20, 20:-20]
    of_one_side = image[20:], image[:-40], image[:, 40:], image[:, :-20]
    for changed in (boxed, boxed[:, ::-1], *even, *of_one_side, image[:, ::-1][:, 20:]):
        match = registry.match([changed])
        assert match is not None
        assert match.fake.name == "1.png"
    assert registry.match([images[2], images[2][20:-20, 20:-20]]) is None


def test_flat_pictures_are_neither_kept_nor_matched(tmp_path: Path) -> None:
    flat = np.full((100, 100, 3), 60, np.uint8)
    registry = KnownFakes(tmp_path)
    assert hash_image(flat).quality < MIN_QUALITY
    assert registry.add("ef" * 32, "flat.png", [(hash_image(flat), None)], kind="image") == 0
    assert registry.match([flat]) is None
    assert registry.find_file("ef" * 32) is not None  # the file itself is known even so


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    registry = KnownFakes(tmp_path / "none")
    assert registry.match([waves()]) is None
    assert registry.find_file("00" * 32) is None
    assert registry.entries() == []
    assert not (tmp_path / "none").exists()


def test_adding_a_file_again_renames_it(tmp_path: Path) -> None:
    registry = KnownFakes(tmp_path)
    for name in ("one.mp4", "two.mp4"):
        assert registry.add("11" * 32, name, [(hash_image(waves()), None)], kind="video") == 1
    assert [fake.name for fake in registry.entries()] == ["two.mp4"]


def fill(folder: Path, writer: int) -> None:
    """One process's part; hashes of nothing in particular."""
    rng = np.random.default_rng(writer)
    for n in range(6):
        hashes = [(ImageHash(rng.bytes(32), 100, bytes(32)), Fraction(k)) for k in range(5)]
        KnownFakes(folder).add(f"{writer}-{n}", f"file {n}", hashes, kind="video")


@pytest.mark.slow
def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=fill, args=(tmp_path, n)) for n in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert len(KnownFakes(tmp_path).entries()) == 12
    with sqlite3.connect(tmp_path / "known_fakes.sqlite") as database:
        stored = database.execute("SELECT hash FROM pictures ORDER BY id").fetchall()
    index = (tmp_path / "known_fakes.hashes").read_bytes()
    assert len(stored) == 60
    assert index == b"".join(bits for (bits,) in stored)


@pytest.mark.parametrize("damage", ["absent", "short", "torn", "wrong", "long", "older"])
def test_index_is_only_a_copy(tmp_path: Path, damage: str) -> None:
    """Whatever a crash or a person does to it, the database's answer is given."""
    registry = KnownFakes(tmp_path)
    for n, image in enumerate((waves(), boards())):
        registry.add(f"{n}" * 64, f"{n}.png", [(hash_image(image), None)], kind="image")
    index = tmp_path / "known_fakes.hashes"
    whole = index.read_bytes()
    if damage == "absent":
        index.unlink()
    elif damage == "older":
        (tmp_path / "known_fakes.sqlite").unlink()
        for left in tmp_path.glob("known_fakes.sqlite-*"):
            left.unlink()
        registry.add("1" * 64, "1.png", [(hash_image(boards()), None)], kind="image")
    else:
        changed = {"short": whole[:32], "torn": whole[:40], "wrong": whole[32:] + whole[:32]}
        index.write_bytes(changed.get(damage, whole + bytes(64)))
    match = registry.match([boards()])
    assert match is not None
    assert (match.fake.name, match.distance) == ("1.png", 0)
    actor = draw_actor(1, size=200).image
    registry.add("2" * 64, "2.png", [(hash_image(actor), None)], kind="image")
    match = registry.match([actor])
    assert match is not None
    assert match.fake.name == "2.png"
    kept = [hash_image(boards()).bits, hash_image(actor).bits]
    assert index.read_bytes() == b"".join(kept if damage == "older" else [whole[:32], *kept])


def test_failed_addition_leaves_nothing(tmp_path: Path) -> None:
    registry = KnownFakes(tmp_path)
    broken = [(hash_image(waves()), None), (ImageHash(b"short", 100, b""), None)]
    with pytest.raises(ProvenanceError, match="cannot be written"):
        registry.add("33" * 32, "half.mp4", broken, kind="video")
    assert registry.entries() == []
    assert registry.match([waves()]) is None


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "known_fakes.sqlite"
    file.write_bytes(b"not a database, but long enough to be looked at" * 40)
    with pytest.raises(ProvenanceError, match="cannot be read"):
        KnownFakes(tmp_path).match([waves()])
    file.unlink()
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(ProvenanceError, match="format 99"):
        KnownFakes(tmp_path).entries()
