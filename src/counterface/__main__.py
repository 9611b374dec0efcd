"""The command's way in, for the console script and `python -m counterface`.

It imports nothing of the command at its top, so that Ctrl-C is one line from the start.
"""

from __future__ import annotations

import os
import sys

EXIT_USAGE, EXIT_INTERRUPTED = 1, 130  # 128 + SIGINT; importing `signal` takes a while, too
LEAST_KB, AMPLE_KB = 1_000_000, 16_000_000  # of address space; below, libraries abort unasked


def run() -> int:
    """The exit code of the command with the process's own arguments."""
    try:
        room = address_space_kb()
        if room is not None and room < LEAST_KB:
            sys.stderr.write(
                f"counterface: ulimit -v {room} is too little address space; at least {LEAST_KB} "
                "is needed: raise it, or run without it ('ulimit -v unlimited')\n"
            )
            return EXIT_USAGE
        if room is not None and room < AMPLE_KB:  # OpenBLAS takes memory for each thread at once
            os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        from counterface.apps.cli.main import main

        return main()
    except KeyboardInterrupt:  # while it was imported; later, `main` says more
        sys.stderr.write("counterface: interrupted\n")
        return EXIT_INTERRUPTED


def address_space_kb() -> int | None:
    """What `ulimit -v` says, in its unit; None where there is no limit."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return None
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if most == resource.RLIM_INFINITY else most // 1024


if __name__ == "__main__":
    sys.exit(run())
