"""What hostile files once found: each is read, or refused in words about the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostile_files import HostileFile, make
from hostile_seeds import SEEDS, all_seeds, drawn_frames

from counterface.errors import MediaError
from counterface.media import sandbox
from counterface.media.image import read_image
from counterface.media.open_file import read_packets

FOUND = (  # by `benchmarks/hardening/hostile_media.py`
    HostileFile("flv_h264", "cut_out", 7),  # a stream that began after the header
    HostileFile("ts_h264", "insert", 7),
    HostileFile("flv_h264", "splice", 6),  # a header without a size
    HostileFile("avif", "blank", 6),  # what Pillow's plug-ins raise
    HostileFile("avif", "set_numbers", 7),
    HostileFile("heic", "box_depth", 7),
    HostileFile("jpeg", "splice", 7),  # EXIF beside a frame
)
FAULTS = ("made the decoder fail", "nonsense", "crashed", "report this")


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    names = [name for name in SEEDS if not name.startswith("signed")]
    return all_seeds(tmp_path_factory.mktemp("seeds"), names)


@pytest.mark.parametrize("file", FOUND, ids=lambda file: file.name)
def test_what_was_found_is_read_or_refused_in_words(file, seeds, tmp_path: Path):
    path = tmp_path / file.name
    path.write_bytes(make(file, seeds))
    refused = ""
    try:
        info = sandbox.probe(path)
    except MediaError as error:
        refused = str(error)
    assert not any(words in refused for words in FAULTS), refused
    assert file.name in refused if refused else min(info.width, info.height) > 0


def test_motion_jpeg_with_exif_is_read_and_turned(seeds, tmp_path: Path):
    path = tmp_path / "camera.mjpeg"
    path.write_bytes(seeds["jpeg"] * 3)  # its orientation is 6: a quarter to the right
    assert sandbox.probe(path).rotation == 90
    frames = list(sandbox.read_video(path))
    assert len(frames) == 3
    upright = sandbox.read_image(_one(seeds, tmp_path))
    assert abs(frames[0].image.astype(int) - upright).mean() < 3
    assert abs(frames[0].image.astype(int) - drawn_frames()[0]).mean() > 10


def _one(seeds, folder: Path) -> Path:
    path = folder / "one.jpg"
    path.write_bytes(seeds["jpeg"])
    return path


@pytest.mark.parametrize("name", ["avif", "heic"])
def test_a_picture_whose_pixels_are_gone_is_damaged(name, seeds, tmp_path: Path):
    data = seeds[name]
    path = tmp_path / f"a.{name}"
    pixels = data.find(b"mdat") + 4
    path.write_bytes(data[:pixels] + bytes(len(data) - pixels))
    with pytest.raises(MediaError, match="damaged or cut short"):
        sandbox.read_image(path)


def test_packets_end_where_a_stream_begins_that_no_header_named():
    class Container:
        def demux(self, streams):
            yield from ("first", "second")
            raise IndexError("list index out of range")

    assert list(read_packets(Container(), [])) == ["first", "second"]


def test_a_picture_larger_than_the_memory_is_one_error(seeds, tmp_path: Path, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    path = _one(seeds, tmp_path)
    monkeypatch.setattr("counterface.media.image._load", fail)
    with pytest.raises(MediaError, match=r"one\.jpg.*not enough memory"):
        read_image(path)
