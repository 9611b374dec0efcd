"""What a manifest is said to hold: counts, leaks, duplicates, look-alikes, missing files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import actors
import numpy as np
import pytest

from counterface.datasets.inspect import describe, find_duplicates, find_leaks, find_look_alikes
from counterface.datasets.manifest import Entry
from counterface.media.image import write_image

A = Entry(Path("a"), 0, "film", "a", ("ann",), split="train", sha256="1")
B = Entry(Path("b"), 1, "swap", "a", ("ann", "bob"), "df", "c23", "train", sha256="2")
C = Entry(Path("c"), 0, "film", "c", ("cid",), split="test", sha256="3")


def test_each_kind_is_counted_by_label():
    facts = describe([A, B, replace(B, path=Path("d"), repeat=3, compression="c40"), C])
    assert (facts.entries, facts.real, facts.fake) == (4, 2, 2)
    assert (facts.drawn_real, facts.drawn_fake) == (2, 4)
    assert {n: (t.real, t.fake) for n, t in facts.splits.items()} == {
        "train": (1, 2),
        "test": (1, 0),
    }
    assert {n: (t.real, t.fake) for n, t in facts.identities.items()} == {
        "ann": (1, 2),
        "bob": (0, 2),
        "cid": (1, 0),
    }
    assert (facts.methods["swap"].fake, facts.generators["df"].fake) == (2, 2)
    assert (facts.compressions["c40"].fake, facts.compressions[""].real) == (1, 2)
    assert (facts.sources, facts.groups, facts.largest_group) == (2, 2, 3)
    assert facts.missing == ("a", "b", "d", "c")
    assert facts.look_alikes is None


def test_a_person_or_footage_in_two_splits_is_a_leak():
    assert find_leaks([A, B, C]) == ()
    leaks = find_leaks([A, replace(B, split="test"), C])
    assert [(leak.kind, leak.name, leak.splits) for leak in leaks] == [
        ("identity", "ann", {"train": 1, "test": 1}),
        ("source", "a", {"train": 1, "test": 1}),
    ]
    assert find_leaks([A, replace(B, split=""), C]) == ()  # in no split: cannot leak


def test_the_same_content_is_found_with_the_labels_and_splits_it_stands_under():
    (same,) = find_duplicates([A, B, replace(C, sha256="2"), Entry(Path("x"), 0)])
    assert same.files == ("b", "c")
    assert (same.labels, same.splits) == (("real", "fake"), ("test", "train"))
    assert find_duplicates([Entry(Path("x"), 0), Entry(Path("y"), 0)]) == ()  # no hash is no hash


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    folder = tmp_path_factory.mktemp("pictures")
    ann, bob = (actors.draw_actor(who, size=256).image for who in (1, 2))
    write_image(folder / "ann.png", ann)
    write_image(folder / "ann_again.jpg", ann, quality=60)
    write_image(folder / "ann_mirrored.png", ann[:, ::-1].copy())
    write_image(folder / "bob.png", bob)
    write_image(folder / "grey.png", np.full((64, 64, 3), 127, np.uint8))
    write_image(folder / "grey_too.png", np.full((64, 64, 3), 127, np.uint8))
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing")
    return [Entry(path, 0, source=path.stem) for path in sorted(folder.iterdir())]


def test_copies_and_mirror_images_are_found_and_others_are_not(entries: list[Entry]):
    alike, unread = find_look_alikes(entries)
    found = {tuple(Path(name).stem for name in pair.files) for pair in alike}
    assert found == {
        ("ann", "ann_again"),
        ("ann", "ann_mirrored"),
        ("ann_again", "ann_mirrored"),
    }
    assert [Path(file.file).name for file in unread] == ["broken.png"]


def test_what_the_manifest_links_is_not_reported(entries: list[Entry]):
    linked = [replace(entry, identities=("ann",)) for entry in entries]
    assert find_look_alikes(linked)[0] == ()
