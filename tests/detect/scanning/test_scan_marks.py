"""Marks of origin in a scan: what proves decides, what hints forbids a clean bill, nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_files import draw_frames, make_file, write_frames
from scan_media import tiny_config

import counterface
from counterface.detect.evaluate import Entry, score_files
from counterface.detect.findings import Report
from counterface.detect.scanning import marks as marks_module
from counterface.detect.scanning.marks import look_for_marks, mark_notices, weigh_marks
from counterface.media.video_reader import read_video
from counterface.provenance import credentials as credentials_module
from counterface.provenance.credentials import Credentials
from counterface.provenance.verify import (
    KnownFakeCheck,
    PixelSearch,
    Provenance,
    RecordCheck,
    WatermarkCheck,
)
from counterface.types import Verdict


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made clip, its target, the clip encoded anew, a clip from elsewhere, and the home."""
    folder = tmp_path_factory.mktemp("desk")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERFACE_HOME", str(folder / "home"))
        make_file(folder / "out.mp4")
    again = [frame.image for frame in read_video(folder / "out.mp4")]
    write_frames(folder / "again.mp4", again, crf=28)
    write_frames(folder / "other.mp4", [f.image for f in draw_frames(6, person=5)])
    return folder


@pytest.fixture
def maker(desk: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The desk, looked at by who made the files."""
    monkeypatch.setenv("COUNTERFACE_HOME", str(desk / "home"))
    return desk


def scan(file: Path, folder: Path, **changes: Any) -> Report:
    return counterface.scan(file, tiny_config(folder, gain=1e-3, frames=12, **changes))


@pytest.fixture(scope="module")
def made(desk: Path) -> Report:
    """What its maker is told of the made clip."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERFACE_HOME", str(desk / "home"))
        return scan(desk / "out.mp4", desk)


def test_a_made_file_is_called_so_whatever_the_detector_thinks(
    maker: Path, made: Report, tmp_path: Path
):
    assert scan(maker / "out.mp4", tmp_path, marks=False).verdict is Verdict.INCONCLUSIVE
    found = made
    assert found.verdict is Verdict.LIKELY_MANIPULATED
    assert found.provenance is not None
    assert found.reasons[0] == found.provenance.mark
    assert "content credentials" in found.reasons[0]
    assert found.reasons[1] == "The detector alone would have come to no verdict."
    ran = {check.name for check in found.checks if check.ran}
    assert {"content_credentials", "watermark", "known_fakes"} <= ran


@pytest.mark.slow
def test_the_watermark_alone_decides_too(maker: Path, tmp_path: Path):
    found = scan(maker / "again.mp4", tmp_path)
    assert found.provenance is not None
    assert found.provenance.credentials.state == "none"
    assert found.verdict is Verdict.LIKELY_MANIPULATED
    assert "watermark" in found.reasons[0]


def test_a_file_without_marks_is_judged_by_the_detector_alone(maker: Path, tmp_path: Path):
    with_marks, without = (scan(maker / "other.mp4", tmp_path, marks=on) for on in (True, False))
    assert without.provenance is None
    assert with_marks.provenance is not None
    assert with_marks.provenance.nothing
    assert with_marks.provenance.in_a_line.startswith("No content credentials, no watermark")
    assert with_marks.verdict is without.verdict
    assert with_marks.reasons == without.reasons
    assert with_marks.notices == without.notices
    assert with_marks.tracks == without.tracks


@pytest.mark.slow
def test_the_footage_that_a_fake_was_made_from_is_not_accused(maker: Path, tmp_path: Path):
    found = scan(maker / "target.mp4", tmp_path)
    assert found.verdict is Verdict.INCONCLUSIVE
    (text,) = [notice.text for notice in found.notices if notice.code == "origin"]
    assert "footage that it was made from" in text


def test_marks_go_into_the_report_and_come_back(made: Report):
    again = Report.model_validate_json(made.to_json())
    assert again == made
    assert again.provenance is not None
    assert again.provenance.watermark.state == "found"
    assert json.loads(made.to_json())["provenance"]["credentials"]["state"] == "trusted"


