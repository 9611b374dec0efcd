"""The help of every command as one Markdown page, so that the documentation cannot drift.

    python -m counterface.apps.cli.reference docs/apps.md

rewrites what lies below the marker line of the page; what lies above is written by hand.
"""

from __future__ import annotations

import sys
from io import StringIO
from pathlib import Path

from cyclopts import App
from rich.console import Console

from counterface.apps.cli.app import build_app
from counterface.apps.cli.main import NOUNS

MARKER = "<!-- below: written by `python -m counterface.apps.cli.reference docs/apps.md` -->"
WIDTH = 96


def noun_section(noun: str) -> str:
    """The Markdown of one noun: a heading and the help text of each of its commands."""
    app = build_app([noun])
    parts = [f"## `counterface {noun}`\n"]
    parts += [f"```text\n{_help(app, words)}\n```\n" for words in list_commands(noun)]
    return "\n".join(parts)


def render() -> str:
    """All that lies below the marker line of the page."""
    sections = [noun_section(noun) for noun in NOUNS]
    return "\n".join([f"```text\n{_help(build_app(), [])}\n```\n", *sections])


def main() -> None:
    """Rewrite the page named on the command line."""
    page = Path(sys.argv[1])
    by_hand = page.read_text(encoding="utf-8").split(MARKER)[0]
    page.write_text(f"{by_hand}{MARKER}\n\n{render()}", encoding="utf-8")


def list_commands(noun: str) -> list[list[str]]:
    """The words of each command of a noun: it and a verb, with a group between; or it alone."""
    found: list[list[str]] = []
    for file, names in NOUNS[noun][1].items():
        group = [] if isinstance(names, str) else [file.rpartition(".")[2]]
        verbs = names if isinstance(names, str) else names[1]
        found += [[noun, *group, verb] for verb in verbs.split()]
    return found or [[noun]]


def _help(app: App, words: list[str]) -> str:
    out = StringIO()
    console = Console(file=out, width=WIDTH, color_system=None, force_terminal=False)
    app.help_print(words, console=console)
    return "\n".join(line.rstrip() for line in out.getvalue().strip().splitlines())


if __name__ == "__main__":
    main()
