"""Which files a list of paths, folders and globs means."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from counterface.media.image import IMAGE_SUFFIXES

VIDEO_SUFFIXES = frozenset(
    {
        *(".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"),
        *(".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".webm", ".wmv"),
    }
)


def find_media(patterns: Sequence[str | Path]) -> list[Path]:
    """The files that paths, folders and globs mean: in the order given, each once.

    A folder means every image and video below it, by suffix, hidden ones left out; `**` in a glob
    means any depth. A file that is named is taken whatever its suffix, and a name that matches
    nothing stays in the list, so that reading it reports it.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern)
        if os.path.isdir(path):  # noqa: PTH112  (`Path.is_dir` raises where a name is too long)
            matches = _below(path) or [path]
        elif os.path.lexists(path):
            matches = [path]
        else:
            names = glob.glob(str(pattern), recursive=True)  # noqa: PTH207  (absolute patterns too)
            named = [Path(name) for name in sorted(names)]
            matches = [m for n in named for m in (_below(n) if n.is_dir() else [n])] or [path]
        found.update(dict.fromkeys(matches))
    return list(found)


def _below(folder: Path) -> list[Path]:
    matches = []
    for root, folders, names in os.walk(folder):  # links to folders are not followed: no loops
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        matches += [
            Path(root, name)
            for name in sorted(names)
            if Path(name).suffix.lower() in VIDEO_SUFFIXES | IMAGE_SUFFIXES
            and not name.startswith(".")
        ]
    return matches
