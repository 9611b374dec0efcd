"""The metadata of a video file: what its container and its streams say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from counterface.media.open_file import open_container
from counterface.media.tags.metadata import (
    Metadata,
    clean,
    list_tags,
    name_camera,
    name_programs,
    name_source,
    read_iso6709,
    xmp_fields,
)

_MAKE = ("make", "com.apple.quicktime.make", "com.android.manufacturer")
_MODEL = ("model", "com.apple.quicktime.model", "com.android.model")
_PROGRAMS = ("software", "com.apple.quicktime.software", "encoder", "encoded_by", "tool")
_CREATED = ("com.apple.quicktime.creationdate", "creation_time", "date")
_PLACES = ("com.apple.quicktime.location.iso6709", "location", "location-eng")
# What every muxer writes says nothing about the making.
_EMPTY = ("und", "VideoHandler", "SoundHandler", "0.0.0.0", "[0][0][0][0]")


def read_container_tags(file: Path) -> Metadata:
    """The metadata of a video; no frame is decoded.

    Raises:
        MediaError: FFmpeg does not know the content.
    """
    with closing(open_container(file, export_xmp="1")) as container:
        found = dict(container.metadata)
        xmp = dict(reversed(list(xmp_fields(found.pop("xmp", "")))))
        whole = {clean(k).lower(): clean(v) for k, v in found.items()}
        streams = [(s.type, dict(s.metadata)) for s in container.streams]
    parts = [(kind, clean(k).lower(), clean(v)) for kind, tags in streams for k, v in tags.items()]
    told = {*_MAKE, *_MODEL, *_PROGRAMS, *_CREATED, *_PLACES}

    def first(names: tuple[str, ...]) -> str | None:
        of_streams = [v for _, name, v in parts if name in names]
        return next(filter(None, (*(whole.get(n) for n in names), *of_streams)), None)

    def others() -> Iterator[tuple[str, str]]:
        yield from ((name, value) for name, value in whole.items() if name not in told)
        for kind, name, value in parts:
            if name not in told and value not in _EMPTY and name not in ("vendor_id", "language"):
                yield f"{name} ({kind})", value

    tags, left_out = list_tags(dict.fromkeys(others()))
    of_xmp = (xmp.get("CreatorTool"), xmp.get("softwareAgent"), xmp.get("AISystemUsed"))
    named = (*(whole.get(n) for n in _PROGRAMS), *(v for _, n, v in parts if n in _PROGRAMS))
    return Metadata(
        camera=name_camera(first(_MAKE), first(_MODEL)),
        programs=name_programs((*of_xmp, *named)),
        created=first(_CREATED),
        digital_source=name_source(xmp.get("DigitalSourceType", "")),
        place=read_iso6709(first(_PLACES) or ""),
        tags=tags,
        left_out=left_out,
    )
