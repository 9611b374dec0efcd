"""Clips whose sound has known content: clicks, tones and silence at known times."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

CODECS = {  # container -> video, sound
    ".mp4": ("libx264", "aac"),
    ".mov": ("libx264", "pcm_s16le"),
    ".mkv": ("libx264", "aac"),
    ".webm": ("libvpx", "libopus"),
    ".mpg": ("mpeg1video", "mp2"),
    ".ts": ("libx264", "aac"),
    ".flv": ("libx264", "aac"),
    ".wav": (None, "pcm_s16le"),
    ".mp3": (None, "libmp3lame"),
}
CLICK_S = 0.004  # length of a click


def click(at: float, seconds: float, rate: int) -> np.ndarray:
    """float32 (N,): silence but for a few milliseconds of a tone from a time on."""
    wave = np.zeros(round(seconds * rate), np.float32)
    length = round(CLICK_S * rate)
    wave[round(at * rate) :][:length] = 0.8 * np.sin(2 * np.pi * 1500 * np.arange(length) / rate)
    return wave


def tone(hertz: float, seconds: float, rate: int) -> np.ndarray:
    """float32 (N,): an even tone of amplitude 0.5."""
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype("f4")


def encode(stream: Any, channels: np.ndarray, rate: int, layout: str) -> list[Any]:
    """The packets of float32 (C, N) samples."""
    kind = stream.codec_context.format.name
    size = stream.codec_context.frame_size or 1024
    packets = []
    for first in range(0, channels.shape[1], size):
        part = channels[:, first : first + size]
        if kind.startswith("s16"):
            part = (part * 32_767).astype(np.int16)
        if kind.startswith("s32"):
            part = (part * (2**31 - 1)).astype(np.int32)
        if not kind.endswith("p"):
            part = part.T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), format=kind, layout=layout)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), first
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def write_heard(
    path: Path,
    *waves: np.ndarray,
    rate: int = 48_000,
    layout: str = "stereo",
    codec: str | None = None,
    frames: int = 50,
    white_from: int = 25,
    lost: tuple[float, float] = (0, 0),
    default: int | None = None,
) -> Path:
    """A file of the container that its name says, 25 frames a second where that has pictures.

    Args:
        path: the file.
        waves: one track each, float32 (N,) for all channels alike, or (C, N).
        rate, layout, codec: of the sound; None for the usual codec of the container.
        frames, white_from: number of frames, and the first of those that are white, not black.
        lost: packets of the sound that begin in this span (seconds) are left out.
        default: number of the track that is marked as the default; None leaves it to FFmpeg.
    """
    video_codec, sound_codec = CODECS[path.suffix]
    with av.open(str(path), "w") as output:
        video = None
        if video_codec and frames:
            quick = {"deadline": "realtime"} if video_codec == "libvpx" else {}
            video = output.add_stream(video_codec, rate=25, options=quick)
            video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        heard: list[Any] = []
        for number, wave in enumerate(waves):
            stream = output.add_stream(codec or sound_codec, rate=rate, layout=layout)
            if default is not None:
                marked = av.stream.Disposition.default if number == default else 0
                stream.disposition = marked
            count = len(av.AudioLayout(layout).channels)
            channels = wave if wave.ndim == 2 else np.stack([wave] * count)
            heard += encode(stream, channels, rate, layout)
        kept = [p for p in heard if not lost[0] <= p.pts * p.time_base < lost[1]]
        kept.sort(key=lambda p: p.pts * p.time_base)
        for index in range(frames if video else 0):
            while kept and kept[0].pts * kept[0].time_base < Fraction(index, 25):
                output.mux(kept.pop(0))
            image = np.full((64, 96, 3), 255 if index >= white_from else 0, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            output.mux(video.encode(frame))
        if video:
            output.mux(video.encode(None))
        for packet in kept:
            output.mux(packet)
    return path
