"""The metadata of a picture file: EXIF, text chunks, comment, XMP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from counterface.media.image import MAX_PIXELS, open_picture
from counterface.media.tags.metadata import (
    Metadata,
    Place,
    clean,
    list_tags,
    name_camera,
    name_programs,
    name_source,
    place_of,
    xmp_fields,
)

_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_MAKE, _MODEL, _SOFTWARE, _MODIFIED, _CREATED = 0x010F, 0x0110, 0x0131, 0x0132, 0x9003
_PROCESSING = 0x000B
_SHOWN = {  # of the rest, what says something about the making
    0x010E: "Description",
    0x013B: "Artist",
    0x8298: "Copyright",
    0x9004: "Digitised",
    0x9286: "User comment",
    0x829A: "Exposure, s",
    0x829D: "F-number",
    0x8827: "ISO",
    0x920A: "Focal length, mm",
    0xA405: "Focal length as 35 mm",
    0xA433: "Lens maker",
    0xA434: "Lens",
    0x9010: "Time zone",
    0xA431: "Serial number",
    0xA420: "Image id",
}
_GENERATION = ("parameters", "prompt", "workflow", "sd-metadata", "dream", "generation_data")
_TOLD = {"Software", "Make", "Model"}  # PNG may repeat them as text
_BINARY = {"exif", "icc_profile", "xmp", "XML:com.adobe.xmp", "mp", "photoshop", "jfif_unit"}


def read_picture_tags(file: Path, max_pixels: int = MAX_PIXELS) -> Metadata:
    """The metadata of a picture; its pixels are not decoded.

    Raises:
        MediaError: it is no picture that is read here.
    """
    with open_picture(file, max_pixels) as picture:
        exif, details, gps = _directories(picture)
        info = dict(picture.info)
    packet = info.get("xmp") or info.get("XML:com.adobe.xmp") or exif.get(700) or b""
    xmp = list(xmp_fields(packet)) if isinstance(packet, bytes | str) else []
    first = dict(reversed(xmp))
    texts = {str(k): v for k, v in info.items() if isinstance(v, str | bytes) and k not in _BINARY}
    generated = [name for name in _GENERATION if name in texts]
    programs = name_programs(
        (
            exif.get(_SOFTWARE),
            exif.get(_PROCESSING),
            texts.get("Software"),
            *(value for name, value in xmp if name in ("CreatorTool", "softwareAgent")),
            first.get("AISystemUsed"),
            *(f"Stable Diffusion (text chunk {name!r})" for name in generated),
        )
    )
    tags, left_out = list_tags(_others(exif, details, texts, first))
    return Metadata(
        camera=name_camera(
            exif.get(_MAKE) or first.get("Make"), exif.get(_MODEL) or first.get("Model")
        ),
        programs=programs,
        created=clean(details.get(_CREATED) or first.get("CreateDate") or "") or None,
        modified=clean(exif.get(_MODIFIED) or first.get("ModifyDate") or "") or None,
        place=_place(gps),
        digital_source=name_source(first.get("DigitalSourceType", "")),
        tags=tags,
        left_out=left_out,
    )


def _directories(picture: Any) -> tuple[Mapping[int, Any], Mapping[int, Any], Mapping[int, Any]]:
    """EXIF's main, detail and GPS directories; what is damaged is empty."""
    found: list[Mapping[int, Any]] = [{}, {}, {}]
    # Pillow lets whatever a damaged directory provokes through.
    with suppress(Exception):
        exif = picture.getexif()
        found[0] = dict(exif)
        for place, number in ((1, _EXIF_IFD), (2, _GPS_IFD)):
            found[place] = dict(exif.get_ifd(number))
    return found[0], found[1], found[2]


def _others(
    exif: Mapping[int, Any],
    details: Mapping[int, Any],
    texts: Mapping[str, Any],
    xmp: Mapping[str, str],
) -> Iterator[tuple[str, Any]]:
    for number, name in _SHOWN.items():
        value = exif.get(number, details.get(number))
        if isinstance(value, bytes) and number == 0x9286:
            value = value[8:]  # the name of its encoding stands before a user comment
        if value is not None:
            yield name, value
    yield from ((name, value) for name, value in texts.items() if name not in _TOLD)
    for name in ("Credit", "DateCreated", "AIPromptInformation"):
        if name in xmp:
            yield name, xmp[name]


def _place(gps: Mapping[int, Any]) -> Place | None:
    """The place in an EXIF GPS directory: degrees, minutes and seconds with N, S, E, W."""
    try:
        latitude, longitude = (sum(float(p) / 60**i for i, p in enumerate(gps[n])) for n in (2, 4))
        south, west = (str(gps.get(n, "")).strip().upper()[:1] for n in (1, 3))
        return place_of(
            -latitude if south == "S" else latitude, -longitude if west == "W" else longitude
        )
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None
