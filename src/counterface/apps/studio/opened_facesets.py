"""Facesets that were opened before, for reading thousands of rows takes a second."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from pathlib import Path
from threading import Lock

from counterface.faceset.commits import WORK_FOLDER
from counterface.faceset.header import HEADER_FILE, ROWS_FILE
from counterface.faceset.store import Faceset

KEPT = 4  # facesets: 10,000 rows take some 40 MB
_lock = Lock()
_kept: OrderedDict[tuple[Path, str], Faceset] = OrderedDict()


def mark_of(folder: Path) -> str:
    """A text that changes when a faceset's rows or the names of its files do."""
    texts = []
    for path in (folder, folder / HEADER_FILE, folder / ROWS_FILE, folder / WORK_FOLDER):
        try:
            about = path.stat()
            texts.append(f"{about.st_mtime_ns} {about.st_ctime_ns} {about.st_size} {about.st_ino}")
        except OSError:
            texts.append("")
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def open_faceset(folder: Path, mark: str = "") -> Faceset:
    """The faceset of a folder, pictures without a row told in `strays`.

    Args:
        folder: the faceset.
        mark: of the faceset, where it is known.

    Raises:
        FacesetError: none, or damaged.
    """
    key = folder, mark or mark_of(folder)
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]
    found = Faceset.open(folder, allow_strays=True)
    with _lock:
        _kept[key] = found
        for old in [one for one in _kept if one[0] == folder and one != key]:
            del _kept[old]
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return found
