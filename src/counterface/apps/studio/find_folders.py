"""Folders of one kind below those of the studio: facesets, runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from counterface.apps.studio.places import Places
from counterface.faceset.header import HEADER_FILE
from counterface.learn.run_log import LOG_FILE

DEEPEST, MOST_FOLDERS = 6, 20_000  # that are looked into


def is_faceset(folder: Path) -> bool:
    """Whether a folder holds a faceset."""
    return (folder / HEADER_FILE).is_file()


def is_run(folder: Path) -> bool:
    """Whether a folder holds a training run."""
    return (folder / LOG_FILE).is_file() or (folder / "checkpoints").is_dir()


def find_folders(places: Places, wanted: Callable[[Path], bool]) -> Iterator[Path]:
    """The folders of a kind, by name; nothing below a faceset or a run is looked at.

    Links and hidden folders are left out, and what a user may not read holds nothing for them.
    """
    looked = 0
    for root in places.roots.values():
        for folder in _walk(root, 0):
            looked += 1
            if looked > MOST_FOLDERS:
                return
            if wanted(folder):
                yield folder


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    yield folder
    if depth == DEEPEST or is_faceset(folder) or is_run(folder):
        return
    try:
        with os.scandir(folder) as entries:
            inside = sorted(
                entry.name
                for entry in entries
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
            )
    except OSError:
        return
    for name in inside:
        yield from _walk(folder / name, depth + 1)
