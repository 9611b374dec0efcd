"""Answers that are no JSON; the description of the interface names the type of each."""

from __future__ import annotations

from fastapi.responses import FileResponse, Response, StreamingResponse


class Jpeg(Response):
    """A picture as JPEG."""

    media_type = "image/jpeg"


class Png(Response):
    """A picture as PNG."""

    media_type = "image/png"


class WebP(Response):
    """A picture as WebP."""

    media_type = "image/webp"


class Bytes(Response):
    """Bytes of a form of their own."""

    media_type = "application/octet-stream"


class Pdf(FileResponse):
    """A file of PDF."""

    media_type = "application/pdf"


class Events(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"
