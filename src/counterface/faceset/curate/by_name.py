"""Crops of exactly these names set aside into the trash, and brought back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from counterface.config import Record
from counterface.faceset.curate.relocate import opened, opened_trash, relocate, trash_of
from counterface.faceset.header import HEADER_FILE
from counterface.faceset.store import Faceset


class MovedByName(Record):
    """What became of crops that were named."""

    folder: str
    moved: dict[str, str] = Field(
        description="name that each has now, by the one that it had; a name that is taken where "
        "it goes gets a number"
    )
    absent: tuple[str, ...] = Field(description="names of which there is no crop any more")
    crops: int = Field(description="crops in the faceset now")
    in_trash: int = Field(description="crops in its trash now")


def set_aside_by_name(folder: Path, names: Sequence[str]) -> MovedByName:
    """The result of moving crops to the trash of a faceset; all of them may go.

    Args:
        folder: the faceset.
        names: of the crops' files. One that is not there is told in `absent`.

    Raises:
        FacesetError: no faceset, it cannot be written, or another process writes to it.
    """
    with opened(folder) as faceset:
        there = _there(faceset, names)
        if not there:
            return _moved(faceset, {}, names, len(faceset), _count_trash(folder))
        with opened_trash(faceset) as trash:
            moved = relocate(faceset, trash, there)
        crops, in_trash = len(faceset) - len(moved), len(trash) + len(moved)
        return _moved(faceset, moved, names, crops, in_trash)


def bring_back_by_name(folder: Path, names: Sequence[str]) -> MovedByName:
    """The result of moving crops from the trash of a faceset back into it.

    Args:
        folder: the faceset.
        names: of the files in the trash. One that is not there is told in `absent`.

    Raises:
        FacesetError: no faceset, it cannot be written, or another process writes to it.
    """
    with opened(folder) as faceset:
        if not (trash_of(folder) / HEADER_FILE).exists():
            return _moved(faceset, {}, names, len(faceset), 0)
        with opened_trash(faceset) as trash:
            moved = relocate(trash, faceset, _there(trash, names))
        crops, in_trash = len(faceset) + len(moved), len(trash) - len(moved)
        return _moved(faceset, moved, names, crops, in_trash)


def _there(faceset: Faceset, names: Sequence[str]) -> dict[str, str]:
    wanted = set(names)
    return {row.file: row.file for row in faceset if row.file in wanted}


def _count_trash(folder: Path) -> int:
    trash = trash_of(folder)
    return len(Faceset.open(trash)) if (trash / HEADER_FILE).exists() else 0


def _moved(
    faceset: Faceset, moved: dict[str, str], names: Sequence[str], crops: int, in_trash: int
) -> MovedByName:
    return MovedByName(
        folder=str(faceset.folder),
        moved=moved,
        absent=tuple(name for name in names if name not in moved),
        crops=crops,
        in_trash=in_trash,
    )
