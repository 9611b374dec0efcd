"""Sound after a real codec's losses, for training and robustness tests."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np

from counterface.errors import MediaError
from counterface.media.sound import to_floats
from counterface.types import Floats

# name -> (encoder, decoder, rates it takes, bits a second it takes; 0 where it has no choice)
CODECS: dict[str, tuple[str, str, tuple[int, ...], tuple[int, ...]]] = {
    "aac": ("aac", "aac", (16_000, 22_050, 44_100), (24_000, 32_000, 48_000, 96_000, 128_000)),
    "mp3": ("libmp3lame", "mp3", (16_000, 22_050, 44_100), (32_000, 48_000, 64_000, 128_000)),
    "mp2": ("mp2", "mp2", (44_100,), (64_000, 128_000, 192_000)),
    "opus": ("libopus", "libopus", (48_000,), (12_000, 16_000, 24_000, 48_000, 64_000)),
    "g722": ("g722", "g722", (16_000,), (0,)),
    "mulaw": ("pcm_mulaw", "pcm_mulaw", (8_000,), (0,)),
    "pcm": ("pcm_s16le", "pcm_s16le", (8_000, 16_000, 22_050, 44_100), (0,)),
}


def recode_sound(samples: Floats, rate: int, codec: str, at: int, bit_rate: int = 0) -> Floats:
    """The sound after a codec, float32 (N,), of the same rate and length.

    The codec's own delay stays (AAC: 64 ms at 16 kHz), filled up with silence; no file is made.

    Args:
        samples: float32 (N,) in [-1, 1], mono.
        rate: samples a second.
        codec: a key of `CODECS`.
        at: samples a second that it is coded with; a low one takes the high pitches away.
        bit_rate: bits a second; 0 for codecs without a choice.

    Raises:
        MediaError: no such codec here, or not with this rate.
    """
    if codec not in CODECS:
        raise MediaError(f"codec={codec!r}: use one of {', '.join(CODECS)}")
    write, read = CODECS[codec][:2]
    try:
        encoder = av.CodecContext.create(write, "w")
        decoder = av.CodecContext.create(read, "r")
        encoder.sample_rate, encoder.layout, encoder.time_base = at, "mono", Fraction(1, at)
        encoder.format = encoder.codec.audio_formats[0].name
        if bit_rate:
            encoder.bit_rate = bit_rate
        decoder.sample_rate, decoder.layout = at, "mono"
        encoder.open()
        decoder.extradata = encoder.extradata
        size = encoder.frame_size or 1024
        there = av.AudioResampler(encoder.format.name, "mono", at, frame_size=size)
        back = av.AudioResampler("s16", "mono", rate)
        packets = []
        for frame in [*there.resample(_frame(samples, rate)), *there.resample(None)]:
            packets += encoder.encode(frame)
        packets += encoder.encode(None)
        frames = [frame for packet in packets for frame in decoder.decode(packet)]
        frames += decoder.decode(None)
        made = [part for frame in frames for part in back.resample(frame)] + back.resample(None)
    except (av.FFmpegError, av.codec.codec.UnknownCodecError, ValueError) as error:
        raise MediaError(
            f"{codec} at {at} samples and {bit_rate} bits a second cannot be coded ({error}); "
            f"it takes {CODECS[codec][2]} samples a second"
        ) from error
    whole = [to_floats(part.to_ndarray().reshape(-1)) for part in made]
    found = np.concatenate([*whole, np.zeros(len(samples), np.float32)])
    return found[: len(samples)]


def _frame(samples: Floats, rate: int) -> av.AudioFrame:
    """The samples as one frame of 16 bits."""
    whole = np.clip(np.round(samples * 32_767), -32_768, 32_767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(whole[None], format="s16", layout="mono")
    frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
    return frame
