"""The `counterface` command: a table of nouns, each loaded when it is named.

How a noun is added (three steps, nothing else):

1. One file `apps/cli/<noun>.py`, or, of a noun with many verbs, a folder `apps/cli/<noun>/` whose
   `noun.py` imports them. Its module-level name is either
   - `app`, a `cyclopts.App(name="<noun>", help="...")`, where the noun has verbs
     (`@app.command def extract(...)`), or
   - a plain function named like the noun, where the noun is the command (`def scan(...)`).
   The file may import light things only at its top (pydantic models, errors); torch, ONNX Runtime
   and the like are imported by the library function that the command calls.
2. One line in `NOUNS` below, with the help text of the overview.
3. One `docs/apps.md` refresh: `python -m counterface.apps.cli.reference docs/apps.md`
   (a test compares the page with the commands).

What a command function looks like:

- It returns its exit code: 0 (or None) done, 2 some inputs failed. Anything it cannot do at all is
  a raised `CounterfaceError`: `main` prints that as one line on stderr and exits with 1, the same
  code as a wrong flag.
- Its options are one frozen pydantic model, say `ExtractConfig`, flattened into flags by
  `config: Annotated[ExtractConfig, Parameter(name="*")] = ExtractConfig()`; the help text is each
  field's `Field(description=...)`. With a recipe file as well
  (`recipe: Annotated[Path | None, Parameter(name="--config")] = None`), use
  `counterface.config.merge_flags(recipe, config)`: a flag that was typed wins over the file.
- It takes `json_output: output.Json = False` and then prints nothing but `output.print_json(...)`
  lines on stdout. In text for people, names and errors go through `output.printable`.
- It calls one public function and prints, inside `output.progress` by `output.say` alone, so that a
  bar neither swallows nor tears what is printed. Long work:
  `with output.progress("extract") as report:` gives the
  callback `report(done, total_or_none, text)`; it draws a bar on a terminal, plain lines
  elsewhere, always on stderr.
- File arguments are positional `Path`s before a `/`; names that start with a dash go behind `--`.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Parameter

from counterface import __version__
from counterface.apps.cli.help_text import HelpText
from counterface.apps.cli.output import exit_code, guard_console, leave_console, printable
from counterface.config import describe_flags
from counterface.errors import (
    ConfigError,
    CounterfaceError,
    DatasetError,
    StoppedBySignal,
    SwapError,
    is_disk_full,
    reason_of,
)
from counterface.wording import unknown_name

EXIT_DONE, EXIT_USAGE = 0, 1
EXIT_INTERRUPTED = exit_code(signal.SIGINT)

NOUNS = {  # noun -> (where its app or function is, line in the overview)
    "scan": (
        "counterface.apps.cli.scan:scan",
        "Judge images and videos: made or changed by a machine?",
    ),
    "dataset": (
        "counterface.apps.cli.dataset.noun:app",
        "Index, inspect, split, balance and build labelled data sets.",
    ),
    "detect": ("counterface.apps.cli.detect.noun:app", "Train, evaluate and export detectors."),
    "swap": (
        "counterface.apps.cli.swap.noun:app",
        "Train swap models and convert footage; every output is signed and recorded.",
    ),
    "provenance": (
        "counterface.apps.cli.provenance:app",
        "Check where a file comes from: credentials, watermark, known fakes.",
    ),
    "faces": ("counterface.apps.cli.faces:app", "Say who is to be seen in a file."),
    "faceset": (
        "counterface.apps.cli.faceset:app",
        "Extract aligned faces from footage and look after them.",
    ),
    "weights": (
        "counterface.apps.cli.weights:app",
        "List, fetch and find third-party model files.",
    ),
    "demo": ("counterface.apps.cli.demo:demo", "Scan a genuine portrait and two face swaps in it."),
}

CONTINUES = {  # commands that go on where they were stopped; a test reads the same in their help
    *(("dataset", verb) for verb in ("build", "decoders", "faces", "index")),
    *(("detect", verb) for verb in ("train", "fit", "evaluate", "compare", "robustness")),
    *(("swap", verb) for verb in ("train", "convert")),
    ("faceset", "extract"),
}


def build_app() -> App:
    """The command tree; no noun is imported before it is used."""
    app = App(
        name="counterface",
        help="Makes labelled, signed face swaps, and judges images and videos of faces.",
        version=__version__,
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
        help_formatter=HelpText(),
        default_parameter=Parameter(negative_iterable=()),  # no `--empty-set`
    )
    for noun, (target, line) in NOUNS.items():
        app.command(target, name=noun, help=line)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of one run: 0 done, 1 usage or nothing could be done, 2 some inputs failed.

    Args:
        arguments: Words after `counterface`; the process's own where None.
    """
    words = _settings_apart(list(sys.argv[1:] if arguments is None else arguments))
    guard_console()
    try:
        _require_noun(words)
        code = build_app()(words)
        if sys.stdout is not None:  # closed by `>&-`
            sys.stdout.flush()  # here, where a console that went away is no traceback
    except BrokenPipeError:  # `counterface ... | head`
        leave_console()
        return EXIT_DONE
    except DatasetError as error:
        print(f"counterface: {printable(str(error.args[0]))}", file=sys.stderr)
        if error.tree:
            print(f"expected:\n{error.tree}", file=sys.stderr, end="")
        return EXIT_USAGE
    except SwapError as error:
        print(
            f"counterface: {printable(str(error.args[0]))}{_go_on(error, words)}", file=sys.stderr
        )
        for line in error.choices:
            print(f"  {printable(line)}", file=sys.stderr)
        return EXIT_USAGE
    except (CycloptsError, CounterfaceError, OSError) as error:
        text = printable(_in_words(error))
        print(f"counterface: {text}{_go_on(error, words)}", file=sys.stderr)
        return EXIT_USAGE
    except StoppedBySignal as stop:
        what = printable(str(stop)) or "stopped"
        print(f"counterface: {what}; run the same command again to continue", file=sys.stderr)
        return exit_code(stop.number)
    except KeyboardInterrupt:
        again = "; run the same command again to continue" if tuple(words[:2]) in CONTINUES else ""
        print(f"counterface: interrupted{again}", file=sys.stderr)
        return EXIT_INTERRUPTED
    return code if isinstance(code, int) else EXIT_DONE


