"""The log of the test split: nothing is forgotten, and nothing else is counted."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from counterface.detect.evaluation.openings import LOG_NAME, log_opening, read_openings
from counterface.errors import ConfigError

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def opened(manifest: Path, *detectors: str) -> int:
    """How many openings came before this one."""
    return len(log_opening(manifest, "m" * 64, "evaluate", [(d, d * 64) for d in detectors], NOON))


def test_each_opening_adds_one_line_and_reports_those_before(tmp_path: Path):
    manifest = tmp_path / "set.parquet"
    assert [opened(manifest, "a"), opened(manifest, "a", "b"), opened(manifest, "b")] == [0, 1, 2]
    first, second, _ = read_openings(manifest)
    assert first.time == "2026-11-21T12:00:00+00:00"
    assert second.detectors == ("a" * 64, "b" * 64)
    assert second.names == ("a", "b")


def test_another_manifest_in_the_folder_is_another_test(tmp_path: Path):
    opened(tmp_path / "one.parquet", "a")
    assert opened(tmp_path / "two.parquet", "a") == 0
    assert opened(tmp_path / "one.parquet", "a") == 1


def test_a_line_cut_short_by_a_kill_still_counts(tmp_path: Path):
    manifest = tmp_path / "set.csv"
    opened(manifest, "a")
    log = tmp_path / LOG_NAME
    log.write_bytes(log.read_bytes()[:40])
    assert opened(manifest, "b") == 1
    assert opened(manifest, "b") == 2
    assert [o.names for o in read_openings(manifest)] == [(), ("b",), ("b",)]


@pytest.mark.skipif(os.name == "nt", reason="permissions of a folder work otherwise there")
def test_a_test_that_cannot_be_logged_is_not_opened(tmp_path: Path):
    (tmp_path / LOG_NAME).mkdir()  # nobody, not even root, can append to a folder
    with pytest.raises((ConfigError, OSError)):
        opened(tmp_path / "set.csv", "a")
