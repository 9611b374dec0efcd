"""The files that a run works through: the rows of a table, or all media below a folder.

Rows are numbered from 0 in the order of the table; a folder's files are sorted by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from counterface.apps.cluster.places import FetchError, list_below, local_copy, protocol_of
from counterface.datasets.manifest import read_rows
from counterface.errors import ConfigError
from counterface.media.find_media import VIDEO_SUFFIXES, find_media
from counterface.media.image import IMAGE_SUFFIXES
from counterface.project_files import MOST_BYTES, read_parquet
from counterface.spreadsheet import bare_cell

TABLES = (".csv", ".parquet")
ALWAYS = ("file",)  # the protocol that names local files
_NAMED = 3  # wrong rows that an error names


@dataclass(frozen=True, slots=True)
class Manifest:
    """Files in order: as the manifest writes them, and where they lie."""

    place: str  # of the manifest
    names: tuple[str, ...]
    root: str  # what relative names are relative to
    sha256: str  # of the names, in order

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.names)

    def location(self, row: int) -> str:
        """The absolute path or the address of a row's file."""
        return _locate(self.names[row], self.root)


def read_manifest(place: str, column: str = "path", protocols: Sequence[str] = ()) -> Manifest:
    """The files that a CSV, a Parquet file or a folder names.

    Args:
        place: path, or address that fsspec opens. A name with `.csv` or `.parquet` at its end is a
            table, unless a folder is there; relative names are relative to its folder.
        column: column of the files in a table.
        protocols: what addresses in rows may begin with, beside that of the manifest itself.

    Raises:
        ConfigError: it cannot be read, names no file, lacks the column, names a file twice, or
            names an address of another protocol.
    """
    own = protocol_of(place)
    listed = _list_folder(place, own)
    if listed is not None:
        names, root = listed, place if own else str(Path(place).absolute())
        if not names:
            raise ConfigError(f"{place}: holds no images or videos, by suffix and at any depth")
    else:
        names, root = _read_table(place, own, column)
    _require_once(place, names, root)
    _require_allowed(place, names, {*ALWAYS, own, *(p.lower() for p in protocols)})
    return Manifest(place, tuple(names), root, _hash(names))


def _list_folder(place: str, own: str | None) -> list[str] | None:
    """The names below a folder; None where the place is none."""
    if own is None:
        path = Path(place)
        if not path.is_dir():
            return None
        found = find_media([path])
        return [] if found == [path] else [one.relative_to(path).as_posix() for one in found]
    below = list_below(place)
    return None if below is None else [name for name in below if _is_media(name)]


def _is_media(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") for part in path.parts)
    return not hidden and path.suffix.lower() in VIDEO_SUFFIXES | IMAGE_SUFFIXES


def _read_table(place: str, own: str | None, column: str) -> tuple[list[str], str]:
    """The names in a table, and what they are relative to."""
    suffix = PurePosixPath(place).suffix.lower()
    if suffix not in TABLES:
        raise ConfigError(
            f"{place}: is neither a folder nor a table; name a folder, a .csv or a .parquet"
        )
    try:
        with local_copy(place, MOST_BYTES / 1_000_000) as path:
            cells = _csv_cells(path, column) if suffix == ".csv" else _cells(path, column)
    except FetchError as error:
        raise ConfigError(str(error)) from error
    names = []
    for row, cell in enumerate(cells):
        if not isinstance(cell, str) or not cell.strip():
            raise ConfigError(f"{place}: row {row} names no file, its {column!r} is {cell!r}")
        names.append(cell)
    if not names:
        raise ConfigError(f"{place}: holds no rows; each names a file in the column {column!r}")
    root = place.rpartition("/")[0] if own else str(Path(place).absolute().parent)
    return names, root


def _csv_cells(path: Path, column: str) -> list[object]:
    rows = read_rows(path)
    if rows and column not in rows[0]:
        raise _no_column(path, column, map(str, rows[0]))
    cells = [row[column] for row in rows]
    return [bare_cell(cell).strip() if isinstance(cell, str) else cell for cell in cells]


def _cells(path: Path, column: str) -> list[object]:
    table = read_parquet(path, ConfigError)
    if column not in table.column_names:
        raise _no_column(path, column, table.column_names)
    cells: list[object] = table[column].to_pylist()
    return cells


def _no_column(path: Path, column: str, found: Iterable[str]) -> ConfigError:
    names = [name[:40] for name in found][:12]
    return ConfigError(
        f"{path}: has no column {column!r}, it has {names}; say which names the files by --column"
    )


def _locate(name: str, root: str) -> str:
    if protocol_of(name):
        return name
    if protocol_of(root):
        return f"{root.rstrip('/')}/{name}"
    return str(Path(root, name))


def _require_once(place: str, names: Sequence[str], root: str) -> None:
    first: dict[str, int] = {}
    twice = []
    for row, name in enumerate(names):
        earlier = first.setdefault(_locate(name, root), row)
        if earlier != row:
            twice.append(f"{name!r} (rows {earlier} and {row})")
    if twice:
        more = f" and {len(twice) - _NAMED} more" if len(twice) > _NAMED else ""
        raise ConfigError(
            f"{place}: named more than once: {', '.join(twice[:_NAMED])}{more}; each file may "
            "stand once"
        )


def _require_allowed(place: str, names: Sequence[str], allowed: set[str | None]) -> None:
    for row, name in enumerate(names):
        protocol = protocol_of(name)
        if protocol is not None and protocol not in allowed:
            raise ConfigError(
                f"{place}: row {row} names {name!r}, and nothing is fetched that you did not ask "
                f"for; allow it by --protocols {protocol}"
            )


def _hash(names: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode(errors="surrogateescape") + b"\0")
    return digest.hexdigest()
