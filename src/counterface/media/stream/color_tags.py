"""The colour tags of a decoded FFmpeg frame."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

from counterface.media.color.tone_map import PQ, UNSPECIFIED, ColorTags

DOLBY_VISION = "Dolby Vision without a layer for other displays"
_MASTERING_BYTES, _MOST_LIGHT_AT = 88, 72  # of AVMasteringDisplayMetadata
_DOLBY_DATA = frozenset({"DOVI_RPU_BUFFER", "DOVI_METADATA"})
_DOLBY_TAGS = frozenset({"dvh1", "dvhe", "dva1", "dvav", "dav1"})  # in MP4 and MOV
_UNREAD = {8: "YCgCo", 11: "YDzDx", 14: "ICtCp", 15: "IPT-C2", 16: "YCgCo-Re", 17: "YCgCo-Ro"}


def color_tags_of(decoded: Any, first: ColorTags | None = None) -> ColorTags:
    """The frame's tags.

    Args:
        decoded: the frame.
        first: tags of the stream's first frame, whose side data was looked at.
    """
    transfer, primaries = int(decoded.color_trc), int(decoded.color_primaries)
    unread = _UNREAD.get(int(decoded.colorspace))
    if first is not None and first.unread == DOLBY_VISION and transfer == UNSPECIFIED:
        transfer, unread = PQ, DOLBY_VISION
    peak = first.peak if first is not None and transfer == PQ else None
    return ColorTags(transfer, primaries, peak, unread)


def needs_first(decoded: Any, tags: ColorTags) -> bool:
    """Whether what the first frame states matters to a frame; it costs opening the file again."""
    may_be_dolby = tags.transfer == UNSPECIFIED and decoded.format.components[0].bits > 8
    return tags.transfer == PQ or may_be_dolby


def side_data_of(decoded: Any) -> list[Any]:
    """What lies beside a frame's pixels; nothing where PyAV has no name for one of the kinds.

    It knows no EXIF, as motion JPEG has, and then refuses all the others with it.
    """
    try:
        return list(decoded.side_data)
    except ValueError:
        return []


def first_color_tags(decoded: Any, codec_tag: str) -> ColorTags:
    """The tags of a stream's first frame.

    Dolby Vision's profile 5 states no transfer function, and no other display shows its colours:
    they lie in IPT, bent from scene to scene. Other profiles have a layer that says what it is.

    PyAV keeps a frame that was asked for its side data until the garbage collector runs: ask once a
    stream.
    """
    tags = color_tags_of(decoded)
    kinds = {data.type.name for data in side_data_of(decoded)}
    is_dolby = bool(kinds & _DOLBY_DATA) or codec_tag in _DOLBY_TAGS
    if is_dolby and needs_first(decoded, tags) and tags.transfer == UNSPECIFIED:
        return replace(tags, transfer=PQ, unread=DOLBY_VISION)
    return replace(tags, peak=stated_peak(decoded)) if tags.transfer == PQ else tags


def stated_peak(decoded: Any) -> float | None:
    """The highest light that a frame states, cd/m2: of its content or of its mastering display."""
    stated = []
    for data in side_data_of(decoded):
        content = bytes(data)
        if data.type.name == "CONTENT_LIGHT_LEVEL" and len(content) >= 8:
            stated.append(float(struct.unpack_from("=I", content)[0]))  # MaxCLL
        if data.type.name == "MASTERING_DISPLAY_METADATA" and len(content) >= _MASTERING_BYTES:
            most, unit, _, known = struct.unpack_from("=iiii", content, _MOST_LIGHT_AT)
            if known and unit > 0:
                stated.append(most / unit)
    return min((light for light in stated if light > 0), default=None)
