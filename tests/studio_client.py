"""A small HTTP client for many requests at once, which costs less than what it asks.

One object is one connection that is kept open, as a browser keeps six.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

HOST = "127.0.0.1"
MOST_LINE = 1 << 20  # bytes of an event
IDLE_S = 3.0  # then a connection is opened anew: the studio closes it after five


@dataclass(frozen=True)
class Answer:
    """An answer, and how many bytes of it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes
    wire: int

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Event:
    """A server-sent event."""

    number: int
    data: Any


class Client:
    """One connection to a studio, let in by its secret. Not shared between tasks."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token = port, token
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._used = 0.0

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """The answer to a request; a body is bytes, or sent as JSON."""
        data = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        status, headers, wire = await self._send(method, path, data)
        assert self._reader is not None
        if headers.get("transfer-encoding") == "chunked":
            parts = []
            while size := int(await self._reader.readline(), 16):
                parts.append(await self._reader.readexactly(size + 2))
                wire += size + len(f"{size:x}") + 4
            await self._reader.readline()
            found = b"".join(part[:-2] for part in parts)
        else:
            found = await self._reader.readexactly(int(headers.get("content-length", 0)))
            wire += len(found)
        self._used = time.monotonic()
        if headers.get("connection") == "close":
            self.close()
        return Answer(status, headers, found, wire)

    async def events(self, after: int = -1) -> AsyncIterator[Event]:
        """The changes of jobs after a number, as they come; the connection is used up."""
        status, _, _ = await self._send("GET", f"/api/v1/events?after={after}", b"")
        assert status == 200, status
        assert self._reader is not None
        number = -1
        while line := await self._reader.readline():
            if line.startswith(b"id: "):
                number = int(line[4:])
            elif line.startswith(b"data: "):
                yield Event(number, json.loads(line[6:]))

    async def _send(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], int]:
        """Status, headers, and the bytes that both took."""
        if time.monotonic() - self._used > IDLE_S:
            self.close()
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(
                HOST, self._port, limit=MOST_LINE
            )
        assert self._reader is not None
        kind = "octet-stream" if path.startswith("/api/v1/uploads") else "json"
        self._writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: {HOST}:{self._port}\r\n"
            f"Authorization: Bearer {self._token}\r\nContent-Type: application/{kind}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(": ") for line in lines if line)
        return int(first.split()[1]), {name.lower(): value for name, _, value in pairs}, len(head)
