"""`counterface dataset ...`: data sets as tables, split so that nothing leaks, and built anew.

Verbs of other files are hooked in by name and loaded when they are called:
`app.command("counterface.apps.cli.dataset_build:build", name="build", help="...")`.
"""

from __future__ import annotations

from cyclopts import App

app = App(name="dataset", help="Index, inspect, split, balance and build labelled data sets.")
for _verb, _line in {
    "index": "Write the manifest of a data set on disk; run again to continue.",
    "info": "Count what a manifest holds; find leaks, duplicates and missing files.",
    "split": "Split a manifest into train, val and test; neither people nor footage are parted.",
    "balance": "Draw more from the rarer label in training.",
}.items():
    app.command(f"counterface.apps.cli.dataset_manifest:{_verb}", name=_verb, help=_line)
app.command(
    "counterface.apps.cli.dataset_faces:faces",
    name="faces",
    help="Cut the faces of a manifest's files as a scan does; run again to continue.",
)
app.command(
    "counterface.apps.cli.dataset_build:build",
    name="build",
    help="Make genuine clips and swaps of pairs of people into a data set; run again to continue.",
)
