"""Small targets for conversion tests: drawn actors, uneven times, a tone, encoded on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from actors import draw_clip

from counterface.types import Image

TICK = Fraction(1, 90_000)
RATE = 48_000


@lru_cache(maxsize=8)
def draw_images(
    identities: tuple[int, ...] = (1,), frames: int = 12, width: int = 256, height: int = 192
) -> tuple[Image, ...]:
    """Frames of drawn actors, forth and back: twice as many frames for the price of drawing."""
    drawn = [item.frame.image for item in draw_clip(identities, frames, width, height)]
    return (*drawn, *reversed(drawn))


def write_target(
    path: Path,
    images: Sequence[Image],
    times: Sequence[Fraction] | None = None,
    *,
    sound_s: float = 0.0,
    sound_codec: str = "aac",
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    quarter_turns: int = 0,
) -> Path:
    """A clip of the images, 24 a second unless times are given, at high quality.

    Args:
        times: seconds, multiples of 1/90000.
        sound_s: seconds of a tone beside it.
        sound_codec: of the tone.
        quarter_turns: how often a player turns the stored picture clockwise; the images are stored
            turned the other way.
    """
    times = times or [Fraction(i, 24) for i in range(len(images))]
    stored = [np.rot90(image, quarter_turns) for image in images]
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=24, options={"crf": "12", "threads": "1"})
        stream.height, stream.width = stored[0].shape[:2]
        stream.pix_fmt = pixel_format
        stream.codec_context.time_base = TICK
        if quarter_turns % 4 == 1:
            one = 1 << 16
            stream.set_display_matrix([0, one, 0, -one, 0, 0, 0, 0, 1 << 30])
        if sound_s:
            _add_tone(output, sound_s, sound_codec)
        for image, time in zip(stored, times, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame = frame.reformat(format=pixel_format)
            frame.pts, frame.time_base = int(time / TICK), TICK
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def _add_tone(output: av.container.OutputContainer, seconds: float, codec: str) -> None:
    sound = output.add_stream(codec, rate=RATE, layout="stereo")
    sound.bit_rate = 128_000
    for start in range(0, int(seconds * RATE), 1024):
        wave = 0.3 * np.sin(2 * np.pi * 440 * (start + np.arange(1024)) / RATE)
        frame = av.AudioFrame.from_ndarray(
            np.stack([wave, wave]).astype(np.float32), format="fltp", layout="stereo"
        )
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        output.mux(sound.encode(frame))
    output.mux(sound.encode(None))


def sound_packets(path: Path) -> list[tuple[bytes, Fraction]]:
    """(content, time in seconds) of every packet of the first sound stream."""
    with av.open(str(path)) as container:
        packets = container.demux(container.streams.audio[0])
        return [(bytes(p), p.pts * p.time_base) for p in packets if p.size]
