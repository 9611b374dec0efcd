"""What is not in an output as it was in its target, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from counterface.media.probe import MediaInfo
from counterface.media.stream.pixel_layout import read_pixel_layout
from counterface.swap.conversion.settings import ConvertConfig


def note_changes(
    info: MediaInfo, config: ConvertConfig, out: Path, lost: Sequence[str]
) -> Iterator[str]:
    """One line for each thing that changes.

    Args:
        info: of the target.
        config: of the conversion.
        out: the file to write.
        lost: what of the streams and tags beside the pictures the container cannot hold.
    """
    yield from _note_pixels(info)
    if info.rotation:
        yield f"stored turned by {info.rotation} degrees, written upright"
    if info.width % 2 or info.height % 2:
        size = f"{info.width + info.width % 2}x{info.height + info.height % 2}"
        yield (
            f"{info.width}x{info.height} became {size}: H.264 needs even sides, the last row or "
            "column is there twice"
        )
    if config.start is not None or config.end is not None:
        yield "the output's time starts at 0"
        if info.audio and config.sound:
            yield "sound is cut at whole packets, up to one packet beyond"
    if info.audio and not config.sound:
        yield "sound was left out"
    if lost:
        yield f"not kept: {'; '.join(lost)}"
    if out.suffix.lower() == ".mkv":
        yield "Matroska keeps times to 1/1000 s"


def _note_pixels(info: MediaInfo) -> Iterator[str]:
    layout = read_pixel_layout(info.pixel_format)
    if layout is None:
        return
    if layout.bits > 8:
        yield f"{layout.bits} bits a sample in, 8 bits out"
    if info.hdr:
        yield "high dynamic range is not tone-mapped: colours look flat"
    if layout.alpha:
        yield "transparency is not kept: the colours are written without it"
    if layout.chroma not in ("4:2:0", "4:0:0"):
        yield f"colour resolution {layout.chroma} in, 4:2:0 out"
