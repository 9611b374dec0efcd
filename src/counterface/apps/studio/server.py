"""The server of the studio: the pages, the interface for programs, and the errors of both."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.telemetry import TelemetryConfig

from counterface import __version__
from counterface.apps.studio import jobs_process
from counterface.apps.studio.api import ROUTERS
from counterface.apps.studio.api.jobs import event_of
from counterface.apps.studio.doors import Doors, read_secret
from counterface.apps.studio.page_files import PageFiles
from counterface.apps.studio.refusals import REFUSALS, add_errors
from counterface.apps.studio.settings import SHORTEST_TOKEN, StudioConfig, given_token
from counterface.apps.studio.studio import Feed, Studio
from counterface.errors import ConfigError
from counterface.files import lock

STATIC = Path(__file__).parent / "static"
LOOK_AFTER_JOBS_S = 5.0
NO_TELEMETRY: TelemetryConfig = {  # else variables of the environment could have it sent away
    **{"auto_configure": False, "tracing": False, "metrics": False},
    **{"logs": False, "operation_spans": False},
}
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def create_app(studio: Studio) -> FastAPI:
    """The application, without the doors in front of it."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.feed = Feed(studio.store, lambda job: event_of(job, studio.places))
        tasks = [asyncio.create_task(app.state.feed.watch())]
        if studio.config.start_jobs:
            tasks.append(asyncio.create_task(_jobs(studio)))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()

    app = FastAPI(
        title="Counterface studio",
        version=__version__,
        description="The whole lab on this machine; every job is a command of `counterface`.",
        lifespan=lifespan,
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        telemetry=NO_TELEMETRY,
    )
    app.state.studio = studio
    for router in ROUTERS:
        app.include_router(router, prefix="/api/v1", responses=REFUSALS)
    add_errors(app, studio.places)

    files = PageFiles(STATIC)

    @app.get("/", include_in_schema=False)
    async def index(request: Request) -> Response:
        return files.answer("index.html", request.headers.get("if-none-match", ""))

    @app.get("/static/{name:path}", include_in_schema=False)
    async def page_file(name: str, request: Request) -> Response:
        return files.answer(name, request.headers.get("if-none-match", ""))

    return app


def guarded(app: FastAPI, studio: Studio, token: str, port: int) -> Doors:
    """The application behind its doors."""
    doors = Doors(
        app, secret=read_secret(studio.folder), token=token, host=studio.config.host, port=port
    )
    app.state.doors = doors
    return doors


def serve(config: StudioConfig, ready: Callable[[str], None]) -> None:
    """Serve until somebody stops it; jobs that run go on.

    Args:
        config: how.
        ready: called with the address of the first page, the secret in it.

    Raises:
        ConfigError: another studio uses the state folder, the port is taken, an address that
            others can reach was asked for without a token, or the token's file is of no use.
    """
    given = given_token(config)
    if config.host not in LOOPBACK and given is None:
        raise ConfigError(
            f"--host {config.host}: others can reach this address; give a secret with --token "
            f"({SHORTEST_TOKEN} characters or more) or --token-file, or leave --host out"
        )
    studio = Studio(config)
    try:
        with lock(studio.folder / jobs_process.SERVER_LOCK, wait=False), _bound(config) as taken:
            port = taken.getsockname()[1]
            token = given or secrets.token_urlsafe(24)
            app = create_app(studio)
            server = uvicorn.Server(
                uvicorn.Config(
                    guarded(app, studio, token, port),
                    log_level="warning",
                    server_header=False,
                    timeout_graceful_shutdown=2,
                )
            )
            if config.start_jobs:
                jobs_process.start(studio.folder, config.jobs)
            shown = f"[{config.host}]" if ":" in config.host else config.host
            ready(f"http://{shown}:{port}/?token={quote(token)}")
            server.run(sockets=[taken])
    except BlockingIOError as error:
        raise ConfigError(
            f"{studio.folder}: another studio runs on this folder; use it, or give another --state"
        ) from error
    finally:
        studio.close()


@contextlib.contextmanager
def _bound(config: StudioConfig) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    # Without its protocol asyncio takes it for none of TCP, and each answer waits 40 ms (Nagle).
    taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((config.host, config.port))
            taken.listen(512)  # whoever opens the printed address at once is served a moment later
        except OSError as error:
            raise ConfigError(
                f"--host {config.host} --port {config.port}: {error.strerror or error}; "
                "choose another port, or 0 for any that is free"
            ) from error
        yield taken
    finally:
        taken.close()


async def _jobs(studio: Studio) -> None:
    """Start the process of the jobs again if it died."""
    while True:
        await asyncio.sleep(LOOK_AFTER_JOBS_S)
        await asyncio.to_thread(jobs_process.start, studio.folder, studio.config.jobs)
