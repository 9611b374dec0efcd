"""The parts of a file that travel with its pictures into another container, and those lost."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av

from counterface.errors import MediaError
from counterface.media.beside.language import is_held
from counterface.media.beside.subtitle_text import TEXTS
from counterface.media.open_file import check_file, ffmpeg_reason, open_container, show
from counterface.media.picture.kinds import is_animated_webp
from counterface.media.stream.choice import main_video
from counterface.media.video_writer import CONTAINERS

TEXT_CODEC = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip"}  # by container
# Tags about the content. What tells of the camera, the place or the program that wrote the file
# (make, model, location, encoder) would be untrue of a made file.
TAGS = frozenset(
    {
        *("title", "artist", "author", "album_artist", "album", "composer", "performer", "comment"),
        *("description", "synopsis", "genre", "date", "creation_time", "copyright", "language"),
        *("show", "season_number", "episode_id", "episode_sort", "network", "track", "disc"),
        *("lyrics", "keywords", "grouping", "publisher"),
    }
)
_HELD_TAGS = {  # those that FFmpeg writes and a reader finds again; Matroska takes any
    "mp4": TAGS - {"author", "language", "performer", "publisher"},
    "mov": frozenset({"title", "artist", "album", "comment", "genre", "copyright"})
    | {"date", "creation_time"},
}
_OWN_TAGS = frozenset(  # said anew of every file, or of the bytes of the old one alone
    {
        *("major_brand", "minor_version", "compatible_brands", "encoder", "encoded_by", "software"),
        *("handler_name", "vendor_id", "duration", "timecode", "variant_bitrate"),
        *("service_name", "service_provider"),
    }
)
_KINDS = {"audio": "sound", "subtitle": "subtitles", "attachment": "attached files"}
_MOST_NAMED = 6  # tags in a note
_TIMECODE = re.compile(r"\d\d:[0-5]\d:[0-5]\d([:;.])\d\d")
_DROPS = (Fraction(30_000, 1001), Fraction(60_000, 1001))  # rates whose time codes leave out frames


@dataclass(frozen=True, slots=True)
class Companions:
    """The part of a file that travels with the pictures.

    Attributes:
        path: the file.
        start, end: bounds of what is heard or read, seconds; None means no bound.
        shift: seconds taken off every time.
        sound: whether sound travels.
    """

    path: Path
    start: Fraction | None = None
    end: Fraction | None = None
    shift: Fraction = Fraction(0)
    sound: bool = True


@dataclass(frozen=True, slots=True)
class CarryPlan:
    """The part of a file that a container can hold.

    Attributes:
        copied: indices of the streams whose packets are copied.
        written: indices of the subtitle streams whose words are written anew, with their codec.
        tags: tags of the file.
        timecode: time code of the first frame.
        lost: descriptions of what is not kept.
    """

    copied: tuple[int, ...]
    written: Mapping[int, str]
    tags: Mapping[str, str]
    timecode: str | None
    lost: tuple[str, ...]


def plan_companions(companions: Companions, suffix: str) -> CarryPlan:
    """The part of a file that a container can hold.

    Args:
        companions: part of the file that is wanted.
        suffix: suffix of the output.

    Raises:
        MediaError: the file cannot be read, or its sound not copied into such a container; the text
            names containers that take more.
    """
    if is_animated_webp(check_file(companions.path)):
        return CarryPlan((), {}, {}, None, ())
    with closing(open_container(companions.path)) as source:
        return plan_streams(source, companions, suffix)


def plan_streams(source: Any, companions: Companions, suffix: str) -> CarryPlan:
    """The part of an open PyAV container that another container can hold."""
    kind = CONTAINERS[suffix.lower()]
    copied: list[int] = []
    written: dict[int, str] = {}
    lost: Counter[str] = Counter()
    video, chapters = main_video(source), len(source.chapters())
    if video is not None and video.metadata.get("alpha_mode") == "1":
        lost["transparency"] += 1  # VP8 and VP9 keep it where their decoders do not look
    for stream in source.streams:
        if stream.type == "video" and video is not None and stream.index == video.index:
            continue
        if stream.type == "audio":
            if companions.sound:
                _require_fit(stream, kind, companions.path, suffix)
                copied.append(stream.index)
        elif stream.type in ("subtitle", "attachment") and _refusal(stream, kind) is None:
            copied.append(stream.index)
        elif stream.type == "subtitle" and _codec(stream) in TEXTS:
            written[stream.index] = TEXT_CODEC[kind]
        elif what := _in_words(stream, chapters):
            lost[what] += 1
    travelling = [source.streams[index] for index in (*copied, *written)]
    for stream in travelling:
        language = str(stream.metadata.get("language", ""))
        if not is_held(kind, language):
            lost[f"the language {language[:20]!r} of {_KINDS[stream.type]}"] += 1
    told = [
        f"{what}{f' (of {count} streams)' if count > 1 else ''}" for what, count in lost.items()
    ]
    tags = {key.lower(): value for key, value in source.metadata.items() if value}
    held = _HELD_TAGS.get(kind, TAGS)
    kept = {key: value for key, value in tags.items() if key in held}
    others = sorted(set(tags) - set(kept) - _OWN_TAGS)
    if others:
        more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
        told.append(f"the tags {', '.join(others[:_MOST_NAMED])}{more}")
    timecode = _timecode(source)
    is_part = companions.start is not None or companions.end is not None
    if timecode is not None and (is_part or not _is_timecode(timecode, video)):
        told.append(f"the time code {timecode[:20]}{' of a part' if is_part else ''}")
        timecode = None
    return CarryPlan(tuple(copied), written, kept, timecode, tuple(told))


def _require_fit(stream: Any, kind: str, path: Path, suffix: str) -> None:
    why = _refusal(stream, kind)
    if why is not None:
        fit = [name for name in CONTAINERS if _refusal(stream, CONTAINERS[name]) is None]
        other = f"name the output {' or '.join(fit)}, or " if fit else ""
        raise MediaError(
            f"{show(path)}: its sound ({_codec(stream)}) cannot be copied into a {suffix} file: "
            f"{why}; {other}encode it as AAC before "
            "(ffmpeg -i IN -c:v copy -c:a aac OUT.mkv), or leave the sound out (--no-sound)"
        )


def _refusal(stream: Any, kind: str) -> str | None:
    """The reason why a container does not take a stream as it is; None where it does."""
    if stream.type == "attachment":
        return None if kind == "matroska" else "attachments are Matroska's"
    try:
        with av.open(BytesIO(), "w", format=kind) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (av.FFmpegError, ValueError) as error:
        return ffmpeg_reason(error)
    return None


def _codec(stream: Any) -> str:
    return str(stream.codec_context.name) if stream.codec_context else "unknown"


def _in_words(stream: Any, chapters: int) -> str | None:
    """A description of a stream that is lost; None for chapters and time codes, kept elsewhere."""
    if stream.type == "video":
        is_cover = stream.disposition & av.stream.Disposition.attached_pic
        return "a cover picture" if is_cover else "a further video stream"
    if stream.type == "subtitle":
        return f"subtitles ({_codec(stream)})"
    if stream.type == "attachment":
        return "attached files"
    name = str(stream.metadata.get("handler_name", "")).strip()
    if stream.metadata.get("timecode") or (chapters and stream.frames == chapters):
        return None  # MP4 and MOV keep the titles of chapters in a stream of their own
    return f"a data stream{f' ({name})' if name.isprintable() and name else ''}"


def _timecode(source: Any) -> str | None:
    for about in (source, *source.streams):
        for key, value in about.metadata.items():
            if key.lower() == "timecode" and value:
                return str(value)
    return None


def _is_timecode(text: str, video: Any) -> bool:
    """Whether a muxer takes the time code; it would refuse the whole file otherwise."""
    found = _TIMECODE.fullmatch(text)
    rate = video.average_rate if video is not None else None
    return found is not None and bool(rate) and (found[1] == ":" or rate in _DROPS)
