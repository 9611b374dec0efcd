"""Crops move with their rows: into the trash, back, and to other names. One way for all three.

    folder/trash/   a faceset of its own, for crops that were set aside

First the masks of the crops are copied to where the crops go, and the rows are written there as a
commit; then the crops move, one by one; then both folders drop the rows of crops that are not
there, and the masks that are left without a row go. Whenever a job is killed, each crop lies in one
of the two places and has a row and its mask there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from counterface.errors import FacesetError
from counterface.faceset.commits import WORK_FOLDER, write_commit
from counterface.faceset.curate.carry import (
    TRASH,
    drop_mask_files,
    is_mask_name,
    read_mask_files,
    write_mask_files,
)
from counterface.faceset.header import HEADER_FILE, read_plain_header
from counterface.faceset.row import Row
from counterface.faceset.store import Faceset, merge
from counterface.files import locked, make_folder, refuse_links, sweep, sync
from counterface.project_files import writing


def trash_of(folder: Path) -> Path:
    """The folder for crops that were set aside; a faceset, once there are any."""
    return folder / TRASH


@contextmanager
def opened(folder: Path) -> Iterator[Faceset]:
    """The faceset of a folder for one writer, with all finished work merged, none half moved.

    Raises:
        FacesetError: no faceset, a picture without a row, or another process writes to it.
    """
    read_plain_header(folder)  # no lock is left in a folder that is none
    with locked(folder, FacesetError):
        sweep(folder)
        faceset = Faceset.open(folder)
        if faceset.gone or (folder / WORK_FOLDER).exists():
            merge(folder)
            faceset = Faceset.open(folder)
        if (trash_of(folder) / WORK_FOLDER).exists():  # a job was killed while crops went there
            with opened(trash_of(folder)):
                pass
        yield faceset


@contextmanager
def opened_trash(faceset: Faceset) -> Iterator[Faceset]:
    """The trash of a faceset, made if absent, for one writer."""
    folder, header = trash_of(faceset.folder), faceset.header
    if not (folder / HEADER_FILE).exists():
        refuse_links(faceset.folder, FacesetError)
        make_folder(folder, FacesetError)
        Faceset.create(folder, header.template, header.size, header.rights)
    with opened(folder) as trash:
        yield trash


def relocate(source: Faceset, target: Faceset, names: Mapping[str, str]) -> dict[str, str]:
    """The new name of each crop that was moved; a name that is taken gets a number.

    Call with both locks held, both as `opened` gives them. A row keeps its place and group. Its
    mask and polygons go to another faceset with it, and keep their names within one.

    Args:
        source: faceset whose crops move.
        target: faceset that they move to, or the same for other names.
        names: the crops that move, by name, and the name that each is to have there.

    Raises:
        FacesetError: a folder cannot be written; what has moved by then is whole where it is.
    """
    taken = {row.file for row in target}
    moves: list[tuple[Row, str]] = []
    for row in source:
        name = names.get(row.file, row.file)
        if row.file in names and (target.folder, name) != (source.folder, row.file):
            moves.append((row, free_name(name, taken)))
            taken.add(moves[-1][1])
    if not moves:
        return {}
    rows = [replace(row, file=name, mask=_carried(source, target, row)) for row, name in moves]
    write_commit(target.folder, rows)
    with writing(source.folder, FacesetError):
        for row, name in moves:
            (source.folder / row.file).rename(target.folder / name)
        for folder in {target.folder, source.folder}:  # names on disk before the rows are dropped
            sync(folder)
    for folder in dict.fromkeys((target.folder, source.folder)):
        merge(folder)
    if source.folder != target.folder:
        _drop_masks(source, {row.file for row, _ in moves})
    return {row.file: name for row, name in moves}


def _carried(source: Faceset, target: Faceset, row: Row) -> str | None:
    """The name of a row's mask at the target, where its files are written."""
    files = None if source.folder == target.folder else read_mask_files(source.folder, row)
    if row.mask is None or files is None:
        return row.mask  # a trash of earlier versions names masks that stayed in the faceset
    return write_mask_files(target.folder, row.mask, files)


def _drop_masks(source: Faceset, gone: set[str]) -> None:
    """Delete the masks of the crops that are gone, but those that other crops share."""
    masks = {row.mask for row in source if row.file in gone}
    for name in masks - {row.mask for row in source if row.file not in gone}:
        if name is not None and is_mask_name(name):
            drop_mask_files(source.folder, name)


def free_name(name: str, taken: set[str]) -> str:
    """The name, or where it is taken the same with the first number that is free."""
    path, number = Path(name), 1
    while name in taken:
        number += 1
        name = f"{path.stem}_{number}{path.suffix}"
    return name
