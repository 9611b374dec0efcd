"""Content credentials: what is signed holds, a flipped byte is noticed, rubbish does no harm."""

from __future__ import annotations

import hashlib
import socket
import struct
import subprocess
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import actors
import pytest
from signing import write_identity

from counterface.errors import ProvenanceError
from counterface.media.image import write_image
from counterface.provenance import credentials, manifest_process
from counterface.provenance.credentials import Credentials, read_credentials, sidecar_path, sign
from counterface.provenance.signer import Signer, local_signer, pem_signer

EMBEDDED = ["mp4", "mov", "jpg", "png"]
SIDECAR = ["mkv", "avi"]
RECORD = "ab" * 32


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One small unsigned file of each kind, by suffix."""
    folder = tmp_path_factory.mktemp("raw")
    clip = actors.draw_clip([1], 4, 128, 96)
    for suffix in ("mp4", "mov", "mkv", "avi"):
        actors.write_clip(folder / f"raw.{suffix}", clip)
    for suffix in ("jpg", "png"):
        write_image(folder / f"raw.{suffix}", actors.draw_actor(1, size=96).image)
    return {path.suffix[1:]: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return local_signer(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def signed(
    raw: dict[str, Path], signer: Signer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The files signed, by suffix."""
    folder = tmp_path_factory.mktemp("signed")
    found = {}
    for suffix in (*EMBEDDED, *SIDECAR):
        found[suffix] = folder / f"out.{suffix}"
        sign_as(raw[suffix], found[suffix], signer, raw["mp4"])
    return found


def sign_as(unsigned: Path, out: Path, signer: Signer, target: Path | None = None) -> str:
    return sign(
        unsigned,
        out,
        signer,
        name=out.name,
        record_sha256=RECORD,
        target=target,
        watermarked=True,
    )


def judge(file: Path, anchors: list[str], sidecar: Path | None = None) -> Credentials:
    """As `read_credentials`, without a process for each file."""
    beside = None if sidecar is None else str(sidecar)
    request = {"path": str(file), "sidecar": beside, "anchors": anchors}
    return credentials._judge(manifest_process.answer(request), "embedded")


@pytest.mark.parametrize("suffix", [*EMBEDDED, *SIDECAR])
def test_what_is_signed_here_is_trusted_here_and_says_what_it_is(
    signed: dict[str, Path], signer: Signer, suffix: str
):
    found = read_credentials(signed[suffix], [signer.root])
    assert found.state == "trusted", found.reason
    assert found.place == ("embedded" if suffix in EMBEDDED else "sidecar")
    assert found.says_synthetic
    assert found.source_types == ("compositeWithTrainedAlgorithmicMedia",)
    assert found.ingredients == ("raw.mp4",)
    assert found.made_by.startswith("Counterface ")
    assert found.record_sha256 == RECORD
    assert sidecar_path(signed[suffix]).exists() == (suffix in SIDECAR)


def test_elsewhere_the_signer_is_unknown(signed: dict[str, Path], tmp_path: Path):
    stranger = local_signer(tmp_path)
    for anchors in ([], [stranger.root]):
        found = read_credentials(signed["mp4"], anchors)
        assert found.state == "valid_unknown_signer"
        assert "nobody you trust" in found.reason


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "jpg"])
def test_unsigned_files_have_none(raw: dict[str, Path], suffix: str):
    assert read_credentials(raw[suffix]).state == "none"


def test_the_picture_and_sound_are_as_they_were(raw: dict[str, Path], signed: dict[str, Path]):
    for suffix in EMBEDDED:
        before, after = raw[suffix].stat().st_size, signed[suffix].stat().st_size
        assert before < after < before + 20_000  # no thumbnails
    for suffix in ("mp4", "mov"):
        assert mdat(raw[suffix]) == mdat(signed[suffix])
    for suffix in SIDECAR:
        assert raw[suffix].read_bytes() == signed[suffix].read_bytes()


def mdat(file: Path) -> bytes:
    data = file.read_bytes()
    return next(data[at + 8 : at + size] for kind, at, size in boxes(data) if kind == b"mdat")


def boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Type, place and size of each box of an MP4 file."""
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, at, size
        at += size


def flipped(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 1 << (place % 8)
    return bytes(changed)


@pytest.mark.slow
def test_a_flipped_byte_in_any_box_of_an_mp4_is_noticed(
    signed: dict[str, Path], signer: Signer, tmp_path: Path
):
    data = signed["mp4"].read_bytes()
    kinds = {kind: range(at, at + size) for kind, at, size in boxes(data)}
    assert set(kinds) == {b"ftyp", b"uuid", b"free", b"mdat", b"moov"}
    places = {p for r in kinds.values() for p in [*r[:40], *r[:: max(1, len(r) // 60)], r[-1]]}
    places |= set(kinds[b"uuid"][:160])  # heads that C2PA itself does not look at
    tally: Counter[str] = Counter()
    for place in sorted(places):
        (tmp_path / "x.mp4").write_bytes(flipped(data, place))
        found = judge(tmp_path / "x.mp4", [signer.root])
        tally[found.state] += 1
        assert found.state == "invalid", (place, found)
    assert tally["invalid"] > 400


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("suffix", [*EMBEDDED, *SIDECAR])
def test_every_flipped_byte_is_noticed(
    signed: dict[str, Path], signer: Signer, tmp_path: Path, suffix: str
):
    file, changed = signed[suffix], tmp_path / f"x.{suffix}"
    sidecar = sidecar_path(file) if suffix in SIDECAR else None
    for whole in filter(None, (file, sidecar)):
        data = whole.read_bytes()
        for place in range(len(data)):
            changed.write_bytes(flipped(data, place))
            found = (
                judge(changed, [signer.root], sidecar)
                if whole is file
                else judge(file, [signer.root], changed)
            )
            assert found.state == "invalid", (whole.name, place, found)


def test_a_flipped_byte_by_way_of_the_child_process(
    signed: dict[str, Path], signer: Signer, tmp_path: Path
):
    data = signed["mp4"].read_bytes()
    ends = {kind: at + size - 1 for kind, at, size in boxes(data)}
    wants = {
        b"ftyp": "file type box",
        b"uuid": "",
        b"mdat": "content was changed",
        b"moov": "content was changed",
    }
    for kind, says in wants.items():
        (tmp_path / "x.mp4").write_bytes(flipped(data, ends[kind]))
        found = read_credentials(tmp_path / "x.mp4", [signer.root])
        assert found.state == "invalid"
        assert says in found.reason


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["jpg", "png", "mkv"])
def test_flipped_bytes_in_the_manifest_of_other_kinds_are_noticed(
    signed: dict[str, Path], signer: Signer, tmp_path: Path, suffix: str
):
    whole = sidecar_path(signed[suffix]) if suffix == "mkv" else signed[suffix]
    data = whole.read_bytes()
    start = max(0, data.find(b"jumb") - 24)
    for place in range(start, start + 4500, 23):
        (tmp_path / "x").write_bytes(flipped(data, place))
        found = (
            judge(signed[suffix], [signer.root], tmp_path / "x")
            if suffix == "mkv"
            else judge(tmp_path / "x", [signer.root])
        )
        assert found.state == "invalid", (place, found)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["mp4", "jpg"])
def test_credentials_of_the_target_travel_along_and_are_covered(
    raw: dict[str, Path], signed: dict[str, Path], signer: Signer, tmp_path: Path, suffix: str
):
    out = tmp_path / "again.mp4"
    sign_as(raw["mp4"], out, signer, target=signed[suffix])
    found = judge(out, [signer.root])
    assert found.state == "trusted"
    assert found.earlier_source_types == ("compositeWithTrainedAlgorithmicMedia",)
    data = out.read_bytes()
    start = data.find(b"jumb") + (61 if suffix == "jpg" else 0)
    for place in range(start, start + 16_000, 122):
        (tmp_path / "x.mp4").write_bytes(flipped(data, place))
        assert judge(tmp_path / "x.mp4", [signer.root]).state == "invalid", place


def test_a_target_with_broken_credentials_does_not_break_the_output(
    raw: dict[str, Path], signed: dict[str, Path], signer: Signer, tmp_path: Path
):
    data = signed["mp4"].read_bytes()
    at = data.find(b"c2pa.assertions")
    (tmp_path / "target.mp4").write_bytes(flipped(data, at + 6))
    sign_as(raw["mp4"], tmp_path / "out.mp4", signer, target=tmp_path / "target.mp4")
    assert judge(tmp_path / "out.mp4", [signer.root]).state == "trusted"


@pytest.mark.parametrize("kind", ["ec256", "ec384", "ec521", "rsa", "ed25519"])
def test_every_kind_of_key_signs(raw: dict[str, Path], tmp_path: Path, kind: str):
    brought = pem_signer(*write_identity(tmp_path, kind))
    for suffix in ("mp4", "jpg"):
        sign_as(raw[suffix], tmp_path / f"out.{suffix}", brought)
        assert judge(tmp_path / f"out.{suffix}", [brought.root]).state == "trusted"
    assert "actor" in judge(tmp_path / "out.mp4", []).signer


def test_a_signer_that_fails_is_an_error_and_leaves_nothing_that_looks_signed(
    raw: dict[str, Path], signer: Signer, tmp_path: Path
):
    def broken(data: bytes) -> bytes:
        raise RuntimeError("the token was pulled out")

    with pytest.raises(ProvenanceError, match="cannot be signed"):
        sign_as(raw["mp4"], tmp_path / "out.mp4", Signer(signer.chain, "es256", broken))
    if (tmp_path / "out.mp4").exists():
        assert judge(tmp_path / "out.mp4", [signer.root]).state != "trusted"


def test_a_signature_of_another_key_is_not_accepted(
    raw: dict[str, Path], signer: Signer, tmp_path: Path
):
    other = local_signer(tmp_path)
    with pytest.raises(ProvenanceError):
        sign_as(raw["mp4"], tmp_path / "out.mp4", Signer(signer.chain, "es256", other.sign))


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def without_manifest(data: bytes) -> bytes:
    return b"".join(data[at : at + size] for kind, at, size in boxes(data) if kind != b"uuid")


def moved(data: bytes) -> bytes:
    """The manifest of one file put into another."""
    at = data.find(b"mdat") + 400
    return data[:at] + hashlib.sha256(b"other").digest() + data[at + 32 :]


@pytest.mark.parametrize("change", [cut, moved])
def test_cut_and_exchanged_content_is_noticed(
    signed: dict[str, Path], signer: Signer, tmp_path: Path, change: Callable[[bytes], bytes]
):
    (tmp_path / "x.mp4").write_bytes(change(signed["mp4"].read_bytes()))
    assert judge(tmp_path / "x.mp4", [signer.root]).state == "invalid"


@pytest.mark.parametrize("kind", [b"free", b"skip", b"mfra", b"ftyp", b"uuid", b"wide", b"mdat"])
def test_bytes_that_were_added_are_noticed(
    signed: dict[str, Path], signer: Signer, tmp_path: Path, kind: bytes
):
    more = struct.pack(">I4s", 28, kind) + b"something in 20 byte"
    data = signed["mp4"].read_bytes()
    (tmp_path / "x.mp4").write_bytes(data + more)
    assert judge(tmp_path / "x.mp4", [signer.root]).state == "invalid"
    (tmp_path / "x.mp4").write_bytes(data + bytes(3))
    assert judge(tmp_path / "x.mp4", [signer.root]).state == "invalid"


def test_credentials_that_were_taken_out_are_gone(signed: dict[str, Path], tmp_path: Path):
    (tmp_path / "x.mp4").write_bytes(without_manifest(signed["mp4"].read_bytes()))
    assert read_credentials(tmp_path / "x.mp4").state == "none"


def test_a_png_with_a_wrong_check_sum_is_noticed(
    signed: dict[str, Path], signer: Signer, tmp_path: Path
):
    data = signed["png"].read_bytes()
    at = data.find(b"caBX")
    size = struct.unpack(">I", data[at - 4 : at])[0]
    assert zlib.crc32(data[at : at + 4 + size]) == struct.unpack_from(">I", data, at + 4 + size)[0]
    (tmp_path / "x.png").write_bytes(flipped(data, at + 4 + size))
    assert judge(tmp_path / "x.png", [signer.root]).state == "invalid"


@pytest.mark.parametrize(
    "content",
    [
        b"c2pa.claim",
        b"\xff\xd8\xff\xeb\x00\x10JP\x02\x11" + b"jumdc2pa" * 10,
        b"\x00\x00\x00\x20ftypisom" + b"c2pa.claim" * 400,
        bytes.fromhex("7fffffff75756964d8fec3d61b0e483c92975828877ec481") + bytes(64),
        b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffcaBXjumdc2pa",
    ],
)
def test_remains_and_rubbish_are_never_valid(tmp_path: Path, content: bytes):
    (tmp_path / "x.mp4").write_bytes(content)
    assert read_credentials(tmp_path / "x.mp4").state == "invalid"


def test_a_hostile_sidecar_is_invalid(raw: dict[str, Path], tmp_path: Path):
    file = tmp_path / "x.mkv"
    file.write_bytes(raw["mkv"].read_bytes())
    for content in (b"", b"\x00\x00\x00\x00jumb", b"\xff" * 5000):
        sidecar_path(file).write_bytes(content)
        assert read_credentials(file).state == "invalid"


def test_a_reader_that_dies_or_hangs_is_told(signed: dict[str, Path], monkeypatch):
    monkeypatch.setattr(credentials, "MEMORY_MB", 30)
    assert "ended the reading process" in read_credentials(signed["mp4"]).reason

    def hang(*args: object, **kwargs: object) -> None:
        raise subprocess.TimeoutExpired("reader", 1)

    monkeypatch.setattr(subprocess, "run", hang)
    assert "time allowed" in read_credentials(signed["mp4"]).reason


def test_signing_and_reading_ask_nobody(
    raw: dict[str, Path], signer: Signer, tmp_path: Path, monkeypatch
):
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    sign_as(raw["jpg"], tmp_path / "out.jpg", signer)
    assert judge(tmp_path / "out.jpg", [signer.root]).state == "trusted"


def test_names_in_a_manifest_are_cleaned(raw: dict[str, Path], signer: Signer, tmp_path: Path):
    target = tmp_path / ("\x1b[2J\u202egnp" + "x" * 200 + ".mp4")
    target.write_bytes(raw["mp4"].read_bytes())
    sign_as(raw["mp4"], tmp_path / "out.mp4", signer, target=target)
    (name,) = judge(tmp_path / "out.mp4", [signer.root]).ingredients
    assert name.isprintable()
    assert "\x1b" not in name
