"""What a worker does with a file: one outcome, whatever the file is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import actors
import pytest
from fake_crew import list_files
from tiny_detector import metadata, write_detector

from counterface.apps.cluster import work
from counterface.apps.cluster.run_folder import RunRecord, open_run
from counterface.apps.cluster.work import FileWorker, faceset_name, write_order
from counterface.detect.findings import Report
from counterface.detect.scanning.scan import ScanConfig
from counterface.faceset.extract import ExtractConfig
from counterface.faceset.store import Faceset
from counterface.media.decoder_process.parent import close_idle
from counterface.media.image import write_image
from counterface.media.sandbox import Limits


def scan_config(folder: Path, **changes: Any) -> ScanConfig:
    tiny = str(write_detector(folder / "tiny.onnx", metadata()))
    plain = {"frames": 2, "marks": False, "quality_gate": False, "cues": "none"}
    return ScanConfig(detector=tiny, face_detector="mediapipe", **(plain | changes))


def started(config: ScanConfig | ExtractConfig, out: Path, run: str = "") -> FileWorker:
    job = "scan" if isinstance(config, ScanConfig) else "extract"
    worker = FileWorker(write_order(job, config, out, run))
    assert worker.start() == ""
    return worker


@pytest.fixture(scope="module")
def scanner(tmp_path_factory: pytest.TempPathFactory) -> FileWorker:
    return started(scan_config(tmp_path_factory.mktemp("models")), Path("out"))


def test_a_scan_gives_its_report_as_text(scanner: FileWorker, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_image(path, actors.draw_actor(1, size=128).image)
    found = json.loads(scanner.work("x", str(path)))
    report = Report.model_validate_json(found["report"])
    assert found["status"] == "done"
    assert (found["verdict"], found["error"]) == (report.verdict, None)
    assert report.file.path == str(path)
    assert found["seconds"] > 0


def test_a_file_behind_an_address_is_reported_by_its_address(
    scanner: FileWorker, tmp_path: Path
) -> None:
    fsspec = pytest.importorskip("fsspec", reason="needs counterface[cluster]")
    write_image(tmp_path / "a.png", actors.draw_actor(1, size=128).image)
    fsspec.filesystem("memory").pipe("/store/a.png", (tmp_path / "a.png").read_bytes())
    found = json.loads(scanner.work("x", "memory://store/a.png"))
    report = Report.model_validate_json(found["report"])
    assert (report.file.path, report.file.name) == ("memory://store/a.png", "a.png")
    gone = json.loads(scanner.work("x", "memory://store/gone.png"))
    assert (gone["status"], gone["error_kind"]) == ("failed", "missing")
    assert gone["error"] == "memory://store/gone.png does not exist; check the name"


def test_files_that_cannot_be_scanned_say_what_is_wrong(
    scanner: FileWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    (tmp_path / "empty.mp4").touch()
    for name, kind in (
        ("broken.png", "media"),
        ("empty.mp4", "media"),
        ("gone\udcff.mp4", "missing"),
    ):
        found = json.loads(scanner.work("x", str(tmp_path / name)))
        assert (found["status"], found["error_kind"]) == ("failed", kind)
        assert name.encode(errors="backslashreplace").decode() in found["error"]
    monkeypatch.setattr(scanner, "_work", lambda *_: {}["odd"])
    odd = json.loads(scanner.work("x", str(tmp_path / "broken.png")))
    assert odd["error_kind"] == "unexpected"
    assert "broken.png: unexpected KeyError" in odd["error"]


def test_the_sandbox_ends_a_file_that_takes_too_long(tmp_path: Path) -> None:
    clip = actors.write_clip(tmp_path / "a.mp4", actors.draw_clip([1], 3, 128, 96))
    worker = started(scan_config(tmp_path, limits=Limits(wall_s=1e-4)), Path("out"))
    close_idle()
    found = json.loads(worker.work("x", str(clip)))
    assert (found["status"], found["error_kind"]) == ("failed", "time_out")
    assert "wall_s" in found["error"]


def test_an_extraction_gives_each_file_its_faceset(tmp_path: Path) -> None:
    write_image(tmp_path / "a b.png", actors.draw_actor(1, size=128).image)
    manifest = list_files(tmp_path, 2)
    with open_run(tmp_path / "out", RunRecord.new("extract", manifest, 5, {})) as run:
        config = ExtractConfig(size=64, face_detector="mediapipe")
        worker = started(config, tmp_path / "out", run.record.id)
        name = faceset_name(0, 1, "sub/a b.png")
        assert name == "00000/0000001_a_b"
        found = json.loads(worker.work(name, str(tmp_path / "a b.png")))
        assert (found["status"], found["crops"]) == ("done", 1)
        assert len(Faceset.open(tmp_path / "out" / found["faceset"])) == 1
        again = json.loads(worker.work(name, str(tmp_path / "a b.png")))  # its worker was killed
        assert again["crops"] == 1
        other = FileWorker(write_order("extract", config, tmp_path / "out", "another"))
        assert "a folder that all machines share" in other.start()


def test_a_full_disk_stops_the_run(scanner: FileWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scanner, "_work", full)
    assert json.loads(scanner.work("x", __file__))["status"] == "stopped"


def test_a_worker_of_another_version_or_without_the_detector_cannot_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = write_order("scan", ScanConfig(detector="gone.onnx"), Path("out"), "")
    assert "gone.onnx" in FileWorker(order).start()
    monkeypatch.setattr(work, "__version__", "9.9.9")
    assert "has Counterface 9.9.9" in FileWorker(order).start()


def test_names_of_facesets_are_safe() -> None:
    assert faceset_name(3, 301, "../../etc/..") == "00003/0000301_file"
    assert "/" not in faceset_name(0, 0, "s3://b/\u202egpj.mp4").removeprefix("00000/")
