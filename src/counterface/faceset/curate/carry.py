"""The mask of a crop, and the polygons that it was drawn from, on their way to another faceset.

The polygons of `masks/a.png` are `masks/a.json`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from counterface.errors import FacesetError
from counterface.faceset.row import Row
from counterface.files import make_folder, write_bytes
from counterface.media.image import IMAGE_SUFFIXES
from counterface.project_files import read_bytes, reading, writing

TRASH = "trash"
MOST_BYTES = 64_000_000  # of a crop or a mask: more than any of 1024 px without loss


@dataclass(frozen=True, slots=True, eq=False)
class MaskFiles:
    """The content of a mask's files."""

    mask: bytes
    polygons: bytes | None = None


def is_mask_name(name: str | None) -> bool:
    """Whether it is a picture in a plain sub-folder, where no file of a faceset's own lies."""
    if name is None:
        return False
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part in ("..", TRASH) for part in path.parts)
    inside = len(path.parts) > 1 and not path.is_absolute() and not hidden
    return inside and path.suffix.lower() in IMAGE_SUFFIXES


def read_mask_files(folder: Path, row: Row) -> MaskFiles | None:
    """The files of a row's mask; None where it has none, or it is missing.

    Raises:
        FacesetError: a file is there and cannot be read.
    """
    if row.mask is None or not is_mask_name(row.mask) or not (folder / row.mask).is_file():
        return None
    path = folder / row.mask
    with reading(path, FacesetError):
        mask = read_bytes(path, MOST_BYTES)
    return MaskFiles(mask, _content(_outlines(path)))


def write_mask_files(folder: Path, name: str, files: MaskFiles) -> str:
    """The name under which the files lie in a faceset now: the wanted one, or one with a number.

    Files of the same content are taken as they are.

    Raises:
        FacesetError: the folder cannot be written.
    """
    wanted = folder / name
    make_folder(wanted.parent, FacesetError)
    path, number = wanted, 1
    while not _fits(path, files):
        number += 1
        path = wanted.with_name(f"{wanted.stem}_{number}{wanted.suffix}")
    if files.polygons is not None:
        write_bytes(_outlines(path), files.polygons, FacesetError)
    write_bytes(path, files.mask, FacesetError)
    return path.relative_to(folder).as_posix()


def drop_mask_files(folder: Path, name: str) -> None:
    """Delete the files of a mask that no row names any more.

    Raises:
        FacesetError: the folder cannot be written.
    """
    path = folder / name
    with writing(path, FacesetError):
        path.unlink(missing_ok=True)
        _outlines(path).unlink(missing_ok=True)


def _outlines(mask: Path) -> Path:
    return mask.with_suffix(".json")


def _content(path: Path) -> bytes | None:
    if not path.is_file():
        return None
    with reading(path, FacesetError):
        return read_bytes(path, MOST_BYTES)


def _fits(path: Path, files: MaskFiles) -> bool:
    """Whether the files may lie at this place: what is there already is the same."""
    outlines = _content(_outlines(path))
    if path.exists():
        return _content(path) == files.mask and outlines == files.polygons
    return outlines is None or outlines == files.polygons
