"""What goes into Counterface is known: licences, bills of materials, and a wheel built twice."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[1]
UV = ROOT / ".tools" / "bin" / "uv"


@pytest.fixture(scope="module")
def dependencies() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dependencies", ROOT / ".ci" / "dependencies.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("expression", "may"),
    [
        ("MIT", True),
        ("MIT AND PSF-2.0", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-2.0-or-later OR MPL-2.0", True),
        ("GPL-3.0-only", False),
        ("AGPL-3.0-only OR GPL-3.0-only", False),
        ("", False),
    ],
)
def test_a_licence_is_on_the_list_or_it_is_refused(
    dependencies: ModuleType, expression: str, may: bool
) -> None:
    assert dependencies.may_be_used(expression) is may


def test_every_pinned_package_says_that_it_is_for_this_python(dependencies: ModuleType) -> None:
    """Else pip refuses requirements/*.txt, where uv installs them."""
    refused, seen = list[str](), 0
    for name, versions in dependencies.pins().items():
        with suppress(metadata.PackageNotFoundError):  # of another system, or to build alone
            found = metadata.metadata(name)
            seen += found["Version"] in versions
            asked = found["Requires-Python"] or ""
            if not SpecifierSet(asked).contains(platform.python_version()):
                refused.append(f"{name} {found['Version']}: {asked}")
    assert refused == []
    assert seen > 100


def test_a_package_without_a_known_licence_is_named(
    dependencies: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(dependencies, "pins", lambda: {"no-such-package": {"1.0"}})
    monkeypatch.setattr(sys, "argv", ["dependencies.py", str(tmp_path / "page.md")])
    assert dependencies.main() == 1
    assert "no-such-package 1.0: states no licence" in capsys.readouterr().out


def test_a_package_for_another_system_keeps_its_row(
    dependencies: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, row = tmp_path / "page.md", "| no-such-package | 1.0 | MIT | train |"
    page.write_text(f"{row}\n")
    monkeypatch.setattr(dependencies, "pins", lambda: {"no-such-package": {"1.0"}})
    monkeypatch.setattr(sys, "argv", ["dependencies.py", str(page)])
    assert dependencies.main() == 0
    assert row in page.read_text().splitlines()


@pytest.mark.slow
def test_two_builds_in_other_folders_at_other_times_give_one_wheel(tmp_path: Path) -> None:
    hashes = set()
    for number, mask in enumerate((0o022, 0o077)):
        folder = tmp_path / f"copy{number}" / ("deep" * number)
        _copy_tracked(folder, mask)
        out = tmp_path / f"out{number}"
        made = _make("wheel", folder, out)
        if made.returncode and "hatchling" in made.stderr:
            pytest.skip("no package index has the build system")
        assert made.returncode == 0, made.stderr
        (wheel,) = out.glob("*.whl")
        hashes.add(hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert len(hashes) == 1
    names = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]
    for wanted in ("/LICENSE", "/NOTICE", "studio/static/index.html", "py.typed"):
        assert any(name.endswith(wanted) for name in names), wanted


@pytest.mark.slow
def test_every_pinned_package_is_in_the_bill_of_materials(tmp_path: Path) -> None:
    for out in (tmp_path / "one", tmp_path / "two"):
        made = _make("sbom", ROOT, out)
        if made.returncode and "cyclonedx" in made.stderr and "not found" in made.stderr:
            pytest.skip("no package index has cyclonedx-bom")
        assert made.returncode == 0, made.stderr
    for part in ("base", "web", "dev"):
        first, second = (tmp_path / n / f"counterface-{part}.cdx.json" for n in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()
        bill = json.loads(first.read_bytes())
        assert bill["bomFormat"] == "CycloneDX"
        assert bill["metadata"]["component"]["name"] == "counterface"
        lines = (ROOT / "requirements" / f"{part}.txt").read_text()
        pinned = set(re.findall(r"^([\w.-]+)==([^ ;\\]+)", lines, re.MULTILINE))
        assert {(one["name"], one["version"]) for one in bill["components"]} == pinned
        for one in bill["components"]:
            assert one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}"
            assert any(more.get("hashes") for more in one["externalReferences"]), one["name"]


def _copy_tracked(folder: Path, mask: int) -> None:
    """The files that git knows, as another user would have them at another time."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        if not (ROOT / name).is_file() or name.startswith(("tests/", "docs/", "benchmarks/")):
            continue
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
        target.chmod(0o666 & ~mask)
        os.utime(target, (1e9 + mask * 1e6, 1e9 + mask * 1e6))


def _make(goal: str, folder: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", goal, f"OUT={out}", f"UV={UV}"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=280,
    )
