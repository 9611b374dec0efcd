"""Frames to a video file: times kept, nothing half-written left."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import numpy as np
from av.codec.context import Flags
from av.video.reformatter import Interpolation

from counterface.errors import MediaError, ShapeError
from counterface.files import new_file, put
from counterface.media.open_file import show
from counterface.media.stream.encoder import choose_encoder
from counterface.project_files import writing
from counterface.types import Frame

# Holds 24, 25, 30, 50, 60 and the 1000/1001 rates exactly, and the ticks of MPEG-TS and Matroska.
TIME_BASE = Fraction(1, 360_000)
CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
_BT709 = 1
_LIMITED_RANGE = 1
_SETTLED = 3  # frames after which x265 knows when packets are decoded


class VideoWriter:
    """A video being written; the file appears, whole, when the `with` block ends without an error.

    Times are those of the frames, so a variable frame rate stays one. `join.join_pieces` puts
    another file's sound beside them.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        width: int,
        height: int,
        *,
        codec: str = "h264",
        bits: int | None = None,
        crf: float | None = None,
        preset: str | None = None,
        fps: Fraction | None = None,
        time_base: Fraction | None = None,
        pixel_aspect: Fraction = Fraction(1),
    ) -> None:
        """Open a temporary file beside `path` and the encoder.

        Args:
            path: ends in .mp4, .mov, .m4v or .mkv; replaced if it exists.
            width: pixels; even but for 4:4:4 (halved colour cannot hold odd sizes).
            height: pixels, likewise.
            codec: "h264", "h265" or "prores".
            bits: bits of a sample, 8 or 10; the codec's own number by default.
            crf: quality, 0 (only colour resolution is lost) to 51; of H.264 18 looks as the source.
            preset: speed, "ultrafast" to "veryslow", or the profile of ProRes; None is the codec's.
            fps: nominal rate, a hint for the encoder; 30 by default.
            time_base: a frame's time is rounded to multiples of this; 1/360000 s by default, which
                holds the usual rates exactly.
            pixel_aspect: width of a pixel over its height.

        Raises:
            ConfigError: a codec, depth, quality or preset that does not exist, or not together.
            MediaError: an unknown suffix, or one that does not hold the codec; a folder that cannot
                be written.
            ShapeError: an odd or empty size.
        """
        self.path = Path(path)
        container = CONTAINERS.get(self.path.suffix.lower())
        if container is None:
            known = ", ".join(CONTAINERS)
            raise MediaError(f"{show(path)}: videos are written as {known}")
        self.encoder = choose_encoder(codec, bits, crf, preset)
        if self.path.suffix.lower() not in self.encoder.suffixes:
            known = ", ".join(self.encoder.suffixes)
            raise MediaError(f"{show(path)}: {self.encoder.label} is written as {known}")
        halved = 2 if self.encoder.chroma != "4:4:4" else 1
        if width < halved or height < halved or width % halved or height % halved:
            raise ShapeError(f"a video has an even width and height, not {width}x{height}; pad it")
        self.width, self.height = width, height
        self.time_base = time_base or TIME_BASE
        fps = fps or Fraction(30)
        self._interval = max(1, round(1 / (fps * self.time_base)))
        self._last: int | None = None
        self._written = 0
        with ExitStack() as opened, writing(self.path, MediaError):
            self._temporary = new_file(self.path)
            opened.callback(self._temporary.unlink, missing_ok=True)
            self._output = av.open(str(self._temporary), "w", format=container)
            opened.callback(_close_anyhow, self._output)
            self._video = self._add_video(fps, pixel_aspect)
            self._opened = opened.pop_all()

    def write(self, frame: Frame) -> None:
        """Encode one frame.

        Args:
            frame: RGB uint8 (height, width, 3), its `pts` later than that of the one before.

        Raises:
            ShapeError: another size than the video's.
            MediaError: a time not after the last one, or the disk is full.
        """
        if frame.image.shape != (self.height, self.width, 3) or frame.image.dtype != np.uint8:
            raise ShapeError(
                f"frame {frame.index} is {frame.image.dtype} {frame.image.shape}, "
                f"the video takes uint8 {(self.height, self.width, 3)}"
            )
        ticks = round(frame.pts / self.time_base)
        if self._last is not None and ticks <= self._last:
            raise MediaError(
                f"{show(self.path)}: frame {frame.index} at {float(frame.pts):.6f} s does not come "
                "after the one before; write frames in time order"
            )
        if self._last is not None:
            self._interval = ticks - self._last  # how long the frame stays is not known yet
        self._last = ticks
        self._written += 1
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.image), format="rgb24")
        if self.encoder.pixel_format != "rgb24":
            picture = picture.reformat(
                format=self.encoder.pixel_format,
                dst_colorspace=_BT709,
                dst_color_range=_LIMITED_RANGE,
                interpolation=Interpolation.AREA,  # undoes the doubling of chroma when it was read
            )
        picture.pts, picture.time_base = ticks, self.time_base
        picture.duration = self._interval
        self._mux(self._video.encode(picture))

    def close(self) -> None:
        """Finish the file and put it in place; MediaError when no frame was written."""
        with self._opened, writing(self.path, MediaError):
            if self._last is None:
                raise MediaError(f"{show(self.path)}: no frame was written, so there is no video")
            packets = self._video.encode(None)
            if self.encoder.name == "libx265" and self._written < _SETTLED:
                for packet in packets:  # x265 gives them what its memory held before
                    packet.dts = packet.pts  # so few frames are never reordered
            self._mux(packets)
            self._output.close()
            put(self._temporary, self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the file, or after an error leave what was there before."""
        if kind is None:
            self.close()
        else:
            self._opened.close()

    def _add_video(self, fps: Fraction, pixel_aspect: Fraction) -> Any:
        encoder = self.encoder
        video = self._output.add_stream(encoder.name, rate=fps, options=dict(encoder.options))
        video.width, video.height, video.pix_fmt = self.width, self.height, encoder.pixel_format
        context = video.codec_context
        context.time_base = video.time_base = self.time_base
        context.flags |= int(Flags.frame_duration)  # else the last frame would last one tick
        if encoder.pixel_format != "rgb24":
            context.colorspace = context.color_primaries = context.color_trc = _BT709
            context.color_range = _LIMITED_RANGE
        if encoder.tag:
            context.codec_tag = encoder.tag
        if pixel_aspect != 1:  # tagging square pixels would change every file's bytes
            context.sample_aspect_ratio = pixel_aspect
        return video

    def _mux(self, packets: list[Any]) -> None:
        with writing(self.path, MediaError):
            for packet in packets:
                self._output.mux(packet)


def _close_anyhow(output: Any) -> None:
    """Close a container that may hold half a file; the error that led here is the one to tell."""
    with suppress(av.FFmpegError, OSError):
        output.close()
