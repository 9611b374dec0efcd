"""Processes that are killed at a chosen one of their steps on disk, not by the clock."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2

from counterface.faceset.alignments.change import CHANGES
from counterface.faceset.curate.measuring import CACHE_FOLDER
from counterface.media.decoder_process.parent import close_idle

KEPT = {".lock", CACHE_FOLDER, CHANGES}
_STEPS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.truncate"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def disk_steps(call: Callable[[], object], folder: Path, kill_at: int | None = None) -> list[str]:
    """The steps on disk below a folder that a call takes, in a forked process.

    Args:
        call: what the process does; what it imports should be there already.
        folder: only what happens below it counts.
        kill_at: the process is killed (SIGKILL) just before this one of its steps, counted from 0;
            None lets it end, and an error in it is raised here.

    Returns:
        "event path" of each step, the one that it was killed at last.
    """
    cv2.setNumThreads(1)  # a fork would inherit the locks of threads, and the pipes of decoders
    close_idle()
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reader)
        _run(call, str(folder.resolve()), kill_at, writer)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8", errors="replace") as stream:
        lines = stream.read().splitlines()
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if code not in (0, -signal.SIGKILL):
        raise AssertionError("\n".join(lines[-30:]))
    return lines


def _run(call: Callable[[], object], folder: str, kill_at: int | None, writer: int) -> None:
    seen = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if not _is_step(event, arguments, folder):
            return
        os.write(writer, f"{event} {arguments[:2]}\n".encode(errors="replace"))
        if seen == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1

    try:
        sys.addaudithook(watch)
        call()
    except BaseException:  # noqa: BLE001  (told to the parent, which fails)
        os.write(writer, traceback.format_exc().encode())
        os._exit(1)
    os._exit(0)


def _is_step(event: str, arguments: tuple[Any, ...], folder: str) -> bool:
    if event == "open":
        path, _, flags = arguments
        if not isinstance(flags, int) or not flags & _WRITES:
            return False
    elif event in _STEPS:
        path = arguments[0]
        if isinstance(arguments[-1], int) and arguments[-1] >= 0 and event != "os.mkdir":
            return True  # relative to an open folder, as shutil deletes
    else:
        return False
    if not isinstance(path, str | bytes | os.PathLike):
        return False
    return os.path.abspath(os.fsdecode(path)).startswith(folder)  # noqa: PTH100


def left_behind(folder: Path) -> list[Path]:
    """Hidden files and folders below a folder, but those that are kept on purpose."""
    return [path for path in folder.rglob(".*") if path.name not in KEPT]
