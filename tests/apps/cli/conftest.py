"""What the tests of commands share."""

from __future__ import annotations

import pytest
from detectors_here import detectors_here as detectors_here

from counterface.apps.cli import output


@pytest.fixture(autouse=True)
def no_progress_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a slow machine they would stand among the lines that a test reads."""
    monkeypatch.setattr(output, "LINE_EVERY_S", float("inf"))
