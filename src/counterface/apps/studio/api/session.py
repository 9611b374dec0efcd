"""The session of a page, and what the studio can do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from pydantic import Field

from counterface import __version__
from counterface.apps.studio.commands import Command, list_offered, read_command
from counterface.apps.studio.studio import StudioHere
from counterface.config import Record

router = APIRouter(tags=["session"])


class Session(Record):
    """What a page needs to begin."""

    version: str = Field(description="version of Counterface")
    csrf: str = Field(description="goes with every change, as the header X-CSRF-Token")
    roots: tuple[str, ...] = Field(description="folders that the pages may look into")
    upload_mb: int = Field(description="size of the largest upload, MB")


@router.get("/session")
def session(request: Request, studio: StudioHere) -> Session:
    """The session of this page."""
    return Session(
        version=__version__,
        csrf=getattr(request.state, "csrf", ""),
        roots=tuple(studio.places.roots),
        upload_mb=studio.config.upload_mb,
    )


@router.get("/commands")
def commands() -> list[str]:
    """The names of the commands that jobs can be made of."""
    return list(list_offered())


@router.get("/commands/{name}")
def command(
    name: Annotated[str, InPath(description="its words, as 'faceset extract'")],
) -> Command:
    """What a command takes; its form is made from this."""
    return read_command(name)
