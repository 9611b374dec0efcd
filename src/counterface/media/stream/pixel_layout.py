"""The samples that a pixel format stores, from FFmpeg's name of it."""

from __future__ import annotations

from dataclasses import dataclass

import av


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """The samples that a pixel format stores of each pixel.

    Attributes:
        bits: bits of a sample.
        alpha: whether transparency is stored.
        chroma: "4:2:0", "4:2:2" and so on; "4:4:4" for RGB too, "4:0:0" for grey.
    """

    bits: int
    alpha: bool
    chroma: str


def read_pixel_layout(name: str) -> PixelLayout | None:
    """The layout of a format; None where FFmpeg does not know the name."""
    try:
        pixels = av.VideoFormat(name, 16, 16)
    except ValueError:
        return None
    colours = [part for part in pixels.components if not part.is_alpha]
    has_alpha = len(colours) < len(pixels.components) or pixels.has_palette
    across, down = pixels.chroma_width(16) or 16, pixels.chroma_height(16) or 16
    chroma = f"4:{4 * across // 16}:{4 * across // 16 if down == 16 else 0}"
    if len(colours) == 1 and not pixels.has_palette:
        chroma = "4:0:0"
    return PixelLayout(max(part.bits for part in colours), has_alpha, chroma)