def test_evaluation_measures_the_detector_and_not_the_marks(
    maker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(marks_module, "MarkJob", None)  # looking for marks would be an error
    item = Entry(path=maker / "out.mp4", label=1, source="a")
    (score,) = score_files([item], tiny_config(tmp_path, gain=1e-3, frames=4))
    assert score.error is None
    assert score.probability is not None


@pytest.mark.slow
def test_a_camera_s_credentials_are_shown_and_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        credentials_module, "_SOURCE_TYPE", "http://cv.iptc.org/newscodes/x/digitalCapture"
    )
    with monkeypatch.context() as patch:
        patch.setenv("COUNTERFACE_HOME", str(tmp_path / "camera"))
        make_file(tmp_path / "out.png")
    (tmp_path / "out.png.record.json").unlink()
    plain = scan(tmp_path / "out.png", tmp_path, marks=False)
    for home, state in (("nobody", "valid_unknown_signer"), ("trusting", "trusted")):
        trust = tmp_path / home / "trust"
        trust.mkdir(parents=True)
        if home == "trusting":
            text = (tmp_path / "camera" / "identity.pem").read_text()
            (trust / "camera.pem").write_text(text[text.index("-----BEGIN CERT") :])
        monkeypatch.setenv("COUNTERFACE_HOME", str(tmp_path / home))
        found = scan(tmp_path / "out.png", tmp_path)
        assert found.provenance is not None
        assert found.provenance.credentials.state == state
        assert found.provenance.credentials.source_types == ("digitalCapture",)
        assert not found.provenance.nothing
        assert (found.verdict, found.reasons) == (plain.verdict, plain.reasons)


@pytest.mark.slow
def test_a_damaged_home_folder_does_not_end_a_scan(
    desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("identity.pem", "watermark.key", "known_fakes.sqlite"):
        (tmp_path / name).write_bytes(b"rubbish")
        (tmp_path / name).chmod(0o600)
    monkeypatch.setenv("COUNTERFACE_HOME", str(tmp_path))
    found = scan(desk / "again.mp4", tmp_path)
    ran = {check.name: check.ran for check in found.checks}
    assert not ran["watermark"]
    assert not ran["known_fakes"]
    assert found.verdict is Verdict.INCONCLUSIVE


def some_marks(credentials: Credentials | None = None, **changes: Any) -> Provenance:
    """Nothing found, but for the changes."""
    fields: dict[str, Any] = {
        "credentials": credentials or Credentials(state="none", reason="none"),
        "watermark": WatermarkCheck(state="not_found", reason="none"),
        "known_fake": KnownFakeCheck(state="no_match", reason="none"),
        "record": RecordCheck(state="none", reason="none"),
        "altered": False,
    }
    return Provenance(**{**fields, **changes})


@pytest.mark.parametrize("verdict", list(Verdict))
def test_what_marks_do_to_each_verdict(verdict: Verdict):
    why = ("because",)
    assert weigh_marks(verdict, why, None) == (verdict, why)
    assert weigh_marks(verdict, why, some_marks()) == (verdict, why)
    after, reasons = weigh_marks(verdict, why, some_marks(mark="It says so."))
    assert after is Verdict.LIKELY_MANIPULATED
    assert (reasons[0], reasons[-1]) == ("It says so.", "because")
    doubted = some_marks(doubt="It may be.")
    after, reasons = weigh_marks(verdict, why, doubted)
    assert after is not Verdict.NO_MANIPULATION_FOUND
    assert after is not Verdict.NO_FACE
    assert (after is Verdict.LIKELY_MANIPULATED) == (verdict is Verdict.LIKELY_MANIPULATED)
    told = [*reasons, *(notice.text for notice in mark_notices(reasons, doubted))]
    assert told.count("It may be.") == 1


def test_broken_credentials_are_a_notice_and_no_verdict():
    broken = Credentials(state="invalid", reason="They do not hold.")
    marks = some_marks(broken, altered=True)
    assert weigh_marks(Verdict.NO_FACE, (), marks) == (Verdict.NO_FACE, ())
    assert [n.text for n in mark_notices((), marks)] == ["They do not hold."]


@pytest.mark.parametrize(
    ("expected", "frames", "least", "most"),
    [(32, 32, 11, 11), (1, 1, 1, 1), (5, 5, 5, 5), (900, 900, 12, 12), (0, 40_000, 24, 400)],
)
def test_some_frames_even_over_the_file_are_looked_at(
    desk: Path,
    monkeypatch: pytest.MonkeyPatch,
    expected: int,
    frames: int,
    least: int,
    most: int,
):
    seen: list[int] = []
    monkeypatch.setattr(PixelSearch, "wants_pictures", True)
    monkeypatch.setattr(PixelSearch, "add", lambda self, image: seen.append(image))
    with look_for_marks(desk / "other.mp4", wanted=True) as job:
        assert job is not None
        for index in range(frames):
            job.add(index, expected)  # type: ignore[arg-type]
        job.finish("00" * 32)
    assert least <= len(seen) <= most
    assert seen[0] == 0
    assert seen[-1] >= frames - max(1, frames // 8)
