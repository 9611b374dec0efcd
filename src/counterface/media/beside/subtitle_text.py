"""The words of a text subtitle packet, and the same words as another format stores them."""

from __future__ import annotations

import re
import struct

# Codec of the packet -> how its words are found. Other codecs draw pictures or need a renderer.
TEXTS = frozenset({"subrip", "srt", "text", "mov_text", "webvtt", "ass", "ssa"})
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")  # <i>, </font>, <c.yellow>, <v Name>
_OVERRIDE = re.compile(r"\{\\[^{}]*\}")  # {\an8}, also found in SubRip files
_FIELDS_BEFORE_TEXT = 8  # of an ASS event in a packet: ReadOrder, Layer, Style, ..., Effect

# The first style that a tx3g track needs: white 18 point "Serif" at the bottom of the picture.
_HEADER = (
    "[Script Info]",
    "ScriptType: v4.00+",
    "PlayResX: 384",
    "PlayResY: 288",
    "",
    "[V4+ Styles]",
    "Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, "
    "Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, "
    "Shadow, Alignment, MarginL, MarginR, MarginV, Encoding",
    "Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1",
    "",
    "[Events]",
    "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text",
)
ASS_HEADER = ("\r\n".join(_HEADER) + "\r\n").encode()  # what FFmpeg's text encoders start from


def words_of(codec: str, data: bytes) -> str:
    """The plain words of one packet: no fonts, colours or places; lines kept.

    Args:
        codec: one of `TEXTS`.
        data: the packet.
    """
    if codec == "mov_text":
        (length,) = struct.unpack(">H", data[:2]) if len(data) >= 2 else (0,)
        return data[2 : 2 + length].decode("utf-8", "replace")
    text = data.decode("utf-8", "replace").rstrip("\0")
    if codec in ("ass", "ssa"):
        text = text.split(",", _FIELDS_BEFORE_TEXT)[-1]
        text = text.replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
    if codec != "text":
        text = _TAG.sub("", _OVERRIDE.sub("", text))
    return "\n".join(text.splitlines()).strip()


def packet_of(codec: str, words: str) -> bytes:
    """The words as one packet of a codec: `mov_text` or `subrip`."""
    data = words.encode()
    if codec == "mov_text":
        data = data[:0xFFFF].decode("utf-8", "ignore").encode()  # no half character at the end
        return struct.pack(">H", len(data)) + data
    return data
