"""Pictures in HDR or a wide gamut become what a viewer shows, however the file says it."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from drawn_media import draw
from PIL import ImageCms
from test_tone_map import as_hdr

from counterface.media.color.tone_map import HLG, PQ, ColorTags, tone_map_for
from counterface.media.image import read_image
from counterface.media.notes import MediaNote
from counterface.media.picture.color import color_tags
from counterface.media.probe import probe

BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
D50 = np.array([0.9642, 1.0, 0.8249])
# linear RGB to CIE XYZ, as the standards print them: SMPTE EG 432-1 (P3, white D65), IEC 61966-2-1
P3_TO_XYZ = np.array(
    [[0.48657, 0.26567, 0.19822], [0.22897, 0.69174, 0.07929], [0.0, 0.04511, 1.04394]]
)
SRGB_TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)


def p3_profile(gamma: float = 2.2, cicp: tuple[int, int] | None = None) -> bytes:
    """An ICC profile with the primaries P3, white D65 and a plain gamma."""
    to_xyz = P3_TO_XYZ
    white = BRADFORD @ to_xyz.sum(1)
    columns = (np.linalg.inv(BRADFORD) @ np.diag(BRADFORD @ D50 / white) @ BRADFORD @ to_xyz).T
    text = b"desc" + bytes(4) + struct.pack(">I", 8) + b"Made P3\0" + bytes(78)

    def xyz(values: np.ndarray) -> bytes:
        return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in values))

    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    tags = {b"desc": text, b"wtpt": xyz(D50), b"cprt": b"text" + bytes(4) + b"none"}
    tags |= {name: xyz(c) for name, c in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    if cicp:
        tags[b"cicp"] = b"cicp" + bytes(4) + bytes([*cicp, 0, 1])
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", start + len(body), b"", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28)
    head += struct.pack(">3i", *(round(v * 65536) for v in D50))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def write_png(path: Path, image: np.ndarray, primaries: int, transfer: int) -> Path:
    """A PNG with the chunk cICP behind its header."""
    stream = BytesIO()
    PIL.Image.fromarray(image).save(stream, "PNG")
    data, chunk = stream.getvalue(), b"cICP" + bytes([primaries, transfer, 0, 1])
    cicp = struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(data[:33] + cicp + data[33:])
    return path


def write_hdr(path: Path, name: int) -> Path:
    """The drawn picture laid into HDR, as PNG, AVIF or HEIC by the suffix."""
    image = (as_hdr(draw(3, 192, 128), name) >> 8).astype(np.uint8)
    if path.suffix == ".png":
        return write_png(path, image, 9, name)
    heif = pytest.importorskip("pillow_heif")
    picture = heif.from_pillow(PIL.Image.fromarray(image))
    options = {"color_primaries": 9, "transfer_characteristics": name, "matrix_coefficients": 9}
    picture.save(path, quality=98, chroma=444, full_range_flag=1, **options)
    return path


@pytest.mark.parametrize("name", [PQ, HLG])
@pytest.mark.parametrize("suffix", [".png", ".heic"])
def test_hdr_is_tone_mapped_with_a_note(tmp_path: Path, suffix: str, name: int) -> None:
    path = write_hdr(tmp_path / f"a{suffix}", name)
    notes: list[MediaNote] = []
    image = read_image(path, tell=notes.append)
    assert [note.code for note in notes] == ["hdr"]
    assert probe(path).hdr == {PQ: "PQ", HLG: "HLG"}[name]
    table = tone_map_for(ColorTags(transfer=name, primaries=9))
    assert table is not None
    deep = table.apply(as_hdr(draw(3, 192, 128), name))
    assert np.abs(image.astype(int) - deep).mean() < 4  # of 8 bits, of which PQ needs 10


def test_code_points_of_avif_and_profiles(tmp_path: Path) -> None:
    path = tmp_path / "a.avif"
    PIL.Image.fromarray(draw(3)).save(path)
    assert color_tags(path).hdr is None
    nclx = b"colrnclx\x00\x01\x00\x0d"
    data = path.read_bytes()
    assert nclx in data
    path.write_bytes(data.replace(nclx, b"colrnclx\x00\x09\x00\x10"))
    assert color_tags(path).hdr == "PQ"
    for length in range(12, 300, 7):  # cut anywhere
        (tmp_path / "cut.avif").write_bytes(path.read_bytes()[:length])
        color_tags(tmp_path / "cut.avif")
    PIL.Image.fromarray(draw(3)).save(tmp_path / "a.jpg")
    assert color_tags(tmp_path / "a.jpg", p3_profile(cicp=(9, HLG))).hdr == "HLG"
    assert color_tags(tmp_path / "a.jpg", p3_profile()).hdr is None


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_wide_gamut_becomes_srgb(tmp_path: Path, mode: str) -> None:
    picture = PIL.Image.new("RGB", (16, 16), (200, 120, 100)).convert(mode)
    picture.save(tmp_path / "a.png", icc_profile=p3_profile())
    light = np.linalg.inv(SRGB_TO_XYZ) @ P3_TO_XYZ @ (np.array([200, 120, 100]) / 255) ** 2.2
    expected = 255 * (1.055 * light ** (1 / 2.4) - 0.055)
    notes: list[MediaNote] = []
    image = read_image(tmp_path / "a.png", tell=notes.append)
    assert np.abs(image[8, 8] - expected).max() < 2.5
    assert [note.code for note in notes] == ["wide_gamut"]
    assert "'Made P3'" in notes[0].text


def test_a_profile_that_is_srgb_or_damaged_changes_nothing(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"nonsense", srgb[:200]):
        notes: list[MediaNote] = []
        PIL.Image.fromarray(draw(3)).save(tmp_path / "a.png", icc_profile=profile)
        assert np.array_equal(read_image(tmp_path / "a.png", tell=notes.append), draw(3))
        assert notes == []
