"""A scan of many files that was stopped goes on where it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import actors
import pytest
from tiny_detector import metadata, write_detector

from counterface.detect.findings import Report
from counterface.detect.scanning.kept_reports import keep_reports
from counterface.detect.scanning.scan import ScanConfig, Scanner
from counterface.detect.scanning.scan_files import scan_files
from counterface.errors import ConfigError, MediaError
from counterface.media.image import write_image

NAMES = ("a.png", "b.png", "c.png")


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    for number, name in enumerate(NAMES):
        write_image(tmp_path / name, actors.draw_actor(number, size=160).image)
    write_detector(tmp_path / "tiny.onnx", metadata())
    return tmp_path


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files that are scanned."""
    names: list[str] = []
    scan = Scanner.scan

    def watched(self: Scanner, path: Path, progress: Callable | None = None) -> Report:
        names.append(path.name)
        return scan(self, path, progress)

    monkeypatch.setattr(Scanner, "scan", watched)
    return names


def run(desk: Path, stop_after: int | None = None, **settings: object) -> list[Report]:
    config = ScanConfig(detector=str(desk / "tiny.onnx"), quality_gate=False, **settings)
    files = [desk / name for name in NAMES]
    with keep_reports(desk / "page.html", config) as kept:
        reports = []
        for report in scan_files(files, config, kept=kept):
            reports.append(report)
            if len(reports) == stop_after:
                return reports
        kept.remove()
    return reports


def test_what_was_scanned_is_not_scanned_again(desk: Path, seen: list[str]) -> None:
    first = run(desk, stop_after=2)
    assert seen == ["a.png", "b.png"]
    again = run(desk)
    assert seen == [*NAMES]
    assert [report.file.name for report in again] == [*NAMES]
    assert again[:2] == first
    for old, new in zip(first, again, strict=False):
        assert len(new.exhibits) == len(old.exhibits) == 1
        assert (new.exhibits[0].crop == old.exhibits[0].crop).all()
        assert (new.exhibits[0].activation == old.exhibits[0].activation).all()
        assert [thumb.jpeg for thumb in new.thumbs] == [thumb.jpeg for thumb in old.thumbs]
    assert not (desk / ".page.html.scan").exists()


def test_a_file_that_was_replaced_is_scanned_again(desk: Path, seen: list[str]) -> None:
    run(desk, stop_after=2)
    write_image(desk / "a.png", actors.draw_actor(9, size=160).image)
    run(desk)
    assert seen == ["a.png", "b.png", "a.png", "c.png"]


def test_reports_by_other_settings_are_dropped(desk: Path, seen: list[str]) -> None:
    run(desk, stop_after=2)
    run(desk, frames=5)
    assert seen == ["a.png", "b.png", *NAMES]


def test_a_second_scan_into_the_same_page_is_refused(desk: Path) -> None:
    config = ScanConfig(detector=str(desk / "tiny.onnx"))
    with (
        keep_reports(desk / "page.html", config),
        pytest.raises(ConfigError, match="another process"),
        keep_reports(desk / "page.html", config),
    ):
        pass


def test_a_damaged_report_is_told(desk: Path) -> None:
    run(desk, stop_after=2)
    (part,) = (desk / ".page.html.scan" / "reports").iterdir()
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(MediaError, match="delete it, and its files are scanned again"):
        run(desk)
