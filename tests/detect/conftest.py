"""One thread for the small nets of these tests: two on a busy machine only wait for each other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from detectors_here import detectors_here as detectors_here


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
