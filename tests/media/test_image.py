"""Pictures: every kind of file gives the same upright RGB; writing is whole or not at all."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from drawn_media import draw
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from counterface.errors import MediaError, ShapeError
from counterface.media import image as image_module
from counterface.media.image import encode_image, read_image, write_image
from counterface.media.notes import MediaNote
from counterface.media.probe import probe


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff"])
def test_lossless_round_trip(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(path, draw(3))
    image = read_image(path)
    assert np.array_equal(image, draw(3))
    assert image.flags.writeable
    assert image.flags.c_contiguous


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_lossy_round_trip_is_near(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(path, draw(3))
    assert np.abs(read_image(path).astype(int) - draw(3)).mean() < 4


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
@settings(max_examples=20, deadline=None)
def test_png_bytes_hold_any_picture(image: np.ndarray) -> None:
    decoded = PIL.Image.open(BytesIO(encode_image(image, "PNG")))
    assert np.array_equal(np.asarray(decoded), image)


def test_the_content_decides_not_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encode_image(draw(1), "PNG"))
    assert np.array_equal(read_image(path), draw(1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    turns = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
        8: lambda a: np.rot90(a),
    }
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.png"
    PIL.Image.fromarray(draw(0)).save(path, exif=exif)
    assert np.array_equal(read_image(path), turns[orientation](draw(0)))


def test_sixteen_bit_grey_keeps_its_range(tmp_path: Path) -> None:
    levels = np.linspace(0, 65_535, 64).astype(np.uint16).reshape(8, 8)
    PIL.Image.fromarray(levels).save(tmp_path / "a.png")
    PIL.Image.fromarray(levels).save(tmp_path / "a.tif")
    for name in ("a.png", "a.tif"):
        image = read_image(tmp_path / name)
        assert np.array_equal(image[..., 0], levels >> 8)
        assert np.array_equal(image[..., 0], image[..., 2])


def test_palette_and_transparency_lie_on_white(tmp_path: Path) -> None:
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[:2] = (10, 200, 30, 255)
    rgba[3] = (0, 0, 0, 128)
    PIL.Image.fromarray(rgba).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert (image[0] == (10, 200, 30)).all()
    assert (image[2] == 255).all()
    assert (abs(image[3].astype(int) - 127) <= 1).all()
    palette = PIL.Image.fromarray(draw(0)).quantize(16)
    palette.save(tmp_path / "p.png")
    expected = np.asarray(palette.convert("RGB"))
    assert np.array_equal(read_image(tmp_path / "p.png"), expected)


def test_cmyk_jpeg_is_not_inverted(tmp_path: Path) -> None:
    flat = PIL.Image.new("CMYK", (16, 16), (0, 200, 200, 20))  # little cyan: red
    flat.save(tmp_path / "a.jpg", quality=95)
    red, green, blue = read_image(tmp_path / "a.jpg").mean((0, 1))
    assert red > 200
    assert max(green, blue) < 80


def test_first_page_of_many(tmp_path: Path) -> None:
    pages = [PIL.Image.fromarray(draw(i)) for i in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert np.array_equal(read_image(tmp_path / "a.tif"), draw(0))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_image(path, draw(1))
    with pytest.raises(ShapeError, match=r"float64 \(4, 4\)"):
        write_image(path, np.zeros((4, 4)))  # type: ignore[arg-type]
    assert np.array_equal(read_image(path), draw(1))
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_writing_needs_a_known_suffix_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"not '.xyz'"):
        write_image(tmp_path / "a.xyz", draw(0))
    with pytest.raises(MediaError, match="cannot be written"):
        write_image(tmp_path / "absent" / "a.png", draw(0))


def test_files_are_readable_by_others(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", draw(0))
    (tmp_path / "b").write_bytes(b"x")
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_a_very_large_jpeg_is_decoded_smaller_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    PIL.Image.new("L", (9_000, 8_000), 90).save(path, quality=50)
    notes: list[MediaNote] = []
    assert read_image(path, tell=notes.append).shape == (4000, 4500, 3)
    assert [note.code for note in notes] == ["scaled"]
    assert "9000x8000" in notes[0].text


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "LA"])
def test_other_large_pictures_are_reduced_after_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(image_module, "MAX_PIXELS", 5000)
    monkeypatch.setattr(image_module, "MOST_DECODED", 10_000)
    path = tmp_path / "large.png"
    PIL.Image.fromarray(draw(3, 101, 64)).convert(mode).save(path)
    notes: list[MediaNote] = []
    image = read_image(path, max_pixels=5000, tell=notes.append)
    assert image.shape == (32, 51, 3)
    small = PIL.Image.open(path).convert("RGB").reduce(2)
    assert np.abs(image.astype(int) - np.asarray(small)).mean() < 3
    assert [(note.code, "101x64" in note.text, "51x32" in note.text) for note in notes] == [
        ("scaled", True, True)
    ]
    info = probe(path, max_pixels=5000)
    assert (info.width, info.height, info.stored_size) == (51, 32, (101, 64))
    PIL.Image.fromarray(draw(3, 400, 64)).save(path)
    with pytest.raises(MediaError, match=r"400x64 pixels.*save it as JPEG"):
        read_image(path, max_pixels=5000)


@pytest.mark.parametrize("suffix", [".heic", ".jpg"])
def test_heic_is_read_where_its_reader_is_there(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heif = pytest.importorskip("pillow_heif")
    path = tmp_path / f"a{suffix}"
    heif.from_pillow(PIL.Image.fromarray(draw(3, 192, 128))).save(path, quality=95)
    assert np.abs(read_image(path).astype(int) - draw(3, 192, 128)).mean() < 4
    monkeypatch.setattr(image_module, "load_parsers", lambda: ["JPEG", "PNG"])
    with pytest.raises(MediaError, match=r"pip install 'counterface\[heif\]'"):
        read_image(path)


def test_of_several_pictures_in_a_heic_the_first_is_read_with_a_note(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    container = heif.from_pillow(PIL.Image.fromarray(draw(3, 192, 128)))
    container.save(tmp_path / "one.heic", quality=95)
    container.add_from_pillow(PIL.Image.fromarray(draw(9, 192, 128)))
    container.save(tmp_path / "two.heic", quality=95)
    for name, codes in (("one", []), ("two", ["several_streams"])):
        notes: list[MediaNote] = []
        image = read_image(tmp_path / f"{name}.heic", tell=notes.append)
        assert np.abs(image.astype(int) - draw(3, 192, 128)).mean() < 4
        assert [note.code for note in notes] == codes


@pytest.mark.parametrize("suffix", [".png", ".webp"])
@pytest.mark.parametrize(
    ("alpha", "under", "said"),
    [
        (255, "picture", None),
        (120, "picture", None),
        (0, "picture", "A picture that no viewer shows lies beneath"),
        (0, "nothing", "taken for white."),
    ],
)
def test_what_is_transparent_is_said(
    tmp_path: Path, suffix: str, alpha: int, under: str, said: str | None
) -> None:
    pixels = np.dstack([draw(0), np.full((64, 96), 255, np.uint8)])
    pixels[:, 48:, 3] = alpha
    if under == "nothing":
        pixels[:, 48:, :3] = 0
    path = tmp_path / f"a{suffix}"
    PIL.Image.fromarray(pixels).save(path, lossless=True, exact=True)
    notes: list[MediaNote] = []
    image = read_image(path, tell=notes.append)
    assert [note.code for note in notes] == (["transparent"] if said else [])
    assert said is None or said in notes[0].text
    assert alpha or (image[:, 48:] == 255).all()


def test_threads_that_read_at_once_leave_the_limit_of_pillow_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write_image(path, np.zeros((8, 8, 3), np.uint8))
    usual, pause = PIL.Image.MAX_IMAGE_PIXELS, sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: read_image(path), range(100)))
        assert usual == PIL.Image.MAX_IMAGE_PIXELS
    finally:
        sys.setswitchinterval(pause)
        PIL.Image.MAX_IMAGE_PIXELS = usual
