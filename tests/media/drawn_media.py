"""Small clips and sounds with known content, encoded on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

TICK = Fraction(1, 90_000)


def draw(index: int, width: int = 96, height: int = 64) -> np.ndarray:
    """RGB (height, width, 3): a ramp, a block that moves with the index, a red top-left corner."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([80 + x // 2, 80 + y, 90 + (x + y) // 4], -1).astype(np.uint8)
    left = (index * 5) % (width - 16)
    image[24:40, left : left + 16] = (40, 200, (index * 23) % 256)
    image[:16, :16] = (220, 20, 20)
    return image


def write_clip(
    path: Path,
    frames: int | Sequence[np.ndarray] = 12,
    *,
    times: Sequence[Fraction] | None = None,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    matrix: Sequence[int] | None = None,
    tags: tuple[int, int] | None = None,
    sound_s: float = 0,
    sound_codec: str = "aac",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """A clip of drawn (or given) frames, 25 a second unless the times are given.

    `matrix` is a display matrix, `tags` the (colour space, range) to convert to and to declare.
    """
    images = [draw(i) for i in range(frames)] if isinstance(frames, int) else list(frames)
    times = times or [Fraction(i, 25) for i in range(len(images))]
    with av.open(str(path), "w", options=container_options or {}) as output:
        stream = output.add_stream(codec, rate=25, options=options or {"crf": "12"})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixel_format
        tick = Fraction(1, 25) if codec.startswith("mpeg") else TICK  # they know few time bases
        stream.codec_context.time_base = tick
        if tags:
            stream.codec_context.colorspace, stream.codec_context.color_range = tags
        if matrix:
            stream.set_display_matrix(list(matrix))
        sound = output.add_stream(sound_codec, rate=48_000) if sound_s else None
        if sound:
            for packet in sine(sound, sound_s):
                output.mux(packet)
        for image, time in zip(images, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            space, colour_range = tags or (None, 1)
            frame = frame.reformat(
                format=pixel_format, dst_colorspace=space, dst_color_range=colour_range
            )
            frame.pts, frame.time_base = int(time / tick), tick
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def sine(stream: Any, seconds: float) -> list[Any]:
    """The packets of a 440 Hz tone."""
    packets = []
    for start in range(0, int(seconds * 48_000), 1024):
        wave = 0.3 * np.sin(2 * np.pi * 440 * (start + np.arange(1024)) / 48_000)
        frame = av.AudioFrame.from_ndarray(
            np.stack([wave, wave]).astype(np.float32), format="fltp", layout="stereo"
        )
        frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def write_sound(path: Path, seconds: float = 0.5) -> Path:
    """A file with a sound stream and nothing else."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=48_000)
        for packet in sine(stream, seconds):
            output.mux(packet)
    return path


def packets_of(path: Path, kind: str = "audio") -> list[tuple[bytes, Fraction]]:
    """(content, time) of every packet of the first stream of a kind."""
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return [(bytes(p), p.pts * p.time_base) for p in container.demux(stream) if p.size]
