"""`counterface studio`: the whole lab in a browser, on this machine only."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from counterface.apps.cli import output
from counterface.apps.cli.app import Json
from counterface.apps.studio.settings import StudioConfig


def studio(
    *,
    config: Annotated[StudioConfig, Parameter(name="*")] = StudioConfig(),  # noqa: B008
    open_page: Annotated[
        bool, Parameter(name="--open", help="show the first page in the browser")
    ] = True,
    json_output: Json = False,
) -> int:
    """Open the whole lab in a browser, on this machine only.

    Prints the address of its first page, with the secret in it. It has pages for scans, facesets,
    training, merging, data sets and origin. Ctrl-C ends the server; jobs that run go on, and the
    next studio on the same state folder shows them.
    """
    from counterface.apps.studio.server import serve

    def ready(address: str) -> None:
        shown, hint = address, "Ctrl-C ends it; jobs that run go on."
        if config.token_file is not None:
            shown = address.partition("?")[0]
            hint = f"Its secret is in {config.token_file}: open {shown}?token=SECRET. {hint}"
        output.tell({"address": shown}, [f"Counterface studio: {shown}", hint], json_output)
        if open_page:
            import webbrowser

            webbrowser.open(address)

    serve(config, ready)
    return 0
