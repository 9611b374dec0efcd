"""The metadata of a file as a report shows them: bounded, on one line each, named in plain words.

Every value is hostile input: it is cut to a length, stripped of control characters, and only ever
shown as text. Nothing here is proof; a file's metadata say what its last writer wanted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from counterface.config import Record

MOST_TAGS = 60
LONGEST_VALUE = 240  # characters

Role = Literal["camera", "editor", "generator", "converter", "other"]
Text = Annotated[str, Field(max_length=LONGEST_VALUE + 1)]

_XMP_BYTES = 400_000
_XMP_NAMES = (
    "CreatorTool|softwareAgent|DigitalSourceType|CreateDate|ModifyDate|MetadataDate|"
    "DateCreated|Credit|Make|Model|AISystemUsed|AIPromptInformation"
)
_XMP = re.compile(
    rf"[<\s]\w{{1,20}}:({_XMP_NAMES})\s*(?:=\s*[\"']([^\"'<>]{{1,400}})[\"']|>([^<>]{{1,400}})<)"
)

# How programs name themselves in files, in lower case.
_GENERATORS = (
    *("stable diffusion", "stablediffusion", "automatic1111", "comfyui", "invokeai", "novelai"),
    *("midjourney", "dall-e", "dall·e", "openai", "chatgpt", "firefly", "sora", "veo", "google ai"),
    *("ideogram", "flux.1", "dreamstudio", "runway", "synthesia", "heygen", "d-id", "pika labs"),
    *("deepfacelab", "facefusion", "faceswap", "roop", "reface", "faceapp"),
)
_EDITORS = (
    *("photoshop", "lightroom", "gimp", "affinity", "capture one", "snapseed", "facetune", "meitu"),
    *("picsart", "canva", "pixelmator", "paint.net", "krita", "luminar", "topaz", "remini"),
    *("premiere", "after effects", "final cut", "davinci", "resolve", "capcut", "inshot"),
    *("kinemaster", "imovie", "filmora", "vegas", "kdenlive", "shotcut", "blender", "beautyplus"),
    *("faceu", "vsco", "darktable", "rawtherapee", "avid", "picasa", "acdsee", "polarr"),
)
_CONVERTERS = (
    *("lavf", "lavc", "ffmpeg", "handbrake", "x264", "x265", "imagemagick", "gpac", "mkvmerge"),
    *("libwebm", "gstreamer", "google", "whatsapp", "telegram", "isomedia", "vlc", "mencoder"),
)


class Tag(Record):
    """One statement of the file."""

    name: Text
    value: Text


class Program(Record):
    """A program that the file names."""

    name: Text
    role: Role = Field(description="what such programs do; converter: encodes anew")


class Place(Record):
    """Where the file says that it was taken, degrees."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)


class Metadata(Record):
    """What a file says of its own making; anybody can write or remove it."""

    camera: Text | None = Field(None, description="make and model of the camera")
    programs: tuple[Program, ...] = ()
    created: Text | None = Field(None, description="time of creation, as the file gives it")
    modified: Text | None = Field(None, description="time of the last change, as the file gives it")
    place: Place | None = None
    digital_source: Text | None = Field(
        None, description="IPTC digital source type, such as trainedAlgorithmicMedia"
    )
    tags: tuple[Tag, ...] = Field((), max_length=MOST_TAGS, description="all other tags")
    left_out: int = Field(0, ge=0, description="number of tags beyond those")
    problem: Text | None = Field(None, description="why the tags could not be read")

    @property
    def empty(self) -> bool:
        """Whether the file says nothing."""
        return self == Metadata()

    @property
    def makers(self) -> tuple[str, ...]:
        """Programs that make or swap pictures, as far as the file names any."""
        names = [program.name for program in self.programs if program.role == "generator"]
        source = self.digital_source or ""
        return (*names, *([source] if "rainedAlgorithmic" in source else []))


def clean(value: Any) -> str:
    """Any value as one line of printable text, at most `LONGEST_VALUE` characters and a mark."""
    if isinstance(value, bytes):
        value = value[: 4 * LONGEST_VALUE].decode("utf-8", "replace")
    elif isinstance(value, tuple | list):
        value = ", ".join(clean(part) for part in value[:16])
    text = str(value)[: 4 * LONGEST_VALUE]
    text = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def judge_program(name: str) -> Role:
    """The role of a program of this name, as far as it is known."""
    text = name.lower()
    for role, words in (
        ("generator", _GENERATORS),
        ("editor", _EDITORS),
        ("converter", _CONVERTERS),
    ):
        if re.search(rf"(?<![a-z0-9])(?:{'|'.join(map(re.escape, words))})(?![a-z])", text):
            return role  # type: ignore[return-value]  # of a literal table
    return "other"


def name_programs(names: Iterable[Any]) -> tuple[Program, ...]:
    """The programs, each once, at most eight."""
    cleaned = dict.fromkeys(
        f"FFmpeg ({text})" if text.startswith(("Lavf", "Lavc")) else text
        for name in names
        if name and (text := clean(name))
    )
    return tuple(Program(name=name, role=judge_program(name)) for name in list(cleaned)[:8])


def name_camera(make: Any, model: Any) -> str | None:
    """Make and model, the make not twice."""
    make, model = clean(make or ""), clean(model or "")
    return clean(model if model.lower().startswith(make.lower()) else f"{make} {model}") or None


def name_source(address: str) -> str | None:
    """The last word of an IPTC digital source type, which is an address."""
    return clean(address.rstrip("/").rpartition("/")[2]) or None


def list_tags(pairs: Iterable[tuple[str, Any]]) -> tuple[tuple[Tag, ...], int]:
    """Statements as tags, and how many were too many; those that say nothing are dropped."""
    tags = [Tag(name=clean(n), value=text) for n, v in pairs if (text := clean(v))]
    return tuple(tags[:MOST_TAGS]), max(0, len(tags) - MOST_TAGS)


def place_of(latitude: float, longitude: float) -> Place | None:
    """The place, unless the numbers are none on Earth or the empty (0, 0)."""
    known = abs(latitude) <= 90 and abs(longitude) <= 180 and (latitude, longitude) != (0, 0)
    return (
        Place(latitude=round(latitude, 6), longitude=round(longitude, 6))
        if known  # false for NaN too
        else None
    )


def read_iso6709(text: str) -> Place | None:
    """The place in a text such as `+48.8577+002.2950+035/`."""
    found = re.match(r"([+-]\d{1,2}(?:\.\d{1,12})?)([+-]\d{1,3}(?:\.\d{1,12})?)", text[:80])
    return place_of(float(found[1]), float(found[2])) if found else None


def xmp_fields(packet: bytes | str) -> Iterator[tuple[str, str]]:
    """The few statements of an XMP packet that are of use, found by their names; no XML is parsed.

    Args:
        packet: content of the packet.
    """
    text = packet if isinstance(packet, str) else packet[:_XMP_BYTES].decode("utf-8", "replace")
    for found in _XMP.finditer(text[:_XMP_BYTES]):
        yield found[1], found[2] or found[3]
