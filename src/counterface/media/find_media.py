"""The files that a list of paths, folders and globs means."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from counterface.media.image import IMAGE_SUFFIXES

VIDEO_SUFFIXES = frozenset(
    {
        *(".3g2", ".3gp", ".asf", ".avi", ".divx", ".f4v", ".flv", ".gif", ".ivf", ".m2p", ".m2t"),
        *(".m2ts", ".m4v", ".mk3d", ".mkv", ".mod", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg"),
        *(".mts", ".mxf", ".ogm", ".ogv", ".ogx", ".qt", ".tod", ".trp", ".ts", ".vob"),
        *(".vro", ".webm", ".wm", ".wmv", ".xvid", ".insv", ".lrv"),
        *(".264", ".265", ".avc", ".h264", ".h265", ".hevc", ".obu"),  # raw streams
        *(".m1v", ".m2v", ".mpv", ".mjpeg", ".mjpg"),
    }
)

_PARTS = re.compile(r"(\d{1,18})")


def find_media(patterns: Sequence[str | Path], left_out: Counter[str] | None = None) -> list[Path]:
    """The files that paths, folders and globs mean: in the order given, each once.

    A folder means every image and video below it, by suffix, hidden ones left out; `**` in a glob
    means any depth. A file that is named is taken whatever its suffix, and a name that matches
    nothing stays in the list, so that reading it reports it.

    Args:
        patterns: paths, folders and globs.
        left_out: counts by suffix, in lower case, the files of folders that were not taken.
    """
    passed_over: dict[Path, str] = {}
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern)
        if os.path.isdir(path):  # noqa: PTH112  (`Path.is_dir` raises where a name is too long)
            matches = _below(path, passed_over) or [path]
        elif os.path.lexists(path):
            matches = [path]
        else:
            names = glob.glob(str(pattern), recursive=True)  # noqa: PTH207  (absolute patterns too)
            named = [Path(name) for name in sorted(names)]
            matches = [m for n in named for m in (_below(n, passed_over) if n.is_dir() else [n])]
            matches = matches or [path]
        found.update(dict.fromkeys(matches))
    if left_out is not None:
        left_out.update(kind for path, kind in passed_over.items() if path not in found)
    return list(found)


def describe_left_out(left_out: Counter[str]) -> str:
    """One line on the files of folders that were not taken."""
    total = left_out.total()
    kinds = [f"{n} {suffix or 'without a suffix'}" for suffix, n in left_out.most_common(8)]
    more = [f"{len(left_out) - 8} more kinds"] if len(left_out) > 8 else []
    are = "1 other file in the folders was" if total == 1 else f"{total} other files were"
    return f"{are} left out, by suffix neither picture nor video: {', '.join(kinds + more)}"


def _below(folder: Path, passed_over: dict[Path, str]) -> list[Path]:
    """The media below a folder; other files join `passed_over` with their suffix."""
    matches = []
    for root, folders, names in os.walk(folder):  # links to folders are not followed: no loops
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(root, name) for name in sorted(names) if not name.startswith(".")):
            if path.suffix.lower() in VIDEO_SUFFIXES | IMAGE_SUFFIXES:
                matches.append(path)
            else:
                passed_over[path] = path.suffix.lower()
    return matches


def natural_key(path: Path) -> tuple[list[tuple[int, str]], str]:
    """The key by which img2 is sorted before img10.

    Runs of digits count as numbers, the rest without regard to case.
    """
    words = [word for word in _PARTS.split(path.as_posix()) if word]
    numbers = (word.isascii() and word.isdecimal() for word in words)
    key = [(int(w), "") if n else (-1, w.lower()) for w, n in zip(words, numbers, strict=True)]
    return key, path.as_posix()  # the second where names differ in case or zeros alone
