"""A data set on disk -> its manifest: what its layout says, and the hash of every file.

Hashes are written down one by one beside the manifest (`manifest.hashes.jsonl`), so that a run that
was stopped goes on, and a later one reads only files whose size or time of change is another.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from pydantic import Field

from counterface.config import Record
from counterface.datasets.manifest import Entry, read_manifest, write_manifest
from counterface.datasets.readers.layout import load_reader
from counterface.errors import ConfigError, MediaError, reason_of
from counterface.files import file_sha256
from counterface.media.open_file import show
from counterface.project_files import read_json_lines, writing
from counterface.types import Progress

LOG_SUFFIX = ".hashes.jsonl"
LONGEST_NAME = 255  # bytes, of the usual file systems
Stamp = tuple[int, int]  # size, time of change in ns


class IndexConfig(Record):
    """How a data set is indexed."""

    hash: bool = Field(True, description="read every file for its SHA-256")
    redo: bool = Field(
        False, description="replace a manifest even if it was split or balanced since"
    )


class IndexFailure(Record):
    """A file that is in the manifest without a hash, or cannot be in it for its name."""

    file: str
    reason: str


class IndexSummary(Record):
    """What `index_dataset` did."""

    manifest: Path
    entries: int
    hashed: int  # files that were read
    reused: int  # hashes known from before, by path, size and time of change
    failures: tuple[IndexFailure, ...]


def index_dataset(
    layout: str,
    folder: Path,
    out: Path,
    config: IndexConfig | None = None,
    *,
    options: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> IndexSummary:
    """What was found; the manifest is written, whole or not at all.

    Args:
        layout: a name in `DATASET_READERS`.
        folder: the data set; nothing in it is changed but for `out`, if that lies in it.
        out: the manifest, Parquet or (by its suffix) CSV.
        config: defaults where None.
        options: options of the layout's reader.
        progress: called with files hashed, their number, and a name.

    Raises:
        RegistryError: no such layout.
        ConfigError: a wrong option, or `out` is a manifest whose splits or repeats would be lost.
        DatasetError: the folder is not laid out so.
        MediaError: the manifest cannot be written.
    """
    config = config or IndexConfig()
    found = load_reader(layout, options).read(folder)
    entries = [entry for entry in found if _is_text(entry.path)]
    failures = [_nameless(entry.path) for entry in found if not _is_text(entry.path)]
    if out.exists() and not config.redo:
        _check_replaceable(entries, out)
    hashed = reused = 0
    if config.hash:
        with HashLog(out) as log:
            for number, entry in enumerate(entries):
                if progress:
                    progress(number, len(entries), entry.path.name)
                try:
                    known, new = log.sha256(entry.path)
                except (MediaError, OSError) as error:
                    failures.append(IndexFailure(file=str(entry.path), reason=reason_of(error)))
                    continue
                hashed, reused = hashed + new, reused + (not new)
                entries[number] = replace(entry, sha256=known)
    write_manifest(entries, out)
    return IndexSummary(
        manifest=out,
        entries=len(entries),
        hashed=hashed,
        reused=reused,
        failures=tuple(failures),
    )


class HashLog:
    """Hashes that are known, one JSON line each, kept beside a manifest; a context manager."""

    def __init__(self, manifest: Path) -> None:
        """Read what is known already; a line that a crash cut short is passed over."""
        self.path = manifest.with_name(f"{manifest.stem}{LOG_SUFFIX}")
        longest = LONGEST_NAME - len(LOG_SUFFIX)
        if len(os.fsencode(manifest.stem)) > longest:
            raise ConfigError(
                f"--out {show(manifest)}: the name without its suffix has "
                f"{len(os.fsencode(manifest.stem))} bytes, and at most {longest} are possible, as "
                f"the hashes are kept beside it in a file ending in {LOG_SUFFIX}; choose a shorter "
                "one"
            )
        self.known: dict[str, tuple[Stamp, str]] = {}
        self._file: IO[str] | None = None
        if not self.path.exists():
            return
        for line in read_json_lines(self.path, MediaError, "delete it, and files are read again"):
            match line:
                case [str(name), int(size), int(changed), str(sha256)]:
                    self.known[name] = ((size, changed), sha256)

    def __enter__(self) -> HashLog:
        """The log, open for more."""
        with self._writing():
            self._file = self.path.open("a", encoding="utf-8")
            if self._file.tell():  # after a line that was cut short; empty ones are passed over
                self._file.write("\n")
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file, with everything on disk."""
        if self._file is not None:
            with self._writing():
                self._file.close()

    def _writing(self) -> AbstractContextManager[None]:
        return writing(self.path, MediaError, "name another place with --out")

    def sha256(self, path: Path) -> tuple[str, bool]:
        """The file's hash, and whether it had to be read.

        Raises:
            MediaError: it cannot be read.
        """
        name = os.path.relpath(path, self.path.parent)
        status = path.stat()
        stamp = (status.st_size, status.st_mtime_ns)
        if name in self.known and self.known[name][0] == stamp:
            return self.known[name][1], False
        found = file_sha256(path)
        self.known[name] = (stamp, found)
        if self._file is not None:
            with self._writing():
                self._file.write(json.dumps([name, *stamp, found]) + "\n")
                self._file.flush()
        return found, True


def _check_replaceable(entries: Sequence[Entry], out: Path) -> None:
    """Refuse to take away splits or repeats that were set since."""
    before = {entry.path.resolve(): entry for entry in read_manifest(out)}
    for entry in entries:
        old = before.get(entry.path.resolve(), entry)
        if (old.split, old.repeat) != (entry.split, entry.repeat):
            raise ConfigError(
                f"{out}: was split or balanced since ({old.path.name}: split {old.split!r}, "
                f"repeat {old.repeat}); write elsewhere with --out, or replace it with --redo"
            )


def _is_text(path: Path) -> bool:
    """Whether the path's bytes are UTF-8, as those in a manifest must be."""
    return not any("\ud800" <= letter <= "\udfff" for letter in str(path))


def _nameless(path: Path) -> IndexFailure:
    name = str(path).encode("utf-8", "backslashreplace").decode()
    return IndexFailure(file=name, reason="its name is no UTF-8 text; rename it")
