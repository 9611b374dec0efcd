"""Help pages that show the flags a person types, and not every flag that is understood.

Hidden, though accepted: `--no-thorough`, where leaving `--thorough` out says the same (it is there
to overrule a recipe), and `--from-s`, the name of a setting in Python, beside `--from`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts.help import DefaultFormatter, HelpEntry, HelpPanel

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions


class HelpText(DefaultFormatter):
    """The usual help page with fewer flags."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Print one panel of the page."""
        entries = [_typed_flags(entry) for entry in panel.entries]
        super().__call__(console, options, panel.copy(entries=entries))


def _typed_flags(entry: HelpEntry) -> HelpEntry:
    """The entry without the flags that a person has no reason to type."""
    every = entry.positive_names
    names = tuple(n for n in every if not (n.endswith("-s") and n.removesuffix("-s") in every))
    negatives = entry.negative_names if entry.default == "True" else ()
    return entry.copy(positive_names=names, negative_names=negatives)
