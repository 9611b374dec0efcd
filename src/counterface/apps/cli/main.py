"""The `counterface` command: a table of nouns and verbs, each loaded when it is used.

How a command is added (three steps, nothing else):

1. A function in `apps/cli/<noun>.py` or, of a noun with many verbs, in a file of the folder
   `apps/cli/<noun>/`. It has the name of the verb, with `_` behind it where Python has that name
   (`list_`), or of the noun where that is the command (`scan`). Its docstring is the help text.
   The file may import light things only at its top (pydantic models, errors); torch, ONNX Runtime
   and the like are imported by the library function that the command calls.
2. Its name in `NOUNS` below. Verbs that belong together form a group of their own, named as their
   file: `faceset align redo`.
3. One `docs/apps.md` refresh: `python -m counterface.apps.cli.reference docs/apps.md`
   (a test compares the page with the commands).

What a command function looks like:

- It returns its exit code: 0 done, 2 some inputs failed. Anything it cannot do at all is a raised
  `CounterfaceError`: `main` prints that as one line on stderr and exits with 1, the same code as a
  wrong flag.
- Its options are one frozen pydantic model, say `ExtractConfig`, flattened into flags by
  `config: Annotated[ExtractConfig, Parameter(name="*")] = ExtractConfig()`; the help text is each
  field's `Field(description=...)`. With a recipe file as well
  (`recipe: Annotated[Path | None, Parameter(name="--config")] = None`), use
  `counterface.config.merge_flags(recipe, config)`: a flag that was typed wins over the file.
- It takes `json_output: Json = False` of `app.py`, calls one public function, and ends with
  `return output.tell(result, lines, json_output)`, which prints the result as JSON or the lines,
  and gives the exit code. Names and errors in the lines need no care: `tell` escapes them.
- Long work: `with output.progress("extract") as report:` gives the callback
  `report(done, total_or_none, text)`; it draws a bar on a terminal, plain lines elsewhere, always
  on stderr. What is told inside the block stands above the bar.
- File arguments are positional `Path`s before a `/`; names that start with a dash go behind `--`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from math import ceil

from counterface import __version__
from counterface.apps.cli.output import exit_code, guard_console, leave_console, printable
from counterface.errors import (
    ConfigError,
    CounterfaceError,
    DatasetError,
    StoppedBySignal,
    SwapError,
    is_disk_full,
    missing_extra,
    reason_of,
)
from counterface.wording import unknown_name

EXIT_DONE, EXIT_USAGE = 0, 1
EXIT_INTERRUPTED = exit_code(2)  # SIGINT; to import `signal` takes a while

Verbs = str | tuple[str, str]  # of a file; with what they are for where they form a group
NOUNS: dict[str, tuple[str, dict[str, Verbs]]] = {  # noun -> (what it is for, its verbs by file)
    "scan": ("Judge images and videos: made or changed by a machine?", {}),
    "dataset": (
        "Index, inspect, split, balance and build labelled data sets.",
        {
            "dataset.manifest": "index info split balance",
            "dataset.faces": "faces",
            "dataset.decoders": "decoders",
            "dataset.build": "build",
        },
    ),
    "detect": (
        "Train, evaluate and export detectors.",
        {
            "detect.train": "train export fuse",
            "detect.fit": "fit calibrate",
            "detect.families": "families",
            "detect.lips": "lips",
            "detect.speech": "speech",
            "detect.evaluate": "evaluate compare robustness curves",
            "detect.published": "import",
        },
    ),
    "swap": (
        "Train swap models and convert footage; every output is signed and recorded.",
        {
            "swap.quality": "quality",
            "swap.info": "info",
            "swap.train": "train",
            "swap.convert": "preview convert",
        },
    ),
    "provenance": (
        "Check where a file comes from: credentials, watermark, known fakes.",
        {"provenance": "verify identity export import"},
    ),
    "faces": ("List the people in a video or picture.", {"faces": "list"}),
    "faceset": (
        "Extract aligned faces from footage and look after them.",
        {
            "faceset": "extract info verify adopt rights",
            "curate": "sort group people filter dedupe restore pack unpack merge",
            "mask": (
                "Make, exchange and draw the masks of a faceset.",
                "train apply import export draw",
            ),
            "align": (
                "Redo, exchange, check and draw the landmarks of a faceset.",
                "redo recut undo import export check draw",
            ),
        },
    ),
    "cluster": (
        "Scan or extract a manifest of many files, on this machine or on many.",
        {"cluster": "scan extract status summary"},
    ),
    "weights": (
        "List, fetch and find third-party model files.",
        {"weights": "list fetch path"},
    ),
    "studio": ("Open the whole lab in a browser, on this machine only.", {}),
    "demo": ("Scan a genuine portrait and two face swaps in it.", {}),
}

CONTINUES = {  # commands that go on where they were stopped; a test reads the same in their help
    *(("dataset", verb) for verb in ("build", "decoders", "faces", "index")),
    *(("detect", verb) for verb in ("train", "fit", "lips", "speech")),
    *(("detect", verb) for verb in ("evaluate", "compare", "robustness")),
    *(("swap", verb) for verb in ("train", "convert")),
    *(("faceset", verb) for verb in ("extract", "unpack", "merge")),
    *(("faceset", "align", verb) for verb in ("redo", "recut")),
    *(("faceset", "mask", verb) for verb in ("train", "apply")),
    *(("cluster", verb) for verb in ("scan", "extract")),
    ("provenance", "import"),
}


ABOUT = "Makes labelled, signed face swaps, and judges images and videos of faces."


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of one run: 0 done, 1 usage or nothing could be done, 2 some inputs failed.

    Args:
        arguments: Words after `counterface`; the process's own where None.
    """
    words = _settings_apart(list(sys.argv[1:] if arguments is None else arguments))
    guard_console()
    try:
        code = _run(words)
        if sys.stdout is not None:  # closed by `>&-`
            sys.stdout.flush()  # here, where a console that went away is no traceback
    except BrokenPipeError:  # `counterface ... | head`
        leave_console()
        return EXIT_DONE
    except (CounterfaceError, OSError) as error:
        text, below = _lines_of(error)
        print(f"counterface: {printable(text)}{_go_on(error, words)}", file=sys.stderr)
        for line in below:
            print(printable(line), file=sys.stderr)
        return EXIT_USAGE
    except ModuleNotFoundError as error:
        if (missing := missing_extra(error)) is None:
            raise
        print(f"counterface: {missing}", file=sys.stderr)
        return EXIT_USAGE
    except StoppedBySignal as stop:
        what = printable(str(stop)) or "stopped"
        print(f"counterface: {what}; run the same command again to continue", file=sys.stderr)
        return exit_code(stop.number)
    except KeyboardInterrupt:
        again = "; run the same command again to continue" if _continues(words) else ""
        print(f"counterface: interrupted{again}", file=sys.stderr)
        return EXIT_INTERRUPTED
    return code


