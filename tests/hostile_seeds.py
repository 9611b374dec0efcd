"""Small whole files of every format that is scanned, drawn on the spot: what hostile ones begin as.

Encoders run in one thread and containers are written without dates, so that a file is the same
wherever the same libraries wrote it. The signed ones alone differ, by their keys and dates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import actors
import av
import numpy as np
from PIL import Image as Pictures

from counterface.provenance.mark import Marker

SIDE = 160
FRAMES = 3
RATE = 48_000
_EXACT = {"fflags": "+bitexact"}


@cache
def drawn_frames() -> tuple[np.ndarray, ...]:
    """RGB pictures of one drawn person who moves."""
    return tuple(item.frame.image for item in actors.draw_clip([1], FRAMES, SIDE, SIDE))


def _picture(**settings: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        Pictures.fromarray(drawn_frames()[0]).save(path, **settings)

    return write


def _pictures(**settings: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        first, *rest = (Pictures.fromarray(image) for image in drawn_frames())
        first.save(path, save_all=True, append_images=rest, **settings)

    return write


def _exif() -> bytes:
    """A block of EXIF with texts, a place and an orientation."""
    tags = Pictures.Exif()
    tags[0x010F], tags[0x0110], tags[0x0112] = "Drawn", "Camera", 6
    tags[0x0131] = "Drawing 1.0"
    tags.get_ifd(0x8769)[0x9003] = "2024:01:02 03:04:05"
    place = tags.get_ifd(0x8825)
    place[1], place[2], place[3], place[4] = "N", (52.0, 30.0, 1.0), "E", (13.0, 24.0, 1.0)
    return tags.tobytes()


def _heic(path: Path) -> None:
    import pillow_heif

    pillow_heif.from_pillow(Pictures.fromarray(drawn_frames()[0])).save(str(path), quality=70)


def _video(
    codec: str,
    sound: str | None = None,
    *,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    format: str | None = None,  # PyAV's own word
    pixel_format: str = "yuv420p",
) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        settings = {**_EXACT, **(container or {})}
        with av.open(str(path), "w", format=format, options=settings) as output:
            stream = output.add_stream(codec, rate=25, options=options or {})
            stream.width = stream.height = SIDE
            stream.pix_fmt = pixel_format
            stream.thread_count = 1
            stream.codec_context.flags |= av.codec.context.Flags.bitexact
            tone = output.add_stream(sound, rate=RATE) if sound else None
            if tone is not None:
                _write_tone(output, tone)
            for number, image in enumerate(drawn_frames()):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
                    format=pixel_format
                )
                frame.pts, frame.time_base = number, Fraction(1, 25)
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))

    return write


def _sound(codec: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with av.open(str(path), "w", options=_EXACT) as output:
            _write_tone(output, output.add_stream(codec, rate=RATE))

    return write


def _write_tone(output: Any, stream: Any, seconds: float = 0.2) -> None:
    """A 440 Hz tone in the stream."""
    stream.codec_context.flags |= av.codec.context.Flags.bitexact
    stream.layout = "mono"
    rate = stream.rate
    wave = np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate) * 8000
    resampler = av.AudioResampler(stream.format or "s16", "mono", rate)
    queue = av.AudioFifo()
    frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    for part in resampler.resample(frame):
        queue.write(part)
    size = stream.codec_context.frame_size or 1024
    while (piece := queue.read(size)) is not None:
        output.mux(stream.encode(piece))
    output.mux(stream.encode(None))


def _signed(name: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        from made_files import a_record

        unsigned, target = path.with_name(f"raw{path.suffix}"), path.with_name(f"of{path.suffix}")
        marker = Marker()
        SEEDS[name][1](unsigned)
        target.write_bytes(unsigned.read_bytes())
        images = list(drawn_frames())[: 1 if path.suffix in (".png", ".jpg") else FRAMES]
        marked = [marker.mark_frame(image) for image in images]
        marker.finish(unsigned, path, a_record(path.name, target), target, marked)
        for left in path.parent.iterdir():
            if left != path:
                left.unlink()

    return write


_X264 = {"preset": "ultrafast", "crf": "28", "threads": "1"}
_X265 = {"preset": "ultrafast", "x265-params": "log-level=none:pools=none:frame-threads=1"}
_VP9 = {"deadline": "realtime", "cpu-used": "8", "threads": "1"}
_AV1 = {"preset": "12", "svtav1-params": "lp=1"}
_FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}

SEEDS: dict[str, tuple[str, Callable[[Path], None]]] = {  # name -> suffix and what writes the file
    "png": (".png", _picture()),
    "png_animated": (".png", _pictures(format="PNG")),
    "jpeg": (".jpg", _picture(quality=80, exif=_exif())),
    "jpeg_progressive": (".jpeg", _picture(quality=80, progressive=True, exif=_exif())),
    "webp": (".webp", _picture(quality=70, exif=_exif())),
    "webp_lossless": (".webp", _picture(lossless=True, exif=_exif())),
    "webp_animated": (".webp", _pictures(quality=60, exif=_exif())),
    "gif": (".gif", _pictures()),
    "tiff": (".tif", _picture(compression="tiff_lzw")),
    "tiff_raw": (".tiff", _pictures()),
    "bmp": (".bmp", _picture()),
    "heic": (".heic", _heic),
    "avif": (".avif", _picture(quality=60, speed=10)),
    "mp4_h264": (".mp4", _video("libx264", "aac", options=_X264)),
    "mp4_fragments": (".mp4", _video("libx264", "aac", options=_X264, container=_FRAGMENTS)),
    "mp4_av1": (".mp4", _video("libsvtav1", options=_AV1)),
    "mov_hevc": (".mov", _video("libx265", "pcm_s16le", options=_X265)),
    "webm_vp9": (".webm", _video("libvpx-vp9", "libopus", options=_VP9)),
    "webm_vp8": (".webm", _video("libvpx", "libopus", options=_VP9)),
    "mkv_h264": (".mkv", _video("libx264", "flac", options=_X264)),
    "avi_mjpeg": (".avi", _video("mjpeg", "pcm_s16le", pixel_format="yuvj420p")),
    "avi_mpeg4": (".avi", _video("mpeg4", "libmp3lame")),
    "ts_h264": (".ts", _video("libx264", "aac", options=_X264, format="mpegts")),
    "ts_hevc": (".m2ts", _video("libx265", "mp2", options=_X265, format="mpegts")),
    "mpg_mpeg2": (".mpg", _video("mpeg2video", "mp2", format="vob")),
    "flv_h264": (".flv", _video("libx264", "aac", options=_X264)),
    "wmv": (".wmv", _video("wmv2", "libmp3lame", format="asf")),
    "ogv": (".ogv", _video("libvpx", "libopus", options=_VP9, format="ogg")),
    "mxf": (".mxf", _video("mpeg2video", format="mxf")),
    "h264": (".h264", _video("libx264", options=_X264, format="h264")),
    "mjpeg": (".mjpeg", _video("mjpeg", format="mjpeg", pixel_format="yuvj420p")),
    "wav": (".wav", _sound("pcm_s16le")),
    "mp3": (".mp3", _sound("libmp3lame")),
    "flac": (".flac", _sound("flac")),
    "opus": (".ogg", _sound("libopus")),
    "m4a": (".m4a", _sound("aac")),
    "signed_jpeg": (".jpg", _signed("jpeg")),
    "signed_png": (".png", _signed("png")),
    "signed_mp4": (".mp4", _signed("mp4_h264")),
}


def seed_bytes(name: str, folder: Path) -> bytes:
    """The content of a seed, written into a folder on first use and read from there afterwards."""
    suffix, write = SEEDS[name]
    path = folder / name / f"{name}{suffix}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_stem(f"{name}_partial")
        write(partial)
        partial.rename(path)
    return path.read_bytes()


def all_seeds(folder: Path, names: Sequence[str] = tuple(SEEDS)) -> dict[str, bytes]:
    """The content of each seed by name."""
    return {name: seed_bytes(name, folder) for name in names}
