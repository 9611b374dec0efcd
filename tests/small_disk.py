"""A small disk of its own, which commands write to and a test fills and empties."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

BALLAST = "ballast"
_HOLD = 'mount -t tmpfs -o size={}m none "$0" && echo there && cat'


@dataclass(frozen=True)
class SmallDisk:
    """A tmpfs that only the processes see that are started by `under`."""

    folder: Path  # where they see it
    view: Path  # the same for everyone else
    holder: int  # the process whose end is its end

    @property
    def under(self) -> list[str]:
        """The words in front of a command that shall see it."""
        return ["nsenter", f"--mount=/proc/{self.holder}/ns/mnt", "--"]

    def fill(self, room: int) -> None:
        """Fill it with one file until so many bytes are free."""
        with (self.view / BALLAST).open("wb") as file:
            while (free := shutil.disk_usage(self.view).free - room) > 0:
                with suppress(OSError):  # somebody else has taken some of it
                    os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size + free)

    def make_room(self) -> None:
        """Delete that file."""
        (self.view / BALLAST).unlink()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """A disk for the length of a block.

    Raises:
        OSError: it cannot be mounted here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = ["unshare", "--mount", "sh", "-c", _HOLD.format(megabytes), str(folder)]
    holder = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder.stdin, holder.stdout:
        if holder.stdout.readline() != b"there\n":
            holder.wait()
            raise OSError("a tmpfs cannot be mounted here")
        view = Path(f"/proc/{holder.pid}/root{folder}")
        yield SmallDisk(folder, view, holder.pid)
    holder.wait()


@cache
def may_mount(folder: Path) -> bool:
    """Whether such a disk can be had here."""
    with suppress(OSError), small_disk(folder, 1):
        return True
    return False
