"""The encoder of a video: codec, depth, quality and speed, checked before any work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from counterface.errors import ConfigError
from counterface.wording import unknown_name

Bits = Literal[8, 10]
_SPEEDS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow"),
)


@dataclass(frozen=True, slots=True)
class VideoEncoder:
    """An encoder of FFmpeg with everything it is told.

    Attributes:
        name: FFmpeg's name of the encoder.
        label: label of the format, for people.
        bits: bits of a sample.
        chroma: "4:2:0", "4:2:2" or "4:4:4".
        pixel_format: FFmpeg's name of the format of the frames that it takes.
        options: FFmpeg's options of the encoder.
        tag: four letters that name the codec in MP4 and MOV; None leaves them to FFmpeg.
        suffixes: suffixes of the files that hold it.
    """

    name: str
    label: str
    bits: Bits
    chroma: str
    pixel_format: str
    options: Mapping[str, str]
    tag: str | None
    suffixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Codec:
    name: str
    label: str
    bits: tuple[Bits, ...]  # the default first
    crf: tuple[float, float] | None  # default, highest
    presets: tuple[str, ...]  # the default first
    suffixes: tuple[str, ...] = (".mp4", ".m4v", ".mov", ".mkv")
    chroma: str = "4:2:0"
    preset_option: str = "preset"
    options: Mapping[str, str] = field(default_factory=dict)  # besides crf and preset
    tag: str | None = None


_CODECS: Mapping[str, _Codec] = {
    "h264": _Codec("libx264", "H.264", (8, 10), (18.0, 51.0), ("veryfast", *_SPEEDS)),
    "h265": _Codec(
        "libx265", "H.265", (8, 10), (20.0, 51.0), ("fast", *_SPEEDS),
        # closed groups: every piece and every seek stands by itself
        options={"x265-params": "log-level=error:open-gop=0"},
        tag="hvc1",  # Apple's players know no other
    ),
    "prores": _Codec(
        "prores_ks", "ProRes", (10,), None, ("hq", "proxy", "lt", "standard", "4444"),
        (".mov", ".mkv"), "4:2:2", "profile", {"vendor": "apl0"},
    ),
    "rgb": _Codec(  # for work files
        "libx264rgb", "lossless RGB", (8,), None, ("ultrafast",),
        chroma="4:4:4", options={"crf": "0"},
    ),
}  # fmt: skip


def choose_encoder(
    codec: str = "h264",
    bits: int | None = None,
    crf: float | None = None,
    preset: str | None = None,
) -> VideoEncoder:
    """The encoder of a codec, defaults filled in.

    Args:
        codec: "h264", "h265" or "prores"; "rgb" gives every picture back as it was, any size.
        bits: bits of a sample, 8 or 10; ProRes always has 10.
        crf: constant quality of H.264 (18 by default) and H.265 (20): lower is better.
        preset: the speed of x264 and x265, or the profile of ProRes.

    Raises:
        ConfigError: no such codec, a value that it does not know, or this FFmpeg cannot encode it.
    """
    kind = _CODECS.get(codec)
    if kind is None:
        raise ConfigError(unknown_name("codec", codec, _CODECS))
    bits = bits or kind.bits[0]
    if bits not in kind.bits:
        known = " or ".join(map(str, kind.bits))
        raise ConfigError(f"{kind.label} is written with {known} bits a sample, not {bits}")
    preset = preset or kind.presets[0]
    if preset not in kind.presets:
        raise ConfigError(unknown_name(f"preset of {kind.label}", preset, kind.presets))
    if crf is not None and kind.crf is None:
        raise ConfigError(f"{kind.label} has no crf; its preset sets the quality, leave crf out")
    if crf is not None and kind.crf is not None and not 0 <= crf <= kind.crf[1]:
        raise ConfigError(f"crf of {kind.label} is 0 to {kind.crf[1]:g}, not {crf:g}")
    options = {**kind.options, kind.preset_option: preset}
    if kind.crf is not None:
        options["crf"] = str(kind.crf[0] if crf is None else crf)
    _require_encoder(kind)
    chroma = "4:4:4" if preset == "4444" else kind.chroma
    pixels = "rgb24" if codec == "rgb" else f"yuv{chroma.replace(':', '')}p"
    return VideoEncoder(
        kind.name,
        kind.label,
        10 if bits == 10 else 8,
        chroma,
        f"{pixels}10le" if bits == 10 else pixels,
        options,
        kind.tag,
        kind.suffixes,
    )


def _require_encoder(kind: _Codec) -> None:
    import av

    try:
        av.Codec(kind.name, "w")
    except av.codec.codec.UnknownCodecError as error:
        raise ConfigError(
            f"this PyAV has no encoder {kind.name} for {kind.label}; install its wheel from the "
            "package index, or choose another codec"
        ) from error
