"""`counterface dataset ...`: data sets as tables, split so that nothing leaks, and built anew."""

from __future__ import annotations

from cyclopts import App

from counterface.apps.cli.dataset.build import build
from counterface.apps.cli.dataset.decoders import decoders
from counterface.apps.cli.dataset.faces import faces
from counterface.apps.cli.dataset.manifest import balance, index, info, split

app = App(name="dataset", help="Index, inspect, split, balance and build labelled data sets.")
for _verb in (index, info, split, balance, faces, decoders, build):
    app.command(_verb)
