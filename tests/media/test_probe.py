"""The facts of a file, and compression strengths that rise with compression."""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from drawn_media import draw, write_clip

from counterface.media.compression import from_blockiness, from_jpeg_tables, from_quantisers
from counterface.media.image import encode_image
from counterface.media.probe import probe

CLOCKWISE = [0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30]


@pytest.fixture(scope="module")
def textured() -> np.ndarray:
    """RGB (256, 256, 3): soft blobs and fine grain, never compressed."""
    rng = np.random.default_rng(5)
    coarse = PIL.Image.fromarray(rng.integers(0, 255, (12, 12, 3), np.uint8))
    image = np.asarray(coarse.resize((256, 256), PIL.Image.Resampling.BICUBIC)).astype(np.float64)
    return (image + rng.normal(0, 4, image.shape)).clip(0, 255).astype(np.uint8)


def test_facts_of_a_clip(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 25, sound_s=1, matrix=CLOCKWISE)
    info = probe(path)
    assert (info.kind, info.codec, info.pixel_format) == ("video", "h264", "yuv420p")
    assert (info.width, info.height, info.rotation) == (64, 96, 90)  # drawn as 96x64
    assert (info.fps, info.frame_count, info.start_s) == (Fraction(25), 25, 0)
    assert info.duration_s == pytest.approx(1, abs=0.05)
    assert info.bytes == path.stat().st_size
    assert info.bit_rate is not None
    assert 0 < info.bit_rate <= 8 * info.bytes / info.duration_s + 1
    (sound,) = info.audio
    assert (sound.codec, sound.sample_rate, sound.channels) == ("aac", 48_000, 2)
    assert sound.duration_s == pytest.approx(1, abs=0.05)


def test_a_codec_has_the_name_of_its_format_and_not_of_a_decoder(tmp_path: Path) -> None:
    info = probe(write_clip(tmp_path / "a.mkv", 5, sound_s=1, sound_codec="mp2"))
    assert (info.codec, info.audio[0].codec) == ("h264", "mp2")  # FFmpeg decodes by mp2float


def test_a_recording_may_start_late(tmp_path: Path) -> None:
    times = [Fraction(3) + Fraction(i, 25) for i in range(5)]
    info = probe(write_clip(tmp_path / "a.ts", 5, times=times))
    assert info.start_s >= 3
    assert info.audio == ()


def test_facts_of_a_picture(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(draw(0)).save(tmp_path / "a.jpg", exif=exif, quality=80)
    info = probe(tmp_path / "a.jpg")
    assert (info.kind, info.container, info.pixel_format) == ("image", "JPEG", "RGB")
    assert (info.width, info.height, info.rotation) == (64, 96, 90)
    assert (info.fps, info.duration_s, info.frame_count, info.audio) == (None, None, 1, ())


@pytest.mark.parametrize("codec", ["libx264", "libvpx-vp9"])
def test_the_quantiser_is_read_from_the_stream(tmp_path: Path, codec: str, textured) -> None:
    frames = [np.roll(textured, 3 * i, axis=1) for i in range(12)]
    found = []
    for crf in (16, 30, 44):
        path = tmp_path / f"{crf}.mkv"
        name = "qp" if codec == "libx264" else "crf"
        write_clip(path, frames, codec=codec, options={name: str(crf), "b": "0"})
        found.append(probe(path).compression)
    assert [c.method for c in found] == ["quantiser"] * 3
    strengths = [c.strength for c in found]
    assert strengths == sorted(strengths)
    assert strengths[0] < strengths[2] - 0.3
    if codec == "libx264":
        assert found[1].quantiser == pytest.approx(30, abs=3)


def test_without_quantisers_blockiness_answers(tmp_path: Path) -> None:
    options = {"x265-params": "log-level=none"}
    path = write_clip(tmp_path / "a.mp4", 5, codec="libx265", options=options)
    assert probe(path).compression.method == "blockiness"


def test_jpeg_tables_and_blockiness_agree(textured) -> None:
    clean = from_blockiness([textured])
    assert (clean.strength, clean.quantiser) == (pytest.approx(0, abs=0.05), None)
    stated, seen = [], []
    for quality in (95, 75, 50, 30, 10):
        picture = PIL.Image.open(BytesIO(encode_image(textured, "JPEG", quality)))
        stated.append(from_jpeg_tables(picture.quantization).strength)
        seen.append(from_blockiness([np.asarray(picture)]).strength)
    assert stated == sorted(stated)
    assert stated[0] < 0.1
    assert stated[-1] > 0.7
    assert np.corrcoef(stated, seen)[0, 1] > 0.8


def test_a_picture_without_tables_is_looked_at(tmp_path: Path, textured) -> None:
    squeezed = PIL.Image.open(BytesIO(encode_image(textured, "JPEG", 20)))
    squeezed.save(tmp_path / "a.png")
    compression = probe(tmp_path / "a.png").compression
    assert compression.method == "blockiness"
    assert compression.strength > 0.2


def test_strength_needs_a_sample() -> None:
    assert from_quantisers([]) is None
    light, heavy = from_quantisers([("h264", 12)]), from_quantisers([("h264", 51)])
    assert light is not None
    assert heavy is not None
    assert (light.strength, heavy.strength) == (0, 1)


@pytest.mark.footage
def test_real_clips_state_their_facts(footage: Path) -> None:
    info = probe(footage / "clips_talking_heads" / "liveportrait_d12.mp4")
    assert (info.width, info.height, info.fps, info.frame_count) == (512, 512, 25, 183)
    assert info.audio[0].sample_rate == 44_100
    assert info.compression.quantiser == pytest.approx(22, abs=1)
