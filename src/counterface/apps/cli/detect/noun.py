"""`counterface detect ...`: its verbs."""

from __future__ import annotations

from cyclopts import App

from counterface.apps.cli.detect.evaluate import compare, curves, evaluate, robustness
from counterface.apps.cli.detect.families import families
from counterface.apps.cli.detect.fit import calibrate, fit
from counterface.apps.cli.detect.published import import_
from counterface.apps.cli.detect.train import export, fuse, train

app = App(name="detect", help="Train, evaluate and export detectors.")
for _teach in (train, export, fuse, fit, calibrate, families):
    app.command(_teach)
for _measure in (evaluate, compare, robustness, curves):
    app.command(_measure)
app.command(import_, name="import")
