"""A run's folder is gone on with by the same call alone, and nothing else is written over."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_crew import FakeCrew, list_files, run_fake

from counterface.apps.cluster.run import scan_manifest
from counterface.apps.cluster.run_folder import RunRecord, is_running, open_run, read_run
from counterface.errors import ConfigError


def test_other_settings_another_manifest_and_another_job_are_refused(tmp_path: Path) -> None:
    out, manifest = tmp_path / "out", list_files(tmp_path, 20)
    run_fake(out, manifest, FakeCrew())
    other = {
        "settings.frames 4 -> 5": RunRecord.new("scan", manifest, 7, {"frames": 5}),
        "shard_rows 7 -> 8": RunRecord.new("scan", manifest, 8, {"frames": 4}),
        "job 'scan' -> 'extract'": RunRecord.new("extract", manifest, 7, {"frames": 4}),
        "20 files then, 21 now": RunRecord.new("scan", list_files(tmp_path, 21), 7, {"frames": 4}),
    }
    for text, record in other.items():
        with pytest.raises(ConfigError, match=text), open_run(out, record):
            pass
    same = RunRecord.new("scan", manifest, 7, {"frames": 4})
    with open_run(out, same) as run:
        assert run.record.id == read_run(out).record.id != same.id


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    out, manifest = tmp_path / "out", list_files(tmp_path, 3)
    out.mkdir()
    (out / "thesis.docx").write_text("years")
    with pytest.raises(ConfigError, match=r"holds thesis.docx and no run.json"):
        run_fake(out, manifest, FakeCrew())
    assert [path.name for path in out.iterdir()] == ["thesis.docx"]
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="file"):
        run_fake(tmp_path / "file", manifest, FakeCrew())
    with pytest.raises(ConfigError, match="/proc/counterface cannot be written"):
        run_fake(Path("/proc/counterface"), manifest, FakeCrew())
    with pytest.raises(ConfigError, match=r"run.json.*name the folder of"):
        read_run(tmp_path)


def test_a_run_is_for_one_process_at_a_time(tmp_path: Path) -> None:
    manifest = list_files(tmp_path, 3)
    record = RunRecord.new("scan", manifest, 7, {})
    with open_run(tmp_path / "out", record) as run:
        assert is_running(run)
        with (
            pytest.raises(ConfigError, match="being written by another process"),
            open_run(tmp_path / "out", record),
        ):
            pass
    assert not is_running(run)


def test_a_damaged_shard_is_named_with_the_way_out(tmp_path: Path) -> None:
    run = run_fake(tmp_path / "out", list_files(tmp_path, 20), FakeCrew())
    run.path_of(1).write_bytes(run.path_of(0).read_bytes())
    with pytest.raises(ConfigError, match=r"00001.parquet: holds other rows.*run the same command"):
        run.facts(1)
    run.path_of(1).write_bytes(b"PAR1")
    with pytest.raises(ConfigError, match=r"00001.parquet.*run the same command"):
        run.facts(1)
    run.path_of(1).unlink()
    crew = FakeCrew()
    run_fake(tmp_path / "out", list_files(tmp_path, 20), crew)
    assert crew.given.total() == 7
    assert [row.row for row in run.facts(1)] == list(range(7, 14))


def test_results_are_not_put_among_the_files_of_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("x")
    with pytest.raises(ConfigError, match="lies among the files of"):
        scan_manifest(str(tmp_path), tmp_path / "out")
