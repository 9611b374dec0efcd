"""Files in many containers with pictures, sound that starts early or late, words and chapters."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from drawn_media import draw

from counterface.media.beside.join import Piece, time_base_of
from counterface.media.beside.subtitle_text import ASS_HEADER, packet_of
from counterface.media.video_writer import VideoWriter
from counterface.types import Frame

CODECS = {  # container -> video, sound
    ".mp4": ("libx264", "aac"),
    ".mov": ("libx264", "pcm_s16le"),
    ".ts": ("libx264", "aac"),
    ".mkv": ("libx264", "aac"),
    ".webm": ("libvpx-vp9", "libopus"),
    ".avi": ("mpeg4", "libmp3lame"),
}
Rates = dict[str, int]
Packets = list[tuple[bytes, Fraction]]


def write_source(
    path: Path, times: Sequence[Fraction], *, late: Fraction = Fraction(0), rate: int = 48_000
) -> Path:
    """A file of the container that its name says, with sound that starts `late` seconds in."""
    video_codec, sound_codec = CODECS[path.suffix]
    with av.open(str(path), "w") as output:
        video = output.add_stream(video_codec, rate=Fraction(1) / (times[1] - times[0]))
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        tick = time_base_of(times)
        video.codec_context.time_base = tick
        sound = output.add_stream(sound_codec, rate=rate, layout="stereo")
        heard = encode_tone(sound, float(times[-1] - times[0]) + 0.1, times[0] + late, rate)
        for index, time in enumerate(times):
            while heard and heard[0].pts * heard[0].time_base < time:
                output.mux(heard.pop(0))
            frame = av.VideoFrame.from_ndarray(draw(index), format="rgb24")
            frame.pts, frame.time_base = round(time / tick), tick
            output.mux(video.encode(frame.reformat(format="yuv420p")))
        output.mux(video.encode(None))
        output.mux(heard)
    return path


def encode_tone(stream: Any, seconds: float, start: Fraction, rate: int) -> list[Any]:
    """The packets of a 440 Hz tone from a time on."""
    kind = stream.codec_context.format.name
    packets = []
    for first in range(0, int(seconds * rate), 1024):
        wave = 0.3 * np.sin(2 * np.pi * 440 * (first + np.arange(1024)) / rate)
        both = np.stack([wave, wave])
        samples = {
            "fltp": both.astype(np.float32),
            "flt": both.T.reshape(1, -1).astype(np.float32),
            "s16": (both.T.reshape(1, -1) * 2**15).astype(np.int16),
            "s32p": (both * 2**31).astype(np.int32),
        }[kind]
        frame = av.AudioFrame.from_ndarray(samples, format=kind, layout="stereo")
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = first + round(start * rate)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def write_rich(path: Path) -> Path:
    """One second with two languages, subtitles, two chapters, a title and a time code."""
    text_codec = "subrip" if path.suffix == ".mkv" else "mov_text"
    with av.open(str(path), "w") as output:
        output.metadata.update(title="A show", artist="Someone", encoder="another program")
        output.metadata["timecode"] = "10:00:00:12"
        spans = ((0, 400, "One"), (400, 1000, "Two"))
        output.set_chapters(
            [
                {"id": n, "start": a, "end": b, "time_base": MILLI, "metadata": {"title": name}}
                for n, (a, b, name) in enumerate(spans)
            ]
        )
        video = output.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        tracks = []
        for number, language in enumerate(("eng", "deu")):
            sound = output.add_stream("aac", rate=48_000, layout="stereo")
            sound.metadata.update(language=language, title=f"Mix {number}")
            sound.disposition = 0 if number else av.stream.Disposition.default
            tracks.append(sound)
        words = output.add_stream(text_codec)
        words.codec_context.subtitle_header = ASS_HEADER
        words.codec_context.time_base = words.time_base = MILLI
        words.metadata["language"] = "fra"
        output.start_encoding()
        for start, text in ((100, "Bonjour"), (500, "deux\nlignes")):
            packet = av.Packet(packet_of(text_codec, text))
            packet.stream, packet.time_base, packet.duration = words, MILLI, 300
            packet.pts = packet.dts = start
            output.mux(packet)
        for sound in tracks:
            output.mux(encode_tone(sound, 1.0, Fraction(0), 48_000))
        for index in range(25):
            frame = av.VideoFrame.from_ndarray(draw(index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
    return path


MILLI = Fraction(1, 1000)


def write_piece(path: Path, times: Sequence[Fraction]) -> Piece:
    """One encoded piece with a frame at each time."""
    base = time_base_of(times)
    with VideoWriter(path, 96, 64, preset="ultrafast", time_base=base) as writer:
        for index, time in enumerate(times):
            writer.write(Frame(draw(index), index, time - times[0]))
    return Piece(path, tuple(times))


def packets(path: Path, index: int = 0, kind: str = "audio") -> Packets:
    """(content, time in seconds) of one stream; sound without the headers of MPEG-TS."""
    with av.open(str(path)) as container:
        stream = [s for s in container.streams if s.type == kind][index]
        found = [(bytes(p), p.pts * p.time_base) for p in container.demux(stream) if p.size]
    is_adts = kind == "audio" and all(data[:2] in (b"\xff\xf1", b"\xff\xf9") for data, _ in found)
    return [(data[7:] if is_adts else data, time) for data, time in found]


def samples_heard(path: Path) -> int:
    """How many samples a player hears of the first sound stream, silence before it not counted."""
    with av.open(str(path)) as container:
        return sum(frame.samples for frame in container.decode(audio=0))


def trim(path: Path, samples: int, length: int) -> None:
    """Rewrites the last edit list of an MP4 or MOV file, that of its sound.

    Args:
        path: the file, in which that list has one entry.
        samples: left out at the start.
        length: heard, ticks of the movie's clock.
    """
    data = bytearray(path.read_bytes())
    place = data.rfind(b"elst") + 8
    version = data[place - 4]
    (entries,) = struct.unpack_from(">I", data, place)
    assert entries == 1
    struct.pack_into(">Qq" if version else ">Ii", data, place + 4, length, samples)
    path.write_bytes(bytes(data))


def edit(path: Path, entries: Sequence[tuple[float, float | None]]) -> Path:
    """Gives every stream of an MP4 file, whose header stands last, an edit list of its own.

    Args:
        path: the file, rewritten.
        entries: (length, where it begins in the stream, None for nothing at all), seconds.
    """
    data = path.read_bytes()
    path.write_bytes(_edited(data, entries, {}))
    return path


def _edited(data: bytes, entries: Sequence[tuple[float, float | None]], rates: Rates) -> bytes:
    made, at = b"", 0
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        body = data[at + 8 : at + length]
        if kind == b"mvhd":
            rates["movie"] = int.from_bytes(body[12:16], "big")
        if kind == b"trak":
            place = body.index(b"mdhd") + 4
            rates["stream"] = int.from_bytes(body[place + 12 : place + 16], "big")
        if kind == b"elst":
            body = struct.pack(">II", 0, len(entries)) + b"".join(
                struct.pack(
                    ">Iii",
                    round(lasts * rates["movie"]),
                    -1 if start is None else round(start * rates["stream"]),
                    0x10000,
                )
                for lasts, start in entries
            )
        elif kind in (b"moov", b"trak", b"edts", b"mdia"):
            body = _edited(body, entries, rates)
        made, at = made + struct.pack(">I4s", 8 + len(body), kind) + body, at + length
    return made
