"""Where a package of an extra is missing, it is said what to install."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from counterface.errors import EXTRAS, missing_extra

ROOT = Path(__file__).resolve().parents[1]


def test_the_packages_of_the_extras_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra, names in EXTRAS.items():
        wanted = [re.split("[><=]", one)[0] for one in project["optional-dependencies"][extra]]
        assert sorted(names) == sorted(name.removesuffix("-bin") for name in wanted), extra


def test_a_package_of_no_extra_is_a_fault() -> None:
    assert missing_extra(ModuleNotFoundError("x", name="torch.nn")) == (
        "this needs torch; install counterface[train] (in a clone: make full)"
    )
    assert missing_extra(ModuleNotFoundError("x", name="counterface.none")) is None
    assert missing_extra(ModuleNotFoundError("x")) is None


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("torch", ["swap", "train", "--source", "a", "--target", "b", "--out", "c"]),
        ("fastapi", ["studio", "--no-open", "--state", "state"]),
    ],
)
def test_a_command_says_what_it_lacks(tmp_path: Path, package: str, words: list[str]) -> None:
    program = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from counterface.apps.cli.main import main\n"
        f"sys.exit(main({words!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"counterface: this needs {package}; install counterface[")
    assert len(done.stderr.splitlines()) == 1
