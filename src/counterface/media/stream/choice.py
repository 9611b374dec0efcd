"""The choice of the stream of a file that is its video."""

from __future__ import annotations

from contextlib import closing, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import av

from counterface.errors import MediaError
from counterface.media.notes import MediaNote
from counterface.media.open_file import open_container, show

_DEFAULT = 0x1  # AV_DISPOSITION_DEFAULT
_PLAIN = 2.0  # grey levels that a picture of one colour deviates by, at most
_MOST_PIXELS = 50_000_000  # of a frame that is looked at
_COVER = 0x400 | 0x800 | 0x100000  # attached picture, timed thumbnails, still image


def video_stream(container: Any, path: Path) -> Any:
    """The video stream marked as the default; of several or none such, the largest, then the first.

    One that shows nothing (a single colour where it is looked at) comes after those that do.
    Pictures attached to a file (covers, chapter thumbnails) are no video.

    Raises:
        MediaError: there is none, or its codec is not known.
    """
    chosen = main_video(container)
    if chosen is None:
        if _videos(container):
            raise MediaError(f"{show(path)}: its video codec is not known to this FFmpeg")
        raise MediaError(f"{show(path)} {_without_video(container)}")
    return chosen


def main_video(container: Any) -> Any:
    """The stream of `video_stream`; None where there is no video of a known codec."""
    ordered = _in_order(container)
    if len(ordered) < 2:
        return ordered[0] if ordered else None
    path = Path(container.name.removeprefix("file:"))
    status = path.stat()
    indexes = tuple(stream.index for stream in ordered)
    return container.streams[_first_shown(path, indexes, status.st_size, status.st_mtime_ns)]


def _in_order(container: Any) -> list[Any]:
    """The videos of a known codec: marked ones first, then the larger, then by place."""
    known = [stream for stream in _videos(container) if stream.codec_context is not None]
    return sorted(known, key=lambda s: (not s.disposition & _DEFAULT, -_pixels(s), s.index))


@lru_cache(maxsize=32)
def _first_shown(path: Path, indexes: tuple[int, ...], *_: int) -> int:
    """The first of the streams that shows something; the first of all where none does."""
    return next((index for index in indexes if _shows_something(path, index)), indexes[0])


def _shows_something(path: Path, index: int) -> bool:
    """Whether a frame at the start or in the middle holds more than one colour."""
    with closing(open_container(path)) as container, suppress(av.FFmpegError, MemoryError):
        stream = container.streams[index]
        if _pixels(stream) > _MOST_PIXELS:
            return True
        middle = (container.duration or 0) // 2
        for start in (0, middle) if middle else (0,):
            if start:
                container.seek((container.start_time or 0) + start)
            first = next((f for p in container.demux(stream) for f in p.decode()), None)
            if first is not None and first.to_ndarray(format="gray").std() > _PLAIN:
                return True
    return False


def choice_notes(container: Any, chosen: Any) -> list[MediaNote]:
    """The note that there were other streams, if there were."""
    others = [stream for stream in _videos(container) if stream.index != chosen.index]
    if not others:
        return []
    only_default = chosen.disposition & _DEFAULT and not any(
        stream.disposition & _DEFAULT for stream in others
    )
    why = "it is marked as the default" if only_default else "the largest"
    if chosen.index != _in_order(container)[0].index:
        why = "the first that shows something"
    sizes = ", ".join(_size(stream) for stream in others)
    text = (
        f"The file holds {len(others) + 1} video streams; only the one of {_size(chosen)} ({why}) "
        f"was looked at, not {sizes}."
    )
    return [MediaNote("several_streams", text)]


def _videos(container: Any) -> list[Any]:
    """The streams that may be the video: no covers, nor the still that begins an animated AVIF."""
    streams = [s for s in container.streams.video if not s.disposition & _COVER]
    return [s for s in streams if s.frames != 1] or streams


def _pixels(stream: Any) -> int:
    return int(stream.codec_context.width * stream.codec_context.height)


def _size(stream: Any) -> str:
    context = stream.codec_context
    return "an unknown codec" if context is None else f"{context.width}x{context.height}"


def _without_video(container: Any) -> str:
    """A description of a file without video, in words that follow its name."""
    kinds = {stream.type for stream in container.streams}
    if not kinds:
        return "has no stream of any kind in it; fetch it again"
    if "audio" in kinds:
        cover = " with a cover picture" if container.streams.video else " without a picture"
        return f"is sound{cover}; there is nothing to judge"
    if container.streams.video:
        return "holds nothing but cover pictures; there is nothing to judge"
    return f"has no video stream, only {', '.join(sorted(kinds))}; there is nothing to judge"