def _run(words: Sequence[str]) -> int:
    """The exit code of a command; cyclopts is not needed where the words name none."""
    if words in ([], ["-h"], ["--help"]):
        _print_overview()
        return EXIT_DONE
    if words == ["--version"]:
        print(__version__)
        return EXIT_DONE
    if words[0] not in NOUNS and not words[0].startswith("-"):  # cyclopts would load all to say so
        raise ConfigError(unknown_name("command", words[0], NOUNS))
    from cyclopts import CycloptsError

    from counterface.apps.cli.app import build_app, describe_misuse

    try:
        return build_app([words[0]] if words[0] in NOUNS else NOUNS)(words) or EXIT_DONE
    except CycloptsError as error:
        raise ConfigError(describe_misuse(error)) from error


def _print_overview() -> None:
    """Print the nouns as the help page of cyclopts would, whose import takes twice as long."""
    from rich.console import Console
    from rich.panel import Panel
    from rich.table import Table

    console = Console(highlight=False)
    table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="cyan", max_width=ceil(console.width * 0.35))
    table.add_column(overflow="fold")
    for noun in sorted(NOUNS):
        table.add_row(noun, NOUNS[noun][0])
    table.add_row("--help (-h)", "Display this message and exit.")
    table.add_row("--version", "Display application version.")
    console.print("[bold]Usage: counterface COMMAND[/]", ABOUT, sep="\n\n", end="\n\n")
    console.print(Panel(table, title="Commands", title_align="left"))


def _go_on(error: Exception, words: Sequence[str]) -> str:
    """What to do about a full disk, where the error does not end with it."""
    if not is_disk_full(error):
        return ""
    kept = ": what is done is kept" if _continues(words) else ""
    room = "" if str(error).endswith("make room") else "; make room"
    return f"{room} and run the same command again{kept}"


def _continues(words: Sequence[str]) -> bool:
    """Whether the command that words begin with goes on where it was stopped."""
    return tuple(words[:2]) in CONTINUES or tuple(words[:3]) in CONTINUES


def _settings_apart(words: Sequence[str]) -> list[str]:
    """The words with `--set` before each setting; any other word, such as a recipe, ends the list.

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


def _lines_of(error: Exception) -> tuple[str, Sequence[str]]:
    """The message of an error, and the lines to print below it."""
    if isinstance(error, DatasetError) and error.tree:
        return str(error.args[0]), ["expected:", *error.tree.splitlines()]
    if isinstance(error, SwapError):
        return str(error.args[0]), [f"  {choice}" for choice in error.choices]
    return reason_of(error), ()


if __name__ == "__main__":
    sys.exit(main())
