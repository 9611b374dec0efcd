"""Numbered pictures as one video, in and out, and the matte beside a video."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from echo_model import DRAWN, echo_model
from swap_targets import draw_images, write_target

from counterface.errors import ConfigError, MediaError, SwapError
from counterface.media.image import read_image, write_image
from counterface.media.video_reader import read_video
from counterface.provenance.mark import Marker
from counterface.provenance.record import read_record, record_path
from counterface.provenance.verify import verify_file
from counterface.swap.conversion.convert import convert
from counterface.swap.conversion.settings import ConvertConfig, Converted

ECHO, BRIGHT = echo_model(192), echo_model(64, gain=1.3)
IMAGES = draw_images(frames=6)[:6]


def run(target: Path, out: Path, model: Any = ECHO, **settings: Any) -> Converted:
    settings = {"rights": DRAWN, "merge": {"color_transfer": "none"}, "crf": 8, **settings}
    redo = settings.pop("redo", False)
    (done,) = convert(model, target, out, ConvertConfig(**settings), redo=redo).files
    return done


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Six pictures of odd size, named img1 to img12."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, image in zip((1, 2, 3, 10, 11, 12), IMAGES, strict=True):
        write_image(folder / f"img{number}.png", np.ascontiguousarray(image[:191, :255]))
    return folder


def test_pictures_become_a_video_in_natural_order(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    done = run(pictures, out, fps=23.976)
    frames = list(read_video(out))
    assert [frame.pts for frame in frames] == [i * Fraction(1001, 24_000) for i in range(6)]
    for frame, image in zip(frames, IMAGES, strict=True):
        assert np.abs(frame.image[:191, :255].astype(int) - image[:191, :255]).mean() < 4
    assert (done.frames, done.faces) == (6, 6)
    (target,) = read_record(record_path(out)).inputs
    assert (target.role, target.name) == ("target", "pictures")
    assert run(pictures, out, fps=23.976).status == "already"
    write_image(pictures / "img4.png", read_image(pictures / "img3.png"))
    with pytest.raises(SwapError, match="made otherwise: target "):
        run(pictures, out, fps=23.976)


@pytest.mark.slow
def test_pictures_become_pictures_of_the_same_names_and_size(
    pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(pictures, out, fps=25, pictures="png")
    names = [f"img{number}.png" for number in (1, 2, 3, 10, 11, 12)]
    listed = json.loads((out / "sequence.json").read_text())["pictures"]
    assert [picture["name"] for picture in listed] == names
    assert [Fraction(picture["pts"]) for picture in listed] == [Fraction(i, 25) for i in range(6)]
    for name in names:
        made, given = read_image(out / name), read_image(pictures / name)
        assert made.shape == given.shape
        assert np.abs(made.astype(int) - given).mean() < 4


@pytest.mark.slow
def test_each_picture_of_a_video_is_signed_marked_and_recorded(tmp_path: Path) -> None:
    clip = write_target(tmp_path / "a.mp4", IMAGES[:3], sound_s=0.2)
    done = run(clip, tmp_path / "out", pictures="jpg", quality=97)
    assert "pictures hold no sound: it was left out" in done.notes
    for number in range(3):
        path = tmp_path / "out" / f"{number:06d}.jpg"
        found = verify_file(path)
        assert found.credentials.state == "trusted"
        assert found.watermark.state == "found"
        assert found.record.state == "agrees"
        (frame,) = read_record(record_path(path)).frames
        assert (frame.index, frame.pts) == (number, Fraction(number, 24))
    assert run(clip, tmp_path / "out", pictures="jpg", quality=97).status == "already"
    with pytest.raises(SwapError, match=r"made otherwise: settings\.quality 97 -> 90"):
        run(clip, tmp_path / "out", pictures="jpg", quality=90)


class _KilledError(Exception):
    pass


@pytest.mark.slow
def test_killed_pictures_go_on_and_equal_uninterrupted_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = [Fraction(i, 5) for i in range(6)]
    clip = write_target(tmp_path / "a.mp4", IMAGES, slow)
    settings: dict[str, Any] = {"pictures": "png", "segment_s": 0.5}
    run(clip, tmp_path / "whole", **settings)
    original, count = Marker.finish_image, 0

    def finish(*given: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        if count > 4:
            raise _KilledError
        return original(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Marker, "finish_image", finish)
        with pytest.raises(_KilledError):
            run(clip, tmp_path / "pieces", **settings)
    assert not (tmp_path / "pieces" / "sequence.json").exists()
    done = run(clip, tmp_path / "pieces", **settings)
    assert (done.segments, done.segments_kept) == (3, 1)
    made = sorted((tmp_path / "pieces").glob("*.png"))
    assert len(made) == 6
    for path in made:
        assert np.array_equal(read_image(path), read_image(tmp_path / "whole" / path.name))


def test_what_cannot_be_a_sequence_is_told(pictures: Path, tmp_path: Path) -> None:
    write_image(pictures / "img13.png", IMAGES[0])
    with pytest.raises(MediaError, match=r"img13\.png is 256x192, the first picture 255x191"):
        run(pictures, tmp_path / "out.mp4", fps=25)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match="holds no pictures"):
        run(tmp_path / "empty", tmp_path / "out.mp4", fps=25)
    clip = write_target(tmp_path / "a.mp4", IMAGES)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    write_image(foreign / "000003.png", IMAGES[0])
    with pytest.raises(SwapError, match=r"000003\.png exists and was not made by a conversion"):
        run(clip, foreign, pictures="png")
    with pytest.raises(ConfigError, match="matte is for videos"):
        run(clip, tmp_path / "out", pictures="png", matte=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.mp4", "out.mov"])
def test_the_matte_is_white_where_the_face_is_new(tmp_path: Path, name: str) -> None:
    clip, out = write_target(tmp_path / "a.mp4", IMAGES[:3], sound_s=0.1), tmp_path / name
    run(clip, out, BRIGHT, matte=True, keep=("masks",))
    matte = out.with_name(f"out.matte{out.suffix}")
    frames = list(read_video(matte))
    assert [frame.pts for frame in frames] == [frame.pts for frame in read_video(out)]
    for index, frame in enumerate(frames):
        mask = read_image(tmp_path / f"{name}.truth" / "masks" / f"{index:06d}.png")
        assert np.abs(frame.image.astype(int) - mask).mean() < 2
        assert mask.max() == 255
    found = verify_file(matte)
    assert (found.credentials.state, found.record.state) == ("trusted", "agrees")
    assert found.watermark.state == "not_found"
    record = read_record(record_path(matte))
    assert record.marks is not None
    assert record.marks.watermark is None
