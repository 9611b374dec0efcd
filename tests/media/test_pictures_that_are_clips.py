"""Animated pictures and dumps of JPEGs are read as clips, transparency on white; stills are not."""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from drawn_media import draw, write_clip

from counterface.errors import MediaError
from counterface.media import sandbox
from counterface.media.image import encode_image
from counterface.media.open_file import sniff
from counterface.media.sample_frames import sample_frames
from counterface.media.video_reader import VideoReader

LENGTHS_MS = [100, 200, 50, 70, 80, 90, 100, 110]


def animation(path: Path, kind: str, **settings) -> Path:
    pictures = [PIL.Image.fromarray(draw(i)) for i in range(len(LENGTHS_MS))]
    pictures[0].save(
        path, kind, save_all=True, append_images=pictures[1:], duration=LENGTHS_MS, **settings
    )
    return path


def codes(info) -> list[str]:
    return [note.code for note in info.notes]


@pytest.mark.parametrize(
    ("name", "kind", "settings"),
    [("a.webp", "WEBP", {"lossless": True}), ("a.png", "PNG", {}), ("a.gif", "GIF", {})],
)
def test_an_animation_is_a_clip_with_its_own_times(tmp_path: Path, name, kind, settings) -> None:
    path = animation(tmp_path / name, kind, **settings)
    info = sandbox.probe(path)
    assert (info.kind, codes(info), info.frame_count) == ("video", ["animated"], 8)
    assert info.duration_s == pytest.approx(0.8)
    frames = list(sandbox.read_video(path))
    assert [f.pts for f in frames] == [Fraction(sum(LENGTHS_MS[:i]), 1000) for i in range(8)]
    for index, frame in enumerate(frames):
        assert np.abs(frame.image.astype(int) - draw(index)).mean() < (4 if kind == "GIF" else 0.1)
    at = list(sandbox.frames_at(path, [Fraction(1, 4), Fraction(3, 10), Fraction(9)]))
    assert [f.pts for f in at] == [Fraction(1, 10), Fraction(3, 10), Fraction(69, 100)]
    later = list(sandbox.read_video(path, start=Fraction(1, 2)))
    assert [f.pts for f in later] == [f.pts for f in frames if f.pts >= Fraction(1, 2)]
    assert len(list(sample_frames(path, info, 4).moments)) == 4


