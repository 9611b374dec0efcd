"""The command's way in, for the console script and `python -m counterface`.

It imports nothing of the command at its top, so that Ctrl-C is one line from the start.
"""

from __future__ import annotations

import sys

EXIT_INTERRUPTED = 130  # 128 + SIGINT; importing `signal` takes a while, too


def run() -> int:
    """The exit code of the command with the process's own arguments."""
    try:
        from counterface.apps.cli.main import main

        return main()
    except KeyboardInterrupt:  # while it was imported; later, `main` says more
        sys.stderr.write("counterface: interrupted\n")
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(run())
