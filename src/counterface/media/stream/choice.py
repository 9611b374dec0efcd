"""Which of the streams of a file is its video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from counterface.errors import MediaError
from counterface.media.notes import MediaNote
from counterface.media.open_file import show

_DEFAULT = 0x1  # AV_DISPOSITION_DEFAULT
_COVER = 0x400 | 0x800 | 0x100000  # attached picture, timed thumbnails, still image


def video_stream(container: Any, path: Path) -> Any:
    """The video stream marked as the default; of several or none such, the largest, then the first.

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
    """As `video_stream`; None where there is no video of a known codec."""
    known = [stream for stream in _videos(container) if stream.codec_context is not None]
    marked = [stream for stream in known if stream.disposition & _DEFAULT]
    best = max(marked or known, key=lambda s: (_pixels(s), -s.index), default=None)
    return best


def choice_notes(container: Any, chosen: Any) -> list[MediaNote]:
    """What must be said of the choice: that there were others."""
    others = [stream for stream in _videos(container) if stream.index != chosen.index]
    if not others:
        return []
    only_default = chosen.disposition & _DEFAULT and not any(
        stream.disposition & _DEFAULT for stream in others
    )
    why = "it is marked as the default" if only_default else "the largest"
    sizes = ", ".join(_size(stream) for stream in others)
    text = (
        f"The file holds {len(others) + 1} video streams; only the one of {_size(chosen)} ({why}) "
        f"was looked at, not {sizes}."
    )
    return [MediaNote("several_streams", text)]


def _videos(container: Any) -> list[Any]:
    """All that may be the video; not covers, nor the still that an animated AVIF begins with."""
    streams = [s for s in container.streams.video if not s.disposition & _COVER]
    return [s for s in streams if s.frames != 1] or streams


def _pixels(stream: Any) -> int:
    return int(stream.codec_context.width * stream.codec_context.height)


def _size(stream: Any) -> str:
    context = stream.codec_context
    return "an unknown codec" if context is None else f"{context.width}x{context.height}"


def _without_video(container: Any) -> str:
    """What a file without video is, in words that follow its name."""
    kinds = {stream.type for stream in container.streams}
    if not kinds:
        return "has no stream of any kind in it; fetch it again"
    if "audio" in kinds:
        cover = " with a cover picture" if container.streams.video else " without a picture"
        return f"is sound{cover}; there is nothing to judge"
    if container.streams.video:
        return "holds nothing but cover pictures; there is nothing to judge"
    return f"has no video stream, only {', '.join(sorted(kinds))}; there is nothing to judge"
