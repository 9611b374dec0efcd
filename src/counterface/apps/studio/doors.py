"""Who may come in: checks on every request, and headers on every answer.

- The Host header must name this machine by an address, as "localhost", or as it was started with: a
  foreign name that was made to point here (DNS rebinding) is refused.
- The first page asks for the secret that the studio printed, and gives a session cookie for it
  (SameSite=Strict, HttpOnly). Programs send the secret as `Authorization: Bearer`.
- What changes anything must come from this origin and carry the session's CSRF token.
- Pages may load scripts, styles and pictures from here alone, and run no script that stands in one.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections import deque
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE, CSRF_HEADER = "counterface_session", "x-csrf-token"
SAFE = {"GET", "HEAD", "OPTIONS"}
MOST_BODY = 4_000_000  # bytes of a request that is no upload
GUESSES, GUESSES_S = 10, 60.0  # wrong secrets that are answered, in so many seconds
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
REPORT_POLICY = (  # of a report, which is shown in a frame of its own and runs nothing
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), browsing-topics=()",
    "x-frame-options": "SAMEORIGIN",
}


def read_secret(folder: Path) -> bytes:
    """The key that sessions are signed with, made once for a state folder."""
    path = folder / "secret"
    try:
        with path.open("xb") as file:
            path.chmod(0o600)
            file.write(secrets.token_bytes(32))
    except FileExistsError:
        pass
    return path.read_bytes()


class Doors:
    """Lets a request through to the application, or answers it itself."""

    def __init__(self, app: ASGIApp, *, secret: bytes, token: str, host: str, port: int) -> None:
        """Guard an application.

        Args:
            app: the application.
            secret: key that sessions are signed with.
            token: the secret that the first page asks for.
            host: name or address that the studio listens on.
            port: its port.
        """
        self._app, self._secret, self._token = app, secret, token
        self._names, self._port = {"localhost", host.lower()}, port
        self._wrong: deque[float] = deque()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith("/api/"):
                    headers.setdefault("cache-control", "no-store")
            await send(message)

        refused = self._refused(scope)
        if refused is not None:
            await refused(scope, receive, with_headers)
        else:
            await self._app(scope, receive, with_headers)

    def csrf_token(self, session: str) -> str:
        """The token that goes with a session."""
        return self._sign(f"csrf {session}")

    def _refused(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_own(host):
            return _no(421, f"the name {host!r} is not this studio's; open the address it printed")
        if (large := _too_large(scope, headers)) is not None:
            return large
        asked = parse_qs(scope["query_string"].decode("latin-1"))
        if scope["path"] == "/" and "token" in asked:
            return self._let_in(asked["token"][0])
        bearer = headers.get("authorization", "")
        if bearer.startswith("Bearer "):
            scope["state"] = {**scope.get("state", {}), "session": "program"}
            return None if self._is_token(bearer[7:]) else self._wrong_token()
        session = self._session(headers.get("cookie", ""))
        if session is None:
            if scope["path"].startswith("/api/"):
                return _no(401, "no session; open the address that the studio printed")
            return PlainTextResponse(
                "This is a Counterface studio. Open the address that it printed where it was "
                "started: it ends in ?token=...\n",
                401,
            )
        scope["state"] = {
            **scope.get("state", {}),
            "session": session,
            "csrf": self.csrf_token(session),
        }
        if scope["method"] in SAFE:
            return None
        if headers.get("origin") != f"http://{host}":
            return _no(403, "the request comes from another page")
        if not hmac.compare_digest(headers.get(CSRF_HEADER, ""), self.csrf_token(session)):
            return _no(403, "the request lacks the token of its session; load the page again")
        return None

    def _is_own(self, host: str) -> bool:
        name, colon, port = host.rpartition(":")
        if not colon or not port.isdigit() or int(port) != self._port:
            return False
        if name.lower() in self._names:
            return True
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True

    def _let_in(self, token: str) -> Response:
        if not self._is_token(token):
            return self._wrong_token()
        session = secrets.token_hex(16)
        answer = RedirectResponse("/", 303)
        value = f"{session}.{self._sign(session)}"
        answer.set_cookie(COOKIE, value, httponly=True, samesite="strict", max_age=30 * 86400)
        return answer

    def _is_token(self, token: str) -> bool:
        now = time.monotonic()
        while self._wrong and now - self._wrong[0] > GUESSES_S:
            self._wrong.popleft()
        if len(self._wrong) >= GUESSES:
            return False
        if hmac.compare_digest(token.encode(), self._token.encode()):
            return True
        self._wrong.append(now)
        return False

    def _wrong_token(self) -> Response:
        return _no(403, "wrong token; open the address that the studio printed")

    def _session(self, cookie: str) -> str | None:
        try:
            found: SimpleCookie = SimpleCookie(cookie)
        except CookieError:
            return None
        session, _, signed = found[COOKIE].value.partition(".") if COOKIE in found else ("", "", "")
        right = session and hmac.compare_digest(signed, self._sign(session))
        return session if right else None

    def _sign(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def _no(status: int, reason: str) -> JSONResponse:
    return JSONResponse({"error": reason}, status)


def _too_large(scope: Scope, headers: Headers) -> Response | None:
    """The answer to a body that would fill the memory; uploads go to the disk and count theirs."""
    if scope["path"].endswith("/uploads"):
        return None
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not length.isdigit():
        return _no(411, "say how long the request is (Content-Length)")
    if int(length) > MOST_BODY:
        return _no(413, f"the request has {length} bytes; at most {MOST_BODY} are taken")
    return None
