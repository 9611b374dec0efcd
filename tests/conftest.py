"""What every test shares: where the private footage lies, and a cache for model files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
FOOTAGE = ROOT.parent / "shared" / "data"

sys.path.insert(0, str(Path(__file__).resolve().parent))  # lets any test `import actors`

# Read when MKL starts: else it rounds by where memory lies, and a repeated run ends elsewhere.
os.environ.setdefault("MKL_CBWR", "AVX2,STRICT")

settings.register_profile("suite", deadline=None)  # a busy machine is no failure
settings.load_profile("suite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked `footage` where the private clips are absent."""
    if FOOTAGE.is_dir():
        return
    absent = pytest.mark.skip(reason=f"the private clips are not at {FOOTAGE}")
    for item in items:
        if item.get_closest_marker("footage"):
            item.add_marker(absent)


@pytest.fixture(autouse=True, scope="module")
def no_home_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees the identity, key and known fakes of who runs it, nor of other modules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERFACE_HOME", str(tmp_path_factory.mktemp("home") / "private"))
        yield


@pytest.fixture(scope="session")
def footage() -> Path:
    """The folder of private clips and pictures; only for tests marked `footage`."""
    if not FOOTAGE.is_dir():
        pytest.skip(f"the private clips are not at {FOOTAGE}")
    return FOOTAGE
