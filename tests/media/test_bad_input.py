"""Every bad file is a MediaError with its name and the reason, directly and in the sandbox."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest
from drawn_media import draw, write_clip, write_sound

from counterface.errors import MediaError
from counterface.media import sandbox
from counterface.media.image import encode_image, read_image
from counterface.media.open_file import check_file
from counterface.media.probe import probe
from counterface.media.video_reader import frames_at, read_video

NAMES = ['it\'s "quoted".mp4', "two\nlines.mp4", "-i.mp4", "concat:a|b.mp4", "%03d.mp4", "ü 日.mp4"]


def png(width: int, height: int) -> bytes:
    """A PNG that states a size and holds no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def cut(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def empty(folder: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def text(folder: Path) -> Path:
    (folder / "text.mp4").write_text("Dear reader,\nthis is no video.\n" * 50)
    return folder / "text.mp4"


def truncated_before_the_index(folder: Path) -> Path:
    path = write_clip(folder / "cut.mp4", 30)
    cut(path, 0.5)
    return path


def without_frames(folder: Path) -> Path:
    path = folder / "frameless.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        output.start_encoding()
    return path


def undecodable(folder: Path) -> Path:
    path = write_clip(folder / "noise.mp4", 30)
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    for at in range(start, data.index(b"moov") - 4):
        data[at] = (at * 193 + 71) % 251
    path.write_bytes(data)
    return path


def audio_only(folder: Path) -> Path:
    return write_sound(folder / "sound.mp4")


def a_folder(folder: Path) -> Path:
    (folder / "sub.mp4").mkdir()
    return folder / "sub.mp4"


def missing(folder: Path) -> Path:
    return folder / "absent.mp4"


def a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.mp4")
    return folder / "pipe.mp4"


def dangling_link(folder: Path) -> Path:
    (folder / "link.mp4").symlink_to(folder / "nowhere.mp4")
    return folder / "link.mp4"


BAD_VIDEOS: list[tuple[Callable[[Path], Path], str]] = [
    (empty, "empty"),
    (text, "is text, not a picture or video"),
    (truncated_before_the_index, r"cut short \(\d+ bytes of its end are missing\)"),
    (without_frames, "no stream of any kind"),
    (undecodable, "no frame can be decoded"),
    (audio_only, "is sound without a picture; there is nothing to judge"),
    (a_folder, "is a folder"),
    (missing, "does not exist"),
    (a_pipe, "not a regular file"),
    (dangling_link, "does not exist"),
]


FOREIGN = [
    ("page.mp4", b"\n<!DOCTYPE html>\n<html><body>Sign in</body></html>", "a web page (HTML)"),
    ("page.jpg", "\ufeff<HTML lang='en'><head>".encode(), "a web page (HTML)"),
    ("answer.png", b'{"error": "not found"}', "a JSON document"),
    ("answer.mov", b"<Error><Code>AccessDenied</Code></Error>", "an XML document"),
    ("drawing.png", b'<?xml version="1.0"?>\n<svg xmlns="x"></svg>', "an SVG drawing"),
    ("notes.jpg", "Grüße, this is no picture".encode(), "text"),
    ("notes.mkv", "Grüße, this is no video".encode("utf-16"), "text"),
    ("long.mp4", "é".encode() * 5000, "text"),
    ("paper.jpg", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "a PDF document"),
    ("clips.mp4", b"PK\x03\x04" + bytes(30), "a ZIP archive"),
    (
        "lfs.mp4",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
        "a pointer of Git LFS",
    ),
    ("lost.jpg", bytes(5000), "nothing but zeros"),
    ("._photo.jpg", b"\x00\x05\x16\x07" + bytes(60), "what macOS keeps beside a file"),
    ("new.jpg", b"\xff\x0a" + bytes(60), "a JPEG XL picture"),
]


@pytest.mark.parametrize(("name", "content", "said"), FOREIGN, ids=[name for name, *_ in FOREIGN])
def test_what_is_neither_picture_nor_video_is_told_by_what_it_is(
    name: str, content: bytes, said: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    for ask in (probe, read_image):
        with pytest.raises(MediaError) as caught:
            ask(path)
        assert f"{name}' is {said}" in str(caught.value)
        assert "; " in str(caught.value)


def test_what_cannot_be_told_has_no_words_of_a_library(tmp_path: Path) -> None:
    path = tmp_path / "noise.mp4"
    path.write_bytes(bytes(range(128, 256)) * 40)
    with pytest.raises(MediaError) as caught:
        probe(path)
    assert not {"Invalid", "argument"} & set(str(caught.value).split())
    assert "noise.mp4" in str(caught.value)


@pytest.mark.parametrize(("make", "reason"), BAD_VIDEOS, ids=[m.__name__ for m, _ in BAD_VIDEOS])
@pytest.mark.parametrize("read", [read_video, sandbox.read_video], ids=["direct", "sandbox"])
def test_bad_videos(tmp_path: Path, make, reason: str, read) -> None:
    path = make(tmp_path)
    with pytest.raises(MediaError, match=reason) as caught:
        list(read(path))
    assert path.name in str(caught.value)


@pytest.mark.parametrize("make", [empty, text, truncated_before_the_index, audio_only, a_folder])
def test_probe_refuses_the_same_files(tmp_path: Path, make) -> None:
    for ask in (probe, sandbox.probe):
        with pytest.raises(MediaError):
            ask(make(tmp_path) if not list(tmp_path.iterdir()) else next(tmp_path.iterdir()))


BAD_PICTURES = {
    "zero_size": (png(0, 0), "states no pixels or is damaged"),
    "zero_height_bmp": (
        b"BM" + struct.pack("<IIIIiiHH", 54, 0, 54, 40, 8, 0, 1, 24) + bytes(24),
        "states no pixels or is damaged",
    ),
    "bomb": (
        png(30_000, 30_000),
        "30000x30000 pixels, more than the limit of 100000000|larger than",
    ),
    "header_alone": (png(300, 300), "damaged or cut short"),
    "cut_jpeg": (encode_image(draw(0), "JPEG")[:300], "Truncated File Read"),
    "noise": (bytes(range(256)) * 8, "cannot be read as a picture"),
}


@pytest.mark.parametrize("name", BAD_PICTURES)
@pytest.mark.parametrize("read", [read_image, sandbox.read_image], ids=["direct", "sandbox"])
def test_bad_pictures(tmp_path: Path, name: str, read) -> None:
    data, reason = BAD_PICTURES[name]
    path = tmp_path / f"{name}.png"
    path.write_bytes(data)
    with pytest.raises(MediaError, match=reason) as caught:
        read(path)
    assert path.name in str(caught.value)


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{target}\n#EXT-X-ENDLIST\n",
    "hls_with_space": "\n  #EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{target}\n",
    "ffconcat": "ffconcat version 1.0\nfile '{target}'\n",
    "concat_without_header": "file '{target}'\nduration 1\n",
    "dash": '<?xml version="1.0"?><MPD><BaseURL>{target}</BaseURL></MPD>',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("target") / "target.mp4", 3)


@pytest.mark.parametrize("suffix", [".m3u8", ".ffconcat", ".mp4", ".mkv", ".ts", ".png", ""])
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_playlists_open_nothing_else(tmp_path: Path, target: Path, kind: str, suffix: str) -> None:
    path = tmp_path / f"list{suffix}"
    path.write_text(PLAYLISTS[kind].format(target=target))
    for read in (read_video, probe, read_image, lambda p: frames_at(p, [Fraction(0)])):
        with pytest.raises(MediaError):
            next(iter(read(path)), None)


def test_playlists_are_called_by_name(tmp_path: Path) -> None:
    path = tmp_path / "list.mp4"
    path.write_text(PLAYLISTS["hls"].format(target="http://127.0.0.1:9/a.ts"))
    with pytest.raises(MediaError, match="playlist"):
        probe(path)


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_read_like_others(tmp_path: Path, name: str, monkeypatch) -> None:
    write_clip(tmp_path / "plain.mp4", 3).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for path in (Path(name), tmp_path / name):
        assert [f.index for f in read_video(path)] == [0, 1, 2]
        assert [f.index for f in sandbox.read_video(path)] == [0, 1, 2]
        assert probe(path).frame_count == 3


@pytest.mark.parametrize("name", NAMES)
def test_messages_about_odd_names_stay_on_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(MediaError) as caught:
        probe(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_name_that_is_not_utf8_reads(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.mp4"))
    try:
        write_clip(tmp_path / "plain.mp4", 3).rename(path)
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    assert len(list(read_video(path))) == 3
    assert len(list(sandbox.read_video(path))) == 3


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_unreadable_permissions(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 3)
    path.chmod(0)
    with pytest.raises(MediaError, match="Permission denied; check its permissions"):
        probe(path)


def test_a_refused_open_names_the_reason(tmp_path: Path, monkeypatch) -> None:
    path = write_clip(tmp_path / "a.mp4", 3)

    def refuse(self: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(MediaError, match=r"a.mp4.*Permission denied; check its permissions"):
        check_file(path)


def test_a_picture_is_not_a_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(encode_image(draw(0), "JPEG"))
    with pytest.raises(MediaError, match="is a picture"):
        next(read_video(path))
    assert probe(path).kind == "image"
