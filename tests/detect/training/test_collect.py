"""Crops of labelled files: those of a scan, each with its file, and bad files left out."""

from __future__ import annotations

import numpy as np
import pytest
from scan_media import drawn_clip, drawn_picture, empty_picture

from counterface.datasets.manifest import Entry
from counterface.detect.training.collect import collect_crops
from counterface.errors import MediaError
from counterface.faces.align import align
from counterface.faces.face_detector import find_faces
from counterface.media.image import read_image
from counterface.types import Image


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    """A picture, a broken file, a picture without a face, a clip of 24 frames, an absent file."""
    folder = tmp_path_factory.mktemp("files")
    drawn_picture(folder / "one.png", 1)
    (folder / "broken.mp4").write_bytes(b"no video at all" * 50)
    empty_picture(folder / "empty.png")
    drawn_clip(folder / "clip.mp4", (2,), 24)
    names = ("one.png", "broken.mp4", "empty.png", "clip.mp4", "absent.png")
    return [Entry(folder / name, number % 2) for number, name in enumerate(names)]


def collect(items: list[Entry], frames: int = 4) -> tuple[list[tuple[int, Image]], list[str]]:
    failures: list[str] = []
    crops = collect_crops(
        items, frames, "whole_face", 64, failed=lambda i, why: failures.append(f"{i.path} {why}")
    )
    return [(number, face) for number, faces in crops for face in faces], failures


def test_every_readable_file_gives_its_crops_and_bad_ones_are_told(items: list[Entry]):
    crops, failures = collect(items)
    assert [number for number, _ in crops] == [0, 3, 3, 3, 3]
    assert all(crop.shape == (64, 64, 3) and crop.dtype == np.uint8 for _, crop in crops)
    assert len(failures) == 2
    assert "broken.mp4" in failures[0]
    assert "absent.png" in failures[1]


def test_without_a_listener_a_bad_file_stops_it(items: list[Entry]):
    with pytest.raises(MediaError, match=r"broken\.mp4"):
        list(collect_crops(items, 2, "whole_face", 64))


def test_a_crop_is_what_a_scan_cuts(items: list[Entry]):
    ((_, crop),), _ = collect(items[:1])
    image = read_image(items[0].path)
    assert np.array_equal(crop, align(image, find_faces(image)[0], "whole_face", 64).image)


@pytest.mark.slow
def test_frames_are_spread_over_the_clip(items: list[Entry]):
    few, _ = collect(items[3:4], 2)
    more, _ = collect(items[3:4], 6)
    assert len(few) == 2
    assert len(more) == 6
    assert not np.array_equal(few[0][1], few[1][1])
    everything, _ = collect(items[3:4], 1000)  # more than there are
    assert len(everything) == 24


def test_progress_counts_every_file(items: list[Entry]):
    told: list[tuple[int, int | None, str]] = []
    list(
        collect_crops(
            items[:3], 2, "face", 64,
            progress=lambda *args: told.append(args), failed=lambda item, why: None,
        )
    )  # fmt: skip
    assert told == [(1, 3, "one.png"), (2, 3, "broken.mp4"), (3, 3, "empty.png")]
