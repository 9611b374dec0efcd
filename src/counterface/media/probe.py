"""The facts of a media file without reading all of it: codec, size, times, compression, sound."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import av
from av.video.reformatter import VideoReformatter
from pydantic import ConfigDict, Field, PlainSerializer

from counterface.config import Record
from counterface.media.compression import (
    Compression,
    from_blockiness,
    from_jpeg_tables,
    from_quantisers,
    quantiser_of,
)
from counterface.media.image import DAMAGE, MAX_PIXELS, STORED_SIZE, open_picture, read_image
from counterface.media.notes import MediaNote, merge_notes
from counterface.media.open_file import Kind, check_file, open_container, sniff
from counterface.media.picture.animation import AnimationReader
from counterface.media.picture.color import color_tags
from counterface.media.stream.decoder import decode_what_can_be, no_frame
from counterface.media.stream.extent import SignOfLife
from counterface.media.stream.seek import LAST_TICK
from counterface.media.stream.upright import to_rgb
from counterface.media.video_reader import VideoReader, open_clip
from counterface.types import Image

_LOOKS = 3  # places in a video where its compression is looked at
_FRAMES_A_LOOK = 4  # a keyframe and some that build on it: their quantisers differ
_SIDE_LOOKED_AT = 4096
_EXIF_DEGREES = {3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}


class AudioInfo(Record):
    """One sound stream."""

    model_config = ConfigDict(title="AudioFacts")

    codec: str
    sample_rate: int | None  # samples a second
    channels: int | None
    duration_s: float | None


class MediaInfo(Record):
    """What the file says of its pictures and sound."""

    model_config = ConfigDict(title="MediaFacts")

    path: str = Field("", exclude=True)  # as given; this and all that is excluded is in no report
    kind: Kind  # by content
    container: str  # FFmpeg's name, or Pillow's of the picture format
    codec: str  # of the video stream; for pictures the format in lower case
    width: int = Field(description="width of the upright picture, pixels")
    height: int = Field(description="height of the upright picture, pixels")
    rotation: int = Field(
        description="rotation that was applied, clockwise degrees"
    )  # 0, 90, 180 or 270
    # On average; None for pictures. A report has it rounded to a float.
    fps: Annotated[Fraction, PlainSerializer(float, return_type=float)] | None
    duration_s: float | None  # of what is there of the video stream; None for pictures
    bit_rate: int | None  # of the video stream, or of the file where that does not say; bits/s
    frame_count: int | None  # counted where the file had to be read through, else an estimate
    pixel_format: str  # FFmpeg's name, or Pillow's mode
    compression: Compression
    audio: tuple[AudioInfo, ...] = ()
    bytes: int = Field(0, exclude=True)
    start_s: Fraction = Field(Fraction(0), exclude=True)  # of the first frame; not 0 in broadcasts
    # Width of a pixel over its height; frames as read are not stretched by it.
    pixel_aspect: Fraction = Field(Fraction(1), exclude=True)
    # The transfer function of HDR; frames are tone-mapped to SDR by it.
    hdr: Literal["PQ", "HLG"] | None = Field(None, exclude=True)
    # Width and height in the file, upright, of a picture too large to be read at its full size;
    # `width` and `height` are then those that it is read at.
    stored_size: tuple[int, int] | None = Field(None, exclude=True)
    # What whoever relies on the frames must know; reading them may add to it.
    notes: tuple[MediaNote, ...] = Field((), exclude=True)


def probe(
    path: str | os.PathLike[str],
    *,
    max_pixels: int = MAX_PIXELS,
    tick: SignOfLife = lambda: None,
) -> MediaInfo:
    """The facts of a picture or video file; at most a dozen frames are decoded.

    Args:
        path: the file.
        max_pixels: larger pictures are refused.
        tick: called now and then while a file is read through that does not say how long it is.

    Raises:
        MediaError: unreadable, of an unknown kind, damaged, without pixels or frames, or with
            pictures over `max_pixels`.
    """
    file = check_file(path)
    if sniff(file) == "image":
        return _probe_image(file, max_pixels)
    with open_clip(file, max_pixels=max_pixels) as reader:
        if isinstance(reader, AnimationReader):
            return _probe_animation(reader)
        return _probe_video(reader, tick)


def _probe_image(file: Path, max_pixels: int) -> MediaInfo:
    with open_picture(file, max_pixels) as picture:
        stored = picture.info.get(STORED_SIZE)
        orientation = _orientation(picture)
        name, mode = str(picture.format), str(picture.mode)
        tables = getattr(picture, "quantization", None)
        color = color_tags(file, picture.info.get("icc_profile"))
    del picture  # asked for its EXIF, a PNG decodes its pixels
    notes: list[MediaNote] = []
    # Decoding is the only proof that it is whole.
    image = read_image(file, max_pixels=max_pixels, tell=notes.append)
    height, width = image.shape[:2]
    rotation = _EXIF_DEGREES.get(orientation, 0)
    if stored is not None and rotation in (90, 270):
        stored = stored[::-1]
    return MediaInfo(
        path=str(file),
        kind="image",
        container=name,
        codec=name.lower(),
        width=width,
        height=height,
        rotation=rotation,
        fps=None,
        duration_s=None,
        bit_rate=None,
        frame_count=1,
        pixel_format=mode,
        compression=from_jpeg_tables(tables) if tables else from_blockiness([_middle(image)]),
        bytes=file.stat().st_size,
        hdr=color.hdr,
        stored_size=stored,
        notes=tuple(notes),
    )


def _middle(image: Image) -> Image:
    """The middle of a picture, in which compression is looked for, cut at whole blocks of 8x8."""
    top, left = (max(0, side - _SIDE_LOOKED_AT) // 16 * 8 for side in image.shape[:2])
    return image[top : top + _SIDE_LOOKED_AT, left : left + _SIDE_LOOKED_AT]


def _orientation(picture: Any) -> int:
    """The orientation by EXIF; 1, upright, where that cannot be read, as behind damaged pixels."""
    try:
        return int(picture.getexif().get(0x0112, 1))
    except DAMAGE:
        return 1


def _probe_animation(reader: AnimationReader) -> MediaInfo:
    size = reader.path.stat().st_size
    duration_s = float(reader.duration_s)
    images = [frame.image for frame in islice(reader.frames(), _FRAMES_A_LOOK)]
    return MediaInfo(
        path=str(reader.path),
        kind="video",
        container="WEBP",
        codec=reader.codec,
        width=reader.width,
        height=reader.height,
        rotation=0,
        fps=reader.fps,
        duration_s=duration_s,
        bit_rate=_bit_rate(None, size, duration_s),
        frame_count=reader.frame_count,
        pixel_format=reader.pixel_format,
        compression=from_blockiness(images),
        bytes=size,
        notes=tuple(reader.notes),
    )


def _probe_video(reader: VideoReader, tick: SignOfLife) -> MediaInfo:
    stream, container = reader.decoder.stream, reader.decoder.container
    context = stream.codec_context
    size = reader.path.stat().st_size
    extent = reader.measure(tick)
    if extent is None:
        raise no_frame(reader.path, stream)
    duration = extent.end_s - reader.start_s
    compression = _video_compression(reader, duration)
    duration_s = max(0.0, float(duration))
    counted = extent.frames or stream.frames
    expected = round(duration * reader.fps) if reader.fps else None
    if not extent.frames and expected and counted > expected + 1:  # an edit list leaves some out
        counted = expected
    frame_count = counted or expected
    fps = reader.fps or (Fraction(counted) / duration if counted and duration > 0 else None)
    return MediaInfo(
        path=str(reader.path),
        kind="video",
        container=container.format.name,
        codec=reader.codec,
        width=reader.width,
        height=reader.height,
        rotation=reader.rotation,
        fps=fps,
        duration_s=duration_s,
        bit_rate=_bit_rate(context.bit_rate, size, duration_s),
        frame_count=frame_count,
        pixel_format=reader.pixel_format,
        compression=compression,
        audio=tuple(_audio_info(audio) for audio in container.streams.audio),
        bytes=size,
        start_s=reader.start_s,
        pixel_aspect=stream.sample_aspect_ratio or Fraction(1),
        hdr=reader.color.hdr,
        notes=merge_notes(filter(None, [reader.color.note]), reader.notes),
    )


def _bit_rate(stated: int | None, size: int, duration: float) -> int | None:
    """The stated rate unless the file is too small for it: MPEG-1 writes 104857200 for "varies"."""
    most = round(8 * size / duration) if duration else None
    return min(filter(None, (stated, most)), default=None)


def _audio_info(stream: Any) -> AudioInfo:
    context = stream.codec_context
    if context is None:  # FFmpeg knows the stream but not its codec
        return AudioInfo(codec="unknown", sample_rate=None, channels=0, duration_s=None)
    duration = float(stream.duration * stream.time_base) if stream.duration else None
    name = context.codec.canonical_name  # of the format: `mp3`, not of the decoder, `mp3float`
    rate = context.sample_rate or None
    return AudioInfo(codec=name, sample_rate=rate, channels=context.channels, duration_s=duration)


def _video_compression(reader: VideoReader, duration: Fraction) -> Compression:
    quantisers, images = [], []
    reformatter = VideoReformatter()
    for decoded in _look(reader, duration):
        found = quantiser_of(decoded)
        if found is not None:
            quantisers.append(found)
        else:
            images.append(to_rgb(decoded, reformatter))
    return from_quantisers(quantisers) or from_blockiness(images)


def _look(reader: VideoReader, duration: Fraction) -> Iterator[Any]:
    """A few decoded frames from the start and around keyframes further on."""
    with closing(open_container(reader.path)) as container:
        stream = container.streams[reader.decoder.stream.index]
        stream.codec_context.options = {"export_side_data": "venc_params"}
        for look in range(_LOOKS):
            if look:
                start = reader.start_s + duration * look / _LOOKS
                try:
                    ticks = min(int(start / reader.time_base), LAST_TICK)
                    container.seek(ticks, stream=stream)
                except av.FFmpegError:  # a raw stream: its start has been seen
                    return
            yield from islice(decode_what_can_be(container, stream), _FRAMES_A_LOOK)
