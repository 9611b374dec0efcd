"""Results and what they were made from are paired moment by moment, whatever holds them."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from swap_targets import draw_images, write_target

from counterface.errors import SwapError
from counterface.media.image import write_image
from counterface.swap.same_moments import pair_frames, sound_likeness
from counterface.types import Image

IMAGES = draw_images(frames=6)[:6]
TIMES = [Fraction(i, 24) for i in range(6)]


def write_folder(folder: Path, images: list[Image], times: list[Fraction] | None = None) -> Path:
    """Numbered pictures, with the list of a conversion where times are given."""
    folder.mkdir()
    names = [f"img{number}.png" for number in range(8, 8 + len(images))]  # 8, 9, 10: natural order
    for name, image in zip(names, images, strict=True):
        write_image(folder / name, np.ascontiguousarray(image))
    if times is not None:
        listed = [{"name": n, "pts": str(t)} for n, t in zip(names, times, strict=True)]
        (folder / "sequence.json").write_text(json.dumps({"pictures": listed}))
    return folder


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_target(tmp_path_factory.mktemp("video") / "a.mp4", IMAGES, sound_s=0.2)


def test_pictures_of_a_video_with_their_times(video: Path, tmp_path: Path) -> None:
    out = write_folder(tmp_path / "out", list(IMAGES), TIMES)
    pairs = list(pair_frames(out, video))
    assert [(a.pts, b.pts) for a, b in pairs] == list(zip(TIMES, TIMES, strict=True))
    for made, real in pairs:
        assert np.abs(made.image.astype(int) - real.image).mean() < 3
    assert sound_likeness(out, video) == "left out"
    late = write_folder(tmp_path / "late", list(IMAGES[:3]), TIMES[:1] + TIMES[3:5])
    with pytest.raises(SwapError, match="no partner"):
        list(pair_frames(late, video))


def test_numbered_pictures_of_odd_size_and_their_video(tmp_path: Path) -> None:
    odd = [image[:191, :255] for image in IMAGES]
    target = write_folder(tmp_path / "target", odd)
    padded = [np.pad(image, ((0, 1), (0, 1), (0, 0)), "edge") for image in odd]
    out = write_target(tmp_path / "out.mp4", padded)
    assert len(list(pair_frames(out, target))) == 6
    assert sound_likeness(out, target) == "none"
    longer = write_folder(tmp_path / "longer", [*odd, odd[0]])
    with pytest.raises(SwapError):
        list(pair_frames(longer, target))
    with pytest.raises(SwapError, match="do not belong together"):
        list(pair_frames(write_folder(tmp_path / "small", [i[:99, :99] for i in odd]), target))


def test_one_picture_and_a_video_do_not_go_together(video: Path, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    write_image(picture, IMAGES[0])
    for out, target in ((picture, video), (video, picture)):
        with pytest.raises(SwapError, match="is one picture"):
            list(pair_frames(out, target))
    (made, real) = next(pair_frames(picture, picture))
    assert np.array_equal(made.image, real.image)
