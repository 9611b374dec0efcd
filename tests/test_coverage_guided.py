"""The guided fuzzer of the hardening finds what it is there to find."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="Atheris is for x86-64 Linux, Python 3.11 to 3.13")

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "hardening" / "coverage_guided.py"
PLANTED = """
def careless(folder):
    path = folder / "careless.txt"
    path.write_text("abc")

    def read():
        if path.read_bytes().startswith(b"x"):
            raise KeyError("what no reader may raise")

    return path, read
"""


@pytest.mark.slow
def test_a_fault_is_found_and_its_file_kept(tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(PLANTED)
    ended = subprocess.run(
        [sys.executable, str(SCRIPT), "--seconds=30", f"--out={tmp_path}", "planted:careless"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "1 faults" in ended.stdout
    assert "KeyError: 'what no reader may raise'" in ended.stdout
    (found,) = tmp_path.glob("planted.careless-crash-*")
    assert found.read_bytes().startswith(b"x")


@pytest.mark.slow
def test_a_sound_reader_has_no_fault(tmp_path: Path) -> None:
    words = [sys.executable, str(SCRIPT), "--seconds=2", f"--out={tmp_path}", "rights"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 faults" in ended.stdout
    assert len(list((tmp_path / "corpora" / "rights").iterdir())) > 1
