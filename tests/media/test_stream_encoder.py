"""Codec, depth, quality and preset go together, or the line says what does."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from drawn_media import draw

from counterface.errors import ConfigError, MediaError
from counterface.media.beside.join import Piece, join_pieces, time_base_of
from counterface.media.stream.encoder import choose_encoder
from counterface.media.stream.pixel_layout import PixelLayout, read_pixel_layout
from counterface.media.video_reader import VideoReader
from counterface.media.video_writer import VideoWriter
from counterface.types import Frame

TIMES = [i * Fraction(1001, 24_000) for i in range(6)]


@pytest.mark.parametrize(
    ("given", "suffix", "pixels", "tag"),
    [
        ({"codec": "h264", "bits": 10}, ".mp4", "yuv420p10le", "avc1"),
        ({"codec": "h265"}, ".mp4", "yuv420p", "hvc1"),
        ({"codec": "h265", "bits": 10, "crf": 12}, ".mov", "yuv420p10le", "hvc1"),
        ({"codec": "prores"}, ".mov", "yuv422p10le", "apch"),
        ({"codec": "prores", "preset": "proxy"}, ".mkv", "yuv422p10le", None),
    ],
)  # fmt: skip
def test_pieces_of_every_codec_are_joined_at_exact_times_and_true_colours(
    tmp_path: Path, given: dict[str, Any], suffix: str, pixels: str, tag: str | None
) -> None:
    pieces = []
    for number, span in enumerate((range(4), range(4, 6))):
        path = tmp_path / f"piece-{number}.mov"
        with VideoWriter(path, 96, 64, time_base=time_base_of(TIMES), **given) as writer:
            for index in span:
                writer.write(Frame(draw(index), index, TIMES[index] - TIMES[span.start]))
        pieces.append(Piece(path, tuple(TIMES[index] for index in span)))
    out = tmp_path / f"out{suffix}"
    join_pieces(pieces, out)
    with VideoReader(out, exact=True) as reader:
        frames = list(reader.frames())
    with av.open(str(out)) as container:
        context = container.streams.video[0].codec_context
        assert context.pix_fmt == pixels
        assert tag in (None, context.codec_tag)
    if suffix != ".mkv":
        assert [frame.pts for frame in frames] == TIMES
    off = [frame.image.astype(int) - draw(place) for place, frame in enumerate(frames)]
    assert max(np.abs(o).mean() for o in off) < 3
    assert max(abs(o.mean()) for o in off) < 0.5  # no colour cast, no darkening


@pytest.mark.parametrize("count", [1, 2, 3])
def test_packets_of_the_shortest_videos_are_decoded_in_time(tmp_path: Path, count: int) -> None:
    for size in range(200, 9000, 37):  # memory that the encoder takes over as it was
        np.full(size, 0x78, np.uint8)
    path = tmp_path / "a.mov"
    with VideoWriter(path, 96, 64, codec="h265", time_base=time_base_of(TIMES)) as writer:
        for index in range(count):
            writer.write(Frame(draw(index), index, TIMES[index]))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        assert sorted(packet.pts * stream.time_base for packet in packets) == TIMES[:count]
        decoded = [packet.dts * stream.time_base for packet in packets]
    assert decoded == sorted(set(decoded))
    assert decoded[0] >= -3 * TIMES[1]


def test_lossless_gives_any_picture_back(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (63, 95, 3), np.uint8)
    with VideoWriter(tmp_path / "a.mov", 95, 63, codec="rgb") as writer:
        writer.write(Frame(noise, 0, Fraction(0)))
    for exact in (False, True):
        with VideoReader(tmp_path / "a.mov", exact=exact) as reader:
            assert np.array_equal(next(reader.frames()).image, noise)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"codec": "av1"}, "no codec is named 'av1'; known: h264, h265, prores"),
        ({"codec": "prores", "crf": 18}, "ProRes has no crf"),
        ({"codec": "prores", "bits": 8}, "ProRes is written with 10 bits a sample, not 8"),
        ({"codec": "h264", "preset": "hq"}, "no preset of H.264 is named 'hq'; known: veryfast"),
        ({"codec": "h265", "crf": 52}, "crf of H.265 is 0 to 51, not 52"),
        ({"codec": "h265", "bits": 12}, "H.265 is written with 8 or 10 bits a sample, not 12"),
    ],
)
def test_what_does_not_go_together_is_told(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace(".", r"\.")):
        choose_encoder(**given)


def test_an_encoder_that_the_wheel_lacks_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str, mode: str) -> object:
        raise av.codec.codec.UnknownCodecError(name)

    monkeypatch.setattr(av, "Codec", absent)
    with pytest.raises(ConfigError, match=r"no encoder libx265 for H\.265.*another codec"):
        choose_encoder("h265")


def test_a_container_that_does_not_hold_the_codec_is_told(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"ProRes is written as \.mov, \.mkv"):
        VideoWriter(tmp_path / "a.mp4", 96, 64, codec="prores")


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("yuv420p", PixelLayout(8, False, "4:2:0")),
        ("yuva444p10le", PixelLayout(10, True, "4:4:4")),
        ("yuv422p10le", PixelLayout(10, False, "4:2:2")),
        ("rgba", PixelLayout(8, True, "4:4:4")),
        ("gray10le", PixelLayout(10, False, "4:0:0")),
        ("yuv411p", PixelLayout(8, False, "4:1:1")),
    ],
)
def test_the_name_of_a_pixel_format_says_what_it_stores(name: str, layout: PixelLayout) -> None:
    assert read_pixel_layout(name) == layout
    assert read_pixel_layout("no such format") is None
