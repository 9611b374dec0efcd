"""Files: what lies in the folders of the studio, and what is uploaded."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field
from sqlalchemy import func, select

from counterface.apps.studio.find_folders import is_faceset, is_run
from counterface.apps.studio.store import Upload
from counterface.apps.studio.studio import Studio, StudioHere
from counterface.config import Record
from counterface.errors import ConfigError
from counterface.media.find_media import VIDEO_SUFFIXES
from counterface.media.image import IMAGE_SUFFIXES

router = APIRouter(tags=["files"])
MOST_ENTRIES = 5000
RATE, BURST = 50, 2000  # uploads a second, and at once
EntryKind = Literal[
    "folder", "picture", "video", "faceset", "run", "manifest", "recipe", "model", "file"
]


class Entry(Record):
    """A file or folder."""

    place: str
    name: str
    kind: EntryKind
    bytes: int | None = None
    changed: float = Field(description="seconds since 1970")


class Uploaded(Record):
    """A file that came in."""

    place: str = Field(description="what it is named by from now on")
    name: str = Field(description="name of the file, for people")
    bytes: int = Field(description="its size")
    sha256: str = Field(description="its hash")


@router.get("/files")
def files(
    studio: StudioHere, place: Annotated[str, Query(description="a folder; unset: the roots")] = ""
) -> list[Entry]:
    """What lies in a folder, folders first."""
    if not place:
        return [_entry(studio, path) for path in studio.places.roots.values()]
    folder = studio.places.readable(place)
    if not folder.is_dir():
        raise ConfigError(f"{place}: is no folder")
    found = []
    for item in sorted(os.scandir(folder), key=lambda one: one.name)[:MOST_ENTRIES]:
        if not item.name.startswith(".") and not item.is_symlink():
            found.append(_entry(studio, Path(item.path)))
    return sorted(found, key=lambda one: (one.kind in ("file", "picture", "video"), one.name))


@router.post(
    "/uploads",
    status_code=201,
    response_model=Uploaded,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"format": "binary"}}},
        }
    },
)
async def upload(
    request: Request,
    studio: StudioHere,
    name: Annotated[str, Query(description="name of the file, for people", max_length=255)],
) -> Response:
    """Take a picture or video in, under a name that nobody chose."""
    suffix = Path(name).suffix.lower()
    if suffix not in VIDEO_SUFFIXES | IMAGE_SUFFIXES:
        raise ConfigError(f"{name!r}: is no picture or video by its name")
    most = studio.config.upload_mb * 1_000_000
    _require_room(studio)
    path = studio.uploads / f"{secrets.token_hex(12)}{suffix}"
    count, digest = 0, hashlib.sha256()
    try:
        with path.open("xb") as out:
            async for part in request.stream():
                count += len(part)
                if count > most:
                    path.unlink()
                    return JSONResponse(
                        {"error": f"{name!r}: more than {studio.config.upload_mb} MB"}, 413
                    )
                digest.update(part)
                out.write(part)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    row = Upload(
        place=str(path), name=name, bytes=count, sha256=digest.hexdigest(), created=time.time()
    )
    with studio.store.session() as session:
        session.add(row)
    done = Uploaded(
        place=studio.places.name(path), name=name, bytes=count, sha256=digest.hexdigest()
    )
    return JSONResponse(done.model_dump(), 201)


def _require_room(studio: Studio) -> None:
    """Refuse an upload where too many are kept, or came in too quickly."""
    with studio.store.session() as session:
        kept = session.scalars(select(func.count()).select_from(Upload)).one()
        since = time.time() - BURST / RATE
        recent = session.scalars(
            select(func.count()).select_from(Upload).where(Upload.created > since)
        ).one()
    if kept >= studio.config.uploads:
        raise ConfigError(f"{kept} uploads are kept already; delete some, or raise --uploads")
    if recent >= BURST:
        raise ConfigError(f"{recent} uploads in {BURST / RATE:.0f} s are too many; wait a little")


def _entry(studio: Studio, path: Path) -> Entry:
    about = path.stat()
    folder = path.is_dir()
    return Entry(
        place=studio.places.name(path),
        name=path.name,
        kind=_kind(path, folder),
        bytes=None if folder else about.st_size,
        changed=about.st_mtime,
    )


def _kind(path: Path, folder: bool) -> EntryKind:
    if folder:
        return "faceset" if is_faceset(path) else "run" if is_run(path) else "folder"
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return "video"
    if suffix in IMAGE_SUFFIXES:
        return "picture"
    return {".toml": "recipe", ".csv": "manifest", ".parquet": "manifest", ".onnx": "model"}.get(
        suffix, "file"
    )  # type: ignore[return-value]
