"""Conversions register one picture each: hashing a dozen would take longer than making a clip."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from counterface.swap.conversion.targets import outputs


@pytest.fixture(autouse=True, scope="module")
def one_keyframe() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outputs, "KEYFRAMES", 1)
        yield
