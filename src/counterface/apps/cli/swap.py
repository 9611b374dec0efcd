"""`counterface swap ...`: train swap models, convert footage, look at what came out."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

app = App(
    name="swap",
    help="Train swap models and convert footage; every output is signed and recorded.",
)

Json = Annotated[bool, Parameter(name="--json", negative="", help="print one JSON object a line")]
