"""Refusals: JSON with what is wrong, in places and never in paths of the machine."""

from __future__ import annotations

import logging
import uuid
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import Field
from starlette.exceptions import HTTPException

from counterface.apps.studio.places import PlaceError, Places
from counterface.apps.studio.store import StudioError
from counterface.config import Record
from counterface.errors import CounterfaceError, is_disk_full, missing_extra, reason_of

log = logging.getLogger("counterface.studio")


class Refusal(Record):
    """An answer to what was refused."""

    error: str = Field(description="what is wrong, the value seen, and the next step")


REASONS = {
    400: "the request cannot be read",
    401: "no session and no token",
    403: "a wrong token, or a place outside the given folders",
    404: "nothing of this name",
    411: "a body without its length",
    413: "a body that is too large",
    421: "a Host header that is not this studio's",
    422: "a value that is of no use",
    507: "the disk is full",
}
REFUSALS: dict[int | str, dict[str, Any]] = {  # JSON also where the answer is a page or a picture
    status: {
        "description": reason,
        "content": {"application/json": {"schema": Refusal.model_json_schema()}},
    }
    for status, reason in REASONS.items()
}


def add_errors(app: FastAPI, places: Places) -> None:
    """Answer every error of an application with what is wrong.

    Args:
        app: the application.
        places: its folders, whose paths are told as places.
    """

    @app.exception_handler(CounterfaceError)
    async def known(_request: Request, error: CounterfaceError) -> JSONResponse:
        missing = isinstance(error, StudioError) or str(error).endswith("is not there")
        status = 404 if missing else 403 if isinstance(error, PlaceError) else 422
        status = 507 if is_disk_full(error) else status
        return _refuse(status, places.outward(reason_of(error)))

    @app.exception_handler(ModuleNotFoundError)
    async def not_installed(request: Request, error: ModuleNotFoundError) -> JSONResponse:
        if (missing := missing_extra(error)) is None:
            return await unknown(request, error)
        return _refuse(422, missing)

    @app.exception_handler(RequestValidationError)
    async def unfit(_request: Request, error: RequestValidationError) -> JSONResponse:
        faults = (
            f"{'.'.join(str(part) for part in one['loc'][1:]) or one['loc'][0]}: {one['msg']}"
            for one in error.errors()
        )
        return _refuse(422, places.outward("; ".join(faults)))

    @app.exception_handler(HTTPException)
    async def unanswered(request: Request, error: HTTPException) -> JSONResponse:
        text = f"{request.method} {request.url.path}: {error.detail}"
        return _refuse(error.status_code, text, dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def unknown(request: Request, error: Exception) -> JSONResponse:
        if is_disk_full(error):
            return _refuse(507, "the studio's disk is full; make room and try again")
        number = uuid.uuid4().hex[:8]
        log.error("error %s at %s", number, request.url.path, exc_info=error)
        return _refuse(500, f"unexpected error {number}; the studio's log has it")


def _refuse(status: int, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """The answer; half of a pair of surrogates, which no encoding has, becomes a question mark."""
    sent = text.encode("utf-8", "replace").decode()
    return JSONResponse({"error": sent}, status, headers)
