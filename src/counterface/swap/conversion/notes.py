"""In words, what an output does not keep of its target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from counterface.media.probe import MediaInfo
from counterface.media.sample_frames import upright_aspect
from counterface.media.stream.pixel_layout import read_pixel_layout
from counterface.swap.conversion.settings import ConvertConfig

_COLOURS = {"4:0:0": 0, "4:1:0": 1, "4:1:1": 1, "4:2:0": 1, "4:4:0": 2, "4:2:2": 2, "4:4:4": 3}


def note_changes(
    info: MediaInfo, config: ConvertConfig, out: Path, lost: Sequence[str]
) -> Iterator[str]:
    """One line for each thing that changes; `lost` is what the container cannot hold."""
    yield from _note_pixels(info, config)
    if info.rotation:
        yield f"stored turned by {info.rotation} degrees, written upright"
    if (info.width % 2 or info.height % 2) and not config.pictures:
        size = f"{info.width + info.width % 2}x{info.height + info.height % 2}"
        yield (
            f"{info.width}x{info.height} became {size}: {config.encoder().label} needs even sides, "
            "the last row or column is there twice"
        )
    if (aspect := upright_aspect(info)) != 1:
        wide = f"pixels are {float(aspect):.2f} times as wide as high"
        yield f"{wide} and stay so: faces are made as they are stored, squeezed"
    if config.is_part:
        yield "the output's time starts at 0"
        if info.audio and config.sound:
            yield "sound is cut at whole packets, up to one packet beyond"
    if config.pictures:
        if info.audio:
            yield "pictures hold no sound: it was left out"
        yield "the times of the pictures are in sequence.json"
        return
    if info.audio and not config.sound:
        yield "sound was left out"
    if lost:
        yield f"not kept: {'; '.join(lost)}"
    if out.suffix.lower() == ".mkv":
        yield "Matroska keeps times to 1/1000 s, and no sound from before 0"


def note_picture(info: MediaInfo) -> Iterator[str]:
    """What is not kept of a picture's pixels; its format is Pillow's mode."""
    if info.pixel_format in ("RGBA", "RGBa", "LA", "La", "PA"):
        yield "transparency is not kept: what is clear lies on white"
    if info.pixel_format.startswith(("I", "F")):
        yield "more than 8 bits a sample in, 8 bits out"


def _note_pixels(info: MediaInfo, config: ConvertConfig) -> Iterator[str]:
    layout, encoder = read_pixel_layout(info.pixel_format), config.encoder()
    if layout is None:
        return
    if layout.bits > 8:
        yield f"{layout.bits} bits a sample in, 8 bits out"
    if encoder.bits > 8 and not config.pictures:
        yield f"written with {encoder.bits} bits a sample, of which faces and frames have 8"
    if info.hdr and not {"hdr", "grey"} & {note.code for note in info.notes}:
        yield f"high dynamic range ({info.hdr}) in, standard range out: tone-mapped, BT.709"
    if layout.alpha:
        yield "transparency is not kept: the colours are written without it"
    out = encoder.chroma
    if _COLOURS.get(layout.chroma, 3) > _COLOURS[out] and not config.pictures:
        yield f"colour resolution {layout.chroma} in, {out} out"
