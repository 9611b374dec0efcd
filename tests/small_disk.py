"""A disk of its own for the length of a forked process, which may be filled and emptied again."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from killed_by_clock import attempt

_NEW_MOUNTS, _PRIVATE = 0x20000, 0x44000  # CLONE_NEWNS; MS_REC | MS_PRIVATE
BALLAST = "ballast"


def mount(folder: Path, megabytes: int) -> None:
    """Put an empty tmpfs at a folder, seen by this process and its children alone.

    Raises:
        OSError: this process may not.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"size={megabytes}m".encode()
    for failed in (
        libc.unshare(_NEW_MOUNTS),
        libc.mount(b"none", b"/", None, _PRIVATE, None),
        libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, options),
    ):
        if failed:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


@cache
def may_mount(folder: Path) -> bool:
    """Whether a tmpfs can be mounted here, by a process that is gone afterwards."""
    try:
        return on_a_disk(folder, 1, lambda: True) is True
    except AssertionError:
        return False


def on_a_disk(folder: Path, megabytes: int, call: Callable[[], Any]) -> Any:
    """What a call gives (as JSON holds it) in a process with a small disk at `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    answer = folder.with_name(f"{folder.name}.answer")
    answer.unlink(missing_ok=True)

    def run() -> int:
        handle = os.open(answer, os.O_WRONLY | os.O_CREAT)
        mount(folder, megabytes)
        os.write(handle, json.dumps(call()).encode())
        return 0

    done = attempt(run, folder.with_name(f"{folder.name}.tally"))
    assert done.code == 0, done.said
    return json.loads(answer.read_bytes())


def leave_room(disk: Path, room: int) -> None:
    """Fill the disk with one file until so many bytes are free."""
    free = shutil.disk_usage(disk).free - room
    with (disk / BALLAST).open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free))


def make_room(disk: Path) -> None:
    """Delete that file."""
    (disk / BALLAST).unlink()
