"""What every test shares: where the private footage lies, and a cache for model files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOOTAGE = ROOT.parent / "shared" / "data"

sys.path.insert(0, str(Path(__file__).resolve().parent))  # lets any test `import actors`


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked `footage` where the private clips are absent."""
    if FOOTAGE.is_dir():
        return
    absent = pytest.mark.skip(reason=f"the private clips are not at {FOOTAGE}")
    for item in items:
        if item.get_closest_marker("footage"):
            item.add_marker(absent)


@pytest.fixture(scope="session")
def footage() -> Path:
    """The folder of private clips and pictures; only for tests marked `footage`."""
    if not FOOTAGE.is_dir():
        pytest.skip(f"the private clips are not at {FOOTAGE}")
    return FOOTAGE
