"""The command tree of cyclopts: how nouns are loaded, help pages look, and misuse is told."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, CycloptsError, Parameter, UnusedCliTokensError
from cyclopts.help import DefaultFormatter, HelpEntry, HelpPanel, InlineText

from counterface import __version__
from counterface.apps.cli.main import ABOUT, NOUNS

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

Json = Annotated[bool, Parameter(name="--json", negative="", help="print one JSON object a line")]


def build_app(nouns: Iterable[str] = NOUNS) -> App:
    """The command tree of some nouns; a command is imported when it, and no other, is used."""
    app = App(
        name="counterface",
        help=ABOUT,
        version=__version__,
        help_format="plaintext",  # `HelpText` shows code; to import Markdown takes as long as NumPy
        help_formatter=HelpText(),
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
        default_parameter=Parameter(negative_iterable=()),  # no `--empty-set`
    )
    for noun in nouns:
        line, files = NOUNS[noun]
        if not files:
            _add(app, noun, noun)
            continue
        verbs = App(name=noun, help=line)
        app.command(verbs)
        for file, names in files.items():
            if isinstance(names, str):
                _add(verbs, file, names)
            else:
                group = App(name=file.rpartition(".")[2], help=names[0])
                verbs.command(group)
                _add(group, file, names[1])
    return app


def _add(app: App, file: str, verbs: str) -> None:
    """Add commands by the names of their functions; their help is read without importing them."""
    source = Path(__file__).parent.joinpath(*file.split(".")).with_suffix(".py")
    code = ast.parse(source.read_bytes())
    helps = {f.name: ast.get_docstring(f) for f in code.body if isinstance(f, ast.FunctionDef)}
    for verb in verbs.split():
        plain = verb.replace("-", "_")
        function = plain if plain in helps else f"{plain}_"
        app.command(f"{__package__}.{file}:{function}", name=verb, help=helps[function])


class HelpText(DefaultFormatter):
    """The usual help page, with code in colour and only the flags that a person types.

    Hidden, though accepted: `--no-thorough`, where leaving `--thorough` out says the same (it is
    there to overrule a recipe), and `--from-s`, the name of a setting in Python, beside `--from`.
    """

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Print one panel of the page."""
        entries = [_typed_flags(entry) for entry in panel.entries]
        super().__call__(console, options, panel.copy(entries=entries))

    def render_description(
        self, console: Console, options: ConsoleOptions, description: InlineText
    ) -> None:
        """Print what stands above the panels."""
        super().render_description(console, options, _with_code(description))


def _typed_flags(entry: HelpEntry) -> HelpEntry:
    """The entry without the flags that a person has no reason to type."""
    every = entry.positive_names
    names = tuple(n for n in every if not (n.endswith("-s") and n.removesuffix("-s") in every))
    negatives = entry.negative_names if entry.default == "True" else ()
    description = _with_code(entry.description)
    return entry.copy(positive_names=names, negative_names=negatives, description=description)


def _with_code(plain: InlineText) -> InlineText:
    """A plain text with its paragraphs in one line each, and words in backquotes as code."""
    from rich.text import Text

    text = re.sub(r"(?<!\n)\n(?!\n)", " ", str(plain.primary_renderable).rstrip())
    parts = re.split("`(.+?)`", text)
    styled = [(part, "markdown.code" if i % 2 else "") for i, part in enumerate(parts)]
    return InlineText(Text.assemble(*styled), force_empty_end=plain.force_empty_end)


def describe_misuse(error: CycloptsError) -> str:
    """Which words are wrong; of a flag that settings refuse: its value, and what it takes."""
    from pydantic import BaseModel, ValidationError

    from counterface.config import describe_flags

    if isinstance(error, UnusedCliTokensError):
        spare = ", ".join(repr(word) for word in error.unused_tokens or ())
        return f"{spare}: the command takes no such argument; see its --help"
    if isinstance(refused := error.__cause__, ValidationError):
        model = getattr(getattr(error, "argument", None), "hint", None)
        is_model = isinstance(model, type) and issubclass(model, BaseModel)
        return describe_flags(refused, model if is_model else None)
    return str(error).split("    For further information visit")[0]
