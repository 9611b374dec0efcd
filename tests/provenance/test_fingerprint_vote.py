"""A still is matched by its nearest picture, a video by the vote of its frames."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from counterface.provenance.fingerprint import ImageHash, KnownFakes
from counterface.provenance.verify import PixelSearch

RNG = np.random.default_rng(1)
LOOKS = [RNG.bytes(32) for _ in range(40)]


def moved(bits: bytes, flips: int) -> bytes:
    """The hash with its first bits flipped."""
    mask = (1 << flips) - 1
    return (int.from_bytes(bits, "big") ^ mask).to_bytes(32, "big")


def look(bits: bytes, *, mirrored: bool = False) -> ImageHash:
    other = bytes(reversed(bits))
    return ImageHash(other, 100, bits) if mirrored else ImageHash(bits, 100, other)


@pytest.fixture
def registry(tmp_path: Path) -> KnownFakes:
    """Two videos of ten frames that begin with the same title, and a still."""
    known = KnownFakes(tmp_path)
    title = LOOKS[0]
    for number, name in ((1, "one.mp4"), (2, "two.mp4")):
        frames = [title, *LOOKS[10 * number + 1 : 10 * number + 10]]
        hashes = [(look(bits), Fraction(n)) for n, bits in enumerate(frames)]
        known.add(f"{number}" * 64, name, hashes, kind="video")
    known.add("3" * 64, "still.png", [(look(LOOKS[39]), None)], kind="image")
    return known


def test_most_frames_decide_and_not_the_nearest_one(registry: KnownFakes) -> None:
    """The title is nearest to either; a single frame of the first lies nearer than all others."""
    frames = [LOOKS[0], LOOKS[11], *(moved(LOOKS[n], 12) for n in (21, 23, 25)), *LOOKS[30:33]]
    match = registry.match_looks([[look(bits)] for bits in frames])
    assert match is not None
    assert match.fake.name == "two.mp4"
    assert (match.images_matched, match.images_compared) == (4, 8)
    assert (match.distance, match.pts, match.mirrored) == (0, 0, False)


def test_a_single_frame_of_many_is_no_match(registry: KnownFakes) -> None:
    others = [[look(bits)] for bits in LOOKS[30:33]]
    assert registry.match_looks([[look(LOOKS[0])], *others]) is None
    lone = registry.match_looks([[look(LOOKS[21])], *others[:2]])  # of three it is one
    assert lone is not None
    assert (lone.images_matched, lone.images_compared) == (1, 3)


def test_looks_of_one_frame_have_one_vote(registry: KnownFakes) -> None:
    """Whole and without bars, a frame may match twice; it is one frame all the same."""
    frame = [look(LOOKS[21]), look(moved(LOOKS[21], 3))]
    others = [[look(bits)] for bits in LOOKS[30:33]]
    assert registry.match_looks([frame, *others]) is None
    match = registry.match_looks([frame, frame, *others])
    assert match is not None
    assert (match.images_matched, match.images_compared) == (2, 5)


def test_a_still_is_matched_by_its_nearest_picture(registry: KnownFakes) -> None:
    match = registry.match_looks([[look(moved(LOOKS[39], 31))]])
    assert match is not None
    assert (match.fake.name, match.distance, match.pts) == ("still.png", 31, None)
    assert registry.match_looks([[look(moved(LOOKS[39], 32))]]) is None
    assert registry.match_looks([[look(LOOKS[39]), look(LOOKS[21])]]).images_compared == 1


def test_frames_vote_on_the_mirror_image_too(registry: KnownFakes) -> None:
    turned = [[look(LOOKS[n], mirrored=True)] for n in (21, 22, 23)]
    match = registry.match_looks([[look(LOOKS[24])], *turned])
    assert match is not None
    assert (match.mirrored, match.images_matched) == (True, 4)
    match = registry.match_looks([*turned[:1], *([look(LOOKS[n])] for n in (24, 25, 26))])
    assert match is not None
    assert not match.mirrored


def test_equal_votes_go_to_the_nearest_then_to_the_first(registry: KnownFakes) -> None:
    both = [*(moved(LOOKS[n], 2) for n in (11, 12)), *(moved(LOOKS[n], 1) for n in (21, 22))]
    for frames in (both, both[::-1]):
        match = registry.match_looks([[look(bits)] for bits in frames])
        assert match is not None
        assert (match.fake.name, match.distance) == ("two.mp4", 1)
    same = registry.match_looks([[look(LOOKS[0])]] * 4)
    assert same is not None
    assert same.fake.name == "one.mp4"


def test_the_vote_is_told(registry: KnownFakes) -> None:
    search = PixelSearch(registry.database.parent)
    search._hashes = [[look(bits)] for bits in LOOKS[21:24] + LOOKS[30:33]]
    found = search.known_fake("0" * 64)
    assert "'two.mp4'" in found.reason
    assert "(3 of 6 frames, nearest 0 of 256 bits away)" in found.reason
    assert (found.frames_matched, found.frames_compared, found.mirrored) == (3, 6, False)
    search._hashes = search._hashes[:1]
    assert "(1 of 1 picture, nearest 0" in search.known_fake("0" * 64).reason
    search._hashes = [[look(LOOKS[30])]]
    assert search.known_fake("0" * 64).frames_matched is None
