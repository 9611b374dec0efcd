"""The user's private folder: signing identity, watermark key, known fakes."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from counterface.errors import ProvenanceError
from counterface.files import new_file, sweep, sync
from counterface.project_files import read_bytes, reading, writing

IDENTITY_FILE = "identity.pem"  # key and certificates of the local signer
WATERMARK_FILE = "watermark.key"
MOST_BYTES = 1_000_000


def home_dir() -> Path:
    """The folder of the private files; it need not exist yet.

    `COUNTERFACE_HOME`, else the platform's folder for settings: `~/.config/counterface` (or under
    `XDG_CONFIG_HOME`), `~/Library/Application Support/counterface`, `%APPDATA%\\counterface`.
    """
    if named := os.environ.get("COUNTERFACE_HOME"):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData/Roaming") / "counterface"
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/counterface"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "counterface"


def read_or_make(file: Path, make: Callable[[], bytes]) -> bytes:
    """The bytes of a private file, made on first use and readable by its owner only.

    The file appears whole or not at all. If two processes make it at once, both get the bytes of
    the one that was first.

    Args:
        file: path of the file; its folder is made if need be, open to its owner only.
        make: a function that returns the bytes of a new file.

    Raises:
        ProvenanceError: others may read the file, or it cannot be read or written.
    """
    advice = "set COUNTERFACE_HOME to a folder that is yours"
    with writing(file, ProvenanceError, advice):
        if not file.exists():
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _create(file, make())
        else:
            sweep(file.parent)  # a killed process may have left a second name of it
    with reading(file, ProvenanceError, advice):
        if sys.platform != "win32":  # Windows keeps rights elsewhere, inherited from the folder
            mode = stat.S_IMODE(file.stat().st_mode)
            if mode & 0o077:
                raise ProvenanceError(
                    f"{file} can be read by others (mode {mode:o}); run 'chmod 600 {file}', "
                    "or delete it if others may have copied it"
                )
        return read_bytes(file, MOST_BYTES)


def _create(file: Path, content: bytes) -> None:
    """Write the file unless another process has just done so."""
    temporary = new_file(file)
    try:
        temporary.write_bytes(content)
        sync(temporary)
        with suppress(FileExistsError):
            os.link(temporary, file)  # unlike a rename, never replaces
    finally:
        temporary.unlink()
