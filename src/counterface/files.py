"""Files that are written whole or not at all, locks, hashes, and what differs between two records.

A file is written under a temporary name in its own folder and moved into place when it is whole. A
process that is killed leaves that file behind. The name tells whose it is:

    .counterface-MACHINE-PROCESS-RANDOM.suffix

so the first temporary file that a process makes in a folder sweeps what dead processes left there.
Nearly every writer goes through `replacing` or `write_bytes`, whose errors name the file. The move
into place comes last on disk: whoever finds a finished file finds nothing left behind beside it.
Work that was begun with other settings is told by `name_differences`.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from reprlib import Repr
from typing import Any

from counterface.errors import CounterfaceError, MediaError
from counterface.project_files import reading, require_file, writing

LOCK_FILE = ".lock"
_MOST_NAMED = 12  # differences in a message
_brief = Repr()
_brief.maxstring = _brief.maxother = 200
_OURS = re.compile(r"\.counterface-([0-9a-f]{8})-(\d+)-[a-z0-9_]{8}(\.[\w.]+)?")
_STALE_S = 24 * 3600.0  # of another machine's, whose processes cannot be seen from here
_swept: set[Path] = set()


def new_file(target: Path) -> Path:
    """A new empty file in the folder of the target, of its suffix, private to the user.

    Raises:
        OSError: the folder cannot be written.
    """
    _sweep_once(target.parent)
    handle, name = tempfile.mkstemp(target.suffix, _prefix(), target.parent)
    os.close(handle)
    return Path(name)


@contextmanager
def replacing(
    path: Path, error: type[CounterfaceError] = MediaError, advice: str = ""
) -> Iterator[Path]:
    """A place to write a file at, which takes the path's, synced, when the block ends.

    It lies in a folder of its own, so that what a library writes beside it goes as well. After an
    error or a kill the path is as it was.

    Args:
        path: the file; its folder must exist.
        error: kind of error of the folder that writes it.
        advice: the next step where the disk refuses.

    Raises:
        CounterfaceError: one of the type `error`: the file cannot be written.
    """
    with writing(path, error, advice):
        with new_folder(path) as folder:
            made = folder / path.name
            yield made
            whole = folder.with_name(f"{folder.name}.whole")
            made.replace(whole)
        try:
            put(whole, path)
        finally:
            with suppress(OSError):
                whole.unlink()


def write_bytes(
    path: Path, data: bytes, error: type[CounterfaceError] = MediaError, advice: str = ""
) -> None:
    """Write a file whole, or leave it as it was; see `replacing`."""
    with replacing(path, error, advice) as made:
        made.write_bytes(data)


def put(temporary: Path, path: Path) -> None:
    """Move a whole file into place, synced and with the rights that the user's files have.

    Raises:
        OSError: the disk refuses.
    """
    sync(temporary)
    temporary.chmod(0o666 & ~_umask())
    temporary.replace(path)


def make_folder(folder: Path, error: type[CounterfaceError] = MediaError, advice: str = "") -> None:
    """Make a folder, and its parents, where they are absent.

    Raises:
        CounterfaceError: one of the type `error`: it cannot be made.
    """
    with writing(folder, error, advice):
        folder.mkdir(parents=True, exist_ok=True)


def sync(path: Path) -> None:
    """Make the content of a file, or the names in a folder, survive a loss of power.

    Raises:
        OSError: the disk refuses.
    """
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A new folder beside the target, gone with all that is in it when the block ends.

    Raises:
        OSError: the folder of the target cannot be written.
    """
    _sweep_once(target.parent)
    with tempfile.TemporaryDirectory(prefix=_prefix(), dir=target.parent) as name:
        yield Path(name)


def sweep(folder: Path) -> list[Path]:
    """The temporary files and folders of dead processes that were deleted in a folder.

    Those of living processes stay, and so do those of another machine until they are a day old. A
    link is deleted, never what it points to.
    """
    dropped = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if (found := _OURS.fullmatch(entry.name)) and _is_left(entry, found[1], int(found[2])):
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path)
                    else:
                        Path(entry.path).unlink()
                    dropped.append(Path(entry.path))
    return dropped


