"""`python -m counterface`: the command, for launchers that want a module."""

from __future__ import annotations

import sys

from counterface.apps.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
