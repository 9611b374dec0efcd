"""The files of the pages, kept in memory: to open one anew takes four turns of a thread."""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from fastapi.responses import Response
from starlette.exceptions import HTTPException


@dataclass(frozen=True)
class _Kept:
    changed: int  # nanoseconds since 1970
    data: bytes
    etag: str


class PageFiles:
    """The files below a folder, as answers. What is added later is not seen, what changes is."""

    def __init__(self, folder: Path) -> None:
        """Look which files there are."""
        self._paths = {
            path.relative_to(folder).as_posix(): path
            for path in folder.rglob("*")
            if path.is_file()
        }
        self._kept: dict[str, _Kept] = {}

    def answer(self, name: str, known: str = "") -> Response:
        """The answer to who asks for a file.

        Args:
            name: of the file, below the folder.
            known: `If-None-Match` of the request: marks of what the browser has.

        Raises:
            HTTPException: there is no such file.
        """
        if name not in self._paths:
            raise HTTPException(404)
        kept = self._read(name)
        headers = {"etag": kept.etag, "cache-control": "no-cache"}  # asked for, and seldom sent
        if kept.etag in (mark.strip().removeprefix("W/") for mark in known.split(",")):
            return Response(status_code=304, headers=headers)
        return Response(kept.data, headers=headers, media_type=mimetypes.guess_type(name)[0])

    def _read(self, name: str) -> _Kept:
        path = self._paths[name]
        changed, kept = path.stat().st_mtime_ns, self._kept.get(name)
        if kept is None or kept.changed != changed:
            data = path.read_bytes()
            etag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
            kept = self._kept[name] = _Kept(changed, data, etag)
        return kept