@pytest.mark.parametrize(("name", "kind"), [("a.webp", "WEBP"), ("a.png", "PNG")])
def test_what_is_left_of_an_animation_is_read(tmp_path: Path, name: str, kind: str) -> None:
    path = animation(tmp_path / name, kind, lossless=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    info = sandbox.probe(path)
    frames = list(sandbox.read_video(path))
    assert codes(info) == ["animated", "cut_short"]
    assert 3 <= len(frames) <= 6
    assert np.array_equal(frames[2].image, draw(2))


def test_transparency_of_an_animation_lies_on_white(tmp_path: Path) -> None:
    clear = np.zeros((32, 32, 4), np.uint8)
    solid = np.full((32, 32, 4), (10, 200, 30, 255), np.uint8)
    first, second = (PIL.Image.fromarray(pixels) for pixels in (clear, solid))
    for name, kind in (("a.webp", "WEBP"), ("a.png", "PNG")):
        path = tmp_path / name
        first.save(path, kind, save_all=True, append_images=[second], duration=100, lossless=True)
        images = [frame.image for frame in sandbox.read_video(path)]
        assert (images[0] == 255).all()
        assert (images[1] == (10, 200, 30)).all()


def test_jpeg_after_jpeg_is_a_clip(tmp_path: Path) -> None:
    path = tmp_path / "camera.jpg"
    path.write_bytes(b"".join(encode_image(draw(i), "JPEG", 95) for i in range(12)))
    info = sandbox.probe(path)
    assert (info.kind, info.frame_count, codes(info)) == ("video", 12, ["no_duration"])
    frames = list(sandbox.read_video(path))
    for index, frame in enumerate(frames):
        assert np.abs(frame.image.astype(int) - draw(index)).mean() < 4
    assert len(frames) == 12


def test_a_photo_with_a_thumbnail_or_something_behind_it_stays_a_photo(tmp_path: Path) -> None:
    small = encode_image(draw(0)[:32, :32], "JPEG")
    exif = PIL.Image.Exif()
    exif[0x9286] = small * 2  # as a thumbnail stands in the header
    with_thumbnail = BytesIO()
    PIL.Image.fromarray(draw(0)).save(with_thumbnail, "JPEG", exif=exif)
    photo = encode_image(draw(0), "JPEG")
    for number, data in enumerate([with_thumbnail.getvalue(), photo + small, photo + b"\0" * 99]):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(data)
        assert sniff(path) == "image"
        assert (sandbox.read_image(path).shape, codes(sandbox.probe(path))) == ((64, 96, 3), [])


def test_the_reader_of_videos_refuses_an_animated_webp_by_name(tmp_path: Path) -> None:
    path = animation(tmp_path / "a.webp", "WEBP")
    with pytest.raises(MediaError, match=r"a\.webp"):
        VideoReader(path)


def test_the_pages_of_a_tiff_are_not_passed_over_in_silence(tmp_path: Path) -> None:
    pages = [PIL.Image.fromarray(draw(i)) for i in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "b.tif")
    assert codes(sandbox.probe(tmp_path / "a.tif")) == ["several_streams"]
    assert codes(sandbox.probe(tmp_path / "b.tif")) == []
    assert np.array_equal(sandbox.read_image(tmp_path / "a.tif"), draw(0))


def test_a_gif_is_not_called_an_interrupted_recording(tmp_path: Path) -> None:
    path = tmp_path / "one.gif"
    PIL.Image.fromarray(draw(0)).save(path)
    assert codes(sandbox.probe(path)) == []
    path.write_bytes(path.read_bytes()[:-40])
    assert codes(sandbox.probe(path)) == ["cut_short"]


@pytest.mark.parametrize("brand", [b"hevc", b"msf1"])
def test_a_heic_sequence_is_a_clip(tmp_path: Path, brand: bytes) -> None:
    params = {"x265-params": "log-level=none", "preset": "ultrafast"}
    clip = write_clip(tmp_path / "a.mp4", 3, codec="libx265", options=params)
    path = tmp_path / "a.heic"
    data = clip.read_bytes()
    path.write_bytes(data[:8] + brand + data[12:])
    info = sandbox.probe(path)
    assert (info.kind, info.frame_count) == ("video", 3)
    assert [note.code for note in info.notes] == ["animated"]


def test_a_picture_with_a_sequence_beside_it_says_that_only_it_was_read(tmp_path: Path) -> None:
    path = tmp_path / "a.avif"
    PIL.Image.fromarray(draw(0)).save(path)
    assert sandbox.probe(path).notes == ()
    path.write_bytes(path.read_bytes() + (16).to_bytes(4, "big") + b"moov" + bytes(8))
    assert [note.code for note in sandbox.probe(path).notes] == ["several_streams"]


@pytest.mark.parametrize("suffix", [".jpg", ".heic", ".webp"])
def test_of_a_motion_photo_the_picture_is_read_and_the_video_told(
    tmp_path: Path, suffix: str
) -> None:
    if suffix == ".heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    photo = tmp_path / f"photo{suffix}"
    PIL.Image.fromarray(draw(0)).save(photo)
    assert codes(sandbox.probe(photo)) == []
    clip = write_clip(tmp_path / "clip.mp4", 3)
    photo.write_bytes(photo.read_bytes() + clip.read_bytes())
    info = sandbox.probe(photo)
    assert (info.kind, codes(info)) == ("image", ["several_streams"])
    assert "A video lies behind" in info.notes[0].text or suffix == ".heic"
