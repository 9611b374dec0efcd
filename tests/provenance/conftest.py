"""Every test of provenance has a home folder of its own and no configured signer."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that `home_dir()` gives; not made yet."""
    folder = tmp_path / "private"
    monkeypatch.setenv("COUNTERFACE_HOME", str(folder))
    monkeypatch.delenv("COUNTERFACE_SIGN_CERT", raising=False)
    monkeypatch.delenv("COUNTERFACE_SIGN_KEY", raising=False)
    return folder
