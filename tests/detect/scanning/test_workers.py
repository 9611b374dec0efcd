"""Worker processes: a dead one is told, they end with their parent, and import nothing local."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path

import dying_worker
import pytest

from counterface.detect.scanning import scan_files
from counterface.detect.scanning.workers import open_workers

PROGRAM = """
import os, time
from counterface.detect.scanning.workers import open_workers

if __name__ == "__main__":
    with open_workers(1, int, ()) as workers:
        print(workers.submit(os.getpid).result(), flush=True)
        workers.submit(time.sleep, 60).result()
"""


def _is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
        state = Path(f"/proc/{process}/stat")
        return state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (ProcessLookupError, FileNotFoundError):
        return True


def _wait_until_gone(process: int) -> None:
    until = time.monotonic() + 30
    while not _is_gone(process):
        assert time.monotonic() < until, "the worker outlived its parent"
        time.sleep(0.05)


def test_a_dead_worker_is_told_and_an_interrupt_ends_the_others_at_once() -> None:
    with suppress(KeyboardInterrupt), open_workers(1, int, ()) as workers:
        process = workers.submit(os.getpid).result()
        workers.submit(time.sleep, 60)
        raise KeyboardInterrupt
    _wait_until_gone(process)
    with open_workers(1, int, ()) as workers, pytest.raises(BrokenProcessPool):
        workers.submit(os._exit, 3).result()


def test_workers_end_with_a_killed_parent_and_import_nothing_local(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    script = tmp_path / "elsewhere" / "program.py"
    script.write_text(PROGRAM)
    trap = "from pathlib import Path\nPath('ran').touch()\nraise SystemExit(1)\n"
    (tmp_path / "multiprocessing.py").write_text(trap)
    parent = subprocess.Popen([sys.executable, script], cwd=tmp_path, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    process = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    _wait_until_gone(process)
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
@pytest.mark.parametrize("place", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_file_that_kills_its_worker_is_named_and_costs_no_other(
    place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_files, "Scanner", lambda *_: None)
    monkeypatch.setattr(scan_files, "_start_worker", dying_worker.start)
    monkeypatch.setattr(scan_files, "_work", dying_worker.look)
    files = [Path(f"{number}.jpg") for number in range(max(2, place + 1))]
    files[place] = Path("deadly.jpg")
    rows = list(scan_files.scan_files(files, jobs=2))
    assert [Path(row.file.path) for row in rows] == files
    assert [row.error == "looked at" for row in rows] == [path.stem != "deadly" for path in files]
    assert re.match(r"deadly\.jpg: the scanning process died", rows[place].error or "")
