"""What a decoded FFmpeg frame says about its colours."""

from __future__ import annotations

import struct
from typing import Any

from counterface.media.color.tone_map import PQ, ColorTags

_MASTERING_BYTES, _MOST_LIGHT_AT = 88, 72  # of AVMasteringDisplayMetadata


def color_tags_of(decoded: Any, peak: float | None = None) -> ColorTags:
    """The frame's tags; `peak` is what `stated_peak` found in the stream's first frame."""
    transfer = int(decoded.color_trc)
    return ColorTags(transfer, int(decoded.color_primaries), peak if transfer == PQ else None)


def stated_peak(decoded: Any) -> float | None:
    """The highest light that a frame states, cd/m2: of its content or of its mastering display.

    PyAV keeps a frame that was asked for its side data until the garbage collector runs: ask once a
    stream.
    """
    stated = []
    for data in decoded.side_data:
        content = bytes(data)
        if data.type.name == "CONTENT_LIGHT_LEVEL" and len(content) >= 8:
            stated.append(float(struct.unpack_from("=I", content)[0]))  # MaxCLL
        if data.type.name == "MASTERING_DISPLAY_METADATA" and len(content) >= _MASTERING_BYTES:
            most, unit, _, known = struct.unpack_from("=iiii", content, _MOST_LIGHT_AT)
            if known and unit > 0:
                stated.append(most / unit)
    return min((light for light in stated if light > 0), default=None)
