"""What the numbers of a picture mean: HDR and wide gamuts brought to sRGB, as a viewer shows them.

PNG says it in its chunk cICP, AVIF and HEIC in the property `colr` of their primary picture, any of
them in an ICC profile. Decoders give 8 bits, which HDR is tone-mapped from.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from counterface.media.color.tone_map import ColorTags, tone_map_for
from counterface.media.notes import MediaNote, Tell
from counterface.media.picture.kinds import PNG, png_chunk

_MOST = 4_000_000  # bytes of the boxes before the pixels that are looked at
_SAME = 3  # of 255; profiles that move no color by more are sRGB under another name
_STEPS = 9  # of the lattice of colors that a profile is tried on
_CHANNELS = {"L": 1, "RGB": 3, "CMYK": 4}


def to_srgb(picture: Any, tags: ColorTags, tell: Tell | None) -> Any:
    """A Pillow picture of mode L, RGB or CMYK in sRGB, in mode RGB.

    Args:
        picture: picture with its profile in `info`, if it has one.
        tags: colour tags of its file.
        tell: called with a note where colours are no longer the file's.
    """
    import PIL.Image

    table = tone_map_for(tags)
    if table is None:
        return _through_profile(picture, tell)
    if tell is not None and tags.note is not None:
        tell(tags.note)
    return PIL.Image.fromarray(table.apply(np.asarray(picture.convert("RGB"))))


def color_tags(file: Path, profile: bytes | None = None) -> ColorTags:
    """The code points that a PNG, AVIF or HEIC file, or else its ICC profile, states.

    Nothing is stated where the file is damaged: colours are no reason to refuse it.
    """
    with file.open("rb") as stream:
        head = stream.read(12)
        found: tuple[int, ...] = ()
        if head.startswith(PNG):
            found = tuple(png_chunk(stream, b"cICP", 2))
        elif head[4:8] == b"ftyp":
            found = _heif_code_points(stream)
    found = found or _profile_code_points(profile or b"")
    return ColorTags(transfer=found[1], primaries=found[0]) if len(found) == 2 else ColorTags()


def _profile_code_points(profile: bytes) -> tuple[int, ...]:
    """The code points in the tag `cicp`, which ICC profiles of version 4.4 may hold."""
    for entry in range(min(int.from_bytes(profile[128:132], "big"), 100)):
        place = 132 + 12 * entry
        if profile[place : place + 4] == b"cicp":
            at = int.from_bytes(profile[place + 4 : place + 8], "big") + 8
            return tuple(profile[at : at + 2])
    return ()


def _heif_code_points(stream: BinaryIO) -> tuple[int, ...]:
    """The code points in the primary picture's `colr`; others are of gain maps and tiles."""
    stream.seek(0)
    meta = next((body for kind, body in _boxes(stream.read(_MOST)) if kind == b"meta"), b"")
    found = dict(_boxes(meta[4:]))
    item = found.get(b"pitm", b"")
    primary = int.from_bytes(item[4:6] if item[:1] == b"\0" else item[4:8], "big")
    parts = list(_boxes(found.get(b"iprp", b"")))
    properties = [p for kind, body in parts if kind == b"ipco" for p in _boxes(body)]
    for number in (n for kind, body in parts if kind == b"ipma" for n in _linked(body, primary)):
        kind, body = properties[number - 1] if 0 < number <= len(properties) else (b"", b"")
        if kind == b"colr" and body[:4] == b"nclx" and len(body) >= 8:
            return int.from_bytes(body[4:6], "big"), int.from_bytes(body[6:8], "big")
    return ()


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body of each box of ISO/IEC 14496-12 in some bytes."""
    place = 0
    while place + 8 <= len(data):
        size, body = int.from_bytes(data[place : place + 4], "big"), place + 8
        if size == 1:
            size, body = int.from_bytes(data[place + 8 : place + 16], "big"), place + 16
        end = place + size if size else len(data)
        if end < body:
            return
        yield data[place + 4 : place + 8], data[body:end]
        place = end


def _linked(body: bytes, item: int) -> Iterator[int]:
    """The numbers, from 1, of the properties that a box `ipma` links to an item."""
    long_items, long_numbers = body[:1] != b"\0", bool(body[3:4] and body[3] & 1)
    wide, step = (4 if long_items else 2), (2 if long_numbers else 1)
    place = 8
    for _ in range(min(int.from_bytes(body[4:8], "big"), 10_000)):
        if place + wide >= len(body):
            return
        owner, count = int.from_bytes(body[place : place + wide], "big"), body[place + wide]
        place += wide + 1
        if owner == item:
            for at in range(place, place + count * step, step):
                yield int.from_bytes(body[at : at + step], "big") & (0x7FFF if step == 2 else 0x7F)
        place += count * step


def _through_profile(picture: Any, tell: Tell | None) -> Any:
    """The picture by its ICC profile, by the plain formula where that is damaged or sRGB."""
    profile = picture.info.get("icc_profile")
    transform = _transform(profile, picture.mode) if profile else None
    if transform is None:
        return picture.convert("RGB")
    if tell is not None and picture.mode == "RGB":
        text = f"Colours of the profile {_name(profile)} were brought to sRGB, as viewers show it."
        tell(MediaNote("wide_gamut", text))
    return transform.apply(picture)


@lru_cache(maxsize=4)
def _transform(profile: bytes, mode: str) -> Any:
    """Pillow's transform to sRGB; None where the profile cannot be used or changes nothing."""
    import PIL.Image
    from PIL import ImageCms

    steps = np.linspace(0, 255, _STEPS).astype(np.uint8)
    lattice = np.stack(np.meshgrid(*[steps] * _CHANNELS[mode]), -1).reshape(1, -1, _CHANNELS[mode])
    colors = PIL.Image.fromarray(lattice.squeeze(-1) if mode == "L" else lattice, mode)
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB"), mode, "RGB"
        )
        there = np.asarray(transform.apply(colors)).astype(int)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    moved = int(np.abs(there - np.asarray(colors.convert("RGB"))).max())
    return transform if moved > _SAME else None


def _name(profile: bytes) -> str:
    """The name that a profile gives itself, in a few plain characters."""
    from PIL import ImageCms

    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(profile)))
    except (ImageCms.PyCMSError, OSError, UnicodeError):
        name = ""
    return repr("".join(c for c in name.strip()[:40] if c.isprintable()) or "unnamed")