def _go_on(error: Exception, words: Sequence[str]) -> str:
    """What to do about a full disk, where the error does not end with it."""
    if not is_disk_full(error):
        return ""
    kept = ": what is done is kept" if tuple(words[:2]) in CONTINUES else ""
    room = "" if str(error).endswith("make room") else "; make room"
    return f"{room} and run the same command again{kept}"


def _settings_apart(words: Sequence[str]) -> list[str]:
    """The words with `--set` before each setting; what is none, such as a recipe, ends the list.

    `--set a=1 b=2 recipe.toml` says two settings and names a recipe.
    """
    apart: list[str] = []
    listing = False
    for word in words:
        listing = listing and "=" in word and not word.startswith("-")
        if listing and apart[-1] != "--set":
            apart.append("--set")
        apart.append(word)
        listing = listing or word == "--set"
    return apart


def _require_noun(words: Sequence[str]) -> None:
    """Refuse a first word that is no noun or flag; cyclopts would load all nouns to say so."""
    if words and not words[0].startswith("-") and words[0] not in NOUNS:
        raise ConfigError(unknown_name("command", words[0], NOUNS))


def _in_words(error: Exception) -> str:
    """The error's text; where settings refuse a flag: the flag, its value and what it takes."""
    from cyclopts.exceptions import UnusedCliTokensError
    from pydantic import BaseModel, ValidationError

    if isinstance(error, UnusedCliTokensError):
        spare = ", ".join(repr(word) for word in error.unused_tokens or ())
        return f"{spare}: the command takes no such argument; see its --help"
    refused, argument = error.__cause__, getattr(error, "argument", None)
    model = getattr(argument, "hint", None)
    if not isinstance(model, type) or not issubclass(model, BaseModel):
        model = None
    if isinstance(refused, ValidationError) and not isinstance(error, CounterfaceError):
        return describe_flags(refused, model)
    return reason_of(error).split("    For further information visit")[0]


if __name__ == "__main__":
    sys.exit(main())
