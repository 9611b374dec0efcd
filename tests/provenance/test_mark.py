"""Marking: every made file says so, nothing half made is left, and the pixels hardly change."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import numpy as np
import pytest
from made_files import a_record, busy, draw_frames, make_file, write_frames

from counterface.errors import ProvenanceError
from counterface.files import file_sha256
from counterface.media.image import read_image, write_image
from counterface.media.video_reader import read_video
from counterface.provenance import mark as mark_module
from counterface.provenance.credentials import read_credentials, sidecar_path
from counterface.provenance.fingerprint import KnownFakes
from counterface.provenance.mark import Marker
from counterface.provenance.record import read_record, record_path
from counterface.provenance.signer import Signer, local_signer, trust_anchors
from counterface.provenance.verify import verify_file


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "png", "jpg", "webp"])
def test_every_kind_of_file_gets_all_marks(tmp_path: Path, home: Path, suffix: str):
    out = tmp_path / f"out.{suffix}"
    record = make_file(out)
    assert read_record(record_path(out)) == record
    assert record.output.sha256 == file_sha256(out)
    assert record.output.bytes == out.stat().st_size
    assert record.marks is not None
    assert record.marks.watermark == int(record.marks.signer[:8], 16)
    embeds = suffix not in ("mkv", "webp")
    assert record.marks.credentials == ("embedded" if embeds else "sidecar")
    assert sidecar_path(out).exists() != embeds
    credentials = read_credentials(out, trust_anchors())
    assert credentials.state == "trusted"
    assert credentials.record_sha256 == record.facts_sha256()
    assert credentials.ingredients == (f"target.{suffix}",)
    known = KnownFakes(home).find_file(str(record.output.sha256))
    assert known is not None
    assert known.name == out.name
    assert known.record == str(record_path(out))


def test_nothing_else_is_left_in_the_folder(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    make_file(tmp_path / "folder" / "out.mkv")
    names = sorted(p.name for p in (tmp_path / "folder").iterdir())
    assert names == ["out.mkv", "out.mkv.c2pa", "out.mkv.record.json", "target.mkv"]


def test_there_is_no_way_to_leave_all_marks_out():
    assert set(inspect.signature(Marker).parameters) == {"watermark", "signer", "home"}
    assert set(inspect.signature(Marker.finish).parameters) == {
        *("self", "unsigned", "out", "record", "target", "keyframes", "times")
    }


def test_data_set_builds_leave_out_the_watermark_alone(tmp_path: Path):
    marker = Marker(watermark=False)
    image = draw_frames(1)[0].image
    assert marker.mark_frame(image) is image
    record = make_file(tmp_path / "out.png", marker)
    found = verify_file(tmp_path / "out.png")
    assert record.marks is not None
    assert record.marks.watermark is None
    assert found.watermark.state in ("not_found", "not_run")
    assert found.credentials.state == "trusted"
    assert found.record.state == "agrees"


def test_a_picture_too_small_for_a_watermark_is_not_said_to_have_one(tmp_path: Path):
    small = busy(draw_frames(1)[0].image)[:80, :80].copy()
    write_image(tmp_path / "raw.png", small)
    marker = Marker()
    np.testing.assert_array_equal(marker.mark_frame(small), small)
    record = a_record("out.png", tmp_path / "raw.png")
    out = tmp_path / "out.png"
    record = marker.finish(tmp_path / "raw.png", out, record, None, [small])
    assert record.marks is not None
    assert record.marks.watermark is None
    assert read_credentials(out, trust_anchors()).state == "trusted"


def test_signing_leaves_the_pixels_alone_and_marking_hardly_changes_them(tmp_path: Path):
    make_file(tmp_path / "out.png")
    before, after = read_image(tmp_path / "target.png"), read_image(tmp_path / "out.png")
    error = np.mean((before.astype(float) - after) ** 2)
    assert error > 0
    assert 10 * np.log10(255**2 / error) > 40
    make_file(tmp_path / "out.mp4")
    assert len(list(read_video(tmp_path / "out.mp4"))) == 12


def test_a_second_output_of_the_name_replaces_the_first_and_its_marks(tmp_path: Path):
    out = tmp_path / "out.png"
    make_file(out)
    sidecar_path(out).write_bytes(b"of something older")
    record = make_file(out, person=2)
    assert read_record(record_path(out)) == record
    assert not sidecar_path(out).exists()
    assert verify_file(out).record.state == "agrees"


@pytest.mark.parametrize("step", ["sign", "file_sha256", "write_record"])
def test_whatever_fails_no_output_appears_and_an_old_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
):
    folder = tmp_path / "folder"
    folder.mkdir()
    marker = Marker()
    frames = [marker.mark_frame(f.image) for f in draw_frames(4)]
    raw = write_frames(folder / "raw.mp4", frames)
    (folder / "out.mp4").write_bytes(b"old")

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mark_module, step, fail)
    record = a_record("out.mp4", raw)
    with pytest.raises(ProvenanceError, match="No space left"):
        marker.finish(raw, folder / "out.mp4", record, raw, frames[:1])
    assert (folder / "out.mp4").read_bytes() == b"old"
    assert sorted(p.name for p in folder.iterdir()) == ["out.mp4", "raw.mp4"]


def test_a_callback_signs(tmp_path: Path):
    local = local_signer(tmp_path / "elsewhere")
    asked: list[int] = []

    def sign(data: bytes) -> bytes:
        asked.append(len(data))
        return local.sign(data)

    make_file(tmp_path / "out.png", Marker(signer=Signer(local.chain, "es256", sign)))
    assert asked
    assert read_credentials(tmp_path / "out.png", [local.root]).state == "trusted"
    assert read_credentials(tmp_path / "out.png", []).state == "valid_unknown_signer"


def test_the_record_holds_no_path_of_this_machine(tmp_path: Path):
    make_file(tmp_path / "out.mp4")
    assert str(tmp_path) not in record_path(tmp_path / "out.mp4").read_text()
    assert str(tmp_path).encode() not in (tmp_path / "out.mp4").read_bytes()
    json.loads(record_path(tmp_path / "out.mp4").read_text())
