"""The licences of all dependencies, checked against a list and shown on a page.

    python .ci/dependencies.py docs/dependencies.md          write the page
    python .ci/dependencies.py --check docs/dependencies.md  fail where it is out of date

A licence is read from the package's own metadata: its SPDX expression, else its classifiers, else
the words in its field `License`. What cannot be read, or needs a person, stands in `NAMED`.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = {  # SPDX names: may be used and shipped by whoever keeps the notices
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause",
    "BSL-1.0", "CC0-1.0", "HPND", "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-1.1", "MPL-2.0",
    "PSF-2.0", "Zlib",
}  # fmt: skip
NAMED = {  # package: its licence, and why it stands here
    "atheris": ("Apache-2.0", "names none in its metadata; its file LICENSE"),
    "hatchling": ("MIT", "builds the wheel in an environment of its own; its file LICENSE"),
    "tomlkit": ("MIT", "for hatchling; its file LICENSE"),
    "trove-classifiers": ("Apache-2.0", "for hatchling; its file LICENSE"),
    "cuda-toolkit": ("LicenseRef-NVIDIA-Proprietary", "names no licence; holds no file of its own"),
    "httpx2-jsfetch": ("BSD-3-Clause", "for browsers, never installed here; as httpx2"),
    "huey": ("MIT", "names none in its metadata; its file LICENSE"),
    "brotlicffi": ("MIT", "for PyPy, never installed here"),
}
ACCEPTED = {  # licences that are not in ALLOWED: where they come in, and why that is taken
    "LicenseRef-NVIDIA-Proprietary": "libraries of CUDA, which torch for NVIDIA's cards asks for; "
    "they may be used free of charge, and Counterface does not pass them on",
}
WORDS = {  # classifiers and words -> SPDX
    "Apache": "Apache-2.0", "Apache 2.0": "Apache-2.0", "Apache Software License": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause", "BSD 2-Clause License": "BSD-2-Clause",
    "BSD 3-Clause License": "BSD-3-Clause", "BSD": "BSD-3-Clause", "BSD License": "BSD-3-Clause",
    "Boost Software License": "BSL-1.0",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.1-or-later",
    "MIT License": "MIT", "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "NVIDIA Proprietary Software": "LicenseRef-NVIDIA-Proprietary",
    "Python Software Foundation License": "PSF-2.0",
}  # fmt: skip
HEAD = """# Dependencies and their licences

Every package that Counterface may install: the version that is pinned, the licence that the package
states, and the part of Counterface that asks for it. `make lint` compares this page with the
packages, and each licence with a list of those that may be used and passed on by whoever keeps the
notices. Where a package offers several licences, one on the list is enough.

A wheel carries libraries of its own. Look at three before you ship Counterface together with them:
`av` and `opencv-python-headless` hold FFmpeg (LGPL, in `av` with x264 and x265 beside it, which are
GPL 2 or later), and `pillow-heif` holds libheif and libde265 (LGPL 3) and x265. Counterface itself
ships none of these; `pip` fetches them for the user.

| package | version | licence | asked for by |
|---|---|---|---|
"""


def pins() -> dict[str, set[str]]:
    """The versions of each package in the pinned requirements; several, by version of Python."""
    found: dict[str, set[str]] = {}
    for file in sorted((ROOT / "requirements").glob("*.txt")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if match := re.match(r"([A-Za-z0-9._-]+)==([^ ;\\]+)", line):
                found.setdefault(match[1].lower(), set()).add(match[2])
    return dict(sorted(found.items()))


def licence(name: str) -> str:
    """The licence of an installed package as an SPDX expression; "" where none can be read."""
    if name in NAMED:
        return NAMED[name][0]
    try:
        about = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
    if stated := about.get("License-Expression"):
        return str(stated)
    classes = [
        one.rpartition(" :: ")[2]
        for one in about.get_all("Classifier") or []
        if one.startswith("License ::")
    ]
    known = sorted({WORDS[one] for one in classes if one in WORDS})
    if known:
        return " OR ".join(known)
    words = str(about.get("License") or "").strip()
    return (
        words
        if " OR " in words or " AND " in words
        else WORDS.get(words, words if words in ALLOWED else "")
    )


def may_be_used(expression: str) -> bool:
    """Whether one alternative of an expression has only licences on the lists."""
    return any(
        all(one.strip() in ALLOWED | ACCEPTED.keys() for one in choice.split(" AND "))
        for choice in expression.split(" OR ")
    )


def asked_by() -> dict[str, set[str]]:
    """The parts of Counterface that ask for a package, directly or through others."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    parts = {
        "base": project["project"]["dependencies"],
        **extras,
        "dev": project["dependency-groups"]["dev"],
        "build": project["build-system"]["requires"],
    }
    found: dict[str, set[str]] = {}
    for part, wanted in parts.items():
        if part == "all":
            continue
        for name in _closure(wanted):
            found.setdefault(name, set()).add(part)
    return {
        name: {"base"} if "base" in by else by - ({"dev"} if len(by) > 1 else set())
        for name, by in found.items()
    }


def _closure(wanted: list[str]) -> Iterator[str]:
    """The names of packages that requirements lead to, as far as they are installed."""
    waiting, seen = [Requirement(line) for line in wanted], set[tuple[str, str]]()
    while waiting:
        one = waiting.pop()
        name = one.name.lower().replace("_", "-").replace(".", "-")
        for extra in one.extras or {""}:
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            yield name
            try:
                lines = importlib.metadata.requires(name) or []
            except importlib.metadata.PackageNotFoundError:
                continue
            for more in map(Requirement, lines):
                marker = more.marker
                if marker is None or any(marker.evaluate({"extra": e}) for e in (extra, "")):
                    waiting.append(more)


def _is_installed(name: str) -> bool:
    return bool(list(importlib.metadata.distributions(name=name)))


def _rows(page: Path) -> dict[tuple[str, str], str]:
    """The rows of the page as it is, by package and version."""
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    cells = [(line, line.split(" | ")) for line in text.splitlines() if line.startswith("| ")]
    return {(row[0].removeprefix("| "), row[1]): line for line, row in cells if len(row) == 4}


def main() -> int:
    """Write or check the page; gives the exit code."""
    page = Path(sys.argv[-1])
    parts, faults, rows = asked_by(), list[str](), _rows(page)
    lines = list[str]()
    for name, versions in pins().items():
        version = ", ".join(sorted(versions))
        if not _is_installed(name) and rows.get((name, version)):
            lines.append(rows[name, version])  # for another system: as it was found there
            continue
        stated = licence(name)
        if not stated:
            faults.append(
                f"{name} {version}: states no licence that is known; look, and add it to NAMED"
            )
        elif not may_be_used(stated):
            faults.append(f"{name} {version}: {stated} is not on the list; choose another package")
        by = ", ".join(sorted(parts.get(name, ()))) or "build or another system"
        lines.append(f"| {name} | {version} | {stated} | {by} |")
    notes = [f"- `{name}`: {why}." for name, (_, why) in sorted(NAMED.items()) if name in pins()]
    notes += [f"- `{name}`: {why}." for name, why in ACCEPTED.items()]
    text = HEAD + "\n".join(lines) + "\n\n" + "\n".join(notes) + "\n"
    if "--check" not in sys.argv:
        page.write_text(text, encoding="utf-8")
    elif page.read_text(encoding="utf-8") != text:
        faults.append(f"{page} is out of date: python .ci/dependencies.py {page}")
    print("\n".join(faults) or "dependencies: their licences are on the list")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
