"""Opening untrusted files: path checks, what kind of file it is, FFmpeg behind its whitelists.

Everything in `media` that reads a file passes through here, so the whitelists stand in one place.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from counterface.errors import MediaError
from counterface.media.picture.kinds import holds_a_clip
from counterface.media.stream.foreign import name_foreign
from counterface.media.stream.outline import name_missing

Kind = Literal["image", "video"]

# FFmpeg's own demuxer names. Absent on purpose: hls, dash, concat, sdp, image2 and every other
# format whose file names further files or addresses to open.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska,webm",
    "avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,mxf,gif,apng,h264,hevc,ivf,obu,m4v,mjpeg,mpjpeg",
    "mp3,aac,flac,wav,aiff",  # sound: opened so that it can be told what it is
)
OPTIONS = {"protocol_whitelist": "file", "format_whitelist": ",".join(FORMATS)}

_JPEG = b"\xff\xd8\xff"
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+")  # `Path` makes one slash of two
_SIGNATURES = (_JPEG, b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif"}
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"<?xml", b"<MPD", b"v=0", b"[playlist]")


def check_file(path: str | os.PathLike[str]) -> Path:
    """The path, once it is known to be a readable regular file with something in it.

    Raises:
        MediaError: it is missing, a folder, pipe or device, not readable, or empty.
    """
    file = Path(path)
    try:
        if file.is_dir():
            raise MediaError(f"{show(file)} is a folder; give the files in it")
        if not file.exists() and (address := _ADDRESS.match(os.fspath(file))):
            rest = os.fspath(file)[address.end() :]
            raise MediaError(
                f"{show(f'{address[1]}://{rest}')} is an address; nothing is fetched from there: "
                "download it, then name the file"
            )
        if not file.exists():
            if any(mark in os.fspath(file) for mark in "*?["):
                raise MediaError(f"no file matches {show(file)}; check the pattern")
            raise MediaError(f"{show(file)} does not exist; check the name")
        if not file.is_file():
            raise MediaError(f"{show(file)} is not a regular file; copy its content to one")
        if file.stat().st_size == 0:
            raise MediaError(f"{show(file)} is empty (0 bytes); fetch it again")
        with file.open("rb"):
            pass
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(f"{show(file)} cannot be read: {reason}; check its permissions") from error
    return file


def show(path: str | os.PathLike[str]) -> str:
    r"""The path as it stands in messages: quoted, with newlines and undecodable bytes escaped."""
    return ascii(os.fspath(path)) if not os.fspath(path).isprintable() else f"{os.fspath(path)!r}"


def sniff(path: Path) -> Kind:
    """Whether a file holds a picture; clips of pictures and everything else are tried as videos.

    Raises:
        MediaError: the file is a playlist, which would make a reader open other files.
    """
    with path.open("rb") as stream:
        head = stream.read(32)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(_PLAYLISTS):
        if (foreign := name_foreign(path)).startswith(("a web page", "an SVG")):
            raise MediaError(f"{show(path)} is {foreign}")
        raise MediaError(
            f"{show(path)} is a playlist, not a video (it starts with {text[:12]!r}); playlists "
            "are refused because they make a reader open other files: name the video itself"
        )
    is_picture = (
        head.startswith(_SIGNATURES)
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS)
    )
    if not is_picture:
        return "video"
    with path.open("rb") as stream:
        return "video" if holds_a_clip(stream) else "image"


def open_container(path: Path, **options: str) -> Any:
    """The PyAV input container of a video file; the caller closes it.

    Args:
        path: path of the file.
        options: options of FFmpeg's demuxer, besides the whitelists.

    Raises:
        MediaError: FFmpeg does not know the content, or it is damaged from the start.
    """
    import av

    # "file:" keeps a name such as "concat:a" or "-i" from being read as a protocol or an option.
    url = "file:" + os.fspath(path.absolute())
    with path.open("rb") as stream:  # FFmpeg would go by the suffix, to a format that is not read
        kind = "mjpeg" if stream.read(3) == _JPEG else None
    try:
        return av.open(url, format=kind, options={**options, **OPTIONS}, metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
        if foreign := name_foreign(path):
            raise MediaError(f"{show(path)} is {foreign}") from error
        raise MediaError(
            f"{show(path)} cannot be opened as a picture or video: {_why_closed(path, error)}"
        ) from error


def read_packets(container: Any, streams: Any) -> Iterator[Any]:
    """The packets of one or several streams from where a container stands, as PyAV's `demux`.

    In FLV and MPEG-TS a stream may begin that no header named. PyAV gives none of its packets, and
    at the end, when all of the others have been given, it may stumble over it.
    """
    with suppress(IndexError):
        yield from container.demux(streams)


def _why_closed(path: Path, error: BaseException) -> str:
    if lost := name_missing(path):
        return f"it is cut short ({lost}), and nothing can be read without them; fetch it again"
    common = isinstance(error, ValueError) or getattr(error, "errno", None) == errno.EINVAL
    reason = "" if common else f"{ffmpeg_reason(error)}; "  # "Invalid data": of whatever it is
    return f"{reason}it is damaged, cut short, or of a kind that is not read here; fetch it again"


def ffmpeg_reason(error: BaseException) -> str:
    """FFmpeg's own words for an error, without the file name it appends."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