def file_sha256(
    path: str | os.PathLike[str], error: type[CounterfaceError] = MediaError, advice: str = ""
) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        CounterfaceError: one of the type `error`: it cannot be read, or is empty.
    """
    file = Path(path)
    with reading(file, error, advice):
        if not require_file(file):
            raise ValueError("it is empty")
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def lock(file: Path, *, wait: bool) -> Iterator[None]:
    """A file of one process at a time; the operating system frees it when the process dies.

    Raises:
        OSError: it cannot be opened.
        BlockingIOError: without `wait`, another process has it.
    """
    with file.open("a+b") as handle:
        if sys.platform == "win32":
            import msvcrt

            handle.seek(0)
            try:
                msvcrt.locking(handle.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            except OSError as error:
                raise BlockingIOError(*error.args) from error
        else:
            import fcntl

            fcntl.flock(handle.fileno(), fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield  # closing the file frees the lock


@contextmanager
def locked(folder: Path, error: type[CounterfaceError]) -> Iterator[None]:
    """A folder, made if need be, for one writer.

    Raises:
        CounterfaceError: one of the type `error`: another process writes there, it cannot be
            written, or a link is in it.
    """
    refuse_links(folder, error)
    make_folder(folder, error)
    with sole_writer(folder, error):
        yield


@contextmanager
def sole_writer(folder: Path, error: type[CounterfaceError]) -> Iterator[None]:
    """A folder that is there, for one writer; links in it are no matter.

    Raises:
        CounterfaceError: one of the type `error`: another process writes there, or it cannot be
            written.
    """
    with ExitStack() as held:
        with writing(folder, error):
            try:
                held.enter_context(lock(folder / LOCK_FILE, wait=False))
            except BlockingIOError:
                raise error(
                    f"{folder} is being written by another process; wait for it, or choose another"
                ) from None
        yield


def refuse_links(folder: Path, error: type[CounterfaceError]) -> None:
    """Refuse a folder that holds a link, itself or in a folder inside.

    A folder may come from anyone, and archives keep links: one named `.extract/pending` that points
    elsewhere would make the next merge of a faceset move and delete somebody else's files.

    Raises:
        CounterfaceError: one of the type `error`: it holds one, or cannot be listed.
    """
    waiting = [str(folder)]
    while waiting:
        # gone since: a running job took it away; or no folder at all
        with (
            reading(folder, error, what="cannot be listed"),
            suppress(FileNotFoundError),
            os.scandir(waiting.pop()) as entries,
        ):
            for entry in entries:
                if entry.is_symlink():
                    target = str(Path(entry.path).readlink())
                    raise error(
                        f"{entry.path} is a link to {target!r}, and links are not followed where "
                        "files are written; put the file in its place, or delete the link"
                    )
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)


def find_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Both values of each dotted key in which two records differ; None where one lacks the key."""
    old, new = dict(_leaves(then)), dict(_leaves(now))
    return {k: (old.get(k), new.get(k)) for k in old | new if old.get(k) != new.get(k)}


def name_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The differences of two records in words; empty where they are equal."""
    return describe_differences(find_differences(then, now))


def describe_differences(found: Mapping[str, tuple[Any, Any]]) -> str:
    """The differences in words: `loop.seed 4 -> 5, loop.steps 10 -> 20`."""
    told = [f"{key[:80]} {_brief.repr(a)} -> {_brief.repr(b)}" for key, (a, b) in found.items()]
    more = f" and {len(told) - _MOST_NAMED} more" if len(told) > _MOST_NAMED else ""
    return ", ".join(told[:_MOST_NAMED]) + more


def _leaves(values: Mapping[str, Any], head: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and plain values of nested tables; a list is one value."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{head}{name}.")
        else:
            yield f"{head}{name}", value


def _sweep_once(folder: Path) -> None:
    place = folder.absolute()
    if place not in _swept and not _OURS.fullmatch(place.name):
        _swept.add(place)
        sweep(place)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _prefix() -> str:
    return f".counterface-{_machine()}-{os.getpid()}-"


@cache
def _machine() -> str:
    """A hash that tells this machine, or this container's view of its processes, from others."""
    view = ""
    with suppress(OSError):
        view = str(Path("/proc/self/ns/pid").readlink())
    return hashlib.sha256(f"{platform.node()} {view}".encode()).hexdigest()[:8]


def _is_left(entry: os.DirEntry[str], machine: str, process: int) -> bool:
    if machine == _machine() and sys.platform != "win32":  # whose os.kill ends the process
        return not _lives(process)
    with suppress(OSError):
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > _STALE_S
    return False


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        pass
    return True
