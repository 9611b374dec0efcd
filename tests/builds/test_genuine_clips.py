"""Padding makes a genuine file as long as credentials make a swap, and changes no pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn_people import DRAWN, draw_person
from echo_model import echo_model
from swap_targets import write_target

from counterface.builds.genuine import pad_like, write_genuine
from counterface.errors import MediaError
from counterface.media.image import encode_image, read_image
from counterface.media.video_reader import read_video
from counterface.provenance.mark import Marker
from counterface.provenance.record import MadeOutput, MadeRecord
from counterface.swap.conversion.convert import convert
from counterface.swap.conversion.settings import ConvertConfig


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_padded_picture_has_the_signed_ones_length(tmp_path: Path, suffix: str) -> None:
    image = draw_person(1)[0]
    plain = tmp_path / f"plain.{suffix}"
    plain.write_bytes(encode_image(image, {"jpg": "JPEG", "png": "PNG"}[suffix]))
    signed = tmp_path / f"signed.{suffix}"
    record = MadeRecord(output=MadeOutput(name=signed.name), inputs=())
    Marker(watermark=False).finish(plain, signed, record, None, [image])
    padded = tmp_path / f"padded.{suffix}"
    padded.write_bytes(pad_like(plain.read_bytes(), signed.read_bytes()))
    assert signed.stat().st_size > plain.stat().st_size + 1000
    assert padded.stat().st_size == signed.stat().st_size
    assert np.array_equal(read_image(padded), read_image(plain))


@pytest.mark.parametrize("size", [4, 5, 65_534, 65_537, 65_538, 65_540, 131_075, 200_001])
def test_comments_of_any_length_stay_readable(tmp_path: Path, size: int) -> None:
    plain = encode_image(draw_person(1)[0], "JPEG")
    body = b""
    for start in range(0, size, 65_537):  # as many APP11 bytes as a signature of that size has
        part = min(65_537, size - start)
        part = max(part, 4)
        body += b"\xff\xeb" + (part - 2).to_bytes(2, "big") + bytes(part - 4)
    signed = plain[:2] + body + plain[2:]
    padded = pad_like(plain, signed)
    assert len(padded) == len(signed)
    (tmp_path / "a.jpg").write_bytes(padded)
    (tmp_path / "b.jpg").write_bytes(plain)
    assert np.array_equal(read_image(tmp_path / "a.jpg"), read_image(tmp_path / "b.jpg"))


def test_only_files_of_one_format_are_padded() -> None:
    image = draw_person(1)[0]
    jpeg, png = encode_image(image, "JPEG"), encode_image(image, "PNG")
    assert pad_like(jpeg, jpeg) == jpeg
    with pytest.raises(MediaError, match="own format"):
        pad_like(jpeg, png)
    with pytest.raises(MediaError, match="own format"):
        pad_like(b"words", b"words")


@pytest.mark.slow
def test_a_part_of_a_clip_with_odd_sides_is_written_as_its_swap(tmp_path: Path) -> None:
    images = [np.ascontiguousarray(image[:159, :191]) for image in draw_person(1)]
    clip = write_target(
        tmp_path / "odd.mkv", images, codec="ffv1", pixel_format="yuv444p", sound_s=0.3
    )
    config = ConvertConfig(rights=DRAWN, crf=24, from_s=0.1, to_s=0.3, segment_s=0.5)
    fake, real = tmp_path / "fake.mp4", tmp_path / "real.mp4"
    convert(echo_model(64), clip, fake, config, marker=Marker(watermark=False))
    write_genuine(clip, real, config, like=fake)
    one, other = (list(read_video(path)) for path in (real, fake))
    assert [f.pts for f in one] == [f.pts for f in other]
    assert len(one) == 5
    assert one[0].image.shape == other[0].image.shape == (160, 192, 3)
    assert not list(tmp_path.glob(".*"))
    late = ConvertConfig(rights=DRAWN, from_s=50.0)
    with pytest.raises(MediaError, match="no frame in the range"):
        write_genuine(clip, tmp_path / "none.mp4", late, like=fake)
