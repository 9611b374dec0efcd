"""Detector files of the tests run in the test's process, as the shipped one does.

A child under limits takes 0.4 s of CPU time to start, more than most tests of a scan need. Modules
that are about the child say `GUARDED = True`; a file that cannot be used here goes to a child too,
so that the error is the true one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from counterface.detect import detector
from counterface.onnx.allowed import find_fault
from counterface.onnx.session import GuardedSession


class HereSession:
    """What `GuardedSession` gives, without its child."""

    def __init__(self, session: Any) -> None:
        self.metadata: dict[str, str] = session.get_modelmeta().custom_metadata_map
        self.get_inputs, self.get_outputs = session.get_inputs, session.get_outputs
        self.run = session.run


def open_session(content: bytes, path: Path, *more: Any) -> HereSession | GuardedSession:
    """A session in this process, else one in a child."""
    if not find_fault(content):
        with suppress(Exception):  # ONNX Runtime has no parent of its errors
            return HereSession(detector.open_here(content))
    return GuardedSession(content, path, *more)


@pytest.fixture(autouse=True, scope="module")
def detectors_here(request: pytest.FixtureRequest) -> Iterator[None]:
    """No child for the detector files of a module, unless it says `GUARDED = True`."""
    with pytest.MonkeyPatch.context() as patch:
        if not getattr(request.module, "GUARDED", False):
            patch.setattr(detector, "GuardedSession", open_session)
        yield
