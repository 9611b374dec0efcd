"""Files and folders that addresses such as `s3://bucket/clip.mp4` name, read by way of fsspec.

A manifest may come from anyone, and what it names is fetched by every worker: a row may name local
files, files below the manifest's own kind of address, and what the user allows by name.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from counterface.errors import ConfigError, MediaError
from counterface.files import new_folder

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_CHUNK = 1 << 20  # bytes


class FetchError(MediaError):
    """A file behind an address that cannot be read."""


def protocol_of(place: str) -> str | None:
    """The protocol of an address, in lower case; None for a local path."""
    found = _ADDRESS.match(place)
    return found[1].lower() if found else None


def open_place(place: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it.

    Raises:
        ConfigError: fsspec, or the package for this protocol, is not installed; or the address
            chains protocols.
    """
    if "::" in place:
        raise ConfigError(f"{place}: addresses inside addresses are not followed; name the file")
    try:
        import fsspec
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{place}: addresses need fsspec: pip install 'counterface[cluster]'"
        ) from error
    try:
        system, path = fsspec.core.url_to_fs(place)
    except (ImportError, ValueError) as error:  # ValueError: a protocol that nobody knows
        raise ConfigError(f"{place}: cannot be opened: {error}") from error
    return system, str(path)


@contextmanager
def local_copy(place: str, most_mb: float) -> Iterator[Path]:
    """A file on this machine: the file itself, or a copy of what an address names, gone afterwards.

    The copy keeps the file's name.

    Raises:
        ConfigError: as `open_place`.
        FetchError: it cannot be read, or is larger than `most_mb` (million bytes); of a file that
            the store does not have, the cause is a FileNotFoundError.
    """
    if protocol_of(place) is None:
        yield Path(place)
        return
    system, path = open_place(place)
    with new_folder(Path(tempfile.gettempdir(), "fetched")) as folder:
        copy = folder / (path.rstrip("/").rpartition("/")[2] or "file")
        try:
            with system.open(path, "rb") as source, copy.open("wb") as target:
                left = int(most_mb * 1_000_000)
                while block := source.read(_CHUNK):
                    left -= len(block)
                    if left < 0:
                        raise FetchError(
                            f"{place}: larger than the limit of file_mb={most_mb:g}; raise the "
                            "limit if you trust the file"
                        )
                    target.write(block)
        except MediaError:
            raise
        except FileNotFoundError as error:
            raise FetchError(f"{place} does not exist; check the name") from error
        except Exception as error:  # each store raises errors of its own
            text = str(error) or type(error).__name__
            raise FetchError(f"{place}: cannot be fetched: {text}") from error
        yield copy


def list_below(place: str) -> list[str] | None:
    """The paths of all files below the folder of an address, relative to it; None for a file.

    Raises:
        ConfigError: as `open_place`, or the store cannot be listed.
    """
    system, path = open_place(place)
    root = path.rstrip("/")
    try:
        if not system.isdir(path):
            return None
        return sorted(name.removeprefix(root).lstrip("/") for name in system.find(path))
    except Exception as error:  # each store raises errors of its own
        raise ConfigError(f"{place}: cannot be listed: {error or type(error).__name__}") from error
